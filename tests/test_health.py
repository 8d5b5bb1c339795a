from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.engine.health import (
    AGAIN_S,
    BREAK_AFTER,
    CUT,
    MAX_CAUTION,
    MAX_GRANTED,
    MIN_SHARE,
    PAST_CEILING,
    PRIOR,
    RESTS_S,
    ROUND,
    ROUND_PAST_CEILING,
    ROUNDS,
    Health,
    Observation,
    State,
    rest_s,
    told_rest_s,
    told_until,
    transition,
)
from router.faults import Fault, Kind, Signal

NOW = 1000.0
HEALTHS = {
    "ready": Health(generation=3),
    "resting": Health(State.RESTING, 3, until=NOW + 500, then=State.TRIAL, strikes=2),
    "trial": Health(State.TRIAL, 3, strikes=2, share=0.1),
    "ramping": Health(State.RAMPING, 3, strikes=2, share=0.1),
    "dropped": Health(State.DROPPED, 3, until=math.inf),
}

TABLE = """
    state     ok        throttled  exhausted  refused   failed       blocked   neutral
    ready     ready     resting    resting    dropped   ready        resting   ready
    resting   resting   resting    resting    dropped   resting      resting   resting
    trial     ramping   resting    resting    dropped   resting      resting   trial
    ramping   ramping   resting    resting    dropped   resting      resting   ramping
    dropped   dropped   dropped    dropped    dropped   dropped      dropped   dropped
"""
HEAD, *BODY = (line.split() for line in TABLE.strip().splitlines())
ROWS = [
    pytest.param(row[0], signal, after, id=f"{row[0]}-{signal}")
    for row in BODY
    for signal, after in zip(HEAD[1:], row[1:], strict=True)
]


def news(
    signal: Signal, *, at: float = NOW, born: int = 3, told_s: float | None = None, jitter: float = 0
) -> Observation:
    return Observation(signal, at, born, jitter, Fault(Kind.UNKNOWN), told_s)


def test_the_table_is_whole() -> None:
    assert {(row.values[0], row.values[1]) for row in ROWS} == {(state, signal) for state in State for signal in Signal}


@pytest.mark.parametrize(("state", "signal", "after"), ROWS)
def test_state_and_signal(state: str, signal: str, after: str) -> None:
    before = HEALTHS[state]
    health = transition(before, news(Signal(signal)))
    assert health.state == after
    moved = health.state is not before.state
    assert health.generation == before.generation + moved
    if not moved and signal not in {"failed", "ok"}:
        assert health == before


@pytest.mark.parametrize(("state", "signal", "after"), ROWS)
def test_answers_from_before_the_last_change_are_neutral_but_refusals_are_heard(
    state: str, signal: str, after: str
) -> None:
    health = transition(HEALTHS[state], news(Signal(signal), born=2))
    if signal == "refused":
        assert health.state == after == "dropped"
    else:
        assert health == HEALTHS[state]


RESTED = [
    pytest.param(signal, strikes, seconds, id=f"{signal}-{strikes + 1}")
    for signal, ladder in {
        Signal.THROTTLED: (10, 30, 60, 120, 300, 300, 300),
        Signal.EXHAUSTED: (21600, 21600),
        Signal.FAILED: (2, 5, 10, 20, 30, 60, 60, 60),
        Signal.BLOCKED: (30, 60, 120, 300, 600, 600),
    }.items()
    for strikes, seconds in enumerate(ladder)
]


@pytest.mark.parametrize(("signal", "strikes", "seconds"), RESTED)
def test_ladders(signal: Signal, strikes: int, seconds: float) -> None:
    before = replace(HEALTHS["trial"], strikes=strikes)
    health = transition(before, news(signal))
    assert (health.state, health.until, health.strikes) == (State.RESTING, NOW + seconds, strikes + 1)
    assert health.then is (State.RAMPING if signal is Signal.THROTTLED else State.TRIAL)
    assert rest_s(signal, strikes + 1, 1.0) == pytest.approx(1.2 * seconds)


@pytest.mark.parametrize("signal", RESTS_S)
@given(told_s=st.floats(0, 1e6), jitter=st.floats(0, 1))
def test_a_told_time_is_never_undercut_and_hardly_exceeded(signal: Signal, told_s: float, jitter: float) -> None:
    health = transition(replace(HEALTHS["trial"], strikes=1), news(signal, told_s=told_s, jitter=jitter))
    assert health.until >= NOW + told_s
    assert health.until <= NOW + told_s + min(1.0, 0.05 * told_s) + 1e-6
    assert told_until(NOW, told_s, jitter) == health.until


