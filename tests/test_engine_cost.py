"""What a call costs the engine must not grow with keys, wishes, lanes or outages: counted, never timed.

The scenes are those of `bench/engine_cpu.py`, which times them.
"""

from __future__ import annotations

import sys
from functools import cache
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Self

import pytest
from engine_cpu import Scene, play

from router import Request
from router.engine.tokens import estimate
from router.testing import run_virtual

if TYPE_CHECKING:
    from _typeshed import TraceFunction

NOT_COUNTED = {"router.testing"}


class Steps:
    """Counts the lines of `router` that are executed in its block, whatever they are called and wherever they stand.

    A turn of a loop counts, also inside a comprehension or a generator; what C does inside one call (`min`, `in`,
    `deque.remove`) counts once. Coroutines that began before the block are counted from when they go on.
    """

    def __init__(self) -> None:
        self.taken = 0

    def __enter__(self) -> Self:
        self._before = sys.gettrace()
        sys.settrace(self._entered)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        sys.settrace(self._before)

    def _entered(self, frame: FrameType, _event: str, _arg: object) -> TraceFunction | None:
        module = frame.f_globals.get("__name__", "")
        return self._went_on if module.startswith("router.") and module not in NOT_COUNTED else None

    def _went_on(self, _frame: FrameType, event: str, _arg: object) -> TraceFunction:
        self.taken += event == "line"
        return self._went_on


@cache
def steps_per_call(scene: Scene, calls: int) -> float:
    return run_virtual(play(scene, Steps(), calls)).taken / calls


@pytest.mark.parametrize(
    ("scene", "simple", "times", "calls"),
    [
        pytest.param(Scene(keys=1_000), Scene(), 2, 20, id="1,000 keys"),
        pytest.param(Scene(lanes=10, wishes=200), Scene(lanes=10), 2, 40, id="200 wishes"),
        pytest.param(Scene(lanes=50), Scene(), 3, 100, id="50 lanes"),
        pytest.param(
            Scene(lanes=20, keys=2, down=0.9), Scene(lanes=20, keys=2), 5, 60, id="90 % of the lanes down"
        ),
    ],
)  # fmt: skip
def test_what_a_call_costs_at_most(scene: Scene, simple: Scene, times: float, calls: int) -> None:
    cost, least = steps_per_call(scene, calls), steps_per_call(simple, calls)
    assert cost <= times * least, f"{cost:,.0f} steps a call are {cost / least:.1f} times {least:,.0f}"


def test_steps_count_what_router_does_and_nothing_else() -> None:
    def steps(times: int) -> int:
        with Steps() as steps:
            for _ in range(times):
                Request.of("12 + 7 x 3")
            sorted(range(times))
        return steps.taken

    assert steps(1) > 0
    assert (steps(0), steps(10)) == (0, 10 * steps(1))


def test_steps_count_turns_of_a_loop_that_calls_nothing() -> None:
    def steps(words: int) -> int:
        request = Request(({"role": "user", "content": "word"},) * words)
        with Steps() as steps:
            assert estimate(request).total
        return steps.taken

    assert steps(1_000) - steps(1) == pytest.approx(999 * (steps(2) - steps(1)), rel=0.01)
    assert steps(2) > steps(1)
