"""JSON lines: appended whole, flushed, fsynced in short intervals; a torn last line is dropped on reading."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import orjson

FSYNC_EVERY_S = 1.0


def encode(value: object) -> bytes:
    """One value as compact JSON, without a line end; dataclasses and enums included."""
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)


def encode_pretty(value: object) -> bytes:
    """One value as indented JSON with a line end, for files that people open."""
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS)


def decode(text: str | bytes) -> object:
    """Parse JSON; raises ValueError."""
    return orjson.loads(text)


def write_whole(path: Path, value: object) -> None:
    """Write indented JSON so that a reader sees the old file or the new one, never half of one."""
    fresh = path.with_name(path.name + ".tmp")
    with fresh.open("wb") as file:
        file.write(encode_pretty(value))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


class Appender:
    """Appends lines to a file; each is handed to the kernel at once and to the disk within a second or so."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        cut_torn_line(path)
        self._file: BinaryIO = path.open("ab", buffering=0)
        self._clock = clock
        self._synced_at = clock()
        self._disk = ThreadPoolExecutor(1, "fsync")
        self._syncing: Future[None] | None = None

    def append(self, value: Mapping[str, object]) -> None:
        """Write one line, whole."""
        self.append_line(encode(value))

    def append_line(self, line: bytes) -> None:
        """Write one line that is JSON already."""
        self._file.write(line + b"\n")
        if self._clock() - self._synced_at >= FSYNC_EVERY_S:
            self.sync()

    def sync(self) -> None:
        """Begin to put everything so far on the disk, in a thread: a slow disk must not hold up the event loop.

        Raises the OSError of the sync before, such as a full disk's.
        """
        if self._syncing is None or self._syncing.done():
            if self._syncing is not None:
                self._syncing.result()
            self._syncing = self._disk.submit(os.fsync, self._file.fileno())
            self._synced_at = self._clock()

    def close(self) -> None:
        """Put everything on the disk and close; a second call does nothing."""
        if not self._file.closed:
            self._disk.shutdown()
            os.fsync(self._file.fileno())
            self._file.close()


def cut_torn_line(path: Path) -> None:
    """End a file at its last whole line, so that the next append starts a line of its own."""
    if not path.exists():
        return
    with path.open("rb+") as file:
        size = end = file.seek(0, os.SEEK_END)
        while end > 0:
            start = max(0, end - 65536)
            file.seek(start)
            newline = file.read(end - start).rfind(b"\n")
            if newline >= 0:
                end = start + newline + 1
                break
            end = start
        if end < size:
            file.truncate(end)


def read(path: Path, damaged: Callable[[int], None] = lambda _line: None) -> Iterator[dict[str, object]]:
    """The objects of a file in order; lines that are none are skipped and their numbers told to `damaged`."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                # A line without its end is torn, even one that parses: the next append will cut it away.
                value = orjson.loads(line) if line.endswith(b"\n") else None
            except orjson.JSONDecodeError:
                value = None
            if isinstance(value, dict):
                yield value
            else:
                damaged(number)
