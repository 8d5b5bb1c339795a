"""Rates and durations as people write them: `300/min`, `5/s`, `150k/min`, `10000/day`, `120s`, `1m30s`."""

from __future__ import annotations

import re
from dataclasses import dataclass

PERIODS_S = {
    "s": 1.0,
    "sec": 1.0,
    "second": 1.0,
    "m": 60.0,
    "min": 60.0,
    "minute": 60.0,
    "h": 3600.0,
    "hour": 3600.0,
    "d": 86400.0,
    "day": 86400.0,
}
SCALES = {"": 1, "k": 1_000, "m": 1_000_000}
PACED_UP_TO_S = 60.0

_RATE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kKmM]?)\s*/\s*(\d+(?:\.\d+)?)?\s*([a-z]+)\s*", re.ASCII)
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|d)", re.ASCII)
_DURATION_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(frozen=True, slots=True)
class Rate:
    """`amount` calls (or tokens) in any window of `period_s` seconds."""

    amount: float
    period_s: float

    @property
    def per_second(self) -> float:
        """The long-run mean, in calls (or tokens) a second."""
        return self.amount / self.period_s

    @property
    def is_paced(self) -> bool:
        """Windows up to a minute are paced; longer ones are budgets that are only counted."""
        return self.period_s <= PACED_UP_TO_S

    def __str__(self) -> str:
        """Write the rate as it stands in the file, `300/min`."""
        names = {1.0: "s", 60.0: "min", 3600.0: "hour", 86400.0: "day"}
        period = names.get(self.period_s) or f"{self.period_s:g}s"
        return f"{self.amount:.15g}/{period}"


def parse_rate(text: str) -> Rate:
    """Read `300/min`, `5/s`, `20/10s`, `150k/min`; raises ValueError saying what is expected."""
    match = _RATE.fullmatch(text)
    if match is None:
        raise ValueError("a rate such as 300/min, 5/s or 10000/day")
    amount, scale, count, word = match.groups()
    unit = word.removesuffix("s") or "s"
    if unit not in PERIODS_S:
        raise ValueError("a rate per s, min, hour or day, such as 300/min")
    rate = Rate(float(amount) * SCALES[scale.lower()], float(count or 1) * PERIODS_S[unit])
    if rate.amount <= 0 or rate.period_s <= 0:
        raise ValueError("a rate above zero, such as 300/min")
    return rate


def parse_duration(text: str) -> float:
    """Read `120s`, `1m30s`, `15min`, `500ms`, `2h` or a bare number of seconds, in seconds; raises ValueError."""
    stripped = text.strip()
    if re.fullmatch(r"\d+(?:\.\d+)?", stripped, re.ASCII):
        return float(stripped)
    parts = _DURATION_PART.findall(stripped)
    if not parts or "".join(n + u for n, u in parts) != re.sub(r"\s+", "", stripped):
        raise ValueError("a duration such as 30s, 1m30s or 500ms")
    return sum(float(number) * _DURATION_UNITS_S[unit] for number, unit in parts)
