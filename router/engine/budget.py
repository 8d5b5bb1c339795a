"""Limits over more than a minute: counted in fixed windows, not smoothed, and for all runs on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from router.rates import Rate


class Tally(Protocol):
    """Counts the calls, or tokens, of one limit in its windows, for this run or for all runs on this machine."""

    def used(self, window: int) -> int:
        """How many were counted in a window."""
        ...

    def take(self, window: int, limit: int) -> bool:
        """Count one more, unless there are `limit` already; one step, whoever else counts."""
        ...

    def add(self, window: int, amount: int) -> None:
        """Count an amount, whatever the limit; a negative one is taken back."""
        ...


class OwnTally:
    """Counts this run's calls only."""

    def __init__(self) -> None:
        self._window = 0
        self._count = 0

    def used(self, window: int) -> int:
        """How many calls were counted in a window."""
        return self._count if window == self._window else 0

    def take(self, window: int, limit: int) -> bool:
        """Count one more, unless there are `limit` already."""
        if self.used(window) >= limit:
            return False
        self.add(window, 1)
        return True

    def add(self, window: int, amount: int) -> None:
        """Count an amount, whatever the limit."""
        self._window, self._count = window, self.used(window) + amount


class Budget:
    """A limit over more than a minute: counted in fixed windows that start at 00:00 UTC, not smoothed."""

    def __init__(self, rate: Rate, wall: Callable[[], float], tally: Tally | None = None) -> None:
        self.rate = rate
        self._wall = wall
        self._tally = tally or OwnTally()
        self._window = self._window_now()
        self._used = self._tally.used(self._window)

    def take(self) -> bool:
        """Count one call; False where the window is full, for another run may have counted the last."""
        self._window = self._window_now()
        taken = self._tally.take(self._window, int(self.rate.amount))
        self._used = self._tally.used(self._window)
        return taken

    def add(self, amount: int) -> None:
        """Count tokens in the window of now, or take back what was estimated too high."""
        self._window = self._window_now()
        self._tally.add(self._window, amount)
        self._used = self._tally.used(self._window)

    def fits(self, amount: int) -> bool:
        """Whether an amount is left; what is larger than the whole limit has to have a window for itself."""
        return self.left >= min(amount, int(self.rate.amount))

    @property
    def left(self) -> int:
        """What may still leave in this window, as far as is known here."""
        if (window := self._window_now()) != self._window:
            self._window, self._used = window, self._tally.used(window)
        return max(0, int(self.rate.amount) - self._used)

    @property
    def seconds_to_reset(self) -> float:
        """Time to the next window."""
        return (self._window_now() + 1) * self.rate.period_s - self._wall()

    def _window_now(self) -> int:
        return int(self._wall() // self.rate.period_s)


def take_all(budgets: Iterable[Budget]) -> bool:
    """Count one call in every budget; False where one is full. What the others counted stays: rather less than more."""
    return all(budget.take() for budget in budgets)
