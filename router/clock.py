"""Time: the event loop's for intervals, the wall's for calendars, and the moments in which this process stood still.

A process that is stopped and goes on, or a laptop whose lid was shut, has missed what happened meanwhile: answers lie
unread, connections are dead, every timer is due at once. None of that says anything about a vendor.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

JUMP_S = 1.0
BEAT_S = 0.5


class Clock(Protocol):
    """`now` in seconds of the event loop, `wall` in seconds since the epoch."""

    def now(self) -> float: ...

    def wall(self) -> float: ...


class LoopClock:
    """The running loop's time; the wall time is `started_wall` plus what the loop has counted since.

    So both agree, whatever is done to the machine's calendar; only where `epoch`, the calendar, has run ahead by more
    than JUMP_S is it believed: the loop's time stands still while a machine sleeps.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        started_now: float,
        started_wall: float,
        epoch: Callable[[], float] | None = None,
    ) -> None:
        self._loop = loop
        self._offset = started_wall - started_now
        self._epoch = epoch

    @classmethod
    def start(cls) -> LoopClock:
        """Read both clocks; a loop that brings its own calendar (`router.testing`) is asked for it."""
        loop = asyncio.get_running_loop()
        epoch: Callable[[], float] = getattr(loop, "epoch", time.time)
        return cls(loop, loop.time(), epoch(), epoch)

    def now(self) -> float:
        """Seconds of the event loop."""
        return self._loop.time()

    def wall(self) -> float:
        """Seconds since the epoch."""
        wall = self._offset + self.now()
        if self._epoch is not None and (ahead := self._epoch() - wall) > JUMP_S:
            self._offset += ahead
            return wall + ahead
        return wall


class Heartbeat:
    """Notices that the process stood still: a beat that comes far too late, or a calendar that has run ahead.

    It beats while somebody watches, and who begins to watch is told of a calendar that has run ahead meanwhile.
    `lost_s` adds up the loop's time that was lost, `stops` counts the gaps.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, epoch: Callable[[], float], on_stop: Callable[[float], None]
    ) -> None:
        self.lost_s = 0.0
        self.stops = 0
        self._loop = loop
        self._epoch = epoch
        self._on_stop = on_stop
        self._watchers = 0
        self._last = loop.time(), epoch()
        self._timer: asyncio.TimerHandle | None = None

    @classmethod
    def start(cls, on_stop: Callable[[float], None]) -> Heartbeat:
        """A heartbeat of the running loop; `on_stop` is told the seconds that were lost."""
        loop = asyncio.get_running_loop()
        return cls(loop, getattr(loop, "epoch", time.time), on_stop)

    def timeout(self, seconds: float | None) -> Patience:
        """Like `asyncio.timeout`, but time in which the process stood still does not count."""
        return Patience(self, seconds)

    def watch(self) -> None:
        """Beat until `unwatch` has been called as often."""
        self._watchers += 1
        if self._timer is None:
            self._look(lost_s=0.0)
            self._beat_again()

    def unwatch(self) -> None:
        """See `watch`."""
        self._watchers -= 1
        if not self._watchers and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def check(self) -> None:
        """Look whether time was lost since the last beat."""
        self._look(lost_s=self._loop.time() - self._last[0] - BEAT_S)

    def _look(self, lost_s: float) -> None:
        now, wall = self._loop.time(), self._epoch()
        asleep_s = wall - self._last[1] - (now - self._last[0])
        self._last = now, wall
        if max(lost_s, asleep_s) > JUMP_S:
            self.stops += 1
            self.lost_s += max(0.0, lost_s)
            self._on_stop(max(0.0, lost_s))

    def _beat(self) -> None:
        self.check()
        self._beat_again()

    def _beat_again(self) -> None:
        self._timer = self._loop.call_later(BEAT_S, self._beat)


class Patience:
    """A timeout under way; it is extended by what was lost, since answers that lie unread must be read first."""

    def __init__(self, heartbeat: Heartbeat, seconds: float | None) -> None:
        self._heartbeat = heartbeat
        self._seconds = seconds
        self._timeout = asyncio.timeout(None)
        self._due: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        await self._timeout.__aenter__()
        self._heartbeat.watch()
        self._lost_s = self._heartbeat.lost_s
        if self._seconds is not None:
            self._wait_until(asyncio.get_running_loop().time() + self._seconds)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._heartbeat.unwatch()
        if self._due is not None:
            self._due.cancel()
        await self._timeout.__aexit__(kind, error, trace)

    def end(self) -> None:
        """Have it expire at once."""
        if not self._timeout.expired():
            self._timeout.reschedule(0.0)

    def expired(self) -> bool:
        """Whether it has ended what it was around."""
        return self._timeout.expired()

    def _wait_until(self, when: float) -> None:
        self._when = when
        self._due = asyncio.get_running_loop().call_at(when, self._over)

    def _over(self) -> None:
        self._heartbeat.check()
        lost_s, self._lost_s = self._heartbeat.lost_s - self._lost_s, self._heartbeat.lost_s
        if lost_s > 0:
            self._wait_until(self._when + lost_s)
        else:
            self.end()
