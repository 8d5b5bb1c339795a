"""Whether declared limits make sense together: which of them nothing paces, never bites, or is used up at once."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from router.checkup.findings import Finding, Level
from router.providers import Provider
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
    message = f"it declares no rate up to a minute: {held}; state what your account is granted"
    return _finding(provider, Level.WARNING, "no_rate", message, f"{provider.name}: {{rate: 60/min}}")


def _clashes(provider: Provider, limits: list[_Limit]) -> Iterator[Finding]:
    ordered = sorted(limits, key=lambda limit: limit.rate.period_s)
    for short, long in itertools.combinations(ordered, 2):
        if clash := _clash(short, long):
            code, level, message = clash
            yield _finding(provider, level, code, message)


def _clash(short: _Limit, long: _Limit) -> tuple[str, Level, str] | None:
    """What is odd about two limits that hold together, `long` over the longer window."""
    reach = short.rate.per_second * long.rate.period_s
    if short.rate.period_s == long.rate.period_s:
        least = min(short, long, key=lambda limit: limit.rate.amount)
        return None if reach == long.rate.amount else _same_window(short, long, least)
    if reach < long.rate.amount:
        message = f"{long.words} can never be reached: {short.words} lets at most {reach:,.0f} through in that time"
        return "unreachable_rate", Level.NOTE, message
    if not long.rate.is_paced:
        lasts = long.rate.amount / short.rate.per_second
        return "short_budget", Level.NOTE, f"at full pace ({short.words}) its {long.words} last {_time(lasts)}"
    if reach > FAR_TIGHTER * long.rate.amount:
        message = f"{short.words} and {long.words} contradict each other: calls leave at {long.words} and never faster"
        return "contradictory_rates", Level.WARNING, message
    return None


def _same_window(one: _Limit, other: _Limit, least: _Limit) -> tuple[str, Level, str]:
    return "contradictory_rates", Level.WARNING, f"of {one.words} and {other.words} only {least.words} counts"


def _time(seconds: float) -> str:
    for unit, size in (("day", 86400.0), ("hour", 3600.0), ("minute", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {unit}s"
    return f"{seconds:,.0f} seconds"


def _finding(provider: Provider, level: Level, code: str, message: str, suggestion: str = "") -> Finding:
    return Finding(level, code, provider.name, message, suggestion, provider.line or None)
