"""The same items under several conditions: rows become counts of how the marks of an item went together.

A condition is called an *arm*: a prompt, a provider, a model, a run. Every statistic of a comparison follows from how
often each pattern of marks occurred, so the counts are all that is kept, and a million items take little more memory
than a thousand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Literal, NamedTuple, TypeAlias

from router.evals.results import Row

MAX_FLIPS = 100
"""So many items are named of those that one arm alone has right; all are counted."""

Factor: TypeAlias = Literal["prompt", "model", "provider", "run"]
"""In what the arms differ."""
FACTORS: Mapping[Factor, Callable[[Row], str]] = {
    "prompt": lambda row: row.prompt,
    "model": lambda row: row.asked_model or row.model,
    "provider": lambda row: row.provider,
}
"""The arm of a row within its run."""


class Mark(NamedTuple):
    """One answer that was marked: its score from 0 to 1, whether it counts as right, and who gave it."""

    score: float
    right: bool
    provider: str
    model: str


Marks: TypeAlias = tuple[Mark, ...]
"""The marks of one item in one arm, in ascending order; empty where there was no answer or no mark."""
Pattern: TypeAlias = "tuple[Marks | None, ...]"
"""One item in all arms; None where an arm never asked it."""
Two: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Flips:
    """Items that one of two arms has right and the other has not, by their ids, MAX_FLIPS of each at most."""

    only_a: tuple[str, ...] = ()
    only_b: tuple[str, ...] = ()


NO_FLIPS = Flips()


@dataclass(frozen=True, slots=True)
class Table:
    """How often each pattern occurred, whose places `arms` name, and which items flipped between two arms.

    `is_spread` where each item went to one of the arms, so that nothing is paired.
    """

    factor: Factor
    arms: tuple[str, ...]
    patterns: Mapping[Pattern, int]
    flips: Mapping[Two, Flips] = field(default_factory=dict)
    simulated: bool = False
    is_spread: bool = False

    def cells(self, arm: str) -> Iterator[tuple[Marks | None, int]]:
        """The marks of items in an arm, and how many items have these; None where it never asked them."""
        place = self.arms.index(arm)
        return ((pattern[place], times) for pattern, times in self.patterns.items())

    def pairs(self, a: str, b: str) -> Iterator[tuple[Marks, Marks, int]]:
        """The marks of items that both arms asked, and how many items have these."""
        for (one, times), (other, _) in zip(self.cells(a), self.cells(b), strict=True):
            if one is not None and other is not None:
                yield one, other, times

    def marks(self) -> Iterator[Mark]:
        """Every mark that occurred."""
        return (mark for pattern in self.patterns for marks in pattern for mark in marks or ())


@dataclass(slots=True)
class _Open:
    """An item of which rows may still come."""

    pattern: Pattern
    rows: int = 0


class Pairing:
    """Folds rows into a table. `arms` come in the order in which they are named, others behind them as they turn up.

    With `rows_per_item` an item is forgotten once all its rows were there. `is_spread` says that each item goes to one
    of the arms only.
    """

    def __init__(
        self, factor: Factor, arms: Iterable[str] = (), *, rows_per_item: int | None = None, is_spread: bool = False
    ) -> None:
        self.factor: Factor = factor
        self._is_spread = is_spread
        self._places = {arm: place for place, arm in enumerate(arms)}
        self._rows_per_item = rows_per_item
        self._open: dict[str, _Open] = {}
        self._same: dict[Pattern, Pattern] = {}
        self._patterns: Counter[Pattern] = Counter()
        self._flips: dict[Two, tuple[list[str], list[str]]] = {}
        self._simulated = False

    def add(self, row: Row, arm: str | None = None) -> None:
        """Count a row in an arm, by its factor where none is named; one that was never sent to anybody has no arm."""
        arm = FACTORS[self.factor](row) if arm is None else arm
        self._simulated = self._simulated or row.simulated
        item = self._open.setdefault(row.id, _Open(()))
        item.rows += 1
        if arm:
            pattern = _with(item.pattern, self._places.setdefault(arm, len(self._places)), _marks(row))
            item.pattern = self._same.setdefault(pattern, pattern)
        if item.rows == self._rows_per_item:
            self._fold(row.id, self._open.pop(row.id).pattern, self._patterns, self._flips)

    def table(self) -> Table:
        """The table so far, with the items of which rows may still come."""
        patterns = self._patterns.copy()
        flips = {two: (list(only_a), list(only_b)) for two, (only_a, only_b) in self._flips.items()}
        for id_, item in self._open.items():
            self._fold(id_, item.pattern, patterns, flips)
        arms = tuple(sorted(self._places, key=self._places.__getitem__))
        whole: Counter[Pattern] = Counter()
        for pattern, times in patterns.items():
            whole[_filled(pattern, len(arms))] += times
        named = {two: Flips(tuple(only_a), tuple(only_b)) for two, (only_a, only_b) in flips.items()}
        return Table(self.factor, arms, whole, named, self._simulated, self._is_spread)

    def _fold(
        self, id_: str, pattern: Pattern, patterns: Counter[Pattern], flips: dict[Two, tuple[list[str], list[str]]]
    ) -> None:
        patterns[pattern] += 1
        arms = [(arm, marks) for arm, place in self._places.items() if (marks := _at(pattern, place))]
        for (a, one), (b, other) in combinations(arms, 2):
            if is_right(one) != is_right(other):
                named = flips.setdefault((a, b), ([], []))[is_right(other)]
                if len(named) < MAX_FLIPS:
                    named.append(id_)


def mean_of(marks: Sequence[Mark]) -> float:
    """The mean score of one item's marks, of which there is at least one."""
    return sum(mark.score for mark in marks) / len(marks)


def is_right(marks: Sequence[Mark]) -> bool:
    """Whether an item was right in at least half of its marks."""
    return 2 * sum(mark.right for mark in marks) >= len(marks)


def _marks(row: Row) -> Marks:
    if row.outcome in {"error", "unscored"}:
        return ()
    right = row.outcome == "right"
    return (Mark(float(right) if row.score is None else row.score, right, row.provider, row.model),)


def _with(pattern: Pattern, place: int, marks: Marks) -> Pattern:
    before = _filled(pattern, place + 1)
    return (*before[:place], tuple(sorted((*(before[place] or ()), *marks))), *before[place + 1 :])


def _filled(pattern: Pattern, arms: int) -> Pattern:
    return (*pattern, *(None for _ in range(arms - len(pattern))))


def _at(pattern: Pattern, place: int) -> Marks | None:
    return pattern[place] if place < len(pattern) else None
