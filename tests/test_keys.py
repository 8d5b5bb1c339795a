from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
from conftest import make_provider
from hypothesis import given
from hypothesis import strategies as st

from router.engine.budget import Budget
from router.engine.health import Health, State
from router.engine.keys import AccountState, KeyRing, KeyState
from router.engine.pace import Pace
from router.faults import Fault, Kind
from router.rates import Rate

MODEL, OTHER = "openai/acme-small", "openai/acme-big"
NOW = 100.0
REST = Health(State.RESTING, until=NOW + 50, then=State.TRIAL)
DEAD = Health(State.DROPPED, until=math.inf)
DENIED = Fault(Kind.PERMISSION)


def make_ring(keys: int = 3, accounts: Sequence[str] = ()) -> KeyRing:
    provider = make_provider(keys=keys, accounts=accounts)
    states = {name: AccountState(name, Pace()) for name in dict.fromkeys(key.account for key in provider.keys)}
    return KeyRing(KeyState(key, states[key.account]) for key in provider.keys)


def use(ring: KeyRing, times: int, now: float = NOW, model: str = MODEL) -> str:
    """The numbers of the keys that are used in turn."""
    used = ""
    for _ in range(times):
        if (key := ring.pick(model, now)) is not None:
            ring.took(key, model)
            used += key.key.name[-1]
    return used


@pytest.mark.parametrize(
    ("accounts", "used"),
    [("abc", "1231231"), ("aab", "1231231"), ("aaa", "1231231")],
    ids=["each its own", "two of one account", "all of one"],
)
def test_keys_take_turns(accounts: str, used: str) -> None:
    assert use(make_ring(3, accounts), 7) == used


def test_keys_take_turns_for_each_model() -> None:
    ring = make_ring(3)
    ring.keys[1].deny(OTHER, DENIED)
    used = [(use(ring, 1), use(ring, 1, model=OTHER)) for _ in range(4)]
    assert ["".join(each) for each in zip(*used, strict=True)] == ["1231", "1313"]


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
    ring.keys[2].deny(MODEL, DENIED)
    assert use(ring, 3) == "444"
    assert ring.keys[2].serves(OTHER)
    assert not ring.keys[0].serves(OTHER)


def test_a_key_that_comes_back_takes_part_again() -> None:
    ring = make_ring(3)
    assert use(ring, 1) == "1"
    ring.keys[0].deny(MODEL, DENIED)
    ring.keys[1].health = DEAD
    ring.keys[2].account.health = REST
    assert use(ring, 2) == ""
    ring.keys[0].allow(MODEL)
    ring.keys[1].health = Health()
    ring.keys[2].account.health = Health()
    assert sorted(use(ring, 3)) == list("123")


def test_keys_of_one_account_rest_together() -> None:
    ring = make_ring(3, "aab")
    ring.keys[0].account.health = REST
    assert use(ring, 2) == "33"
    assert ring.of_account(ring.keys[0].account) == ring.keys[:2]


def test_an_account_on_trial_lets_one_call_out() -> None:
    ring = make_ring(2, "aa")
    account = ring.keys[0].account
    account.health = REST
    assert ring.pick(MODEL, NOW + 50) is ring.keys[0]
    account.in_flight = 1
    assert ring.pick(MODEL, NOW + 50) is None
    assert ring.ready_at(MODEL, NOW + 50) == math.inf
    account.in_flight = 0
    account.changed()
    assert ring.pick(MODEL, NOW + 50) is ring.keys[0]


@pytest.mark.parametrize(
    ("change", "ready_at", "up_at"),
    [
        pytest.param({}, 0.0, 0.0, id="ready"),
        pytest.param({"health": REST}, NOW + 50, NOW + 50, id="resting"),
        pytest.param({"budgets": True}, NOW + 60, NOW + 60, id="budget used up"),
        pytest.param({"budgets": True, "health": REST}, NOW + 60, NOW + 60, id="the last of several"),
        pytest.param({"pace": True}, NOW + 10.1, 0.0, id="paced, which is no rest"),
    ],
)
def test_when_an_account_may_be_used(change: dict[str, object], ready_at: float, up_at: float) -> None:
    account = AccountState("a", Pace.of_calls([Rate(1, 10)]) if "pace" in change else Pace())
    if "health" in change:
        account.health = REST
    if "budgets" in change:
        spent = Budget(Rate(1, 120), lambda: 60.0)
        spent.take()
        account.budgets = (spent,)
    if "pace" in change:
        account.pace.take(NOW).arrive(NOW)
    assert account.ready_at(NOW) == pytest.approx(ready_at, abs=0.1)
    assert account.up_at(NOW) == up_at


