"""A run over time: answers, calls in flight, waits and faults in steps, and who rested or was banned from when to when.

Times are seconds of running time: from the first question on, with the gap before a resumed part left out.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from router.analysis.rows import Logged, fault_of
from router.analysis.runs import Run
from router.log.events import AttemptFinished, StateChanged

MAX_STEPS = 80
TIDY_STEPS_S = (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)


class Calls(NamedTuple):
    """One provider in a step from `at_s` on: calls a second, answered or failed, and calls in flight in the mean."""

    at_s: float
    provider: str
    answered: float
    failed: float
    in_flight: float


class Level(NamedTuple):
    """Something that is counted by name in one step from `at_s` on: faults a step, or calls that wait in the mean."""

    at_s: float
    name: str
    number: float


class Span(NamedTuple):
    """`who` of `provider` was not ready from `from_s` to `to_s`: in `state`, for `fault`, in the vendor's `words`."""

    provider: str
    who: str
    scope: str
    state: str
    fault: str
    words: str
    from_s: float
    to_s: float


@dataclass(frozen=True, slots=True)
class Timeline:
    """Steps of `step_s` seconds, `duration_s` in all. `waiting` and `faults` hold no step in which nothing was."""

    step_s: float
    duration_s: float
    calls: tuple[Calls, ...]
    waiting: tuple[Level, ...]
    faults: tuple[Level, ...]
    spans: tuple[Span, ...]


class RunningTime:
    """Wall times as seconds of running time."""

    def __init__(self, parts: Sequence[Run]) -> None:
        self._starts = [part.started_at if part.asked_at is None else part.asked_at for part in parts]
        lengths = [part.duration_s for part in parts]
        self._before = [sum(lengths[:index]) for index in range(len(lengths))]
        self.total_s = sum(lengths)

    def seconds(self, at: float) -> float:
        """How long the run had been running at a wall time (seconds since the epoch)."""
        part = max(0, bisect_right(self._starts, at) - 1)
        if part >= len(self._starts):
            return 0.0
        return min(self.total_s, self._before[part] + max(0.0, at - self._starts[part]))


def timeline(events: Iterable[Logged], parts: Sequence[Run]) -> Timeline:
    """Put the events of a log whose runs, or parts of one run, are `parts` into steps of time."""
    found = _Steps(RunningTime(parts))
    for logged in events:
        if isinstance(logged.event, AttemptFinished):
            found.call(logged.at, logged.event)
        elif isinstance(logged.event, StateChanged):
            found.turn(logged.at, logged.event)
    return found.timeline()


def step_of(duration_s: float) -> float:
    """A tidy step, so that there are at most MAX_STEPS of them."""
    least = duration_s / MAX_STEPS
    return next((float(step) for step in TIDY_STEPS_S if step >= least), math.ceil(least / 3600) * 3600.0)


class _Steps:
    def __init__(self, clock: RunningTime) -> None:
        self._clock = clock
        self._step_s = step_of(clock.total_s)
        self._providers: dict[str, None] = {}
        self._answered: defaultdict[tuple[int, str], int] = defaultdict(int)
        self._failed: defaultdict[tuple[int, str], int] = defaultdict(int)
        self._in_flight: defaultdict[tuple[int, str], float] = defaultdict(float)
        self._waiting: defaultdict[tuple[int, str], float] = defaultdict(float)
        self._faults: defaultdict[tuple[int, str], float] = defaultdict(float)
        self._open: dict[tuple[str, str], tuple[float, StateChanged]] = {}
        self._spans: list[Span] = []

    def call(self, at: float, call: AttemptFinished) -> None:
        end_s = self._clock.seconds(at)
        sent_s = max(0.0, end_s - call.latency_s)
        self._providers.setdefault(call.provider)
        step = self._at(end_s)
        (self._answered if call.ok else self._failed)[step, call.provider] += 1
        if not call.ok:
            self._faults[step, fault_of(call)] += 1
        self._spread(self._in_flight, call.provider, sent_s, end_s)
        self._spread(self._waiting, call.waited_for or "unknown", max(0.0, sent_s - call.waited_s), sent_s)

    def turn(self, at: float, change: StateChanged) -> None:
        who = _name(change)
        target = (change.provider, who)
        self._close(target, self._clock.seconds(at))
        if change.after != "ready":
            self._open[target] = (self._clock.seconds(at), change)

    def timeline(self) -> Timeline:
        total_s = self._clock.total_s
        for target in tuple(self._open):
            self._close(target, total_s)
        return Timeline(
            self._step_s,
            total_s,
            tuple(self._calls()),
            tuple(self._levels(self._waiting)),
            tuple(self._levels(self._faults)),
            tuple(sorted(self._spans, key=lambda span: span.from_s)),
        )

    def _calls(self) -> Iterator[Calls]:
        """Every step of every provider: a line must come down to nothing where there is nothing."""
        for provider in self._providers:
            for step in range(self._at(self._clock.total_s) + 1):
                place = (step, provider)
                answered, failed = (counts.get(place, 0) / self._step_s for counts in (self._answered, self._failed))
                flying = self._in_flight.get(place, 0.0)
                yield Calls(self._start(step), provider, round(answered, 3), round(failed, 3), round(flying, 3))

    def _levels(self, levels: dict[tuple[int, str], float]) -> Iterator[Level]:
        for (step, name), number in sorted(levels.items()):
            if number := round(number, 3):
                yield Level(self._start(step), name, number)

    def _spread(self, levels: defaultdict[tuple[int, str], float], name: str, from_s: float, to_s: float) -> None:
        """Add one thing that lasted from one time to another to the mean of each step."""
        for step in range(self._at(from_s), self._at(to_s) + 1):
            start_s = step * self._step_s
            inside_s = min(to_s, start_s + self._step_s) - max(from_s, start_s)
            if inside_s > 0:
                levels[step, name] += inside_s / self._step_s

    def _close(self, target: tuple[str, str], to_s: float) -> None:
        if target in self._open:
            from_s, change = self._open.pop(target)
            words, who = " ".join((change.message or "").split()), target[1]
            span = Span(
                change.provider, who, change.scope, change.after, change.fault or "", words, round(from_s, 3), to_s
            )
            self._spans.append(span._replace(to_s=round(to_s, 3)))

    def _at(self, seconds: float) -> int:
        return int(seconds / self._step_s)

    def _start(self, step: int) -> float:
        return round(step * self._step_s, 3)


def _name(change: StateChanged) -> str:
    """Who changed, as people read it: `openai#1`, `moonshot`, `deepseek#1 and deepseek#2`."""
    if change.scope == "provider":
        return change.provider
    keys = [change.key] if change.scope == "key" and change.key else list(map(str, change.keys))
    return " and ".join(keys) or change.account or change.provider
