"""The two clocks: the event loop's for intervals, the wall's for calendars. Passed in, never reached for."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Protocol


class Clock(Protocol):
    """`now` in seconds of the event loop, `wall` in seconds since the epoch."""

    def now(self) -> float: ...

    def wall(self) -> float: ...


@dataclass(frozen=True, slots=True)
class LoopClock:
    """The running loop's time; the wall time is `started_wall` plus what the loop has counted since."""

    loop: asyncio.AbstractEventLoop
    started_now: float
    started_wall: float

    @classmethod
    def start(cls) -> LoopClock:
        """Read both clocks once; from then on they agree, whatever is done to the machine's calendar."""
        loop = asyncio.get_running_loop()
        return cls(loop, loop.time(), time.time())

    def now(self) -> float:
        return self.loop.time()

    def wall(self) -> float:
        return self.started_wall + self.now() - self.started_now
