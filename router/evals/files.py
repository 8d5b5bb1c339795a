"""Files that a user names: found, or refused with the nearest that exists."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from router.errors import ConfigError
from router.suggest import did_you_mean


def require_file(path: Path, what: str, *, streams: bool = False) -> None:
    """Return if `path` is a file; raises ConfigError naming `what` was looked for and the nearest file.

    With `streams` pipes will do too, such as `/dev/fd/63` of a shell's `<(…)`.
    """
    if path.is_file() or (streams and (path.is_fifo() or path.is_char_device())):
        return
    if path.is_dir():
        raise ConfigError(f"{path}: this is a directory; name the {what} itself{_one_of(path)}")
    if path.exists():
        raise ConfigError(f"{path}: the {what} must be an ordinary file")
    if not path.parent.is_dir():
        raise ConfigError(f"{path}: there is no such {what}, for there is no directory {path.parent}")
    raise ConfigError(f"{path}: there is no such {what}{did_you_mean(path.name, _names(path.parent))}")


def open_bytes(path: Path, what: str, *, streams: bool = False) -> BinaryIO:
    """The file, open for reading; raises ConfigError where there is none to be read."""
    require_file(path, what, streams=streams)
    try:
        return path.open("rb")
    except OSError as error:
        raise ConfigError(f"{path}: the {what} cannot be read: {error.strerror}") from None


def decode(data: bytes, path: Path, first_line: int = 1, offset: int = 0) -> str:
    """UTF-8 as text, without a byte order mark; raises ConfigError naming the line and the byte's offset.

    `first_line` and `offset` (bytes) say where in its file `data` begins.
    """
    try:
        return data.decode("utf-8-sig" if offset == 0 else "utf-8")
    except UnicodeDecodeError as error:
        # A codec that skips the mark counts from behind it.
        at = error.start + len(data) - len(error.object)
        line = first_line + data.count(b"\n", 0, at)
        raise ConfigError(
            f"{path}:{line}: the byte 0x{data[at]:02x} at offset {offset + at} is not UTF-8; save the file as UTF-8"
        ) from None


def _names(directory: Path) -> list[str]:
    return sorted(entry.name for entry in directory.iterdir() if entry.is_file())


def _one_of(directory: Path) -> str:
    names = _names(directory)
    return f", such as {directory / names[0]}" if names else ""
