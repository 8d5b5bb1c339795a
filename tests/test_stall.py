"""A vendor that takes calls and says nothing is noticed, and one that is merely slow is not."""

from __future__ import annotations

import pytest

from router.engine.stall import MIN_S, NEEDED, TIMES_SLOWEST, StallDetector


def used_to(latency_s: float, answers: int = NEEDED) -> tuple[StallDetector, float]:
    """A vendor that has answered so often with this latency, and the time after the last answer."""
    silence, now = StallDetector(), 0.0
    for call in range(answers):
        silence.left(call, now)
        now += latency_s
        silence.back(call, now, alive=True)
    return silence, now


def test_two_unanswered_calls_are_silence_after_twice_the_slowest_latency() -> None:
    silence, now = used_to(2.0)
    silence.left(10, now)
    silence.left(11, now + 0.5)
    assert not silence.lasts(now + TIMES_SLOWEST * 2.0)
    assert silence.lasts(now + TIMES_SLOWEST * 2.0 + 0.1)


def test_a_quick_vendor_still_gets_the_least_time() -> None:
    silence, now = used_to(0.01)
    silence.left(10, now)
    silence.left(11, now)
    assert not silence.lasts(now + MIN_S)
    assert silence.lasts(now + MIN_S + 0.1)


def test_time_without_calls_is_no_silence() -> None:
    silence, now = used_to(1.0)
    later = now + 3600
    silence.left(10, later)
    silence.left(11, later)
    assert not silence.lasts(later + 1.0)


@pytest.mark.parametrize(
    ("answers", "out"),
    [pytest.param(NEEDED, 1, id="one slow call"), pytest.param(NEEDED - 1, 5, id="too little is known")],
)
def test_it_takes_two_calls_and_some_knowledge(answers: int, out: int) -> None:
    silence, now = used_to(1.0, answers)
    for call in range(100, 100 + out):
        silence.left(call, now)
    assert not silence.lasts(now + 1000)


def test_any_sign_of_life_ends_it_and_a_timeout_is_none() -> None:
    silence, now = used_to(1.0)
    for call in (10, 11, 12, 13):
        silence.left(call, now)
    assert silence.lasts(now + 10)
    silence.back(10, now + 10, alive=False)
    assert silence.lasts(now + 10)
    silence.back(11, now + 10, alive=True)
    assert not silence.lasts(now + 10)
