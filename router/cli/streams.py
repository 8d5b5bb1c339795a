"""The two streams: data goes to stdout, talk to stderr. Talk that cannot be shown is nobody's error."""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress
from io import TextIOWrapper
from typing import TextIO

from router.errors import CannotWrite

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""What a terminal would obey instead of showing it, and what turns a line round; tabs and line ends may stay."""
_C1 = re.compile(r"[\x80-\x9f]")
"""The same, where the escapes of our own colours have to stay."""
_SHOWN = "\N{REPLACEMENT CHARACTER}"


def prepare() -> None:
    """Let characters that a stream has no letters for be replaced, not raised."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


def say(text: str) -> None:
    """Write a line of talk to stderr, if it is still there."""
    stream: TextIO | None = sys.stderr
    if stream is None:
        return
    try:
        stream.write(f"{plain(text)}\n")
        stream.flush()
    except (OSError, ValueError):
        _discard(stream)


def put(text: str) -> None:
    """Write data to stdout, if there is one; raises BrokenPipeError where its reader has gone, else CannotWrite."""
    stream: TextIO | None = sys.stdout
    if stream is None:
        return
    try:
        stream.write(_C1.sub(_SHOWN, text) if stream.isatty() else text)
        stream.flush()
    except BrokenPipeError:
        _discard(stream)
        raise
    except (OSError, ValueError) as error:
        _discard(stream)
        raise CannotWrite(f"stdout cannot be written: {error}") from None


def plain(text: str) -> str:
    """A text without control characters, as from a file's name, a column or a vendor."""
    return _CONTROL.sub(_SHOWN, text)


def _discard(stream: TextIO) -> None:
    """Let the rest go nowhere: Python would try it once more when it ends, and complain."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
