"""JSON: one object a line, or one array, whose elements are read as they are needed.

Parsed with json, not orjson: an expected integer of 30 digits must not become a float.
"""

from __future__ import annotations

import codecs
import json
import re
from pathlib import Path

from router.errors import ConfigError
from router.evals.formats.stream import CHUNK, TOO_DEEP, Rows, Stream, lines
from router.evals.items import BadRow, Place


def read_lines(stream: Stream) -> Rows:
    """One object a line; blank lines are passed over."""
    for place, line in lines(stream):
        if isinstance(line, BadRow):
            yield place, line
        elif line.strip():
            yield place, _parse(line, place)


def _parse(text: str, place: Place) -> object:
    expected = "one object a line (an array over many lines is named .json)"
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        return BadRow(f"{place}: this is not JSON: {error.msg}, after column {error.colno}; expected {expected}")
    except (ValueError, RecursionError):
        return BadRow(f"{place}: {TOO_DEEP}")


_BEFORE_ARRAY = re.compile(r'\s*(?:\{\s*"data"\s*:\s*)?\[')
_SPACE = re.compile(r"\s*")


def read_array(stream: Stream) -> Rows:
    """The elements of an array, read as they are needed; in an object it stands under `data`."""
    text = _Window(stream)
    text.more()
    if begin := _BEFORE_ARRAY.match(text.text):
        text.drop(begin.end())
        yield from _elements(text, stream.path)
        return
    expected = 'an array of objects or {"data": […]} (a file with one object a line is named .jsonl)'
    array = _whole_document(text, stream.path, expected)
    if not isinstance(array, list):
        raise ConfigError(f"{stream.path}: expected {expected}")
    yield from ((f"{stream.path}: item {number}", record) for number, record in enumerate(array, 1))


class _Window:
    """The part of a text that is being looked at; it knows the line at which it begins."""

    def __init__(self, stream: Stream) -> None:
        self.text = ""
        self.line = 1
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._size = CHUNK
        self._done = 0

    def more(self) -> bool:
        """Read on, each time twice as much until something is dropped; False at the end of the file."""
        data = self._stream.file.read(self._size)
        self._size *= 2
        try:
            self.text += self._decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            line = self.line + self.text.count("\n") + error.object.count(b"\n", 0, error.start)
            offset = self._done + error.start - (len(error.object) - len(data))
            raise ConfigError(
                f"{self._stream.path}:{line}: the byte 0x{error.object[error.start]:02x} at offset {offset} "
                "is not UTF-8; save the file as UTF-8"
            ) from None
        self._done += len(data)
        return bool(data)

    def drop(self, end: int) -> None:
        """Look at what comes after `end`."""
        self.line += self.text.count("\n", 0, end)
        self.text = self.text[end:]
        self._size = CHUNK


def _elements(text: _Window, path: Path) -> Rows:
    number, at = 0, 0
    while True:
        at = _next(text, at)
        if text.text.startswith("]", at):
            return
        if number and not text.text.startswith(",", at):
            raise ConfigError(f"{path}:{_line(text, at)}: this is not JSON: expected , or ] behind item {number}")
        at = _next(text, at + 1) if number else at
        number += 1
        place = f"{path}:{_line(text, at)}: item {number}"
        record, end = _element(text, at, place)
        yield place, record
        at = end
        if at > CHUNK:
            text.drop(at)
            at = 0


def _next(text: _Window, at: int) -> int:
    """Where the next letter stands that is no space; at the end of the file there is none."""
    while True:
        space = _SPACE.match(text.text, at)
        at = space.end() if space else at
        if at < len(text.text) or not text.more():
            return at


def _element(text: _Window, at: int, place: Place) -> tuple[object, int]:
    while True:
        try:
            value, end = json.JSONDecoder().raw_decode(text.text, at)
        except json.JSONDecodeError as error:
            if not text.more():
                line = text.line + error.lineno - 1
                what = f"{error.msg} at line {line}, column {error.colno}"
                raise ConfigError(f"{place}: this is not JSON: {what}; was the file written to its end?") from None
        except (ValueError, RecursionError):
            raise ConfigError(f"{place}: {TOO_DEEP}") from None
        else:
            # A number may go on in the next piece of the file.
            if end < len(text.text) or not text.more():
                return value, end


def _line(text: _Window, at: int) -> int:
    return text.line + text.text.count("\n", 0, at)


def _whole_document(text: _Window, path: Path, expected: str) -> object:
    while text.more():
        pass
    try:
        whole = json.loads(text.text) if text.text.strip() else []
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ConfigError(f"{path}: this is not JSON: {error.msg} at {where}; expected {expected}") from None
    except (ValueError, RecursionError):
        raise ConfigError(f"{path}: {TOO_DEEP}") from None
    return whole.get("data") if isinstance(whole, dict) else whole
