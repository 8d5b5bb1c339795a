"""Nasty replies by name: what a vendor, a gateway or a cable can do to one request, in the three dialects."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from nasty_contents import contents, redirects, statuses
from nasty_framing import charsets, framing, headers, packing
from nasty_kinds import Nasty
from nasty_timing import connections, sizes

__all__ = ["Nasty", "all_nasty", "by_name", "redirects"]


def all_nasty(elsewhere: str) -> tuple[Nasty, ...]:
    """Every one, in a fixed order; `elsewhere` is the address of a vendor that must not be asked."""
    makers: Sequence[Callable[[], Iterator[Nasty]]] = (
        headers,
        charsets,
        framing,
        packing,
        sizes,
        connections,
        statuses,
        contents,
    )
    found = [nasty for make in makers for nasty in make()]
    return (*found, *redirects(elsewhere))


def by_name(name: str, elsewhere: str = "http://127.0.0.1:9") -> Nasty:
    """The one of that name; raises KeyError."""
    return {nasty.name: nasty for nasty in all_nasty(elsewhere)}[name]
