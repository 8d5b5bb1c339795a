"""When the next call may leave: AsyncLimiter for windows up to a minute, a counter for longer ones.

A declared `N/T` means that in *no* window of length T more than N calls leave. `AsyncLimiter(N, T)` alone lets
2N-1 out in the first T: it starts with N free and refills while they go. So the bucket here is small. With
`burst` b and slack d its size is `b + r*d` and it leaks at `r = (N + 1 - b) / (T + d + j)`: in a window of length T
fewer than `b + r*d + r*T` calls leave, which is at most N + 1, so at most N. The slack d lets calls that the event
loop woke late catch up; j is for the vendor, who counts arrivals, not departures.

aiolimiter serves small amounts first and lets newcomers pass, so each bucket has one waiter: its lane.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import Protocol

from aiolimiter import AsyncLimiter

from router.config.rates import Rate

SLACK_SHARE = 0.008
JITTER_SHARE = 0.006
MAX_SLACK_S = 0.010
MAX_JITTER_S = 0.100
SHORT_S = 10.0
FRESH = 0.1
CONNECTING_S = 0.025
TOKEN_BUCKET = 0.05


class Bucket:
    """One paced limit on calls. Not to be shared between tasks: one waiter each."""

    def __init__(self, rate: Rate, burst: int = 1) -> None:
        slack_s = min(MAX_SLACK_S, SLACK_SHARE * rate.period_s)
        jitter_s = min(MAX_JITTER_S, JITTER_SHARE * rate.period_s)
        amount = max(rate.amount, 1.0)
        period_s = rate.period_s * amount / rate.amount
        self.free = min(burst, amount)
        self.per_second = (amount + 1 - self.free) / (period_s + slack_s + jitter_s)
        self.size = self.free + self.per_second * slack_s
        self.is_short = rate.period_s < SHORT_S
        self.jitter_s = jitter_s
        self._limiter = AsyncLimiter(self.size, self.size / self.per_second)
        self._empty_at = 0.0
        self._held_to = 0.0

    async def acquire(self) -> None:
        """Wait until one more call may leave."""
        now = _now()
        is_first = now - self._empty_at > 1 / self.per_second
        owed = max(0.0, self._empty_at - max(now, self._held_to)) * self.per_second
        while owed > 0:
            await self._limiter.acquire(min(1.0, owed))
            owed -= 1.0
        await self._limiter.acquire(1.0)
        self._held_to = self._empty_at
        self._charge(1.0)
        if is_first:
            # After idling there is nothing to catch up; and the first call is the one that has to connect, and beside
            # it the first calls of other lanes. So the second one keeps a little more distance.
            await self._limiter.acquire(self.size - self.free)
            self._charge(self.size - self.free)
            self._empty_at += min(CONNECTING_S, 1 / self.per_second) if self.is_short else 0.0

    def owe(self, late_s: float) -> None:
        """Count the last call so much later, as far as the room for jitter does not cover it.

        The bucket itself is charged with the next call; `ready_at` tells of it at once.
        """
        covered_s = (1 - FRESH) * self.jitter_s
        if self.is_short and late_s > covered_s:
            interval_s = 1 / self.per_second
            shifted = self._empty_at + min(late_s - covered_s, interval_s)
            self._empty_at = max(shifted, _now() - covered_s + interval_s)

    async def renew(self, age_s: float) -> None:
        """Make a permit that was bought `age_s` ago count as bought now.

        What leaked since is charged again, so a call that leaves late is not followed too closely. There is always room
        for that, so this does not wait. Up to FRESH of the room for jitter costs nothing: it is the loop's own turn
        between buying and leaving, and charged every time it would cost a steady part of the rate.
        """
        if age_s <= FRESH * self.jitter_s:
            return
        again = min(1.0, age_s * self.per_second)
        await self._limiter.acquire(again)
        self._charge(again)

    def ready_at(self) -> float:
        """The loop time from which one more call may leave, in the past where it may leave now."""
        return self._empty_at - (self.size - 1.0) / self.per_second

    def _charge(self, amount: float) -> None:
        """Keep account of what the limiter was charged: when it will be empty, and when with what is owed."""
        now = _now()
        self._held_to = max(now, self._held_to) + amount / self.per_second
        self._empty_at = max(now, self._empty_at) + amount / self.per_second


class Pace:
    """All paced limits on calls that one provider, or one account, has declared."""

    def __init__(self, rates: Iterable[Rate], burst: int = 1) -> None:
        paced = sorted((rate for rate in rates if rate.is_paced), key=lambda rate: rate.per_second)
        self._buckets = tuple(Bucket(rate, burst) for rate in paced)

    def owe(self, late_s: float) -> None:
        """Heed that the last call was on the wire so late; what the room for jitter covers costs nothing."""
        for bucket in self._buckets:
            bucket.owe(late_s)

    @property
    def is_short(self) -> bool:
        """Whether any window is so short that a late call matters."""
        return any(bucket.is_short for bucket in self._buckets)

    async def acquire(self) -> None:
        """Wait until one more call may leave under every limit."""
        bought: list[tuple[Bucket, float]] = []
        for bucket in self._buckets:
            await bucket.acquire()
            bought.append((bucket, _now()))
        for bucket, at in bought[:-1]:
            await bucket.renew(_now() - at)

    async def renew(self, age_s: float) -> None:
        """Make a permit that was bought `age_s` ago count as bought now; does not wait."""
        for bucket in self._buckets:
            await bucket.renew(age_s)

    def ready_at(self) -> float:
        """The loop time from which one more call may leave; 0 without limits."""
        return max((bucket.ready_at() for bucket in self._buckets), default=0.0)


class TokenLimit:
    """One limit on tokens: a small bucket spreads them, and a memory of the last period keeps the limit.

    The bucket alone would not: an item larger than it is paid for while it waits, so two that leave just a period
    apart were paid for before the window in which they count.
    """

    def __init__(self, rate: Rate) -> None:
        self.owed = 0.0
        self._amount = rate.amount
        self._window_s = rate.period_s + min(MAX_JITTER_S, JITTER_SHARE * rate.period_s)
        self._bucket = AsyncLimiter(rate.amount * TOKEN_BUCKET, rate.period_s * TOKEN_BUCKET / (1 - TOKEN_BUCKET))
        self._left: deque[tuple[float, float]] = deque()
        self._held = 0.0

    async def charge(self, tokens: float) -> None:
        """Wait until the tokens, and what earlier calls owe, have found room."""
        due = min(tokens + self.owed, self._amount)
        self.owed = min(0.0, due)
        if due <= 0:
            return
        rest = due
        while rest > 0:
            part = min(rest, self._bucket.max_rate)
            await self._bucket.acquire(part)
            rest -= part
        while self._held_at(_now()) + due > self._amount:  # noqa: ASYNC110 - it is time that is waited for
            await asyncio.sleep(self._left[0][0] + self._window_s - _now() + 1e-6)
        self._left.append((_now(), due))
        self._held += due

    def renew(self) -> None:
        """Let the last charge count from now on, since its call leaves now; there is always room for that."""
        if self._left:
            self._left[-1] = (_now(), self._left[-1][1])

    def _held_at(self, now: float) -> float:
        while self._left and self._left[0][0] <= now - self._window_s:
            self._held -= self._left.popleft()[1]
        return self._held if self._left else 0.0


class TokenPace:
    """Limits on tokens: a call leaves when its own tokens have found room under every limit.

    The charge is an estimate; `correct` settles the difference when the vendor has counted. An item larger than
    the whole limit waits for a full window and goes.
    """

    def __init__(self, rates: Iterable[Rate]) -> None:
        self._limits = tuple(TokenLimit(rate) for rate in rates if rate.is_paced)

    @property
    def is_limited(self) -> bool:
        """Whether any limit on tokens is declared."""
        return bool(self._limits)

    async def charge(self, tokens: float) -> None:
        """Wait until the tokens have found room under every limit."""
        for limit in self._limits:
            await limit.charge(tokens)
        self.renew()

    def renew(self) -> None:
        """Let the last charge count from now on: its call leaves now."""
        for limit in self._limits:
            limit.renew()

    def correct(self, estimated: float, used: float | None) -> None:
        """Settle an estimate with what the vendor counted: the difference falls to the next charge."""
        if used is not None:
            for limit in self._limits:
                limit.owed += used - estimated


class Tally(Protocol):
    """Counts the calls of one limit in its windows, for this run or for all runs on this machine."""

    def used(self, window: int) -> int:
        """How many calls were counted in a window."""
        ...

    def count(self, window: int) -> int:
        """Count one more, and how many there are now."""
        ...


class OwnTally:
    """Counts this run's calls only."""

    def __init__(self) -> None:
        self._window = 0
        self._count = 0

    def used(self, window: int) -> int:
        """How many calls were counted in a window."""
        return self._count if window == self._window else 0

    def count(self, window: int) -> int:
        """Count one more, and how many there are now."""
        self._window, self._count = window, self.used(window) + 1
        return self._count


class Budget:
    """A limit over more than a minute: counted in fixed windows that start at 00:00 UTC, not smoothed."""

    def __init__(self, rate: Rate, wall: Callable[[], float], tally: Tally | None = None) -> None:
        self.rate = rate
        self._wall = wall
        self._tally = tally or OwnTally()
        self._window = self._window_now()
        self._used = self._tally.used(self._window)

    def take(self) -> None:
        """Count one call."""
        self._window = self._window_now()
        self._used = self._tally.count(self._window)

    @property
    def left(self) -> int:
        """Calls that may still leave in this window."""
        if (window := self._window_now()) != self._window:
            self._window, self._used = window, self._tally.used(window)
        return max(0, int(self.rate.amount) - self._used)

    @property
    def seconds_to_reset(self) -> float:
        """Time to the next window."""
        return (self._window_now() + 1) * self.rate.period_s - self._wall()

    def _window_now(self) -> int:
        return int(self._wall() // self.rate.period_s)


def _now() -> float:
    return asyncio.get_running_loop().time()
