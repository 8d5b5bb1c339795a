"""Aggregates items that are asked several times, in memory that does not grow with their number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import NamedTuple

from router.evals.results import Row
from router.evals.stats import Interval, clustered_sums, pass_at

PASS_AT = (1, 2, 5, 10, 20, 50, 100)


class _Said(NamedTuple):
    """One answer that was marked: what the scorer read, and whether it is right."""

    answer: str | None
    right: bool


class ByItem:
    """Folds rows, item by item; an item is forgotten once `rows_per_item` rows of it were there."""

    def __init__(self, rows_per_item: int) -> None:
        self.rows_per_item = rows_per_item
        self._open: dict[object, list[_Said | None]] = {}
        self._rights: Counter[tuple[float, int]] = Counter()
        self._votes = 0.0
        self._voted = 0

    def add(self, row: Row, key: object) -> None:
        """Count a row of the item that `key` names; one without a mark counts for nothing."""
        said = self._open.setdefault(key, [])
        is_marked = row.outcome not in {"error", "unscored"}
        said.append(_Said(row.answer, row.outcome == "right") if is_marked else None)
        if len(said) == self.rows_per_item:
            self._fold([each for each in self._open.pop(key) if each is not None])

    def interval(self) -> Interval:
        """The 95 % interval of the accuracy, clustered by item."""
        return clustered_sums(self._whole())

    def summary(self) -> dict[str, object]:
        """Majority and pass@k over the items of which all answers were marked; None where there is none.

        The majority of an item is right where the answer that was given most often is; of answers given equally often
        each counts for its part.
        """
        whole = {(right, n): times for (right, n), times in self._rights.items() if n == self.rows_per_item}
        items = sum(whole.values())
        sizes = sorted({k for k in PASS_AT if k < self.rows_per_item} | {self.rows_per_item})
        return {
            "epochs": self.rows_per_item,
            "items": items,
            "interval": asdict(self.interval()),
            "majority": self._votes / self._voted if self._voted else None,
            "pass_at": {
                str(k): sum(times * pass_at(k, n, int(right)) for (right, n), times in whole.items()) / items
                for k in sizes
                if items
            },
        }

    def _whole(self) -> Counter[tuple[float, int]]:
        """Items that are whole, and those of which rows may still come."""
        still = ([each for each in said if each is not None] for said in self._open.values())
        return self._rights + Counter(_sums(said) for said in still if said)

    def _fold(self, said: Sequence[_Said]) -> None:
        if said:
            self._rights[_sums(said)] += 1
        if len(said) == self.rows_per_item:
            self._voted += 1
            self._votes += _majority(said)


def _sums(said: Sequence[_Said]) -> tuple[float, int]:
    return float(sum(each.right for each in said)), len(said)


def _majority(said: Sequence[_Said]) -> float:
    """How much of the answers that were given most often is right."""
    votes = Counter(each.answer for each in said)
    most = max(votes.values())
    first = [each.right for each in said if votes[each.answer] == most]
    return sum(first) / len(first)
