"""What vendors' sentences mean: `phrases.toml`, which people read and extend, and the question put to it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from router.classify.needles import beginning, beginnings
from router.classify.patterns import Pattern, compiled, pattern_of
from router.faults import Kind

TABLE = Path(__file__).with_name("phrases.toml")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: any of `said` and none of `unless`; `statuses`, where given, bound it to those (0: none)."""

    kind: Kind
    said: tuple[Pattern, ...]
    unless: tuple[Pattern, ...]
    statuses: frozenset[int]
    needles: frozenset[str]

    def fits(self, text: str, present: frozenset[str], status: int | None) -> bool:
        """Whether the rule speaks of this text; `present` are the needles in the text."""
        if self.needles.isdisjoint(present) or (self.statuses and (status or 0) not in self.statuses):
            return False
        return _any(self.said, text, present) and not _any(self.unless, text, present)


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules in order. `outright` hold against any code; `needles` are by their first letters."""

    outright: tuple[Rule, ...]
    others: tuple[Rule, ...]
    needles: Mapping[tuple[str, ...], tuple[str, ...]]


def meaning(text: str, status: int | None) -> Kind | None:
    """What a text in folded lower case says, None where no rule speaks of it."""
    return _first(rules().others, text, status)


def plain_meaning(text: str, status: int | None) -> Kind | None:
    """What a text says so plainly that no code beside it counts, None where it says nothing like that."""
    return _first(rules().outright, text, status)


def _first(rules: tuple[Rule, ...], text: str, status: int | None) -> Kind | None:
    present = _present(text)
    return next((rule.kind for rule in rules if rule.fits(text, present, status)), None)


@lru_cache(maxsize=4)
def _present(text: str) -> frozenset[str]:
    """The needles that a text holds; each text is asked about twice."""
    known = rules().needles
    likely = [needles for start in set(beginnings(text)) if (needles := known.get(start))]
    return frozenset([needle for needles in likely for needle in needles if needle in text])


def _any(patterns: tuple[Pattern, ...], text: str, present: frozenset[str]) -> bool:
    for pattern in patterns:  # a plain loop: this is where the time goes
        if not pattern.needles.isdisjoint(present) and compiled(pattern.source).search(text):
            return True
    return False


@cache
def rules() -> Rules:
    """The rules, read once; raises ValueError for a kind that does not exist."""
    return read(TABLE.read_text(encoding="utf-8"))


def read(text: str) -> Rules:
    """Read rules from a table's text; raises ValueError for a kind that does not exist."""
    table = tomllib.loads(text)
    outright, others = (tuple(_rules(table.get(name, []))) for name in ("outright", "rule"))
    patterns = [pattern for rule in (*outright, *others) for pattern in (*rule.said, *rule.unless)]
    needles: dict[tuple[str, ...], tuple[str, ...]] = {}
    for needle in frozenset[str]().union(*(pattern.needles for pattern in patterns)):
        start = beginning(needle)
        needles[start] = (*needles.get(start, ()), needle)
    return Rules(outright, others, needles)


def _rules(entries: list[dict[str, object]]) -> Iterator[Rule]:
    for entry in entries:
        said, unless = (tuple(map(pattern_of, _strings(entry.get(name)))) for name in ("said", "unless"))
        statuses = frozenset(map(int, _strings(entry.get("statuses"))))
        needles = frozenset[str]().union(*(pattern.needles for pattern in said))
        yield Rule(Kind(str(entry["kind"])), said, unless, statuses, needles)


def _strings(value: object) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else []
