"""Counts a vendor tells of its limits, against what the file declares."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from router.catalog.limits import ToldLimit
from router.catalog.vendors import Counts
from router.check.findings import Finding, Level
from router.config.models import Provider
from router.rates import Rate

KEPT_BACK = 0.96
"""Of a limit that a vendor tells, so much is suggested: other programs and late arrivals need some room."""
CAN_BE_RAISED = 0.5
"""A declared limit below this share of the vendor's leaves much unused."""


def compare(provider: Provider, limits: Iterable[ToldLimit]) -> Iterator[Finding]:
    """Where the declared limits let more through than `limits`, those of its tightest account, or far less.

    All findings about one option suggest the same line, which keeps every told limit.
    """
    tightest = list(_tightest(limits))
    for what in ("requests", "tokens"):
        option = _option(provider, what)
        found = [
            (limit, difference)
            for limit in tightest
            if limit.what == what and (difference := _difference(provider, limit))
        ]
        line = _line(option, [_scaled(provider, limit, option) for limit, _ in found])
        for _, (level, code, message) in found:
            yield Finding(level, code, provider.name, message, line, provider.line or None)


def _tightest(limits: Iterable[ToldLimit]) -> Iterator[ToldLimit]:
    """Of several keys' words about the same thing the smallest: accounts of one provider share a line in the file."""
    least: dict[tuple[Counts, float], ToldLimit] = {}
    for limit in limits:
        name = (limit.what, limit.rate.period_s)
        least[name] = min(least.get(name, limit), limit, key=lambda each: each.rate.amount)
    yield from least.values()


class _Option(NamedTuple):
    """The option of the file that a told limit belongs to, and what is declared there."""

    name: str
    declared: tuple[Rate, ...]


def _option(provider: Provider, what: str) -> _Option:
    """Calls are limited a key's account where there are several: `rate` is what all of them share."""
    if what == "tokens":
        return _Option("tokens", provider.tokens)
    if _accounts(provider) == 1 and not provider.key_rates:
        return _Option("rate", provider.rates)
    return _Option("key_rate", provider.key_rates)


def _difference(provider: Provider, limit: ToldLimit) -> tuple[Level, str, str] | None:
    """How serious it is, its code, and the words; None where file and vendor agree."""
    accounts = _accounts(provider)
    grants = f"the vendor grants {limit}{f' for each of {accounts} accounts' if accounts > 1 else ''}"
    allowed, amount = _allowed(provider, limit), limit.rate.amount
    if math.isinf(allowed):
        return Level.NOTE, "undeclared_limit", f"{grants}; the file declares no such limit ({limit.header})"
    if allowed > amount:
        # A day's limit beside which only a minute's is declared bites late or never.
        kinds = {rate.is_paced for rate in _declared(provider, limit.what)}
        level = Level.PROBLEM if limit.rate.is_paced in kinds else Level.WARNING
        return level, "limit_too_high", f"{grants}, and the file lets {allowed:,.0f} through ({limit.header})"
    # Of several accounts nobody knows here whether they are: their limits are not added up to more.
    if allowed < CAN_BE_RAISED * amount and limit.rate.is_paced and accounts == 1:
        return Level.NOTE, "limit_too_low", f"{grants}, and the file uses {allowed:,.0f} of it ({limit.header})"
    return None


def _allowed(provider: Provider, limit: ToldLimit) -> float:
    """Counts the file lets one account have in the told window; accounts share evenly what is declared for all."""
    accounts = _accounts(provider)
    if limit.what == "tokens":
        return _most(provider.tokens, limit.rate.period_s) / accounts
    shared = [Rate(rate.amount / accounts, rate.period_s) for rate in provider.rates]
    return _most([*shared, *provider.key_rates], limit.rate.period_s)


def _scaled(provider: Provider, limit: ToldLimit, option: _Option) -> Rate:
    """The told limit as the option counts it: `tokens` is for all accounts together."""
    return Rate(limit.rate.amount * (_accounts(provider) if option.name == "tokens" else 1), limit.rate.period_s)


def _declared(provider: Provider, what: Counts) -> tuple[Rate, ...]:
    return provider.tokens if what == "tokens" else (*provider.rates, *provider.key_rates)


def _accounts(provider: Provider) -> int:
    return len({key.account for key in provider.keys}) or 1


def _most(rates: Iterable[Rate], period_s: float) -> float:
    """The most that limits which hold together let through in a window; infinity without any."""
    return min(
        (rate.amount * max(1.0, period_s / rate.period_s) for rate in rates),
        default=math.inf,
    )


def _line(option: _Option, limits: Iterable[Rate]) -> str:
    """The line with a safe share of the vendor's limits, beside the declared ones that still say something."""
    fresh = [Rate(max(1.0, math.floor(limit.amount * KEPT_BACK)), limit.period_s) for limit in limits]
    kept = [rate for rate in option.declared if all(_still_bites(rate, each) for each in fresh)]
    rates = [str(rate) for rate in sorted([*kept, *fresh], key=lambda rate: rate.period_s)]
    return f"{option.name}: {rates[0] if len(rates) == 1 else '[' + ', '.join(rates) + ']'}" if rates else ""


def _still_bites(rate: Rate, fresh: Rate) -> bool:
    if rate.period_s == fresh.period_s:
        return False
    if rate.period_s < fresh.period_s:
        return not fresh.is_paced or rate.per_second < fresh.per_second
    return rate.amount < fresh.per_second * rate.period_s
