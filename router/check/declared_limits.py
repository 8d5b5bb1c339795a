"""Whether declared limits make sense together: which of them nothing paces, never bites, or is used up at once."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from router.check.findings import Finding, Level
from router.config.models import Provider
from router.rates import Rate

FAR_TIGHTER = 10.0
"""Two paced limits whose means differ by more than this are hardly both meant."""


@dataclass(frozen=True, slots=True)
class _Limit:
    """A declared limit as it works on the whole provider, and how it stands in the file."""

    rate: Rate
    words: str


def pace_findings(provider: Provider) -> Iterator[Finding]:
    """What is odd about the limits on calls and tokens of one provider."""
    calls = _limits(provider)
    if not any(limit.rate.is_paced for limit in calls):
        yield _unpaced(provider, has_budget=bool(calls))
    yield from _clashes(provider, calls)
    yield from _clashes(provider, [_Limit(rate, f"tokens {rate}") for rate in provider.tokens])


def _limits(provider: Provider) -> list[_Limit]:
    accounts = len({key.account for key in provider.keys}) or 1
    own = [_Limit(rate, str(rate)) for rate in provider.rates]
    each = "key_rate {}" if accounts == 1 else f"key_rate {{}} for each of {accounts} accounts"
    shared = [_Limit(Rate(r.amount * accounts, r.period_s), each.format(r)) for r in provider.key_rates]
    return own + shared


def _unpaced(provider: Provider, *, has_budget: bool) -> Finding:
    held = f"only concurrency {provider.concurrency} holds it back" if provider.concurrency else "nothing paces it"
    if has_budget:
        held = f"it has a budget but no pace: {held} until that is used up"
    message = f"it declares no rate over a minute or less: {held}; declare what your account is granted"
    return _finding(provider, Level.WARNING, "no_rate", message, "rate: 60/min")


def _clashes(provider: Provider, limits: list[_Limit]) -> Iterator[Finding]:
    paced = sorted((limit for limit in limits if limit.rate.is_paced), key=lambda limit: limit.rate.period_s)
    budgets = [limit for limit in limits if not limit.rate.is_paced]
    found = [_of_paces(short, long) for short, long in itertools.combinations(paced, 2)]
    if paced:
        tightest = min(paced, key=lambda limit: limit.rate.per_second)
        found += [_of_budget(tightest, budget) for budget in budgets]
    for clash in found:
        if clash is not None:
            code, level, message = clash
            yield _finding(provider, level, code, message)


def _of_paces(short: _Limit, long: _Limit) -> tuple[str, Level, str] | None:
    """What is odd about two paced limits that hold together, `long` over the longer window or the same."""
    reach, amount = short.rate.per_second * long.rate.period_s, long.rate.amount
    if short.rate.period_s == long.rate.period_s and reach != amount:
        lower = min(short, long, key=lambda limit: limit.rate.amount)
        message = f"of {short.words} and {long.words} only {lower.words} has an effect"
        return "contradictory_rates", Level.WARNING, message
    if reach < amount:
        return _unreachable(short, long, reach)
    if reach > FAR_TIGHTER * amount:
        message = f"{short.words} and {long.words} contradict each other: it goes at {long.words} and never faster"
        return "contradictory_rates", Level.WARNING, message
    return None


def _of_budget(pace: _Limit, budget: _Limit) -> tuple[str, Level, str]:
    """How a budget and the pace at which it is spent go together."""
    reach = pace.rate.per_second * budget.rate.period_s
    if reach < budget.rate.amount:
        return _unreachable(pace, budget, reach)
    lasts = _time(budget.rate.amount / pace.rate.per_second)
    return "budget_lasts", Level.NOTE, f"at full pace ({pace.words}) its {budget.words} lasts {lasts}"


def _unreachable(short: _Limit, long: _Limit, reach: float) -> tuple[str, Level, str]:
    message = f"{long.words} can never be reached: {short.words} lets at most {reach:,.0f} through in that time"
    return "unreachable_rate", Level.NOTE, message


def _time(seconds: float) -> str:
    for unit, size in (("day", 86400.0), ("hour", 3600.0), ("minute", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {unit}s"
    return f"{seconds:,.0f} seconds"


def _finding(provider: Provider, level: Level, code: str, message: str, suggestion: str = "") -> Finding:
    return Finding(level, code, provider.name, message, suggestion, provider.line or None)
