"""HTML out of texts: whatever is not markup already is escaped, so nothing of an answer is ever HTML."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence


class Markup(str):
    """A text that is HTML already."""

    __slots__ = ()


def element(name: str, *children: object, **attributes: str | int | None) -> Markup:
    """An element; `class_` is the attribute `class`, `data_for` is `data-for`, and one that is None is left out."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{given}>{joined(children)}</{name}>")


def joined(parts: Iterable[object]) -> Markup:
    """Parts one after the other, without anything between them; None is nothing."""
    return Markup("".join(map(_escaped, parts)))


def table(head: Sequence[str], rows: Iterable[Iterable[object]], *, numbers: Iterable[str] = ()) -> Markup:
    """A table; columns named in `numbers` are set to the right. It scrolls where it is too wide."""
    kinds = ["number" if name in set(numbers) else None for name in head]
    lines = [
        element("tr", *(element("td", cell, class_=kind) for cell, kind in zip(row, kinds, strict=True)))
        for row in rows
    ]
    titles = element("tr", *(element("th", name, class_=kind) for name, kind in zip(head, kinds, strict=True)))
    made = element("table", element("thead", titles), element("tbody", *lines))
    return element("div", made, class_="wide", tabindex=0)


def _escaped(part: object) -> str:
    if part is None:
        return ""
    return part if isinstance(part, Markup) else html.escape(str(part))
