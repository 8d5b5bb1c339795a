"""Notices a vendor that takes calls and says nothing, long before the first of them times out.

Otherwise a vendor that hangs would be sent its full rate for a whole timeout, and keep those calls from the other
vendors. While it is silent a probe leaves every few seconds, so that its recovery is found soon; when the probes stay
without an answer too, the calls that are out are overdue, and those that another vendor could serve are taken back.
"""

from __future__ import annotations

from collections import deque

REMEMBERED = 32
NEEDED = 3
MIN_S = 1.0
TIMES_SLOWEST = 2.0
PROBE_S = 5.0
UNPROVEN_S = 5.0
"""How long a vendor that has hardly answered yet may say nothing, if another one could be asked."""
OVERDUE_S = 10.0


class StallDetector:
    """The calls that are out at one provider, and the last sign of life. Times are the loop's, in seconds."""

    def __init__(self) -> None:
        self._out: dict[int, float] = {}
        self._latencies: deque[float] = deque(maxlen=REMEMBERED)
        self._last_sign = 0.0
        self._patience_s = UNPROVEN_S

    def left(self, call: int, now: float) -> None:
        """A call leaves."""
        self._out[call] = now

    def back(self, call: int, now: float, *, alive: bool) -> None:
        """A call is back, or its answer has begun; `alive` where the vendor's server said anything at all."""
        left_at = self._out.pop(call, None)
        if alive and left_at is not None:
            self._latencies.append(now - left_at)
            self._last_sign = now
            if self.is_proven:
                self._patience_s = max(MIN_S, TIMES_SLOWEST * max(self._latencies))

    def stood_still(self, seconds: float) -> None:
        """This process stood still: nothing could come back in that time, whatever the vendor did."""
        self._out = {call: left_at + seconds for call, left_at in self._out.items()}
        self._last_sign += seconds

    @property
    def is_proven(self) -> bool:
        """Whether enough is known of its latency."""
        return len(self._latencies) >= NEEDED

    def begins_at(self) -> float:
        """When it counts as silent if nothing comes back until then; `inf` while too few calls are out."""
        if len(self._out) < 2:  # noqa: PLR2004 - one slow call is no silence
            return float("inf")
        return self._quiet_since + self._patience_s

    def lasts(self, now: float) -> bool:
        """Whether two calls or more have been out, and nothing has come back, for far longer than is usual here."""
        return now > self.begins_at()

    def probe_at(self) -> float:
        """When one more call may leave in spite of those that are out."""
        newest = next(reversed(self._out.values()), 0.0)
        return newest + max(self._patience_s, PROBE_S)

    def overdue_at(self) -> float:
        """When the calls that are out should be given up; by then a probe has had time to be answered.

        `inf` where too little is known: a vendor that has hardly answered yet may just be slow.
        """
        return self.begins_at() + max(OVERDUE_S, 2 * self._patience_s) if self.is_proven else float("inf")

    @property
    def _quiet_since(self) -> float:
        return max(self._last_sign, next(iter(self._out.values())))
