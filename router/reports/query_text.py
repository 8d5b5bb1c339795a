"""The answer to an SQL query as a table, or one field a line where a table is too wide."""

from __future__ import annotations

import itertools

from rich.console import RenderableType
from rich.text import Text

from router.analysis.query import MAX_ROWS, Found, cell_text, plain_value
from router.analysis.wording import counted
from router.reports.paper import DIM, WARNING, natural_width, printed, simulated_line, table, told, words


def render_found(found: Found, width: int | None = 100, *, color: bool = False) -> str:
    """The first MAX_ROWS rows. Without a `width`, off a terminal, each is one line and nothing wraps."""
    rows = [[_shown(value) for value in row] for row in itertools.islice(found.rows, MAX_ROWS)]
    more = next(found.rows, None) is not None
    made = table(*(words(name).plain for name in found.columns))
    for row in rows:
        made.add_row(*map(words, row))
    natural = natural_width(made)
    parts: list[RenderableType] = [simulated_line()] if found.simulated else []
    if width is None or natural <= width:
        parts.append(made)
    else:
        for row in rows:
            parts += [Text(), told(*zip(found.columns, row, strict=True))]
    end = f"the first {MAX_ROWS} rows; --json and --csv print all" if more else counted(len(rows), "row")
    parts.append(words(end, DIM))
    if found.damaged:
        parts.append(words(f"{counted(found.damaged, 'damaged line')} skipped", WARNING))
    return printed(parts, max(natural, 100) if width is None else width, color=color)


def _shown(value: object) -> str:
    plain = plain_value(value)
    return f"{plain:.6g}" if isinstance(plain, float) else cell_text(value)
