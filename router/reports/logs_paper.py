"""What every text for the terminal is made of: rich's tables and lines, with nothing in them read as markup."""

from __future__ import annotations

from collections.abc import Mapping

from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from router.text import clean

BAD, WARNING, GOOD, DIM = "bold red", "yellow", "green", "dim"


MIN_WIDTHS = {"who": 11, "why": 11, "key": 11, "kind": 11}
"""Names and faults are read as a whole, `invalid_key 401`; other columns wrap before they do."""


def table(*columns: str, right: frozenset[str] = frozenset()) -> Table:
    """An empty table; columns named in `right` hold numbers."""
    made = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    for name in columns:
        least = MIN_WIDTHS.get(name)
        made.add_column(name, justify="right" if name in right else "left", overflow="fold", min_width=least)
    return made


def words(text: object, style: str = "") -> Text:
    """Text that may come from a vendor: no markup, no control characters."""
    return Text(clean(str(text)), style=style)


def told(lines: Mapping[str, str]) -> RenderableType:
    """Short words on the left, what they say on the right, indented."""
    grid = Table.grid(padding=(0, 2))
    for name, line in lines.items():
        grid.add_row(words(name, DIM), words(line))
    return Padding(grid, (0, 0, 0, 2))


def simulated_line() -> Text:
    """What stands above everything that is simulated."""
    return Text(
        "SIMULATED: no call left this machine; what follows says nothing about any vendor.", style="bold magenta"
    )
