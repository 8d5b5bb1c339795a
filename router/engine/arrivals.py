"""What arrived at a vendor within one window, and what is on its way there: the guarantee behind a declared limit.

A call that has left and is not on the wire yet counts as now, since it may arrive at any moment from now on. Why that
suffices: of N + 1 arrivals within one window, take the call that left last. When it left, each of the others had
arrived less than a window ago or was still on its way, so it would not have been let go.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

GRAINS = 1024
"""Arrivals closer together than this part of a window are kept as one, at the time of the last: memory has a bound."""


@dataclass(slots=True)
class Arrival:
    """Calls, or tokens, that were on the wire between `first_at` and `at`; times of the loop in seconds."""

    first_at: float
    at: float
    amount: float


class ArrivalLog:
    """The arrivals of one window of `window_s` seconds, oldest first."""

    def __init__(self, window_s: float) -> None:
        self.window_s = window_s
        self.on_the_way = 0.0
        self._arrived = 0.0
        self._arrivals: deque[Arrival] = deque()

    def __len__(self) -> int:
        return len(self._arrivals)

    def fits_at(self, amount: float, limit: float) -> float:
        """From when on `amount` more keeps the limit: `-inf` where it always did, `inf` while nobody can say.

        More than the whole limit fits where nothing else is in the window.
        """
        excess = self._arrived + self.on_the_way + min(amount, limit) - limit
        if excess <= 0:
            return -math.inf
        for arrival in self._arrivals:
            excess -= arrival.amount
            if excess <= 0:
                return arrival.at + self.window_s
        return math.inf

    def leave(self, now: float, amount: float) -> None:
        """Count what leaves at `now`, and forget what is older than the window."""
        self.on_the_way += amount
        while self._arrivals and self._arrivals[0].at + self.window_s <= now:
            self._arrived -= self._arrivals.popleft().amount

    def arrive(self, now: float, amount: float) -> Arrival:
        """Count what left earlier as on the wire at `now`."""
        self.on_the_way -= amount
        return self.add(now, amount)

    def add(self, now: float, amount: float) -> Arrival:
        """Count more at `now`."""
        if not self._arrivals or now - self._arrivals[-1].first_at > self.window_s / GRAINS:
            self._arrivals.append(Arrival(now, now, 0.0))
        latest = self._arrivals[-1]
        latest.at = now
        latest.amount += amount
        self._arrived += amount
        return latest

    def take_back(self, arrival: Arrival, amount: float) -> None:
        """Count a part of an arrival as never sent; it makes no difference once the window is over."""
        if self._arrivals and arrival.at >= self._arrivals[0].at:
            arrival.amount -= amount
            self._arrived -= amount
