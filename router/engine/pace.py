"""When the next call may leave under limits of up to a minute: asked and charged without waiting.

A declared `N/T` means that in *no* window of length T more than N calls arrive at the vendor. `AsyncLimiter(N, T)`
alone lets 2N-1 out in the first T, and a limit on departures does not see that one call had to connect first. So each
limit has two parts:

- *the bucket* spaces calls: an AsyncLimiter that leaks `r = N / (T + d + j)` a second, where d lets calls that the
  event loop woke late catch up, and j is room for the way to the vendor;
- *the arrival log* guarantees: fewer than N calls were on the wire in the last T + j, or are on their way.

`ready_at` says from when one more may leave, and reads no clock; `take` charges in the moment in which it leaves.
Tokens are paced in the same way, with amounts in the place of ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Self

from aiolimiter import AsyncLimiter

from router.engine.arrivals import Arrival, ArrivalLog
from router.rates import Rate

SLACK_SHARE = 0.008
MAX_SLACK_S = 0.010
JITTER_SHARE = 0.006
MAX_JITTER_S = 0.100
CATCH_UP = 0.5
"""The part of a call by which spacing may catch up after the log held it up: two calls keep half their distance."""
TOKEN_BURST = 0.05
"""The part of a limit on tokens that may leave at once."""


class Bucket(AsyncLimiter):
    """An AsyncLimiter that is asked and charged without waiting: its level is the only account of the spacing."""

    def __init__(self, size: float, per_second: float) -> None:
        super().__init__(size, size / per_second)

    @property
    def per_second(self) -> float:
        """How much leaks in a second. Setting it spaces by the new rate from the last call on."""
        return self._rate_per_sec

    @per_second.setter
    def per_second(self, per_second: float) -> None:
        self._rate_per_sec, self.time_period = per_second, self.max_rate / per_second

    def ready_at(self, amount: float = 1.0) -> float:
        """The loop time from which there is, or has been, room for `amount`."""
        return self._last_check + (self._level + amount - self.max_rate) / self._rate_per_sec

    def take(self, now: float, amount: float = 1.0, *, floor: float = 0.0) -> None:
        """Charge `amount` at `now`, on top of what has not leaked yet, at least `floor`."""
        left = self._level - (now - self._last_check) * self._rate_per_sec
        self._level, self._last_check = max(left, floor) + amount, now

    def shrink(self, floor: float, part: float) -> None:
        """Leave only a part of what was charged on top of `floor`."""
        self._level = min(self._level, floor + (self._level - floor) * part)

    def give_back(self, amount: float) -> None:
        """Take back a part of what was charged, or charge more where it is negative."""
        self._level = max(0.0, self._level - amount)


class Limit:
    """One declared limit; `burst` is what may leave at once.

    `rate` and `share` may be set at any time. The share is the part of the rate by which calls are spaced: a cut counts
    from the next call on, a raise at once. How many may arrive in one window stays as declared. A longer period than
    before counts from what is still in the log.
    """

    def __init__(self, rate: Rate, burst: float = 1.0) -> None:
        self._rate, self._burst = rate, burst
        self._share = self._charged_at = 1.0
        self._bucket = Bucket(1.0, 1.0)
        self._log = ArrivalLog(rate.period_s)
        self._tune()
        self._bucket.take(0.0, 0.0, floor=self._reserve)

    @property
    def rate(self) -> Rate:
        """What is declared."""
        return self._rate

    @rate.setter
    def rate(self, rate: Rate) -> None:
        self._rate = rate
        self._tune()

    @property
    def per_second(self) -> float:
        """What leaves a second under load, by the whole of the rate: a little less, for the way to the vendor."""
        return self._bucket.per_second

    @property
    def share(self) -> float:
        """The part of the rate that is used, above 0."""
        return self._share

    @share.setter
    def share(self, share: float) -> None:
        if share > self._charged_at:
            self._bucket.shrink(self._reserve, self._charged_at / share)
            self._charged_at = share
        self._share = share

    def _tune(self) -> None:
        whole = max(1, math.floor(self._rate.amount))
        period_s = whole / self._rate.per_second
        jitter_s = min(MAX_JITTER_S, JITTER_SHARE * period_s)
        self._slack_s = min(MAX_SLACK_S, SLACK_SHARE * period_s)
        self._max = whole
        self._log.window_s = period_s + jitter_s
        self._at_once = min(self._burst, self._max)
        per_second = whole / (period_s + self._slack_s + jitter_s)
        self._reserve = per_second * self._slack_s + CATCH_UP
        self._bucket.max_rate = self._at_once + self._reserve
        self._bucket.per_second = per_second

    def ready_at(self, amount: float = 1.0) -> float:
        """The loop time from which `amount` more may leave; `inf` while that depends on calls that are on their way."""
        return max(self._bucket.ready_at(min(amount, self._at_once)), self._log.fits_at(amount, self._max))

    def take(self, now: float, amount: float = 1.0) -> None:
        """Charge what leaves now: it is on its way until `arrive`."""
        planned_at = self._bucket.ready_at(min(amount, self._at_once))
        fits_at = self._log.fits_at(amount, self._max)
        held_up_s = max(0.0, fits_at - planned_at) + self._woken_late_s(now - max(planned_at, fits_at))
        floor = max(0.0, self._reserve - held_up_s * self._bucket.per_second)
        self._bucket.take(now, amount / self._share, floor=floor)
        self._charged_at = self._share
        self._log.leave(now, amount)

    def _woken_late_s(self, late_s: float) -> float:
        """What of a delay was the event loop's; where nobody wanted to leave there is nothing to catch up."""
        is_idle = late_s > max(1 / self._bucket.per_second, 2 * self._slack_s)
        return 0.0 if is_idle else min(late_s, self._slack_s)

    def arrive(self, now: float, amount: float = 1.0) -> Arrival:
        """Say that what was taken is on the wire now."""
        return self._log.arrive(now, amount)

    def correct(self, now: float, arrival: Arrival, more: float) -> None:
        """Charge `more` than was taken, or give back where it is negative."""
        self._bucket.give_back(-more)
        if more > 0:
            self._log.add(now, more)
        else:
            self._log.take_back(arrival, -more)


