"""A run over time: steps, spans, and the running time of a run that was resumed."""

from __future__ import annotations

import pytest
from reported import call, turn

from router.analysis.rows import Logged
from router.analysis.runs import Run
from router.analysis.timeline import RunningTime, Timeline, step_of, timeline
from router.log.event import Event


def run_of(*events: tuple[float, Event], until: float = 4.0) -> Timeline:
    part = Run("trial", simulated=False, started_at=0.0, last_at=until, asked_at=0.0)
    return timeline([Logged(at, "trial", False, event) for at, event in events], [part])  # noqa: FBT003 - a record


@pytest.mark.parametrize(
    ("duration_s", "step_s"),
    [(0.0, 0.5), (20.0, 0.5), (41.0, 1.0), (3600.0, 60.0), (80 * 3600.0, 3600.0), (800 * 3600.0, 36000.0)],
)
def test_steps_are_tidy(duration_s: float, step_s: float) -> None:
    assert step_of(duration_s) == step_s


def test_calls_are_counted_when_they_end_and_fly_until_then() -> None:
    found = run_of((1.0, call("a", "acme")), (1.0, call("b", "acme", fault="timeout")))
    steps = {each.at_s: each for each in found.calls}
    assert (steps[1.0].answered, steps[1.0].failed) == (2.0, 2.0)  # one each in half a second
    assert (steps[0.0].in_flight, steps[0.5].in_flight, steps[1.0].in_flight) == (0.0, 2.0, 0.0)
    assert [each.at_s for each in found.calls] == [step / 2 for step in range(9)]


def test_waiting_is_told_by_cause_for_the_time_before_a_call_left() -> None:
    found = run_of((1.0, call("a", "acme")))
    assert [tuple(each) for each in found.waiting] == [(0.0, "pace", 0.5)]


def test_faults_are_counted_by_kind() -> None:
    found = run_of((1.0, call("a", "acme", fault="timeout")), (1.2, call("b", "acme", fault="timeout")))
    assert [tuple(each) for each in found.faults] == [(1.0, "timeout", 2.0)]


def test_a_rest_lasts_until_the_next_state_or_the_end() -> None:
    found = run_of((1.0, turn("resting")), (2.0, turn("trial", "resting")), (3.0, turn("dropped", "trial")))
    assert [(each.who, each.state, each.from_s, each.to_s) for each in found.spans] == [
        ("acme#1", "resting", 1.0, 2.0),
        ("acme#1", "trial", 2.0, 3.0),
        ("acme#1", "dropped", 3.0, 4.0),
    ]


def test_who_is_ready_has_no_span() -> None:
    assert run_of((1.0, turn("resting")), (2.0, turn("ready", "resting"))).spans[-1].to_s == 2.0


def test_the_time_between_two_parts_of_a_run_does_not_count() -> None:
    parts = [Run("r", False, at, at + 10, asked_at=at) for at in (100.0, 1000.0)]  # noqa: FBT003 - a record
    clock = RunningTime(parts)
    assert [clock.seconds(at) for at in (90, 105, 110, 500, 1004, 2000)] == [0, 5, 10, 20, 14, 20]


def test_a_log_without_a_run_is_empty() -> None:
    assert timeline([], []) == Timeline(0.5, 0.0, (), (), (), ())
