from __future__ import annotations

import math

import pytest
from drivers import BIG, SMALL, Driver

from router.engine.health import BREAK_AFTER, Health, State
from router.engine.selector import Selector
from router.faults import Fault, Kind
from router.types import Answer


@pytest.mark.parametrize(
    ("kind", "moved"),
    [
        pytest.param(Kind.RATE_LIMIT, ("ready", "resting", "ready"), id="throttle"),
        pytest.param(Kind.NO_CREDIT, ("ready", "resting", "ready"), id="quota"),
        pytest.param(Kind.INVALID_KEY, ("dropped", "ready", "ready"), id="dead"),
        pytest.param(Kind.PERMISSION, ("ready", "ready", "ready"), id="access"),
        pytest.param(Kind.IP_BLOCKED, ("ready", "ready", "resting"), id="path"),
        pytest.param(Kind.SERVER_ERROR, ("ready", "ready", "resting"), id="vendor, three times"),
        pytest.param(Kind.UNKNOWN, ("ready", "ready", "resting"), id="unknown, three times"),
        pytest.param(Kind.BAD_REQUEST, ("ready", "ready", "ready"), id="item"),
    ],
)
def test_who_moves(kind: Kind, moved: tuple[str, str, str]) -> None:
    driver = Driver()
    for _ in range(BREAK_AFTER):
        driver.call(Fault(kind))
    assert tuple(health.state for health in driver.healths) == moved


def test_counts() -> None:
    driver = Driver()
    out = driver.leaves()
    for result in (Answer("7"), Fault(Kind.RATE_LIMIT, status=429), Fault(Kind.TIMEOUT), None):
        driver.call(result)
    provider_state = driver.provider_state
    assert (provider_state.sent, provider_state.answered, provider_state.faults, provider_state.throttled) == (
        5,
        1,
        2,
        1,
    )
    assert provider_state.in_flight == out.key.account.in_flight == 1


def test_a_caller_who_went_away_says_nothing_about_anybody() -> None:
    driver = Driver()
    driver.call(None)
    assert driver.healths == (Health(), Health(), Health())
    assert driver.changes == []


@pytest.mark.parametrize(
    ("fault", "seconds"),
    [
        pytest.param(Fault(Kind.RATE_LIMIT, retry_after_s=40), 40, id="told"),
        pytest.param(Fault(Kind.RATE_LIMIT), 10, id="not told"),
        pytest.param(Fault(Kind.DAILY_QUOTA), 12 * 3600, id="a day's quota: until 00:00 UTC"),
        pytest.param(Fault(Kind.NO_CREDIT), 6 * 3600, id="no credit"),
    ],
)
def test_how_long_an_account_rests(fault: Fault, seconds: float) -> None:
    driver = Driver()
    driver.call(fault)
    account = driver.ring.keys[0].account.health
    assert seconds <= account.until <= 1.2 * seconds
    driver.time = account.until
    assert driver.ring.keys[0].state(driver.time) is not State.RESTING


def test_a_banned_account_loses_all_its_keys() -> None:
    driver = Driver(3, "aab")
    driver.call(Fault(Kind.ACCOUNT_BANNED))
    assert [key.state(0.0) for key in driver.ring] == [State.DROPPED, State.DROPPED, State.READY]


@pytest.mark.parametrize(
    ("faults", "served"),
    [
        pytest.param([], {SMALL, BIG}, id="fresh"),
        pytest.param([(Kind.INVALID_KEY, 1, SMALL)], {SMALL, BIG}, id="one key dead"),
        pytest.param([(Kind.INVALID_KEY, 1, SMALL), (Kind.INVALID_KEY, 2, SMALL)], set(), id="all keys dead"),
        pytest.param([(Kind.PERMISSION, 1, BIG), (Kind.PERMISSION, 2, BIG)], {SMALL}, id="a model denied"),
        pytest.param([(Kind.NO_CREDIT, 1, SMALL), (Kind.NO_CREDIT, 2, SMALL)], {SMALL, BIG}, id="no credit"),
    ],
)
def test_what_could_ever_be_served(faults: list[tuple[Kind, int, str]], served: set[str]) -> None:
    driver = Driver()
    for kind, key, model in faults:
        driver.call(Fault(kind), key, model)
    assert {model for model in (SMALL, BIG) if driver.ring.serves(model)} == served


