"""A vendor that takes calls and says nothing is noticed, and one that is merely slow is not."""

from __future__ import annotations

import pytest

from router.engine.stall import MIN_S, NEEDED, OVERDUE_S, PROBE_S, TIMES_SLOWEST, UNPROVEN_S, StallDetector


def used_to(latency_s: float, answers: int = NEEDED) -> tuple[StallDetector, float]:
    """A vendor that has answered so often with this latency, and the time after the last answer."""
    stall, now = StallDetector(), 0.0
    for call in range(answers):
        stall.left(call, now)
        now += latency_s
        stall.back(call, now, alive=True)
    return stall, now


def test_two_unanswered_calls_are_silence_after_twice_the_slowest_latency() -> None:
    stall, now = used_to(2.0)
    stall.left(10, now)
    stall.left(11, now + 0.5)
    assert not stall.lasts(now + TIMES_SLOWEST * 2.0)
    assert stall.lasts(now + TIMES_SLOWEST * 2.0 + 0.1)


def test_a_quick_vendor_still_gets_the_least_time() -> None:
    stall, now = used_to(0.01)
    stall.left(10, now)
    stall.left(11, now)
    assert not stall.lasts(now + MIN_S)
    assert stall.lasts(now + MIN_S + 0.1)


def test_time_without_calls_is_no_silence() -> None:
    stall, now = used_to(1.0)
    later = now + 3600
    stall.left(10, later)
    stall.left(11, later)
    assert not stall.lasts(later + 1.0)


def test_one_slow_call_is_no_silence() -> None:
    stall, now = used_to(1.0)
    stall.left(100, now)
    assert not stall.lasts(now + 1000)


def test_a_vendor_that_has_hardly_answered_is_silent_after_a_fixed_time_and_never_overdue() -> None:
    stall, now = used_to(1.0, NEEDED - 1)
    assert not stall.is_proven
    for call in range(100, 105):
        stall.left(call, now)
    assert not stall.lasts(now + UNPROVEN_S)
    assert stall.lasts(now + UNPROVEN_S + 0.1)
    assert stall.overdue_at() == float("inf")


@pytest.mark.parametrize(
    ("latency_s", "probe_s", "overdue_s"),
    [pytest.param(0.5, PROBE_S, 1.0 + OVERDUE_S, id="quick"), pytest.param(10.0, 20.0, 20.0 + 40.0, id="slow")],
)
def test_when_a_probe_may_leave_and_when_what_is_out_is_given_up(
    latency_s: float, probe_s: float, overdue_s: float
) -> None:
    stall, now = used_to(latency_s)
    stall.left(10, now)
    assert stall.overdue_at() == float("inf")
    stall.left(11, now + 0.25)
    assert stall.probe_at() == now + 0.25 + probe_s
    assert stall.overdue_at() == now + overdue_s


def test_any_sign_of_life_ends_it_and_a_timeout_is_none() -> None:
    stall, now = used_to(1.0)
    for call in (10, 11, 12, 13):
        stall.left(call, now)
    assert stall.lasts(now + 10)
    stall.back(10, now + 10, alive=False)
    assert stall.lasts(now + 10)
    stall.back(11, now + 10, alive=True)
    assert not stall.lasts(now + 10)


def test_time_in_which_this_process_stood_still_is_no_silence() -> None:
    stall, now = used_to(1.0)
    stall.left(10, now)
    stall.left(11, now)
    stall.stood_still(100.0)
    assert not stall.lasts(now + 101)
    assert stall.lasts(now + 103)
