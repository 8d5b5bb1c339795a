"""Numbers, times and lists as people read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from router.log.times import utc

MINUTE_S = 60.0
HOUR_S = 3600.0
MAX_QUOTED = 160
MAX_LISTED = 5


def quoted(message: str, max_length: int = MAX_QUOTED) -> str:
    """A vendor's words in quotes, cut where they are long."""
    return f'"{message if len(message) <= max_length else message[: max_length - 1].rstrip() + "…"}"' if message else ""


def said(status: object, code: str, message: str) -> str:
    """All that a vendor said: `HTTP 402 insufficient_balance "Insufficient Balance"`."""
    parts = [f"HTTP {status}" if str(status or "").isdigit() else "", code, quoted(message)]
    return " ".join(filter(None, parts)) or "without a message"


def seconds(amount: float) -> str:
    """A duration: `350 ms`, `20.1 s`, `3 min 20 s`, `6 h 02 min`."""
    if amount < 0.9995:  # noqa: PLR2004 - what rounds to a second is one
        return f"{1000 * amount:.0f} ms"
    if amount < MINUTE_S:
        return f"{amount:.1f} s"
    whole = round(amount)
    if whole < HOUR_S:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def share(part: float, whole: float) -> str:
    """A part of a whole in percent; `0 %` of nothing."""
    percent = 100 * part / whole if whole else 0.0
    return f"{percent:.0f} %" if percent >= 1 or not percent else f"{percent:.1g} %"


def counted(number: int, what: str) -> str:
    """`1 call`, `7 calls`, `12,345 calls`."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def counts_text(counts: Mapping[str, int]) -> str:
    """`timeout`, or `timeout 5, connection 3`."""
    return next(iter(counts)) if len(counts) == 1 else ", ".join(f"{name} {count:,}" for name, count in counts.items())


def listed(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`; of many the first, and how many more."""
    shown = [*names[:MAX_LISTED], f"{len(names) - MAX_LISTED} more"] if len(names) > MAX_LISTED + 1 else [*names]
    return " and ".join(filter(None, [", ".join(shown[:-1]), *shown[-1:]]))


def times(number: int) -> str:
    """`once`, `twice`, `7 times`."""
    return {1: "once", 2: "twice"}.get(number, f"{number:,} times")


def time_of_day(at: float) -> str:
    """`16:59:09`, in UTC as in the log."""
    return f"{utc(at):%H:%M:%S}"


def moment(at: float) -> str:
    """`2026-11-23 16:59:09`, in UTC as in the log."""
    return f"{utc(at):%Y-%m-%d %H:%M:%S}"


def window_words(window: str) -> str:
    """A window's name in the log, `60s`, as people write it."""
    return {"1s": "1 s", "10s": "10 s", "60s": "60 s", "1h": "an hour"}[window]
