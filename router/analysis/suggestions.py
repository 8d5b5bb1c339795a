"""Advice, and the line of `providers.yaml` for a lower limit, conservative on purpose.

The line is KEEP of what was declared or of what had been sent when the vendor refused, whichever is less, rounded down;
and there is none where the log does not show one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from router.analysis.episode import Episode
from router.analysis.rows import WINDOWS_S
from router.analysis.throttles import Throttle, declared_rates, paced_rate
from router.rates import Rate

KEEP = 0.8
TELLING_SHARE = 0.1
"""A refusal after fewer calls than this share of the declared rate says nothing about the rate."""
TELLING_CALLS = 5
STRAY_AMONG = 20
MIN_TIMEOUT_S = 15.0
MINUTE_S, HOURS_S, DAY_S = 60.0, 2 * 3600.0, 86400.0
COARSE = 10


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do. `about` is a key, an account's keys or a provider; `set` is the line to put under the provider."""

    provider: str
    about: str
    fault: str
    text: str
    set: str | None = None


def rate_line(declared: str | None, found: int, window: str, name: str = "rate") -> str | None:
    """`rate: 45/min` after `found` calls in a window of WINDOWS_S; None where they say nothing about the rate."""
    rate = paced_rate(declared)
    period_s = rate.period_s if rate else 60.0
    observed = found * period_s / WINDOWS_S[window]
    expected = rate.per_second * WINDOWS_S[window] if rate else TELLING_CALLS
    if found < min(TELLING_CALLS, expected):
        return None
    if rate is not None and observed < TELLING_SHARE * rate.amount:
        return None
    lower = _tidy_rate(KEEP * min(observed, rate.amount if rate else math.inf), period_s)
    if lower is None:
        return None
    others = [str(each) for each in declared_rates(declared) if each != rate]
    return f"{name}: [{', '.join([str(lower), *others])}]" if others else f"{name}: {lower}"


def is_stray(refused: int, calls: int) -> bool:
    """Whether one refusal among many calls tells of no limit: a call may arrive early."""
    return refused == 1 and calls > STRAY_AMONG


def is_too_long(throttle: Throttle) -> bool:
    """Whether the vendor named a wait that no paced limit asks for."""
    rate = paced_rate(throttle.declared)
    return (throttle.told_s or 0.0) > max(rate.period_s if rate else 0.0, MINUTE_S)


def is_daily(episode: Episode) -> bool:
    """Whether a quota can be a day's: it is back at midnight UTC, or not within hours."""
    if episode.until_at is None:
        return True
    past_midnight_s = episode.until_at % DAY_S
    return episode.until_at - episode.started_at > HOURS_S or past_midnight_s < MINUTE_S


def day_line(episode: Episode) -> str | None:
    """The line that declares a daily quota, where none is declared and the run's answers show one."""
    declared = str(episode.came_before.get("declared_rate") or "")
    per_day = tidy(KEEP * episode.answered_before)
    if not per_day or episode.alike or any(not rate.is_paced for rate in declared_rates(declared)):
        return None
    limit, before = Rate(per_day, DAY_S), episode.came_before
    if before.get("account_sent_1h") not in {None, before.get("sent_1h")}:  # the provider has other accounts, too
        return f"key_rate: {limit}"
    return f"rate: [{declared}, {limit}]" if declared else f"rate: {limit}"


def tokens_line(throttle: Throttle) -> str | None:
    """The line for tokens, from the limit that the vendor's own headers name."""
    told = next((limit.rate for limit in throttle.told if limit.what == "tokens"), None)
    amount = tidy(KEEP * told.amount) if told else 0
    return f"tokens: {Rate(amount, told.period_s)}" if told and amount else None


def concurrency_line(throttle: Throttle) -> str | None:
    """The line for calls in flight: the refused call was one more than the log counts."""
    return f"concurrency: {max(1, int(KEEP * (throttle.in_flight + 1)))}" if throttle.in_flight else None


def timeout_line(slowest_answer_s: float | None, hung_s: float) -> str | None:
    """A timeout of four times the slowest answer, where the calls that hung took more than twice that."""
    if slowest_answer_s is None:
        return None
    enough_s = max(MIN_TIMEOUT_S, math.ceil(4 * slowest_answer_s / 5) * 5.0)
    return f"timeout: {enough_s:g}s" if 2 * enough_s < hung_s else None


def _tidy_rate(amount: float, period_s: float) -> Rate | None:
    """A tidy rate; a minute's where rounding would be too coarse in its own period."""
    if amount < COARSE and period_s < 60:  # noqa: PLR2004 - a minute has 60 seconds
        amount, period_s = amount * 60 / period_s, 60.0
    found = tidy(amount)
    return Rate(found, period_s) if found else None


def tidy(amount: float) -> int:
    """Round down to a number that people would write: 48 to 45, 192 to 190, 7.9 to 7; 0 below 1."""
    if amount < 1:
        return 0
    magnitude = 10 ** math.floor(math.log10(amount))
    step = {1: 1, 10: 5}.get(magnitude, magnitude // 10)
    # A product such as 0.8 * 300 must not fall below its whole number.
    return int(math.floor(amount / step + 1e-9) * step)