@pytest.mark.parametrize(("kind", "for_good"), [(Kind.REGION_BLOCKED, True), (Kind.IP_BLOCKED, False)])
def test_a_blocked_region_rests_for_good(kind: Kind, *, for_good: bool) -> None:
    driver = Driver()
    driver.call(Fault(kind))
    assert driver.provider_state.rests_for_good is for_good


@pytest.mark.parametrize(
    ("faults", "state"),
    [
        pytest.param([], State.READY, id="fresh"),
        pytest.param([(Kind.RATE_LIMIT, 1)], State.READY, id="one key rests"),
        pytest.param([(Kind.NO_CREDIT, 1), (Kind.RATE_LIMIT, 2)], State.RESTING, id="all keys rest"),
        pytest.param([(Kind.INVALID_KEY, 1), (Kind.RATE_LIMIT, 2)], State.RESTING, id="all that live rest"),
        pytest.param([(Kind.INVALID_KEY, 1), (Kind.INVALID_KEY, 2)], State.DROPPED, id="no key lives"),
        pytest.param([(Kind.IP_BLOCKED, 1)], State.RESTING, id="the provider rests"),
    ],
)
def test_the_state_of_a_provider(faults: list[tuple[Kind, int]], state: State) -> None:
    driver = Driver()
    for kind, key in faults:
        driver.call(Fault(kind), key)
    assert driver.provider_state.state(driver.time) is state


def test_a_provider_that_serves_nothing_that_was_asked_of_it_is_dropped_until_it_does() -> None:
    driver = Driver()
    for key in (1, 2):
        driver.call(Fault(Kind.MODEL_NOT_FOUND), key, SMALL)
    assert driver.provider_state.state(driver.time) is State.DROPPED
    driver.call(Answer("7"), 2, BIG)
    assert driver.provider_state.state(driver.time) is State.READY


def test_the_reasons_name_every_key() -> None:
    driver = Driver(3)
    driver.call(Fault(Kind.INVALID_KEY, "no such key", 401), 1)
    driver.call(Fault(Kind.REVOKED_KEY, "revoked", 401), 2)
    driver.call(Fault(Kind.PERMISSION, "not yours", 403), 3)
    assert driver.provider_state.reasons(Selector(), driver.time) == [
        "acme#1: invalid_key (HTTP 401): no such key",
        "acme#2: revoked_key (HTTP 401): revoked",
        "acme#3: permission (HTTP 403): not yours",
    ]
    assert driver.provider_state.reasons(Selector(model="huge"), driver.time) == [
        "acme: has no model 'huge' (it has small, big)"
    ]


def test_a_rest_for_good_is_the_reason() -> None:
    driver = Driver()
    driver.call(Fault(Kind.REGION_BLOCKED, "not in your country", 403))
    assert math.isinf(driver.provider_state.health.until)
    assert driver.provider_state.reasons(Selector(), driver.time) == [
        "acme: region_blocked (HTTP 403): not in your country"
    ]


def test_a_rest_that_is_over_is_no_reason() -> None:
    driver = Driver(1)
    for _ in range(BREAK_AFTER):
        driver.call(Fault(Kind.SERVER_ERROR, "oops", 500))
    driver.time = 100.0
    driver.call(Fault(Kind.INVALID_KEY, "no such key", 401))
    assert driver.provider_state.reasons(Selector(), driver.time) == ["acme#1: invalid_key (HTTP 401): no such key"]


