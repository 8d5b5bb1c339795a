"""The answer to an SQL query as a table."""

from __future__ import annotations

import itertools

from rich.console import RenderableType

from router.analysis.query import MAX_ROWS, Found, plain_value
from router.analysis.wording import counted
from router.jsonl import encode
from router.reports.logs_paper import DIM, WARNING, simulated_line, table, words
from router.reports.paper import printed


def render_found(found: Found, width: int = 100, *, color: bool = False) -> str:
    """The first MAX_ROWS rows as a table of at most `width` columns."""
    shown = list(itertools.islice(found.rows, MAX_ROWS))
    more = next(found.rows, None) is not None
    parts: list[RenderableType] = [simulated_line()] if found.simulated else []
    made = table(*(words(name).plain for name in found.columns))
    for row in shown:
        made.add_row(*(words(_shown(value)) for value in row))
    parts.append(made)
    end = f"the first {MAX_ROWS} rows; --json prints all" if more else counted(len(shown), "row")
    parts.append(words(end, DIM))
    if found.damaged:
        parts.append(words(f"{counted(found.damaged, 'damaged line')} skipped", WARNING))
    return printed(parts, width, color=color)


def _shown(value: object) -> str:
    plain = plain_value(value)
    if isinstance(plain, float):
        return f"{plain:.6g}"
    return plain if isinstance(plain, str) else "" if plain is None else encode(plain).decode()
