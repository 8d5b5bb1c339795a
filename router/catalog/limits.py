"""The limits that a vendor tells in its headers: one reader for the log, the check, the advice and a found rate.

A header's number means nothing without its window, which few names tell. The catalogue names it where the vendor's
pages do; of what stands nowhere nothing is concluded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from router.catalog.vendors import Counts, LimitHeader, Vendor
from router.rates import Rate, parse_duration

ANYWHERE: tuple[LimitHeader, ...] = (
    LimitHeader("x-ratelimit-limit-requests-second", "requests", 1.0),
    LimitHeader("x-ratelimit-limit-requests-minute", "requests", 60.0),
    LimitHeader("x-ratelimit-limit-requests-hour", "requests", 3600.0),
    LimitHeader("x-ratelimit-limit-requests-day", "requests", 86400.0),
    LimitHeader("x-ratelimit-limit-tokens-minute", "tokens", 60.0),
    LimitHeader("x-ratelimit-limit-tokens-day", "tokens", 86400.0),
)
"""Names that tell their window, at whichever vendor or relay."""

_STATES_A_LIMIT = re.compile(r"(?:^|-)limit(?:-|$)")
_NUMBER = re.compile(r"\d{1,12}")
_LEAKY_WINDOWS_S = (60.0, 86400.0)
_NEAR = 1.5
"""Resets are rounded to milliseconds and other calls are under way: a window is known within this factor."""


@dataclass(frozen=True, slots=True)
class ToldLimit:
    """One limit that a vendor's header tells for the key that asked, and so for its account."""

    what: Counts
    rate: Rate
    header: str

    def __str__(self) -> str:
        unit = "tokens" if self.what == "tokens" else "calls"
        amount, _, period = str(self.rate).partition("/")
        return f"{float(amount):,.0f} {unit}/{period}"


def told_limits(vendor: Vendor | None, headers: Mapping[str, str]) -> tuple[ToldLimit, ...]:
    """The limits whose window is known; header names are lower case. The vendor's own meaning of a name comes first."""
    return tuple({limit.header: limit for limit in _told(vendor, headers)}.values())


def limit_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that state a limit, as received, whether their window is known or not."""
    return {name: value for name, value in headers.items() if _STATES_A_LIMIT.search(name)}


def _told(vendor: Vendor | None, headers: Mapping[str, str]) -> Iterator[ToldLimit]:
    own = vendor.headers if vendor else ()
    names = {header.name for header in own}
    for header in (*own, *(each for each in ANYWHERE if each.name not in names)):
        amount = _number(headers.get(header.name, ""))
        period_s = header.period_s or _window_s(header, headers)
        if amount and period_s:
            yield ToldLimit(header.counts, Rate(float(amount), period_s), header.name)


def _number(text: str) -> int | None:
    return int(text) if _NUMBER.fullmatch(text.strip()) else None


def _window_s(header: LimitHeader, headers: Mapping[str, str]) -> float:
    """A limit that leaks back evenly: what is used and the time until all is back give the window; 0 if unknown."""
    amount, left = (
        _number(headers.get(header.name.replace("-limit-", part), "")) for part in ("-limit-", "-remaining-")
    )
    try:
        reset_s = parse_duration(headers.get(header.name.replace("-limit-", "-reset-"), ""))
    except ValueError:
        return 0
    if amount is None or left is None or left >= amount:
        return 0
    window_s = reset_s * amount / (amount - left)
    return next((known for known in _LEAKY_WINDOWS_S if known / _NEAR <= window_s <= known * _NEAR), 0)
