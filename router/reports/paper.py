"""Rich's tables and lines as text of a given width; nothing in them is read as markup."""

from __future__ import annotations

import io
from collections.abc import Iterable

from rich.console import Console, RenderableType


def printed(parts: Iterable[RenderableType], width: int, *, color: bool, crop: bool = True) -> str:
    """Print one thing below the other; without `crop` a line that may not wrap stays whole, so it can be copied."""
    file = io.StringIO()
    console = Console(
        file=file,
        width=width,
        force_terminal=color,
        color_system="standard" if color else None,
        no_color=not color,
        force_jupyter=False,
        markup=False,
        emoji=False,
        highlight=False,
        legacy_windows=False,
    )
    for part in parts:
        console.print(part, crop=crop)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"
