"""The figures of a summary. It is read from a file, maybe of another version: what is not there is a dash."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from router.reports.wording import DASH, percent_text

Summary = Mapping[str, object]


class Part(NamedTuple):
    """One prompt's or one provider's part of a summary."""

    name: str
    summary: Summary


def parts_of(summary: Summary, name: str) -> list[Part]:
    """The parts under a name, such as `providers`; none where it has none."""
    parts = summary.get(name)
    if not isinstance(parts, Mapping):
        return []
    return [Part(str(key), value) for key, value in parts.items() if isinstance(value, Mapping)]


def number(summary: Summary, name: str) -> float | None:
    """A finite number, None where there is none."""
    value = summary.get(name)
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if is_number and isinstance(value, int | float) else None


def word(summary: Summary, name: str) -> str:
    """A text, or a dash."""
    value = summary.get(name)
    return value if isinstance(value, str) and value else DASH


def accuracy_text(summary: Summary, sign: str = "") -> str:
    """The share of right answers; never alone where errors exist, because they might change it."""
    accuracy = percent_text(number(summary, "accuracy"))
    text = accuracy if accuracy == DASH else f"{accuracy}{sign}"
    return f"{text} ({range_text(summary, 'bounds')})" if number(summary, "error") else text


def range_text(summary: Summary, name: str) -> str:
    """An interval in percent, `93.0–99.4`."""
    ends = summary.get(name)
    if not isinstance(ends, Mapping) or not number(summary, "items"):
        return DASH
    return "–".join(percent_text(number(ends, end)) for end in ("low", "high"))
