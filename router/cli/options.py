"""What the terminal can show."""

from __future__ import annotations

import os
from typing import TextIO


def wants_color(stream: TextIO | None) -> bool:
    """Whether colours are welcome there: a terminal, and nobody has said NO_COLOR."""
    if stream is None or stream.closed:
        return False
    return stream.isatty() and not os.environ.get("NO_COLOR")
