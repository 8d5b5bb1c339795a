"""The run's event log: one flat JSON line an event, written through structlog, without any key.

`docs/logs.md` lists every event and field; EVENTS is the same list for programs, and a test compares the two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import structlog

from router.jsonl import Appender, encode

LAST_WALL = 253_402_300_800.0
"""The end of the year 9999, in seconds since the epoch."""
EVENTS: Mapping[str, str] = {
    "run.started": "a run begins: its configuration, providers, keys",
    "run.finished": "a run has ended: totals, duration, and why it ended",
    "provider.left_out": "a declared provider takes no part, and why",
    "store.unavailable": "what earlier runs learnt cannot be read; the run goes on without it",
    "attempt.finished": "one call has come back, or failed",
    "key.state": "a key changed its state",
    "provider.state": "a provider changed its state",
    "pace.changed": "a key or provider uses another share of its declared rate",
    "item.settled": "an item has its answer, or has none for good",
}
"""Every event that may stand in a log."""


class EventLog(Protocol):
    """Where events go."""

    def event(self, name: str, level: str = "info", **fields: object) -> None:
        """Write one event; `level` is info, warning or error."""
        ...


class NoLog:
    """Forgets everything."""

    def event(self, name: str, level: str = "info", **fields: object) -> None:
        """Do nothing."""


class _Lines:
    """The end of structlog's chain: whole lines to a file."""

    def __init__(self, appender: Appender, scrub: Callable[[str], str]) -> None:
        self._appender = appender
        self._scrub = scrub

    def msg(self, line: str) -> None:
        self._appender.append_line(self._scrub(line).encode())

    info = warning = error = msg


class JsonLog:
    """Events as JSON lines in a file; close it to put the last of them on the disk.

    Where the file cannot be written, events are kept for a last try in `close`, and `on_failure` is told once.
    """

    def __init__(
        self,
        path: Path,
        run: str,
        *,
        scrub: Callable[[str], str],
        wall: Callable[[], float],
        simulated: bool = False,
        on_failure: Callable[[OSError], None] = lambda _error: None,
    ) -> None:
        self._appender = Appender(path, on_failure=on_failure)
        marks = {"run": run, "simulated": True} if simulated else {"run": run}
        self._logger = structlog.wrap_logger(
            _Lines(self._appender, scrub),
            processors=[structlog.processors.add_log_level, _Stamp(wall, marks), _render],
            wrapper_class=structlog.BoundLogger,
        )

    def event(self, name: str, level: str = "info", **fields: object) -> None:
        """Write one event; raises KeyError for a name that EVENTS does not list."""
        if name not in EVENTS:
            raise KeyError(f"the log knows no event {name!r}")
        getattr(self._logger, level)(name, **fields)

    def close(self) -> None:
        """Put everything on the disk and close the file; raises OSError where events are left over."""
        self._appender.close()


class _Stamp:
    """Puts `ts, level, event, run` first, in this order, whatever else the line holds."""

    def __init__(self, wall: Callable[[], float], marks: Mapping[str, object]) -> None:
        self._wall = wall
        self._marks = marks

    def __call__(
        self, _logger: object, _method: str, fields: MutableMapping[str, object]
    ) -> MutableMapping[str, object]:
        head = {"ts": iso(self._wall()), "level": fields.pop("level"), "event": fields.pop("event")}
        return {**head, **self._marks, **fields}


def _render(_logger: object, _method: str, fields: MutableMapping[str, object]) -> str:
    try:
        return encode(fields).decode()
    except TypeError:  # a value that is no JSON is a defect, for which no answer is given up
        return encode({name: value if _is_json(value) else repr(value) for name, value in fields.items()}).decode()


def _is_json(value: object) -> bool:
    try:
        encode(value)
    except TypeError:
        return False
    return True


def iso(wall: float) -> str:
    """A wall time as ISO 8601 in UTC with milliseconds, `2026-11-23T14:02:07.125Z`; within the calendar always."""
    if not 0 <= wall < LAST_WALL:
        wall = LAST_WALL - 1 if wall > 0 else 0.0
    return datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