def test_a_ramping_account_uses_its_share_of_its_pace() -> None:
    account = AccountState("a", Pace.of_calls([Rate(1, 10)]))
    account.health = Health(State.RAMPING, share=0.1)
    assert account.ready_at(NOW) <= NOW
    account.pace.take(NOW).arrive(NOW)
    assert account.ready_at(NOW) - NOW == pytest.approx(100, rel=0.02)


def test_a_ring_is_ready_when_its_first_key_is() -> None:
    ring = make_ring(2)
    ring.keys[0].account.health = REST
    ring.keys[1].account.health = replace(REST, until=NOW + 20)
    assert ring.ready_at(MODEL, NOW) == ring.up_at(MODEL, NOW) == NOW + 20
    assert ring.ready_at(MODEL, NOW + 20) == NOW + 20
    ring.keys[1].deny(MODEL, DENIED)
    assert ring.up_at(MODEL, NOW) == NOW + 50
    ring.keys[0].health = DEAD
    assert ring.pick(MODEL, NOW) is None
    assert ring.up_at(MODEL, NOW) == math.inf
    assert not ring.serves(MODEL)
    assert ring.serves(OTHER)


def test_a_keys_own_pace_is_waited_for() -> None:
    ring = make_ring(2)
    for key in ring:
        key.account.pace = Pace.of_calls([Rate(1, 10)])
    used = ""
    for _ in range(3):
        if (key := ring.pick(MODEL, NOW)) is not None:  # type: ignore[assignment]
            key.account.pace.take(NOW).arrive(NOW)
            ring.took(key, MODEL)
            used += key.key.name[-1]
    assert used == "12"
    assert 10 <= ring.ready_at(MODEL, NOW) - NOW < 10.2
    assert ring.up_at(MODEL, NOW) <= NOW


@pytest.mark.parametrize(
    ("dead", "has_other"), [((), True), ((1,), False), ((0,), True)], ids=["both live", "the other is dead", "itself"]
)
def test_whether_another_key_serves_a_model(dead: tuple[int, ...], *, has_other: bool) -> None:
    ring = make_ring(2)
    for index in dead:
        ring.keys[index].deny(MODEL, DENIED)
    assert ring.has_other(ring.keys[0], MODEL) is has_other


class Reference:
    """What a ring must do, by looking at every key."""

    def __init__(self, ring: KeyRing) -> None:
        self.turn = list(ring)

    def pick(self, now: float) -> KeyState | None:
        return next((k for k in self.turn if k.serves(MODEL) and k.account.ready_at(now) <= now), None)

    def took(self, key: KeyState) -> None:
        self.turn.remove(key)
        self.turn.append(key)


steps = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from(["rest", "wake", "use", "out", "back", "pass"])), max_size=80
)


@given(st.sampled_from(["abcdef", "aabbcc", "aaabcd", "aaaaaa"]), steps)
def test_a_ring_picks_as_if_it_looked_at_every_key(accounts: str, steps: list[tuple[int, str]]) -> None:
    ring, now = make_ring(6, accounts), NOW
    reference = Reference(ring)
    for key in ring:
        key.account.pace = Pace.of_calls([Rate(2, 10)])
    for index, what in steps:
        account = ring.keys[index].account
        if what == "rest":
            account.health = replace(REST, until=now + 3 * index)
        elif what == "wake":
            account.health = Health()
        elif what == "out":
            account.health, account.in_flight = Health(State.TRIAL), 1
        elif what == "back":
            account.in_flight = 0
            account.changed()
        elif what == "pass":
            now += index
        elif (chosen := ring.pick(MODEL, now)) is not None:
            assert chosen is reference.pick(now)
            chosen.account.pace.take(now).arrive(now)
            ring.took(chosen, MODEL)
            reference.took(chosen)
        expected = reference.pick(now)
        assert ring.pick(MODEL, now) is expected
        assert ring.up_at(MODEL, now) == min(account.up_at(now) for account in {k.account for k in ring}) or (
            ring.up_at(MODEL, now) <= now and any(k.account.up_at(now) <= now for k in ring)
        )
        if expected is None:
            assert ring.ready_at(MODEL, now) <= min(key.account.ready_at(now) for key in ring)
