"""Vendors that took calls and said nothing: calls that timed out together, without a change of state.

The router sends no more to a vendor that has fallen silent, so that few calls time out and nobody has to rest.
Time is lost all the same, and only the calls themselves tell of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from router.analysis.rows import Call, Settled, Turn, family_of
from router.faults import Family, Kind

MIN_CALLS = 2
"""One call that times out is a slow call."""


@dataclass(frozen=True, slots=True)
class Hang:
    """Calls of one provider that hung together.

    `started_at` is when the first of them left, `ended_at` when the last timed out. `back_at` is the first good answer
    after the start, None where there is none in the log; before it the vendor said nothing. `waited_s` adds up what
    the calls took. `unanswered` of the `items` had no answer when the log ends.
    """

    run: str
    provider: str
    started_at: float
    ended_at: float
    back_at: float | None
    calls: int
    waited_s: float
    slowest_s: float
    items: int
    unanswered: int


@dataclass(slots=True)
class _Open:
    provider: str
    started_at: float
    ended_at: float
    back_at: float | None
    run: str
    calls: int = 0
    waited_s: float = 0.0
    slowest_s: float = 0.0
    items: int = 0
    answered: int = 0
    rested: bool = False

    def add(self, call: Call) -> None:
        self.started_at = min(self.started_at, call.sent_at)
        self.ended_at = max(self.ended_at, call.at)
        self.calls += 1
        self.waited_s += call.latency_s
        self.slowest_s = max(self.slowest_s, call.latency_s)

    def frozen(self) -> Hang:
        return Hang(
            run=self.run,
            provider=self.provider,
            started_at=self.started_at,
            ended_at=self.ended_at,
            back_at=self.back_at,
            calls=self.calls,
            waited_s=round(self.waited_s, 3),
            slowest_s=self.slowest_s,
            items=self.items,
            unanswered=self.items - self.answered,
        )


class Hangs:
    """Reads events in order and finds calls that hung together. What led to a rest is told as an episode instead."""

    def __init__(self) -> None:
        self._all: list[_Open] = []
        self.begin("")

    def begin(self, run: str) -> None:
        """A run begins."""
        self._run = run
        self._open: dict[str, _Open] = {}
        self._answered_at: dict[str, float] = {}
        self._resting: set[str] = set()
        self._pending: dict[str, _Open] = {}

    def call(self, call: Call) -> None:
        """Count a call that timed out, or note a sign of life."""
        if call.ok:
            self._answer(call)
        elif call.fault == Kind.TIMEOUT and call.provider not in self._resting:
            self._hung(call)

    def _answer(self, call: Call) -> None:
        self._answered_at[call.provider] = call.at
        hang = self._open.get(call.provider)
        if hang is not None and hang.back_at is None:
            hang.back_at = call.at
        if (waiting := self._pending.pop(call.item, None)) is not None:
            waiting.answered += 1

    def _hung(self, call: Call) -> None:
        hang = self._open.get(call.provider)
        if hang is None or call.sent_at > hang.ended_at:
            answered_at = self._answered_at.get(call.provider, 0.0)
            back_at = answered_at if answered_at > call.sent_at else None
            hang = self._open[call.provider] = _Open(call.provider, call.sent_at, call.at, back_at, self._run)
            self._all.append(hang)
        hang.add(call)
        if call.item and call.item not in self._pending:
            hang.items += 1
            self._pending[call.item] = hang

    def settled(self, settled: Settled) -> None:
        """An item is over."""
        self._pending.pop(settled.item, None)

    def turn(self, turn: Turn) -> None:
        """A provider that rests for it has an episode that tells the same."""
        if turn.key is not None or turn.by_keys:
            return
        if turn.after == "ready":
            self._resting.discard(turn.provider)
            return
        self._resting.add(turn.provider)
        hang = self._open.pop(turn.provider, None)
        if hang is not None and turn.after == "resting" and family_of(turn.fault) is Family.VENDOR:
            hang.rested = True

    def frozen(self) -> tuple[Hang, ...]:
        """In the order in which they were noticed."""
        return tuple(hang.frozen() for hang in self._all if hang.calls >= MIN_CALLS and not hang.rested)
