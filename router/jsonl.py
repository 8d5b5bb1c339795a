"""JSON lines: appended whole, flushed, fsynced in short intervals; a torn last line is dropped on reading."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import fields, is_dataclass
from io import FileIO
from pathlib import Path

import orjson

FSYNC_EVERY_S = 1.0
MAX_FLOAT = 10**308


def encode(value: object) -> bytes:
    """One value as compact JSON, without a line end; dataclasses and enums included.

    What JSON cannot say is written as near as it can: half a character as `?`, a number beyond 64 bits as a float.
    """
    return _dump(value, orjson.OPT_NON_STR_KEYS)


def encode_pretty(value: object) -> bytes:
    """One value as indented JSON with a line end, for files that people open."""
    return _dump(value, orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS)


def _dump(value: object, options: int) -> bytes:
    try:
        return orjson.dumps(value, option=options)
    except orjson.JSONEncodeError:
        return orjson.dumps(_sayable(value), option=options)


def _sayable(value: object) -> object:
    match value:
        case str():
            return value.encode(errors="replace").decode()
        case int() if not -(2**63) <= value < 2**64:
            return float(value) if abs(value) < MAX_FLOAT else None
        case Mapping():
            return {_sayable(name): _sayable(each) for name, each in value.items()}
        case list() | tuple():
            return [_sayable(each) for each in value]
        case _ if is_dataclass(value) and not isinstance(value, type):
            return {each.name: _sayable(getattr(value, each.name)) for each in fields(value)}
    return value


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
    """Appends lines to a file; each is handed to the kernel at once and to the disk within a second or so.

    Appending never raises. From the first failure on (a full disk, a removed directory) nothing more is written,
    `on_failure` is told once, and lines are kept for a last try in `close`. The file always ends with a whole line.
    """

    def __init__(
        self,
        path: Path,
        clock: Callable[[], float] = time.monotonic,
        *,
        on_failure: Callable[[OSError], None] = lambda _error: None,
    ) -> None:
        self.path = path
        self.error: OSError | None = None
        self.kept: list[bytes] = []
        self._file = _open(path)
        self._clock = clock
        self._on_failure = on_failure
        self._synced_at = clock()
        self._disk = ThreadPoolExecutor(1, "fsync")
        self._syncing: Future[None] | None = None

    def append(self, value: Mapping[str, object]) -> None:
        """Write one line, whole."""
        self.append_line(encode(value))

    def append_line(self, line: bytes) -> None:
        """Write one line that is JSON already."""
        if self.error is not None:
            self.kept.append(line)
            return
        try:
            _write(self._file, line + b"\n")
        except OSError as error:
            self.kept.append(line)
            self._fail(error)
        else:
            if self._clock() - self._synced_at >= FSYNC_EVERY_S:
                self.sync()

    def sync(self) -> None:
        """Begin to put everything so far on the disk, in a thread: a slow disk must not hold up the event loop."""
        if self._syncing is None or self._syncing.done():
            self._synced_at = self._clock()
            if error := self._is_lost():
                self._fail(error)
            else:
                self._syncing = self._disk.submit(os.fsync, self._file.fileno())

    def close(self) -> None:
        """Put everything on the disk and close; a second call does nothing. Raises OSError where lines are left over.

        What could not be written is tried once more, in a new file where the old one was removed.
        """
        if self._file.closed:
            return
        self._disk.shutdown()
        try:
            if self.error is not None or self._is_lost():
                self._try_again()
            os.fsync(self._file.fileno())
        finally:
            self._file.close()

    def _is_lost(self) -> OSError | None:
        """What has happened to lines that the kernel took: the last sync failed, or nobody can find the file."""
        if self._syncing is not None and self._syncing.done() and (error := self._syncing.exception()):
            return error if isinstance(error, OSError) else OSError(str(error))
        if os.fstat(self._file.fileno()).st_nlink == 0:
            return FileNotFoundError(errno.ENOENT, "it was removed", str(self.path))
        return None

    def _fail(self, error: OSError) -> None:
        self.error = error
        self._on_failure(error)

    def _try_again(self) -> None:
        if os.fstat(self._file.fileno()).st_nlink == 0:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            lost, self._file = self._file, _open(self.path)
            with lost:
                lost.seek(0)
                _write(self._file, lost.readall())
        while self.kept:
            _write(self._file, self.kept[0] + b"\n")
            del self.kept[0]


def _open(path: Path) -> FileIO:
    cut_torn_line(path)
    return FileIO(path, "a+")


def _write(file: FileIO, data: bytes) -> None:
    """Write all of it, which the kernel may take piece by piece, or nothing; raises OSError."""
    written = 0
    try:
        while written < len(data):
            written += os.write(file.fileno(), memoryview(data)[written:])
    except OSError:
        with suppress(OSError):
            os.ftruncate(file.fileno(), os.fstat(file.fileno()).st_size - written)
        raise


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
    return (value for _, value in placed(path, damaged))


def placed(path: Path, damaged: Callable[[int], None] = lambda _line: None) -> Iterator[tuple[int, dict[str, object]]]:
    """The same, each with the offset at which its line begins."""
    with path.open("rb") as file:
        end = 0
        for number, line in enumerate(file, 1):
            start, end = end, end + len(line)
            if not line.strip():
                continue
            try:
                # A line without its end is torn, even one that parses: the next append will cut it away.
                value = orjson.loads(line) if line.endswith(b"\n") else None
            except orjson.JSONDecodeError:
                value = None
            if isinstance(value, dict):
                yield start, value
            else:
                damaged(number)
