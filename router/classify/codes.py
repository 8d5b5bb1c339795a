"""The vendors' codes as a table: `codes.toml`, which people read and extend, and the look-up in it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from router import catalog
from router.classify.evidence import Code
from router.faults import Kind

_COMMON_PLACES = frozenset({"code", "error.code"})
TABLE = Path(catalog.__file__).with_name("codes.toml")


@dataclass(frozen=True, slots=True)
class Entry:
    """One code's meaning. Empty `places` and `providers` mean that the name says the same everywhere."""

    kind: Kind
    vendor: str
    is_sure: bool
    places: frozenset[str]
    providers: frozenset[str]
    source: str

    def fits(self, place: str, provider: str) -> bool:
        """Whether the code, found there, may be this vendor's."""
        return place in self.places or provider in self.providers or not (self.places or self.providers)

    def counts_for_sure(self, code: Code, provider: str) -> bool:
        """Whether it decides before the words: a bare number where many vendors put theirs does not."""
        is_a_guess = code.value.isdigit() and code.place in _COMMON_PLACES and provider not in self.providers
        return self.is_sure and not is_a_guess


@dataclass(frozen=True, slots=True)
class Table:
    """All codes by their lower-case name, and what some vendors mean by a bare status."""

    codes: Mapping[str, tuple[Entry, ...]]
    statuses: Mapping[tuple[str, int], Kind]

    def find(self, code: Code, provider: str) -> Entry | None:
        """The meaning of a code at its place, None where the table does not know it.

        A dotted code that is not listed means what the part before its last dots means.
        """
        name = code.value.strip().lower()[:200]
        while name:
            for entry in self.codes.get(name, ()):
                if entry.fits(code.place, provider):
                    return entry
            name = name.rpartition(".")[0]
        return None


@cache
def table() -> Table:
    """The table, read once; raises ValueError for a kind that does not exist."""
    return read(TABLE.read_text(encoding="utf-8"))


def read(text: str) -> Table:
    """Read a table: for each vendor its source, and under `sure`, `likely`, `statuses` kind = [codes]."""
    codes: dict[str, tuple[Entry, ...]] = {}
    statuses: dict[tuple[str, int], Kind] = {}
    for vendor, section in _sections(tomllib.loads(text)):
        providers = frozenset(_strings(section.get("providers")))
        places = frozenset(_strings(section.get("places")))
        for strength in ("sure", "likely"):
            for kind, code in _pairs(section.get(strength)):
                entry = Entry(Kind(kind), vendor, strength == "sure", places, providers, str(section["source"]))
                codes[code] = (*codes.get(code, ()), entry)
        for kind, status in _pairs(section.get("statuses")):
            statuses |= {(provider, int(status)): Kind(kind) for provider in providers}
    return Table(codes, statuses)


def _sections(value: object) -> list[tuple[str, dict[str, object]]]:
    table = value if isinstance(value, dict) else {}
    return [(name, section) for name, section in table.items() if isinstance(section, dict)]


def _pairs(value: object) -> list[tuple[str, str]]:
    table: dict[str, object] = value if isinstance(value, dict) else {}
    return [(kind, code.lower()) for kind, codes in table.items() for code in _strings(codes)]


def _strings(value: object) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else []
