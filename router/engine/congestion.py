"""How many calls an account may have out at once where no rate is declared for it.

Without a rate nothing paces the calls, and a line of thousands would leave in one burst. So the number of calls in
flight is found out the way TCP finds out a path: it starts small, doubles with every round of answers until the vendor
first objects, halves then, and grows slowly after that (V. Jacobson, Congestion Avoidance and Control, 1988). More
slowly than TCP, by one in ROUNDS rounds: here each objection is remembered by somebody who can suspend keys.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

START = 8
CUT = 0.5
ROUNDS = 4


@dataclass(frozen=True, slots=True)
class CongestionWindow:
    """The size of the window, and the size from which it grows slowly; both in calls in flight."""

    size: float = float(START)
    slow_from: float = float("inf")
    max_size: int = 512

    @property
    def room(self) -> int:
        """Calls that may be out at once."""
        return max(1, min(self.max_size, int(self.size)))

    def answered(self) -> CongestionWindow:
        """One more for each answer at first, which doubles the window a round; later one more in ROUNDS rounds."""
        if self.size >= self.max_size:
            return self
        return replace(self, size=self.size + (1.0 if self.size < self.slow_from else 1.0 / (ROUNDS * self.size)))

    def throttled(self, in_flight: int) -> CongestionWindow:
        """Half of what was out when the vendor objected."""
        size = max(1.0, in_flight * CUT)
        return replace(self, size=size, slow_from=size)


def window_for(concurrency: int | None, max_size: int) -> CongestionWindow:
    """The window to start with: a declared `concurrency` is believed until the vendor objects."""
    return CongestionWindow(size=float(START if concurrency is None else concurrency), max_size=max_size)
