"""A strict sliding window: never more than N in any half-open window of T seconds."""

from __future__ import annotations

from collections import deque

from router.rates import Rate


class Window:
    """Counts what was accepted; time is passed in, in seconds, and never runs backwards.

    An amount of one or more is rounded down to whole calls; `0.5/s` is kept as one call in two seconds.
    An amount larger than the whole limit is charged as the whole limit, so that it passes an empty window.
    """

    __slots__ = ("_log", "_used", "limit", "period_s", "rate")

    def __init__(self, rate: Rate) -> None:
        self.rate = rate
        self.limit = max(1, int(rate.amount))
        self.period_s = rate.period_s if rate.amount >= 1 else rate.period_s / rate.amount
        self._log: deque[tuple[float, int]] = deque()
        self._used = 0

    def used(self, now: float) -> int:
        """What the window that ends now holds; what is exactly one period old has left it."""
        log = self._log
        while log and log[0][0] + self.period_s <= now:
            self._used -= log.popleft()[1]
        return self._used

    def wait(self, now: float, amount: int = 1) -> float:
        """Seconds until `amount` more would pass if nothing else came; 0.0 when it passes now."""
        excess = self.used(now) + min(amount, self.limit) - self.limit
        if excess <= 0:
            return 0.0
        for at, held in self._log:
            excess -= held
            if excess <= 0:
                return at + self.period_s - now
        raise AssertionError("a window holds at least what it counts")

    def add(self, now: float, amount: int = 1) -> None:
        """Count an arrival without asking; a caller that enforces the limit asks `wait` first."""
        charged = min(amount, self.limit)
        self._log.append((now, charged))
        self._used += charged

    def reset_in(self, now: float) -> float:
        """Seconds until the window is empty again if nothing else came."""
        return self._log[-1][0] + self.period_s - now if self.used(now) else 0.0


class Peak:
    """The highest number that arrived within one period, accepted or not: what a client really did."""

    __slots__ = ("_held", "_log", "_period_s", "highest")

    def __init__(self, period_s: float) -> None:
        self._period_s = period_s
        self._log: deque[tuple[float, int]] = deque()
        self._held = 0
        self.highest = 0

    def see(self, now: float, amount: int = 1) -> None:
        """Note an arrival."""
        log = self._log
        log.append((now, amount))
        self._held += amount
        while log[0][0] + self._period_s <= now:
            self._held -= log.popleft()[1]
        self.highest = max(self.highest, self._held)