@pytest.mark.parametrize(
    ("strikes", "told_s", "until"),
    [
        pytest.param(0, 1.0, NOW + 1, id="believed once"),
        pytest.param(1, 1.0, NOW + 1, id="believed twice"),
        pytest.param(2, 1.0, NOW + 10, id="then the ladder holds too"),
        pytest.param(3, 1.0, NOW + 30, id="and climbs"),
        pytest.param(3, 99.0, NOW + 99, id="but never undercuts"),
    ],
)
def test_a_vendor_that_refuses_again_after_its_own_time_is_not_believed_for_ever(
    strikes: int, told_s: float, until: float
) -> None:
    health = transition(replace(HEALTHS["trial"], strikes=strikes), news(Signal.THROTTLED, told_s=told_s))
    assert health.until == until


def test_a_rest_is_over_when_the_clock_says_so() -> None:
    rest = HEALTHS["resting"]
    assert rest.at(rest.until - 0.001) == rest
    assert rest.at(rest.until) == replace(rest, state=State.TRIAL, generation=4)
    assert not rest.is_open
    assert rest.at(rest.until).is_open


def test_ten_calls_that_fail_in_one_blip_are_one_strike() -> None:
    health = Health()
    for number in range(10):
        health = transition(health, news(Signal.THROTTLED, at=NOW + number / 100, born=0))
    assert (health.strikes, health.share, health.generation) == (1, 1.0, 1)
    assert health.until == NOW + 10


@pytest.mark.parametrize(
    ("told_s", "until"),
    [
        pytest.param(None, NOW + 500, id="no time"),
        pytest.param(400.0, NOW + 500, id="an earlier time"),
        pytest.param(900.0, NOW + 900, id="a later time"),
    ],
)
@pytest.mark.parametrize("signal", RESTS_S)
@pytest.mark.parametrize("born", [2, 3])
@pytest.mark.parametrize("strikes", [1, 6])
def test_a_rest_is_only_lengthened_by_a_later_told_time(
    signal: Signal, told_s: float | None, until: float, born: int, strikes: int
) -> None:
    health = transition(replace(HEALTHS["resting"], strikes=strikes), news(signal, told_s=told_s, born=born))
    assert (health.until, health.strikes, health.generation) == (until, strikes, 3)


def test_a_late_told_time_does_not_put_an_open_target_to_rest_again() -> None:
    assert transition(HEALTHS["ramping"], news(Signal.THROTTLED, told_s=900, born=2)) == HEALTHS["ramping"]


def test_failures_break_at_the_third_in_a_row() -> None:
    health = Health()
    for _ in range(BREAK_AFTER - 1):
        health = transition(health, news(Signal.FAILED, born=0))
        assert health.state is State.READY
    health = transition(health, news(Signal.FAILED, born=0))
    assert (health.state, health.then) == (State.RESTING, State.TRIAL)


def test_an_answer_between_failures_starts_the_row_again() -> None:
    health = Health()
    for signal in [Signal.FAILED, Signal.FAILED, Signal.OK] * 5:
        health = transition(health, news(signal, born=0))
    assert health == Health()


def climb(health: Health, answers: int) -> list[float]:
    shares = []
    for _ in range(answers):
        health = transition(health, news(Signal.OK, born=health.generation))
        shares.append(health.share)
    return shares


def test_after_a_break_the_ramp_goes_10_25_50_100() -> None:
    shares = climb(replace(HEALTHS["trial"], strikes=1), 1 + sum(ROUNDS.values()))
    assert shares == [*(share for share, answers in ROUNDS.items() for _ in range(answers)), 1.0]
    assert tuple(dict.fromkeys(shares)) == (0.10, 0.25, 0.50, 1.0)


def test_the_end_of_the_ramp_forgets_the_strikes() -> None:
    health = Health(State.RAMPING, 3, strikes=4, share=0.5, streak=ROUND - 1, cause=Fault(Kind.TIMEOUT))
    assert transition(health, news(Signal.OK)) == Health(generation=4)


def throttled(
    health: Health, *, at: float | None = None, window_s: float = math.inf, told_s: float | None = None
) -> Health:
    """The rest that one more throttle brings."""
    at = health.until if at is None else at
    born = health.at(at).generation
    return transition(health, Observation(Signal.THROTTLED, at, born, told_s=told_s, window_s=window_s))


