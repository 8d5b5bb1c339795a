"""What every line of a log has, and every event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NewType

Moment = NewType("Moment", str)
"""A time as the log writes it: UTC, ISO 8601 with milliseconds, `2026-11-23T14:02:07.125Z`."""


@dataclass(frozen=True)
class Head:
    """What begins every line."""

    ts: Moment
    """when it was written: UTC, ISO 8601 with milliseconds, `2026-11-23T14:02:07.125Z`"""
    level: str
    """`info`, `warning` or `error`"""
    event: str
    """one of the events below"""
    run: str
    """the run's name, which is its directory's"""
    simulated: bool
    """`true` in a rehearsal; elsewhere the field is missing"""


@dataclass(frozen=True)
class Event:
    """One event. `names` are those that its lines may bear."""

    names: ClassVar[tuple[str, ...]] = ()
    required: ClassVar[tuple[str, ...]] = ()
    """The fields without which a line is damaged."""

    @property
    def name(self) -> str:
        """The name that its line bears."""
        return self.names[0]

    @property
    def level(self) -> str:
        """`info`, `warning` or `error`."""
        return "info"
