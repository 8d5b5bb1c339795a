"""A provider's capacity according to its declared limits: the tightest rate, and its budgets."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

from router.config.models import Provider
from router.engine.congestion import START
from router.engine.pace import Charge, Limit, Pace
from router.evals.flow import Allowance, Supply
from router.rates import Rate

MIN_LATENCY_S = 1e-3
PACED = 300


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a call is taken to be: tokens and seconds. `tokens_reserved` are what the pace charges until it is back."""

    tokens_in: float
    tokens_out: float
    latency_s: float
    tokens_reserved: float = 0.0


def supply_of(provider: Provider, estimate: Estimate, wall: float) -> Supply:
    """What a provider takes of calls like this, by what it declares: the tightest of its limits."""
    tokens = estimate.tokens_in + estimate.tokens_out
    accounts = len({key.account for key in provider.keys}) or 1
    paces = [(used_rate(rate), str(rate), float(provider.burst)) for rate in provider.rates if rate.is_paced]
    paces += [
        (used_rate(rate) * accounts, _of_accounts(rate, accounts), float(provider.burst * accounts))
        for rate in provider.key_rates
        if rate.is_paced
    ]
    paces += [
        (token_paced(rate, estimate), f"tokens {rate}", 1.0) for rate in provider.tokens if rate.is_paced and tokens
    ]
    in_flight = provider.max_in_flight
    latency_s = max(estimate.latency_s, MIN_LATENCY_S)
    is_felt_out = provider.paced_rate is None and provider.concurrency is None
    at_once = min(in_flight, START * accounts if is_felt_out else in_flight)
    name = "calls in flight" if provider.concurrency is None else "concurrency"
    paces.append((in_flight / latency_s, f"{name} {in_flight}", float(at_once)))
    per_second, bound, _ = min(paces)
    return Supply(
        provider.name,
        per_second,
        bound,
        at_once=min(first for _, _, first in paces),
        latency_s=latency_s,
        allowances=allowances_of(provider, estimate, wall),
        is_felt_out=is_felt_out and bound.startswith(name),
    )


def used_rate(rate: Rate) -> float:
    """Calls a second that leave under a declared limit, whose pace keeps some room for the way to the vendor."""
    return Limit(rate).per_second


def token_paced(rate: Rate, estimate: Estimate) -> float:
    """Calls a second that leave under a limit on tokens, which calls in flight take more of than they will have used.

    The pace itself is asked, by PACED calls.
    """
    used = estimate.tokens_in + estimate.tokens_out
    pace, now, out = Pace.of_tokens([rate]), 0.0, deque[tuple[float, Charge]]()
    for _ in range(PACED):
        while (ready_at := pace.ready_at(max(estimate.tokens_reserved, used))) > now:
            if out and out[0][0] <= ready_at:
                now, charge = out.popleft()
                charge.correct(now, used)
            else:
                now = ready_at
        charge = pace.take(now, max(estimate.tokens_reserved, used))
        charge.arrive(now)
        out.append((now + estimate.latency_s, charge))
    return min((PACED - 1) / now, used_rate(rate) / used) if now else used_rate(rate) / used


def allowances_of(provider: Provider, estimate: Estimate, wall: float) -> tuple[Allowance, ...]:
    """Its limits over more than a minute, in calls, as if nothing of them were used yet; from 00:00 UTC on."""
    accounts = len({key.account for key in provider.keys}) or 1
    limits = [(str(rate), rate.amount, rate.period_s) for rate in provider.rates if not rate.is_paced]
    limits += [
        (_of_accounts(rate, accounts), rate.amount * accounts, rate.period_s)
        for rate in provider.key_rates
        if not rate.is_paced
    ]
    if tokens := estimate.tokens_in + estimate.tokens_out:
        limits += [
            (f"tokens {rate}", rate.amount / tokens, rate.period_s) for rate in provider.tokens if not rate.is_paced
        ]
    return tuple(Allowance(name, amount, s, amount, s - wall % s) for name, amount, s in limits)


def _of_accounts(rate: Rate, accounts: int) -> str:
    return str(rate) if accounts == 1 else f"{accounts} accounts of {rate}"


def scaled(provider: Provider, factor: float) -> Provider:
    """The same provider with every limit so many times as high."""

    def times(rates: Sequence[Rate]) -> tuple[Rate, ...]:
        return tuple(Rate(rate.amount * factor, rate.period_s) for rate in rates)

    concurrency = None if provider.concurrency is None else max(1, round(provider.concurrency * factor))
    return replace(
        provider,
        rates=times(provider.rates),
        key_rates=times(provider.key_rates),
        tokens=times(provider.tokens),
        concurrency=concurrency,
    )
