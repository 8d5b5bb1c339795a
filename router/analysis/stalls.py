"""Vendors that accepted calls and said nothing: calls that timed out together, without a change of state.

The router sends no more to a vendor that has fallen silent, so that few calls time out and nobody has to rest.
Time is lost all the same, and only the calls themselves tell of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from router.analysis.items import ItemCounts, Pending
from router.analysis.rows import FOLLOWED, family_of
from router.faults import Family, Kind
from router.log.events import AttemptFinished, StateChanged

MIN_CALLS = 2
"""One call that times out is a slow call."""


@dataclass(slots=True)
class Hang:
    """Calls of one provider that hung together.

    `started_at` is when the first of them left, `ended_at` when the last timed out. `back_at` is the first good answer
    after the start, None where there is none in the log; before it the vendor said nothing. `waited_s` adds up what
    the calls took.
    """

    run: str
    provider: str
    started_at: float
    ended_at: float
    back_at: float | None
    items: ItemCounts
    calls: int = 0
    waited_s: float = 0.0
    slowest_s: float = 0.0
    _rested: bool = False

    def add(self, at: float, call: AttemptFinished) -> None:
        """Count a call that timed out."""
        self.started_at = min(self.started_at, at - call.latency_s)
        self.ended_at = max(self.ended_at, at)
        self.calls += 1
        self.waited_s += call.latency_s
        self.slowest_s = max(self.slowest_s, call.latency_s)

    @property
    def lasted_s(self) -> float:
        """Until it answered again, or the last call was given up."""
        return (self.back_at or self.ended_at) - self.started_at

    @property
    def is_told(self) -> bool:
        """Whether nothing else tells of it: what led to a rest is told as an episode."""
        return self.calls >= MIN_CALLS and not self._rested

    def rest(self) -> None:
        """The provider rests for it."""
        self._rested = True


class Hangs:
    """Reads events in order and finds calls that hung together."""

    def __init__(self, pending: Pending) -> None:
        self._pending = pending
        self._all: list[Hang] = []
        self.begin("")

    def begin(self, run: str) -> None:
        """A run begins."""
        self._run = run
        self._open: dict[str, Hang] = {}
        self._answered_at: dict[str, float] = {}
        self._resting: set[str] = set()

    def succeeded(self, at: float, call: AttemptFinished) -> None:
        """A sign of life."""
        self._answered_at[call.provider] = at
        hang = self._open.get(call.provider)
        if hang is not None and hang.back_at is None:
            hang.back_at = at

    def failed(self, at: float, call: AttemptFinished) -> None:
        """Count a call that timed out while its provider did not rest."""
        if call.fault != Kind.TIMEOUT or call.provider in self._resting:
            return
        sent_at = at - call.latency_s
        hang = self._open.get(call.provider)
        if hang is None or sent_at > hang.ended_at:
            answered_at = self._answered_at.get(call.provider, 0.0)
            back_at = answered_at if answered_at > sent_at else None
            counts = ItemCounts(_provider=call.provider)
            hang = self._open[call.provider] = Hang(self._run, call.provider, sent_at, at, back_at, counts)
            self._all.append(hang)
        hang.add(at, call)
        self._pending.count(hang.items, call.item)

    def turn(self, change: StateChanged) -> None:
        """A provider that rests for it has an episode that tells the same."""
        if change.scope != "provider" or change.because in FOLLOWED:
            return
        if change.after == "ready":
            self._resting.discard(change.provider)
            return
        self._resting.add(change.provider)
        hang = self._open.pop(change.provider, None)
        if hang is not None and change.after == "resting" and family_of(change.fault) is Family.VENDOR:
            hang.rest()

    def found(self) -> tuple[Hang, ...]:
        """In the order in which they were noticed."""
        return tuple(hang for hang in self._all if hang.is_told)
