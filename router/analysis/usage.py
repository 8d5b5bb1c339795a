"""What the calls add up to, by provider and by key."""

from __future__ import annotations

from dataclasses import dataclass

from router.analysis.rows import Call, Turn

TOO_MANY_REQUESTS = 429


@dataclass(frozen=True, slots=True)
class Usage:
    """The calls of one provider, or with `key` of one key. Latencies in seconds, None without answers.

    `unavailable_s` is the time in which the provider as a whole could not be used; 0 for a key.
    """

    provider: str
    key: str | None
    calls: int
    answered: int
    failed: int
    status_429: int
    latency_mean_s: float | None
    latency_max_s: float | None
    unavailable_s: float


@dataclass(slots=True)
class _Counted:
    calls: int = 0
    answered: int = 0
    status_429: int = 0
    latency_s: float = 0.0
    slowest_s: float = 0.0
    unavailable_s: float = 0.0


class Usages:
    """Counts calls by provider and key, and the time in which a provider could not be used."""

    def __init__(self) -> None:
        self._counted: dict[tuple[str, str | None], _Counted] = {}
        self._down: dict[str, float] = {}

    def call(self, call: Call) -> None:
        """Count one call."""
        for key in (None, call.key):
            counted = self._of(call.provider, key)
            counted.calls += 1
            counted.status_429 += call.status == TOO_MANY_REQUESTS
            if call.ok:
                counted.answered += 1
                counted.latency_s += call.latency_s
                counted.slowest_s = max(counted.slowest_s, call.latency_s)

    def turn(self, turn: Turn) -> None:
        """Note when a provider could be used and when not."""
        if turn.key is not None:
            return
        self._up(turn.provider, turn.at)
        if turn.after in {"resting", "dropped"}:
            self._down[turn.provider] = turn.at

    def finish(self, at: float) -> None:
        """The log, or one run of it, is over."""
        for provider in tuple(self._down):
            self._up(provider, at)

    def _up(self, provider: str, at: float) -> None:
        if (since := self._down.pop(provider, None)) is not None:
            self._of(provider, None).unavailable_s += max(0.0, at - since)

    def _of(self, provider: str, key: str | None) -> _Counted:
        found = self._counted.get((provider, key))
        if found is None:
            found = self._counted[provider, key] = _Counted()
        return found

    def frozen(self) -> tuple[Usage, ...]:
        """Every provider followed by its keys, by name."""
        order = sorted(self._counted, key=lambda each: (each[0], each[1] or ""))
        return tuple(_usage(provider, key, self._counted[provider, key]) for provider, key in order)


def _usage(provider: str, key: str | None, counted: _Counted) -> Usage:
    answered = counted.answered
    return Usage(
        provider,
        key,
        counted.calls,
        answered,
        counted.calls - answered,
        counted.status_429,
        round(counted.latency_s / answered, 4) if answered else None,
        counted.slowest_s if answered else None,
        round(counted.unavailable_s, 3),
    )
