"""Numbers and times as people read them."""

from __future__ import annotations

from router.analysis.rows import utc

MINUTE_S = 60.0
HOUR_S = 3600.0


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
