"""What the calls add up to, by provider and by key, and what they waited for."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import NamedTuple

from router.analysis.rows import DOWN
from router.log.events import AttemptFinished, StateChanged


@dataclass(slots=True)
class Usage:
    """The calls of one provider, or with `key` of one key. Latencies in seconds, of answers alone.

    `unavailable_s` is the time in which the provider as a whole could not be used; 0 for a key.
    """

    provider: str
    key: str | None
    calls: int = 0
    answered: int = 0
    status_429: int = 0
    latency_max_s: float | None = None
    unavailable_s: float = 0.0
    _latency_s: float = 0.0
    _down_at: float | None = field(default=None, repr=False)

    @property
    def failed(self) -> int:
        """Calls without an answer."""
        return self.calls - self.answered

    @property
    def latency_mean_s(self) -> float | None:
        """The mean latency of answers; None without any."""
        return self._latency_s / self.answered if self.answered else None

    def add(self, call: AttemptFinished) -> None:
        """Count one call."""
        self.calls += 1
        self.status_429 += call.status == HTTPStatus.TOO_MANY_REQUESTS
        if call.ok:
            self.answered += 1
            self._latency_s += call.latency_s
            self.latency_max_s = max(self.latency_max_s or 0.0, call.latency_s)

    def turn(self, at: float, after: str) -> None:
        """Note from when to when it could not be used."""
        if self._down_at is not None:
            self.unavailable_s += max(0.0, at - self._down_at)
        self._down_at = at if after in DOWN else None


class Waited(NamedTuple):
    """How long calls waited for one thing at one provider, all of them together."""

    provider: str
    waited_for: str
    waited_s: float


class Usages:
    """Counts calls by provider and key, the time in which a provider could not be used, and what calls waited for."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str | None], Usage] = {}
        self._waited: defaultdict[tuple[str, str], float] = defaultdict(float)

    def call(self, call: AttemptFinished) -> None:
        """Count one call."""
        for key in (None, call.key):
            self._of(call.provider, key).add(call)
        if call.waited_s > 0:
            self._waited[call.provider, call.waited_for] += call.waited_s

    def turn(self, at: float, change: StateChanged) -> None:
        """Note when a provider could be used and when not."""
        if change.scope == "provider":
            self._of(change.provider, None).turn(at, change.after)

    def finish(self, at: float) -> None:
        """The log, or one run of it, is over."""
        for usage in self._found.values():
            usage.turn(at, "")

    def _of(self, provider: str, key: str | None) -> Usage:
        found = self._found.get((provider, key))
        if found is None:
            found = self._found[provider, key] = Usage(provider, key)
        return found

    def found(self) -> tuple[Usage, ...]:
        """Every provider followed by its keys, by name."""
        return tuple(self._found[name] for name in sorted(self._found, key=lambda each: (each[0], each[1] or "")))

    def waited(self) -> tuple[Waited, ...]:
        """The longest first."""
        waits = (Waited(*name, amount_s) for name, amount_s in self._waited.items())
        return tuple(sorted(waits, key=lambda each: -each.waited_s))
