from __future__ import annotations

from collections.abc import Sequence

import pytest
from drivers import SMALL, Driver

from router.engine.health import Health, State
from router.faults import Fault, Kind
from router.types import Answer

INVALID = Fault(Kind.INVALID_KEY, "no such key", 401)
THROTTLED = Fault(Kind.RATE_LIMIT, "slow down", 429)


class Vendor(Driver):
    """Of three keys, each an account of its own."""

    def __init__(self, keys: int = 3, accounts: Sequence[str] = ()) -> None:
        super().__init__(keys, accounts, time=1000.0)

    def calls(self, key: int, result: Answer | Fault, *, after_s: float = 0.0) -> None:
        self.call(result, key, after_s=after_s)

    def prove(self) -> None:
        for number in range(1, len(self.ring.keys) + 1):
            self.calls(number, Answer("7"))

    @property
    def states(self) -> list[State]:
        return [key.state(self.time) for key in self.ring]


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(INVALID, id="invalid keys"),
        pytest.param(Fault(Kind.REVOKED_KEY, status=401), id="revoked keys"),
        pytest.param(Fault(Kind.ACCOUNT_BANNED, status=403), id="banned accounts"),
        pytest.param(Fault(Kind.PERMISSION, status=403), id="no permission"),
        pytest.param(THROTTLED, id="throttles"),
    ],
)
@pytest.mark.parametrize("keys", [2, 3, 6])
def test_all_keys_failing_alike_within_seconds_is_the_address(fault: Fault, keys: int) -> None:
    vendor = Vendor(keys)
    vendor.prove()
    for leave in [vendor.leaves(number) for number in range(1, keys + 1)]:
        vendor.time += 0.2
        vendor.provider_state.returned(leave, fault)
    assert vendor.states == [State.READY] * keys
    assert all(key.serves(SMALL) and key.account.health.strikes == 0 for key in vendor.ring)
    assert vendor.provider_state.health.at(vendor.time).state is State.RESTING
    assert vendor.provider_state.health.strikes == 1


@pytest.mark.parametrize("fault", [pytest.param(INVALID, id="invalid"), pytest.param(THROTTLED, id="throttled")])
def test_every_call_that_was_out_belongs_to_the_same_block(fault: Fault) -> None:
    vendor = Vendor(3)
    vendor.prove()
    for leave in [vendor.leaves(number) for number in (1, 2, 3) * 5]:
        vendor.time += 0.1
        vendor.provider_state.returned(leave, fault)
    assert vendor.states == [State.READY] * 3
    assert vendor.provider_state.health.strikes == 1


def test_after_the_rest_a_second_refusal_counts() -> None:
    vendor = Vendor(2)
    vendor.prove()
    for number in (1, 2):
        vendor.calls(number, INVALID)
    vendor.time = vendor.provider_state.health.until + 1
    vendor.calls(1, INVALID)
    assert vendor.states == [State.DROPPED, State.READY]


def test_the_provider_rests_even_where_the_calls_left_before_it_last_changed() -> None:
    vendor = Vendor(2)
    vendor.prove()
    leaves = [vendor.leaves(1), vendor.leaves(2)]
    for _ in range(3):
        vendor.calls(1, Fault(Kind.SERVER_ERROR, status=500))
    vendor.time = vendor.provider_state.health.until + 1
    for leave in leaves:
        vendor.provider_state.returned(leave, INVALID)
    assert vendor.provider_state.health.at(vendor.time).state is State.RESTING


@pytest.mark.parametrize("told", [(300.0, 5.0), (5.0, 300.0), (300.0, None)], ids=["first", "last", "one of them"])
def test_no_told_time_is_undercut_by_the_doubt(told: tuple[float, float | None]) -> None:
    vendor = Vendor(2)
    started = vendor.time
    for number, seconds in enumerate(told, 1):
        vendor.calls(number, Fault(Kind.RATE_LIMIT, status=429, retry_after_s=seconds), after_s=0.5)
    assert vendor.provider_state.health.until >= started + 300