@pytest.mark.parametrize(
    ("window_s", "told_s", "rest_s_", "strikes"),
    [
        pytest.param(1.0, None, 1.0, 0, id="a window of the limit"),
        pytest.param(60.0, None, 10.0, 1, id="the ladder where a window is longer"),
        pytest.param(math.inf, None, 10.0, 1, id="the ladder where none is declared"),
        pytest.param(1.0, 7.0, 7.0, 1, id="the vendor's time"),
    ],
)
def test_one_throttle_rests_and_then_goes_on_as_before(
    window_s: float, told_s: float | None, rest_s_: float, strikes: int
) -> None:
    rest = throttled(Health(), at=NOW, window_s=window_s, told_s=told_s)
    assert (rest.state, rest.until, rest.strikes) == (State.RESTING, NOW + rest_s_, strikes)
    after = rest.at(rest.until)
    assert (after.state, after.share, after.ceiling) == (State.READY, 1.0, 1.0)


def test_a_second_one_long_after_the_first_is_one_throttle_again() -> None:
    rest = throttled(Health(), at=NOW)
    later = throttled(rest, at=rest.until + AGAIN_S)
    assert later.at(later.until).share == 1.0


@pytest.mark.parametrize(
    ("answered", "refused", "share"),
    [
        pytest.param(0, 1, CUT, id="nothing is known of what is granted"),
        pytest.param(0, 50, CUT, id="nor by many refusals"),
        pytest.param(2, 98, (2 + PRIOR) / (100 + PRIOR), id="little is granted"),
        pytest.param(15, 5, (15 + PRIOR) / (20 + PRIOR), id="most is"),
        pytest.param(500, 1, MAX_GRANTED, id="nearly all is"),
    ],
)
def test_a_throttle_that_comes_again_cuts_to_what_was_granted(answered: int, refused: int, share: float) -> None:
    """Answers count whether they come before the throttle or while it rests."""
    health = throttled(Health(), at=NOW, window_s=1.0)
    at = health.until + 1
    born = health.at(at).generation
    for _ in range(answered // 2):
        health = transition(health, news(Signal.OK, at=at, born=born))
    rest = throttled(health, at=at)
    late = [Signal.OK] * (answered - answered // 2) + [Signal.THROTTLED] * (refused - 1)
    for signal in late:
        rest = transition(rest, news(signal, at=at, born=born))
    after = rest.at(rest.until)
    assert after.state is State.RAMPING
    assert after.share == after.ceiling == pytest.approx(share)
    assert after.strikes == (0 if answered else 1)
    assert (after.answered, after.refused, after.is_cut) == (0, 0, False)


@pytest.mark.parametrize(
    ("told_s", "answered", "late_at", "until"),
    [
        pytest.param(None, None, None, 10.0, id="nothing is granted"),
        pytest.param(None, 0.0, None, 1.0, id="an answer before it"),
        pytest.param(None, None, 0.5, 1.0, id="an answer while it rests"),
        pytest.param(None, None, 2.5, 2.5, id="an answer after the window"),
        pytest.param(7.0, None, 0.5, 7.0, id="the vendor's own time"),
    ],
)
def test_a_vendor_that_grants_some_calls_rests_for_its_window(
    told_s: float | None, answered: float | None, late_at: float | None, until: float
) -> None:
    health = throttled(Health(), at=NOW, window_s=1.0)
    at = health.until
    born = health.at(at).generation
    if answered is not None:
        health = transition(health, news(Signal.OK, at=at + answered, born=born))
    rest = throttled(health, at=at, window_s=1.0, told_s=told_s)
    if late_at is not None:
        rest = transition(rest, news(Signal.OK, at=at + late_at, born=born))
    assert (rest.state, rest.until - at) == (State.RESTING, until)


def test_past_the_share_that_is_granted_it_goes_by_small_steps() -> None:
    ramp = Health(State.RAMPING, 3, share=0.7, ceiling=0.7)
    shares = climb(ramp, ROUND_PAST_CEILING * 8)
    assert shares[ROUND_PAST_CEILING - 2 : ROUND_PAST_CEILING] == [0.7, pytest.approx(0.7 * PAST_CEILING)]
    assert len(set(shares[:-1])) == 8
    assert shares[-1] == 1.0


def test_a_step_that_was_too_much_is_taken_back_and_tried_less_often() -> None:
    health = Health(State.RAMPING, 3, share=0.5, ceiling=0.5, throttled_until=NOW)
    for tries in range(8):
        caution = min(MAX_CAUTION, 2**tries)
        assert health.caution == caution
        for _ in range(ROUND_PAST_CEILING * caution):
            health = transition(health, news(Signal.OK, at=NOW + 1, born=health.generation))
        assert health.share == pytest.approx(0.5 * PAST_CEILING)
        assert health.ceiling == 0.5
        rest = throttled(health, at=NOW + 1, window_s=1.0)
        assert rest.until == NOW + 2
        health = replace(rest.at(rest.until), throttled_until=NOW)
        assert (health.state, health.share, health.ceiling) == (State.RAMPING, 0.5, 0.5)


def test_a_long_round_at_a_cut_share_ends_the_row_of_strikes() -> None:
    ramp = Health(State.RAMPING, 3, strikes=4, share=0.49, ceiling=0.49, streak=ROUND_PAST_CEILING - 1)
    stepped = transition(ramp, news(Signal.OK))
    assert stepped.share == pytest.approx(0.49 * PAST_CEILING)
    assert stepped.strikes == 0
    assert transition(stepped, news(Signal.THROTTLED)).until == NOW + 10


def test_the_short_rounds_of_a_ramp_do_not() -> None:
    ramp = Health(State.RAMPING, 3, strikes=4, share=0.1, streak=ROUND - 1)
    assert transition(ramp, news(Signal.OK)).strikes == 4


def test_a_break_below_a_ceiling_ramps_up_to_it_by_the_steps() -> None:
    health = replace(HEALTHS["trial"], ceiling=0.4)
    assert sorted(set(climb(health, 1 + 2 * ROUND))) == [0.1, 0.25, 0.4]


def test_refusals_alone_cut_no_lower_than_a_least_share() -> None:
    health = throttled(Health(), at=NOW)
    for _ in range(20):
        health = throttled(health)
    after = health.at(health.until)
    assert after.share == after.ceiling == MIN_SHARE


@pytest.mark.parametrize(
    ("fault", "seconds"),
    [
        pytest.param(Fault(Kind.RATE_LIMIT), None, id="nothing told"),
        pytest.param(Fault(Kind.RATE_LIMIT, retry_after_s=7), 7, id="told"),
        pytest.param(Fault(Kind.RATE_LIMIT, retry_after_s=0), 0, id="told none at all"),
        pytest.param(Fault(Kind.DAILY_QUOTA), 3600, id="a day's quota without a time"),
        pytest.param(Fault(Kind.DAILY_QUOTA, retry_after_s=40_000), 40_000, id="a day's quota with one"),
        pytest.param(Fault(Kind.NO_CREDIT), None, id="no credit"),
        pytest.param(Fault(Kind.REGION_BLOCKED), math.inf, id="a region"),
        pytest.param(Fault(Kind.REGION_BLOCKED, retry_after_s=5), math.inf, id="a region, whatever it says"),
        pytest.param(Fault(Kind.IP_BLOCKED), None, id="an address"),
    ],
)
def test_the_rest_that_a_fault_asks_for(fault: Fault, seconds: float | None) -> None:
    assert told_rest_s(fault, 3600) == seconds


events = st.tuples(
    st.sampled_from(Signal),
    st.floats(0, 400),
    st.integers(0, 3),
    st.none() | st.floats(0, 500) | st.just(math.inf),
    st.floats(0, 1),
    st.sampled_from([1.0, 60.0, math.inf]),
)


@given(st.lists(events, max_size=60))
def test_whatever_happens(steps: list[tuple[Signal, float, int, float | None, float, float]]) -> None:
    health, now = Health(), 0.0
    for signal, wait_s, behind, told_s, jitter, window_s in steps:
        now += wait_s
        before = health.at(now)
        born = max(0, before.generation - behind)
        health = transition(health, Observation(signal, now, born, jitter, Fault(Kind.UNKNOWN), told_s, window_s))
        assert health.generation >= before.generation
        assert 0 < health.share <= 1
        assert 0 < health.ceiling <= 1
        assert health.strikes >= 0
        if before.state is State.RESTING:
            assert health.state in {State.RESTING, State.DROPPED}
            assert health.until >= before.until or signal is Signal.OK
        if before.state is State.DROPPED:
            assert health == before
        if health.state is State.RESTING:
            assert health.until >= now
        if health.state is State.READY:
            assert health.share == 1
        if behind and before.is_open and signal is not Signal.REFUSED and born < before.generation:
            assert health == before
