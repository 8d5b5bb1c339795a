"""The meter of a simulated vendor: all of its limits at once, for the address and for each account."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from router.rates import Rate
from router.simulator.dialects.base import Gauge, Standing
from router.simulator.spec import VendorSpec
from router.simulator.window import Peak, Window


class Limit:
    """One limit of one owner, such as `account second 60/min`, with what was accepted and what came."""

    __slots__ = ("name", "of_tokens", "peak", "window")

    def __init__(self, owner: str, rate: Rate, *, of_tokens: bool = False) -> None:
        self.name = f"{owner} {rate}"
        self.of_tokens = of_tokens
        self.window = Window(rate)
        self.peak = Peak(self.window.period_s)

    def gauge(self, now: float) -> Gauge:
        """Where it stands."""
        window = self.window
        return Gauge(window.limit, max(0, window.limit - window.used(now)), window.reset_in(now))


@dataclass(frozen=True, slots=True)
class Overrun:
    """The limit that keeps a call out for longest, and for how long."""

    limit: Limit
    wait_s: float


class Meter:
    """Keeps every limit of one vendor strictly; a call passes all of its limits or counts in none."""

    def __init__(self, spec: VendorSpec) -> None:
        shared = _limits("address", spec.address_limits)
        shared += _limits("tokens", spec.token_limits, of_tokens=True)
        accounts = {account: _limits(f"account {account}", spec.account_limits) for _, account in spec.keys}
        self._for_key = {secret: (*shared, *accounts[account]) for secret, account in spec.keys}
        self._for_anybody = (*shared, *([] if spec.keys else _limits("account", spec.account_limits)))

    def limits_of(self, key: str) -> tuple[Limit, ...]:
        """The limits that a key's calls count in; the whole vendor's for a key that is not known."""
        return self._for_key.get(key, self._for_anybody)

    def see(self, key: str, tokens: int, now: float) -> None:
        """Note that a call came, whatever becomes of it."""
        for limit in self.limits_of(key):
            limit.peak.see(now, tokens if limit.of_tokens else 1)

    def admit(self, key: str, tokens: int, now: float) -> Overrun | None:
        """Count a call in all of its limits, or say which one keeps it out."""
        limits = self.limits_of(key)
        wait_s, binding = 0.0, None
        for limit in limits:
            wait = limit.window.wait(now, tokens if limit.of_tokens else 1)
            if wait > wait_s:
                wait_s, binding = wait, limit
        if binding is None:
            for limit in limits:
                limit.window.add(now, tokens if limit.of_tokens else 1)
        return Overrun(binding, wait_s) if binding else None

    def standing(self, key: str, now: float) -> Standing:
        """The tightest limits of a key on calls and on tokens: those with the least left."""
        limits = self.limits_of(key)
        return Standing(
            _tightest((limit for limit in limits if not limit.of_tokens), now),
            _tightest((limit for limit in limits if limit.of_tokens), now),
        )

    def peaks(self) -> dict[str, int]:
        """The most that ever arrived within one period of each limit, by the limit's name."""
        everything = [self._for_anybody, *self._for_key.values()]
        return {limit.name: limit.peak.highest for limits in everything for limit in limits}


def _limits(owner: str, rates: Iterable[Rate], *, of_tokens: bool = False) -> list[Limit]:
    return [Limit(owner, rate, of_tokens=of_tokens) for rate in rates]


def _tightest(limits: Iterable[Limit], now: float) -> Gauge | None:
    return min((limit.gauge(now) for limit in limits), key=lambda gauge: gauge.remaining, default=None)