@pytest.mark.parametrize(
    ("keys", "accounts"),
    [pytest.param(1, (), id="one key"), pytest.param(3, ("a", "a", "a"), id="three keys of one account")],
)
def test_one_account_alone_proves_nothing(keys: int, accounts: Sequence[str]) -> None:
    vendor = Vendor(keys, accounts)
    vendor.prove()
    for number in range(1, keys + 1):
        vendor.calls(number, INVALID)
    assert vendor.states == [State.DROPPED] * keys
    assert vendor.provider_state.health == Health()


def test_too_few_accounts_prove_nothing() -> None:
    vendor = Vendor(6)
    vendor.prove()
    for number in (1, 2):
        vendor.calls(number, INVALID)
    assert vendor.states == [State.DROPPED] * 2 + [State.READY] * 4


def test_failures_far_apart_prove_nothing() -> None:
    vendor = Vendor(2)
    vendor.prove()
    vendor.calls(1, INVALID)
    vendor.calls(2, INVALID, after_s=6)
    assert vendor.states == [State.DROPPED] * 2


def test_an_answer_in_between_proves_the_opposite() -> None:
    vendor = Vendor(3)
    vendor.prove()
    for number, result in ((1, INVALID), (3, Answer("7")), (2, INVALID)):
        vendor.calls(number, result)
    assert vendor.states == [State.DROPPED, State.DROPPED, State.READY]


def test_answers_in_between_prove_nothing_once_the_address_has_a_limit() -> None:
    vendor = Vendor(3)
    for number in (1, 2):
        vendor.calls(number, THROTTLED)
    vendor.time = vendor.provider_state.health.until + 1
    for number, result in ((1, THROTTLED), (3, Answer("7")), (2, THROTTLED)):
        vendor.calls(number, result)
    assert vendor.states == [State.READY] * 3
    assert vendor.provider_state.health.at(vendor.time).state is State.RESTING


def test_keys_that_never_answered_are_believed_to_be_dead() -> None:
    vendor = Vendor(3)
    for number in (1, 2, 3):
        vendor.calls(number, INVALID)
    assert vendor.states == [State.DROPPED] * 3


def test_different_failures_prove_nothing() -> None:
    vendor = Vendor(2)
    vendor.prove()
    vendor.calls(1, INVALID)
    vendor.calls(2, THROTTLED)
    assert vendor.states == [State.DROPPED, State.RESTING]


def test_strikes_from_before_are_given_back_as_they_were() -> None:
    vendor = Vendor(2)
    vendor.prove()
    vendor.calls(1, THROTTLED)
    vendor.calls(1, THROTTLED, after_s=20)
    before = vendor.ring.keys[0].account.health
    vendor.time = before.until + 1
    for number in (1, 2):
        vendor.calls(number, THROTTLED)
    account = vendor.ring.keys[0].account.health.at(vendor.time)
    assert (account.strikes, account.share, account.state) == (2, before.at(before.until).share, State.RAMPING)
    assert vendor.ring.keys[1].account.health.strikes == 0


def test_what_changed_there_and_back_is_told() -> None:
    vendor = Vendor(2)
    vendor.prove()
    for number in (1, 2):
        vendor.calls(number, INVALID)
    told = [(change.scope, change.because, change.before, change.after) for change in vendor.changes]
    assert told == [
        ("key", "own", State.READY, State.DROPPED),
        ("key", "alike", State.DROPPED, State.READY),
        ("provider", "alike", State.READY, State.RESTING),
    ]
    assert [key.name for key in vendor.changes[-1].keys] == ["acme#1", "acme#2"]


def test_a_banned_account_gets_all_its_keys_back() -> None:
    vendor = Vendor(4, ("a", "a", "b", "b"))
    vendor.prove()
    for number in (1, 3):
        vendor.calls(number, Fault(Kind.ACCOUNT_BANNED, status=403))
    assert vendor.states == [State.READY] * 4
