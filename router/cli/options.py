"""What the terminal can show."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TextIO


def filled(arguments: list[str], values: Mapping[str, str]) -> list[str]:
    """The arguments, where an option that may stand alone and does has its value: `--resume` is `--resume=latest`."""
    follow = [*arguments[1:], "-"]
    return [
        f"{word}={values[word]}" if word in values and next_.startswith("-") else word
        for word, next_ in zip(arguments, follow, strict=True)
    ]


def wants_color(stream: TextIO | None) -> bool:
    """Whether colours are welcome there: a terminal, and nobody has said NO_COLOR."""
    if stream is None or stream.closed:
        return False
    return stream.isatty() and not os.environ.get("NO_COLOR")
