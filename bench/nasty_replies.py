"""Nasty replies by name: what a vendor, a gateway or a cable can do to one request, in the three dialects."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache

from nasty_contents import contents, redirects, statuses
from nasty_framing import charsets, framing, headers, packing
from nasty_kinds import Nasty
from nasty_timing import connections, sizes

__all__ = ["Nasty", "all_nasty", "some"]


MAKERS: Sequence[Callable[[], Iterator[Nasty]]] = (
    headers, charsets, framing, packing, sizes, connections, statuses, contents, redirects,
)  # fmt: skip


@cache
def all_nasty() -> Mapping[str, Nasty]:
    """Every one by its name, in a fixed order."""
    return {nasty.name: nasty for make in MAKERS for nasty in make()}


def some(share: float) -> list[Nasty]:
    """A share of them, spread evenly."""
    return [nasty for number, nasty in enumerate(all_nasty().values()) if number * share % 1 < share]
