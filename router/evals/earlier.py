"""What a run's log says about earlier parts of the run: how long they took, and their calls by provider."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from router.jsonl import read
from router.log.events import AttemptFinished, RunFinished, RunStarted
from router.log.times import seconds_of

TOO_MANY_REQUESTS = 429


@dataclass(slots=True)
class Earlier:
    """The parts of a run before this one; `sent` and `throttled` count calls by provider, times are in seconds."""

    parts: int = 0
    elapsed_s: float = 0.0
    sent: Counter[str] = field(default_factory=Counter)
    throttled: Counter[str] = field(default_factory=Counter)
    _first_at: float | None = None
    _last_at: float = 0.0

    @classmethod
    def of_log(cls, path: Path) -> Earlier:
        """Read them from a log; a part that was killed lasted from its first call to its last line."""
        earlier = cls()
        for row in read(path) if path.is_file() else ():
            earlier._take(row)
        earlier._end()
        return earlier

    def _take(self, row: Mapping[str, object]) -> None:
        at = seconds_of(str(row.get("ts")))
        self._last_at = self._last_at if at is None else at
        if row.get("event") in RunStarted.names:
            self._end()
            self.parts += 1
        elif row.get("event") in AttemptFinished.names:
            self._call(row)
        elif row.get("event") in RunFinished.names:
            self._first_at = None
            self.elapsed_s += _seconds(row, "elapsed_s")

    def _call(self, row: Mapping[str, object]) -> None:
        provider = str(row.get("provider"))
        self.sent[provider] += 1
        self.throttled[provider] += row.get("status") == TOO_MANY_REQUESTS
        if self._first_at is None:
            self._first_at = self._last_at - _seconds(row, "latency_s") - _seconds(row, "waited_s")

    def _end(self) -> None:
        if self._first_at is not None:
            self.elapsed_s += max(0.0, self._last_at - self._first_at)
        self._first_at = None


def _seconds(row: Mapping[str, object], name: str) -> float:
    value = row.get(name)
    return float(value) if isinstance(value, int | float) else 0.0
