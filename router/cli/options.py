"""What the terminal can show."""

from __future__ import annotations

import os
from typing import TextIO


def wants_color(stream: TextIO) -> bool:
    """Whether colours are welcome there: a terminal, and nobody has said NO_COLOR."""
    return stream.isatty() and not os.environ.get("NO_COLOR")