class Charge:
    """What one call took of a pace."""

    __slots__ = ("_arrivals", "_limits", "amount")

    def __init__(self, limits: Sequence[Limit], amount: float) -> None:
        self.amount = amount
        self._limits = limits
        self._arrivals: tuple[Arrival, ...] = ()

    def arrive(self, now: float) -> None:
        """Say that the call is on the wire now, or will never be; only the first time counts."""
        if len(self._arrivals) < len(self._limits):
            self._arrivals = tuple(limit.arrive(now, self.amount) for limit in self._limits)

    def correct(self, now: float, used: float) -> None:
        """Settle an estimate with what the vendor counted."""
        self.arrive(now)
        for limit, arrival in zip(self._limits, self._arrivals, strict=True):
            limit.correct(now, arrival, used - self.amount)
        self.amount = used


class Pace:
    """All paced limits of one kind that a provider, or an account, has declared; `share` is the part of them in use.

    `implied` is the rate that a share below 1 is a part of where no limit is declared here.
    """

    def __init__(self, limits: Iterable[Limit] = (), *, implied: Rate | None = None) -> None:
        self._declared = self._in_use = tuple(limits)
        self._implied = (Limit(implied),) if implied and not self._declared else self._declared
        self._share = 1.0

    @classmethod
    def of_calls(cls, rates: Iterable[Rate], burst: float = 1.0, *, implied: Rate | None = None) -> Self:
        """Limits on calls; those on more than a minute are budgets and none of its business."""
        return cls((Limit(rate, burst) for rate in rates if rate.is_paced), implied=implied)

    @classmethod
    def of_tokens(cls, rates: Iterable[Rate]) -> Self:
        """Limits on tokens."""
        return cls(Limit(rate, max(1.0, TOKEN_BURST * rate.amount)) for rate in rates if rate.is_paced)

    @property
    def share(self) -> float:
        """The part of every limit that is used, above 0."""
        return self._share

    @share.setter
    def share(self, share: float) -> None:
        if share != self._share:
            self._share = share
            self._in_use = self._declared if share >= 1.0 else self._implied
            for limit in self._in_use:
                limit.share = share

    def ready_at(self, amount: float = 1.0) -> float:
        """The loop time from which `amount` may leave under every limit; 0 without limits."""
        return max([limit.ready_at(amount) for limit in self._in_use], default=0.0)

    def take(self, now: float, amount: float = 1.0) -> Charge:
        """Charge what leaves now to every limit."""
        for limit in self._in_use:
            limit.take(now, amount)
        return Charge(self._in_use, amount)
