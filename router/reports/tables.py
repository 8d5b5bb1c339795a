"""A table of figures that never wraps: on a narrow terminal it leaves out columns, and cuts the names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from rich.table import Table
from rich.text import Text

T = TypeVar("T")

MIN_NAME = 8


@dataclass(frozen=True, slots=True)
class Column(Generic[T]):
    """One column, at least `min_width` cells wide.

    Where the terminal is too narrow, the column with the highest `drop_order` is left out first; 0 is never left out.
    """

    header: str
    cell: Callable[[T], Text]
    min_width: int = 0
    align: Literal["left", "right"] = "right"
    drop_order: int = 0


def grid(
    columns: Sequence[Column[T]],
    items: Sequence[T],
    *,
    width: int,
    gap: int = 2,
    names: Literal["cut", "fold"] = "cut",
    min_name: int = MIN_NAME,
) -> Table:
    """Lay out `items`, at most `width` cells wide; the first column holds names and takes what is left.

    Columns leave until a name has `min_name` cells, if it needs them. Where even MIN_NAME cells are too many,
    the last column is cut.
    """
    rows = [[column.cell(item) for column in columns] for item in items]
    widths = [
        max(column.min_width, len(column.header), *(row[index].cell_len for row in rows), 0)
        for index, column in enumerate(columns)
    ]
    kept = _kept(columns, widths, width - min(widths[0], min_name), gap)
    rest = sum(widths[index] for index in kept[1:]) + gap * (len(kept) - 1)
    widths[0] = min(widths[0], max(MIN_NAME, width - rest))
    widths[kept[-1]] -= max(0, widths[0] + rest - width)
    table = Table(box=None, show_edge=False, pad_edge=False, padding=(0, gap, 0, 0), header_style="bold")
    for index in kept:
        is_folded = names == "fold" and index == 0
        table.add_column(
            columns[index].header,
            width=widths[index],
            justify=columns[index].align,
            no_wrap=not is_folded,
            overflow="fold" if is_folded else "ellipsis",
        )
    for row in rows:
        table.add_row(*(row[index] for index in kept))
    return table


def _kept(columns: Sequence[Column[T]], widths: Sequence[int], room: int, gap: int) -> list[int]:
    """The indices of the columns that stay when all but the first have `room` cells."""
    kept = list(range(len(columns)))
    needed = sum(widths[1:]) + gap * (len(columns) - 1)
    for index in sorted(kept, key=lambda index: -columns[index].drop_order):
        if needed > room and columns[index].drop_order:
            kept.remove(index)
            needed -= widths[index] + gap
    return kept
