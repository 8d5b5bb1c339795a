"""Parses server-sent events from bytes, however the server splits and ends its lines."""

from __future__ import annotations

from typing import NamedTuple

from router.classify import is_broken
from router.jsonl import decode
from router.text import mended_json
from router.transport.body import TooLong

MAX_EVENT = 8 * 2**20
"""Bytes of one event: a picture may come in one."""

DONE = "[DONE]"
"""The last event of OpenAI's streams; not all who speak as OpenAI does send it."""


class Event(NamedTuple):
    """One event: its name, mostly empty, and its data."""

    name: str
    data: str


class EventStream:
    """Takes a body piece by piece and gives the events that are whole.

    Lines end in LF, CR or CRLF, which may be cut in two; comments are passed over, and so is a byte order mark. A
    server that leaves out the empty line between two events, or after the last, is understood; so is one that sends
    JSON lines.
    """

    def __init__(self) -> None:
        self._open: list[bytes] = []
        self._size = 0
        self._may_be_lf = False
        self._name = ""
        self._data: list[str] = []

    def feed(self, piece: bytes) -> list[Event]:
        """The events that this piece ends; raises TooLong for one without end."""
        if self._may_be_lf:
            piece = piece.removeprefix(b"\n")
        self._may_be_lf = piece.endswith(b"\r") or (self._may_be_lf and not piece)
        self._size += len(piece)
        if self._size > MAX_EVENT:
            raise TooLong(f"an event of the stream is longer than {MAX_EVENT // 2**20} MB: the rest of it was not read")
        self._open.append(piece)
        if b"\n" not in piece and b"\r" not in piece:
            return []
        lines = b"".join(self._open).splitlines(keepends=True)
        self._open = [] if lines[-1].endswith((b"\n", b"\r")) else [lines.pop()]
        return [event for line in lines for event in self._take(line.rstrip(b"\r\n"))]

    def close(self) -> list[Event]:
        """The events that end with the body."""
        line = b"".join(self._open)
        self._open = []
        return [*self._take(line), *self._take(b"")]

    def _take(self, line: bytes) -> list[Event]:
        if not line:
            return self._whole()
        text = line.decode(errors="replace").removeprefix("\ufeff")
        if text.startswith("{"):
            return [Event("", mended_json(text))]
        field, _, value = text.partition(":")
        if field == "data":
            self._data.append(mended_json(value.removeprefix(" ")))
        elif field == "event":
            self._name = value.strip()
        return []

    def _whole(self) -> list[Event]:
        name, data = self._name, self._data
        self._name, self._data = "", []
        self._size = sum(map(len, self._open))
        texts = data if len(data) > 1 and all(map(_is_json, data)) else ["\n".join(data)] if data else []
        return [Event(name, text) for text in texts]


def is_broken_event(event: Event, body: object) -> bool:
    """Whether an event ends a stream without an answer, in any dialect."""
    return event.data != DONE and (event.name == "error" or (isinstance(body, dict) and is_broken(body)))


def parsed(text: str) -> object:
    """The JSON of an event's data, None where it is none."""
    try:
        return decode(text)
    except ValueError:
        return None


def _is_json(text: str) -> bool:
    return text == DONE or parsed(text) is not None
