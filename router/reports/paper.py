"""What texts for the terminal are made of: rich's tables and lines, with nothing in them read as markup."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from router.text import clean

BAD, WARNING, GOOD, DIM = "bold red", "yellow", "green", "dim"
ENDLESS = 1_000_000

MIN_WIDTHS = {"who": 11, "why": 11, "key": 11, "kind": 11}
"""Names and faults are read as a whole, `invalid_key 401`; other columns wrap before they do."""


def printed(parts: Iterable[RenderableType], width: int, *, color: bool, crop: bool = True) -> str:
    """Print one thing below the other; without `crop` a line that may not wrap stays whole, so it can be copied."""
    file = io.StringIO()
    console = _console(file, width, color=color)
    for part in parts:
        console.print(part, crop=crop)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"


def natural_width(part: RenderableType) -> int:
    """The width at which nothing in it wraps."""
    console = _console(io.StringIO(), ENDLESS, color=False)
    return Measurement.get(console, console.options, part).maximum


def _console(file: io.StringIO, width: int, *, color: bool) -> Console:
    return Console(
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


def table(*columns: str, right: Iterable[str] = ()) -> Table:
    """An empty table; columns named in `right` hold numbers."""
    made = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    for name in columns:
        min_width = MIN_WIDTHS.get(name)
        made.add_column(name, justify="right" if name in right else "left", overflow="fold", min_width=min_width)
    return made


def filled(made: Table, rows: Sequence[Sequence[object]], max_rows: int | None = None) -> Table:
    """The table with the first rows, and how many more there are."""
    for row in rows[:max_rows]:
        made.add_row(*(cell if isinstance(cell, Text) else words(cell) for cell in row))
    if max_rows is not None and len(rows) > max_rows:
        made.add_row("…", f"and {len(rows) - max_rows:,} more, see --json")
    return made


def words(text: object, style: str = "") -> Text:
    """Text that may come from a vendor: no markup, no control characters."""
    return Text(clean(str(text)), style=style)


def titled(text: str) -> Text:
    """The title of a chapter."""
    return Text(f"\n{text}", style="bold underline")


def told(*lines: tuple[str, str]) -> RenderableType:
    """Short words on the left, what they say on the right, indented; what says nothing is left out."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for name, line in lines:
        if line:
            grid.add_row(words(name, DIM), words(line))
    return Padding(grid, (0, 0, 0, 2))


def simulated_line() -> Text:
    """What stands above everything that is simulated."""
    return Text(
        "SIMULATED: no call left this machine; what follows says nothing about any vendor.", style="bold magenta"
    )
