"""Bytes of a data file, and what every reader of them gives."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias, cast

from router.errors import ConfigError
from router.evals.files import decode
from router.evals.items import BadRow, Place

HEAD = 4096
"""Bytes by which a format is told."""
CHUNK = 1 << 16
TOO_DEEP = "this JSON is nested too deeply or holds a number too long"
Rows: TypeAlias = Iterator[tuple[Place, object]]
"""Records with their places; in the place of one that cannot be read stands a BadRow."""


@dataclass(frozen=True, slots=True)
class Stream:
    """Bytes to be read once. `path` is what people call it; `is_file` says that it can be opened again there."""

    path: Path
    file: BinaryIO
    is_file: bool


def peeked(file: BinaryIO) -> tuple[BinaryIO, bytes]:
    """The same bytes to be read, and the first HEAD of them."""
    head = b""
    while len(head) < HEAD and (more := file.read(HEAD - len(head))):
        head += more
    return cast("BinaryIO", io.BufferedReader(_Joined(head, file), CHUNK)), head


class _Joined(io.RawIOBase):
    """Bytes that were read already, and then the rest of their file."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head = head
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._head[: len(buffer)] or self._rest.read(len(buffer))
        self._head = self._head[len(buffer) :]
        buffer[: len(data)] = data
        return len(data)


def lines(stream: Stream) -> Iterator[tuple[Place, str | BadRow]]:
    """The lines of a file with their ends, each with its place; a BadRow for one that is not UTF-8."""
    offset = 0
    for number, line in enumerate(stream.file, 1):
        try:
            yield f"{stream.path}:{number}", decode(line, stream.path, number, offset)
        except ConfigError as error:
            yield f"{stream.path}:{number}", BadRow(str(error))
        offset += len(line)
