"""Wall times as the log writes and reads them: UTC, ISO 8601 with milliseconds."""

from __future__ import annotations

from datetime import UTC, datetime

LAST_WALL = 253_402_300_800.0
"""The end of the year 9999, in seconds since the epoch."""


def iso(wall: float) -> str:
    """A wall time as `2026-11-23T14:02:07.125Z`; always within the calendar."""
    return utc(wall).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def utc(wall: float) -> datetime:
    """Seconds since the epoch as a date and time; what odd durations lead to is kept within the calendar."""
    if not 0 <= wall < LAST_WALL:
        wall = LAST_WALL - 1 if wall > 0 else 0.0
    return datetime.fromtimestamp(wall, UTC)


def seconds_of(iso: str) -> float | None:
    """Seconds since the epoch of an ISO 8601 time with its zone; None for anything else, or before the epoch."""
    try:
        moment = datetime.fromisoformat(iso)
        wall = moment.timestamp() if moment.tzinfo else -1.0
    except (ValueError, OverflowError):
        return None
    return wall if 0 <= wall < LAST_WALL else None
