"""Notices a vendor that takes calls and says nothing, long before the first of them times out.

A vendor that hangs would else be sent its full rate for a whole timeout. A stall only pauses: any sign of life, or
the end of a call, lets the lane look again.
"""

from __future__ import annotations

from collections import deque

REMEMBERED = 32
NEEDED = 3
MIN_S = 1.0
TIMES_SLOWEST = 2.0


class StallDetector:
    """The calls that are out at one provider, and the last sign of life. Times are the loop's, in seconds."""

    def __init__(self) -> None:
        self._out: dict[int, float] = {}
        self._latencies: deque[float] = deque(maxlen=REMEMBERED)
        self._last_sign = 0.0

    def left(self, call: int, now: float) -> None:
        """A call leaves."""
        self._out[call] = now

    def back(self, call: int, now: float, *, alive: bool) -> None:
        """A call is back; `alive` where the vendor's server said anything at all."""
        left_at = self._out.pop(call, now)
        if alive:
            self._latencies.append(now - left_at)
            self._last_sign = now

    def lasts(self, now: float) -> bool:
        """Whether two calls or more have been out, and nothing has come back, for far longer than is usual here."""
        if len(self._out) < 2 or len(self._latencies) < NEEDED:  # noqa: PLR2004 - one slow call is no silence
            return False
        oldest = next(iter(self._out.values()))
        usual_s = max(MIN_S, TIMES_SLOWEST * max(self._latencies))
        return now - max(self._last_sign, oldest) > usual_s
