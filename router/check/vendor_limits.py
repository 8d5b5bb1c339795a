"""What a vendor's headers tell of its limits, against what the file declares.

A header's number means nothing without its window, which few names tell. Rows of TABLE name it where the vendor's
pages do; of what is in no row nothing is concluded.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from router.check import key_shapes as keyshapes
from router.check.findings import Finding, Level
from router.config.models import Provider
from router.config.rates import Rate, parse_duration

What = Literal["requests", "tokens"]

SECOND_S, MINUTE_S, HOUR_S, DAY_S = 1.0, 60.0, 3600.0, 86400.0
KEPT_BACK = 0.96
"""Of a limit that a vendor tells, so much is suggested: other programs and late arrivals need some room."""
CAN_BE_RAISED = 0.5
"""A declared limit below this share of the vendor's leaves much unused."""


class Row(NamedTuple):
    """One header of one vendor (`*` for any): what it counts, over how many seconds; 0 where its reset tells that."""

    vendor: str
    header: str
    what: What
    period_s: float
    source: str


_ANTHROPIC = "https://docs.anthropic.com/en/api/rate-limits"
_OPENAI = "https://platform.openai.com/docs/guides/rate-limits"
_GROQ = "https://console.groq.com/docs/rate-limits"
_CEREBRAS = "https://inference-docs.cerebras.ai/support/rate-limits"
_SAMBANOVA = "https://docs.sambanova.ai/docs/en/models/rate-limits"
_MISTRAL = "https://docs.mistral.ai/deployment/laplateforme/tier"

TABLE: tuple[Row, ...] = (
    # A minute's limit, or a day's where the account has one that is nearer: the time of one call's return tells.
    Row(keyshapes.OPENAI, "x-ratelimit-limit-requests", "requests", 0, _OPENAI),
    Row(keyshapes.OPENAI, "x-ratelimit-limit-tokens", "tokens", MINUTE_S, _OPENAI),
    Row(keyshapes.ANTHROPIC, "anthropic-ratelimit-requests-limit", "requests", MINUTE_S, _ANTHROPIC),
    # Input and output are limited apart; `tokens` counts both, so held to the input's limit it keeps that too.
    Row(keyshapes.ANTHROPIC, "anthropic-ratelimit-input-tokens-limit", "tokens", MINUTE_S, _ANTHROPIC),
    # "Always refers to Requests Per Day", "always refers to Tokens Per Minute".
    Row(keyshapes.GROQ, "x-ratelimit-limit-requests", "requests", DAY_S, _GROQ),
    Row(keyshapes.GROQ, "x-ratelimit-limit-tokens", "tokens", MINUTE_S, _GROQ),
    Row(keyshapes.CEREBRAS, "x-ratelimit-limit-requests-day", "requests", DAY_S, _CEREBRAS),
    Row(keyshapes.CEREBRAS, "x-ratelimit-limit-tokens-minute", "tokens", MINUTE_S, _CEREBRAS),
    Row("SambaNova", "x-ratelimit-limit-requests", "requests", MINUTE_S, _SAMBANOVA),
    Row("SambaNova", "x-ratelimit-limit-requests-day", "requests", DAY_S, _SAMBANOVA),
    Row("Mistral", "x-ratelimit-limit-req-minute", "requests", MINUTE_S, _MISTRAL),
    Row("Mistral", "x-ratelimit-limit-tokens-minute", "tokens", MINUTE_S, _MISTRAL),
    # Names that tell their window, at whichever vendor or relay.
    Row("*", "x-ratelimit-limit-requests-second", "requests", SECOND_S, ""),
    Row("*", "x-ratelimit-limit-requests-minute", "requests", MINUTE_S, ""),
    Row("*", "x-ratelimit-limit-requests-hour", "requests", HOUR_S, ""),
    Row("*", "x-ratelimit-limit-requests-day", "requests", DAY_S, ""),
    Row("*", "x-ratelimit-limit-tokens-minute", "tokens", MINUTE_S, ""),
    Row("*", "x-ratelimit-limit-tokens-day", "tokens", DAY_S, ""),
)

_STATES_A_LIMIT = re.compile(r"(?:^|-)limit(?:-|$)")
_NUMBER = re.compile(r"\d{1,12}")
_NEAR = 1.5
"""Resets are rounded to milliseconds and other calls are under way: a window is known within this factor."""


@dataclass(frozen=True, slots=True)
class Told:
    """One limit that a vendor's header tells for the key that asked, and so for its account."""

    what: What
    rate: Rate
    header: str

    def __str__(self) -> str:
        unit = "tokens" if self.what == "tokens" else "calls"
        amount, _, period = str(self.rate).partition("/")
        return f"{float(amount):,.0f} {unit}/{period}"


def told(vendor: str, headers: Mapping[str, str]) -> tuple[Told, ...]:
    """The limits whose window is known; header names are lower case."""
    found: dict[str, Told] = {}
    for row in TABLE:
        amount = _number(headers.get(row.header, ""))
        period_s = row.period_s or _window(row, headers)
        if row.vendor in {vendor, "*"} and amount and period_s:
            found.setdefault(row.header, Told(row.what, Rate(float(amount), period_s), row.header))
    return tuple(found.values())


def limit_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that state a limit, as received, whether their window is known or not."""
    return {name: value for name, value in headers.items() if _STATES_A_LIMIT.search(name)}


def compare(provider: Provider, limits: Iterable[Told]) -> Iterator[Finding]:
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


def _number(text: str) -> int | None:
    return int(text) if _NUMBER.fullmatch(text.strip()) else None


def _window(row: Row, headers: Mapping[str, str]) -> float:
    """OpenAI's limits leak back evenly: what is used and the time until all is back give the window."""
    amount, left = (
        _number(headers.get(row.header.replace("-limit-", middle), "")) for middle in ("-limit-", "-remaining-")
    )
    try:
        reset_s = parse_duration(headers.get(row.header.replace("-limit-", "-reset-"), ""))
    except ValueError:
        return 0
    if amount is None or left is None or left >= amount:
        return 0
    window_s = reset_s * amount / (amount - left)
    return next((known for known in (MINUTE_S, DAY_S) if known / _NEAR <= window_s <= known * _NEAR), 0)


def _tightest(limits: Iterable[Told]) -> Iterator[Told]:
    """Of several keys' words about the same thing the smallest: accounts of one provider share a line in the file."""
    least: dict[tuple[What, float], Told] = {}
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


def _difference(provider: Provider, limit: Told) -> tuple[Level, str, str] | None:
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


def _allowed(provider: Provider, limit: Told) -> float:
    """What the file lets one account have in the told window; accounts share evenly what is declared for all."""
    accounts = _accounts(provider)
    if limit.what == "tokens":
        return _most(provider.tokens, limit.rate.period_s) / accounts
    shared = [Rate(rate.amount / accounts, rate.period_s) for rate in provider.rates]
    return _most([*shared, *provider.key_rates], limit.rate.period_s)


def _scaled(provider: Provider, limit: Told, option: _Option) -> Rate:
    """The told limit as the option counts it: `tokens` is for all accounts together."""
    return Rate(limit.rate.amount * (_accounts(provider) if option.name == "tokens" else 1), limit.rate.period_s)


def _declared(provider: Provider, what: What) -> tuple[Rate, ...]:
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