@pytest.mark.parametrize(
    ("faults", "after_s"),
    [
        pytest.param([], 0, id="fresh"),
        pytest.param([(Kind.RATE_LIMIT, 1)], 0, id="one key rests"),
        pytest.param([(Kind.RATE_LIMIT, 1), (Kind.NO_CREDIT, 2)], 10, id="the first key to come back"),
        pytest.param([(Kind.NO_CREDIT, 1), (Kind.NO_CREDIT, 2)], 6 * 3600, id="no key has credit"),
        pytest.param([(Kind.IP_BLOCKED, 1)], 30, id="the provider rests"),
        pytest.param([(Kind.INVALID_KEY, 1), (Kind.INVALID_KEY, 2)], math.inf, id="no key lives"),
        pytest.param([(Kind.REGION_BLOCKED, 1)], math.inf, id="region"),
    ],
)
def test_when_it_could_serve(faults: list[tuple[Kind, int]], after_s: float) -> None:
    driver = Driver()
    for kind, key in faults:
        driver.call(Fault(kind), key)
    state = driver.provider_state
    assert state.may_serve(SMALL) is not math.isinf(after_s)
    if state.may_serve(SMALL):
        assert after_s <= max(0.0, state.rested_at(SMALL, 0.0)) <= 1.2 * after_s


def test_a_server_that_is_not_there_is_given_up_after_four_rests_and_tried_again_after_that() -> None:
    driver = Driver()
    refused = Fault(Kind.CONNECTION, "Connection refused")
    rests = 0
    while not driver.provider_state.is_unreachable(driver.time):
        assert driver.time < 30
        driver.time = max(driver.time, driver.provider_state.health.until)
        driver.call(refused)
        rests += driver.provider_state.state(driver.time) is State.RESTING
    assert rests == 4
    assert driver.provider_state.reasons(Selector(), driver.time) == ["acme: connection: Connection refused"]
    driver.time = driver.provider_state.health.until
    assert not driver.provider_state.is_unreachable(driver.time)


def test_a_server_that_has_said_anything_is_there() -> None:
    driver = Driver()
    driver.call(Fault(Kind.SERVER_ERROR, status=500))
    for _ in range(20):
        driver.time = max(driver.time, driver.provider_state.health.until)
        driver.call(Fault(Kind.CONNECTION))
    assert not driver.provider_state.is_unreachable(driver.time)


BAD = "Unsupported parameter: 'temperature' (request {})"


@pytest.mark.parametrize(
    ("results", "served"),
    [
        pytest.param([Fault(Kind.BAD_REQUEST, BAD.format(n), 400) for n in range(4)], True, id="four times"),
        pytest.param([Fault(Kind.BAD_REQUEST, BAD.format(n), 400) for n in range(5)], False, id="five times"),
        pytest.param([Fault(Kind.BAD_REQUEST, "no " * n, 400) for n in range(9)], True, id="each in other words"),
        pytest.param([Answer("7"), *[Fault(Kind.BAD_REQUEST, "no", 400)] * 9], True, id="after an answer"),
        pytest.param([Fault(Kind.CONTENT_FILTER, "no", 400)] * 9, True, id="another fault"),
    ],
)
def test_a_model_that_refuses_every_request_alike_is_not_asked_again(
    results: list[Answer | Fault], *, served: bool
) -> None:
    driver = Driver()
    for result in results:
        driver.call(result)
    assert driver.provider_state.may_serve(SMALL) is served
    assert driver.provider_state.may_serve(BIG)


def test_every_change_is_told_once_the_clocks_too() -> None:
    driver = Driver(1)
    driver.call(Fault(Kind.RATE_LIMIT, retry_after_s=10))
    driver.provider_state.announce(driver.time)
    driver.time = 20.0
    driver.provider_state.announce(driver.time)
    driver.provider_state.announce(driver.time)
    told = [
        (change.key and change.key.name, change.before, change.after, change.share_after) for change in driver.changes
    ]
    assert told == [
        ("acme#1", State.READY, State.RESTING, 1.0),
        (None, State.READY, State.RESTING, 1.0),
        ("acme#1", State.RESTING, State.READY, 1.0),
        (None, State.RESTING, State.READY, 1.0),
    ]


def test_a_change_tells_what_came_before() -> None:
    driver = Driver(rates=["300/min", "1000/day"])
    driver.call(Answer("7"))
    driver.leaves()
    driver.call(Fault(Kind.RATE_LIMIT, status=429))
    fields = driver.changes[0].fields
    told = {"sent_1s": 3, "key_sent_1s": 3, "in_flight": 1, "declared_rate": "300/min, 1000/day"}
    assert told.items() <= fields.items()
    assert fields["last_statuses"] == ["acme#1 200", "acme#1 429"]
