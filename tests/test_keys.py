from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
from conftest import make_provider
from hypothesis import given
from hypothesis import strategies as st

from router.config.rates import Rate
from router.engine.budget import Budget
from router.engine.health import Health, State
from router.engine.keys import AccountState, KeyRing, KeyState
from router.engine.pace import Pace
from router.faults import Fault, Kind

MODEL, OTHER = "openai/acme-small", "openai/acme-big"
NOW = 100.0
REST = Health(State.RESTING, until=NOW + 50, then=State.TRIAL)
DEAD = Health(State.DROPPED, until=math.inf)


def make_ring(keys: int = 3, accounts: Sequence[str] = ()) -> KeyRing:
    provider = make_provider(keys=keys, accounts=accounts)
    states = {name: AccountState(name, Pace([])) for name in {key.account for key in provider.keys}}
    return KeyRing(KeyState(key, states[key.account]) for key in provider.keys)


def use(ring: KeyRing, times: int, now: float = NOW) -> list[str]:
    used = []
    for _ in range(times):
        if (key := ring.pick(MODEL, now)) is not None:
            ring.took(key)
            used.append(key.key.name[-1])
    return used


def test_keys_take_turns() -> None:
    assert use(make_ring(), 7) == list("1231231")


@pytest.mark.parametrize(
    ("own", "account", "state"),
    [
        pytest.param(Health(), Health(), State.READY, id="both ready"),
        pytest.param(Health(), REST, State.RESTING, id="the account rests"),
        pytest.param(DEAD, Health(), State.DROPPED, id="the key is dead"),
        pytest.param(DEAD, REST, State.DROPPED, id="dead is worse than resting"),
        pytest.param(Health(), replace(REST, until=NOW), State.TRIAL, id="the rest is over"),
    ],
)
def test_a_keys_state_is_the_worse_of_its_own_and_its_accounts(own: Health, account: Health, state: State) -> None:
    (key,) = make_ring(1)
    key.health, key.account.health = own, account
    assert key.state(NOW) is state


def test_keys_that_may_not_be_used_are_skipped() -> None:
    ring = make_ring(4)
    ring.keys[0].health = DEAD
    ring.keys[1].account.health = REST
    ring.keys[2].denied[MODEL] = Fault(Kind.PERMISSION)
    assert use(ring, 3) == ["4", "4", "4"]
    assert ring.keys[2].serves(OTHER)
    assert not ring.keys[0].serves(OTHER)


def test_keys_of_one_account_rest_together() -> None:
    ring = make_ring(3, "aab")
    ring.keys[0].account.health = REST
    assert use(ring, 2) == ["3", "3"]
    assert ring.of_account(ring.keys[0].account) == ring.keys[:2]


def test_an_account_on_trial_lets_one_call_out() -> None:
    ring = make_ring(2, "aa")
    account = ring.keys[0].account
    account.health = REST
    assert ring.pick(MODEL, NOW + 50) is ring.keys[0]
    account.in_flight = 1
    assert ring.pick(MODEL, NOW + 50) is None
    assert ring.ready_at(MODEL, NOW + 50) == math.inf


@pytest.mark.parametrize(
    ("change", "ready_at"),
    [
        pytest.param({}, 0.0, id="ready"),
        pytest.param({"health": REST}, NOW + 50, id="resting"),
        pytest.param({"budgets": True}, NOW + 60, id="budget used up"),
        pytest.param({"budgets": True, "health": REST}, NOW + 60, id="the last of several"),
    ],
)
def test_when_a_key_may_be_used(change: dict[str, object], ready_at: float) -> None:
    (key,) = make_ring(1)
    for name, value in change.items():
        setattr(key.account, name, value)
    if "budgets" in change:
        spent = Budget(Rate(1, 120), lambda: 60.0)
        spent.take()
        key.account.budgets = (spent,)
    assert key.ready_at(NOW) == ready_at


def test_a_ring_is_ready_when_its_first_key_is() -> None:
    ring = make_ring(2)
    ring.keys[0].account.health = REST
    ring.keys[1].account.health = replace(REST, until=NOW + 20)
    assert ring.ready_at(MODEL, NOW) == NOW + 20
    ring.keys[1].denied[MODEL] = Fault(Kind.PERMISSION)
    assert ring.ready_at(MODEL, NOW) == NOW + 50
    ring.keys[0].health = DEAD
    assert ring.ready_at(MODEL, NOW) == math.inf
    assert not ring.serves(MODEL)
    assert ring.serves(OTHER)


def test_a_keys_own_pace_is_waited_for() -> None:
    ring = make_ring(2)
    for key in ring:
        key.account.pace = Pace.of_calls([Rate(1, 10)])
    used = []
    for _ in range(3):
        if (key := ring.pick(MODEL, NOW)) is not None:  # type: ignore[assignment]
            key.account.pace.take(NOW).arrive(NOW)
            ring.took(key)
            used.append(key.key.name)
    assert used == ["acme#1", "acme#2"]
    assert 10 <= ring.ready_at(MODEL, NOW) - NOW < 10.2


def test_a_ramping_account_uses_its_share_of_its_pace() -> None:
    (key,) = make_ring(1)
    key.account.pace = Pace.of_calls([Rate(1, 10)])
    key.account.pace.take(NOW).arrive(NOW)
    key.account.health = Health(State.RAMPING, share=0.1)
    assert key.ready_at(NOW) - NOW == pytest.approx(100, rel=0.02)


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["rest", "wake", "use"])), max_size=60))
def test_whatever_rests_the_others_share_alike(steps: list[tuple[int, str]]) -> None:
    ring = make_ring(4)
    for index, what in steps:
        account = ring.keys[index].account
        if what != "use":
            account.health = REST if what == "rest" else Health()
            continue
        free = [key for key in ring if key.ready_at(NOW) <= NOW]
        assert len(use(ring, len(free) * 2)) == len(free) * 2
        before = [key.sent for key in free]
        use(ring, len(free))
        assert [key.sent - sent for key, sent in zip(free, before, strict=True)] == [1] * len(free)
