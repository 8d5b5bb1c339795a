"""The run's event log: one flat JSON line an event of `router.log.events`, through structlog, without any key."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from pathlib import Path
from typing import Protocol

import structlog

from router.jsonl import Appender, encode
from router.log.event import Event
from router.log.times import iso


class EventLog(Protocol):
    """Where events go."""

    def write(self, event: Event) -> None:
        """Write one event."""
        ...


class NoLog:
    """Forgets everything."""

    def write(self, event: Event) -> None:
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

    def write(self, event: Event) -> None:
        """Write one event; `ts`, `level`, `event`, `run` and `simulated` are added to its fields."""
        getattr(self._logger, event.level)(event.name, **vars(event))

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
