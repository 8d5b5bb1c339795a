"""What a comparison found: accuracies with intervals, paired differences, what decides, and what would be needed.

Pure: a table of marks goes in, frozen values come out. An item without a mark in one of two arms takes no part in their
difference, and is counted as left out; it is never a wrong answer.
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, TypeAlias

from router.evals.paired import (
    ALPHA,
    Pairs,
    bootstrap,
    cochran_q,
    holm,
    homogeneity,
    items_needed,
    kruskal_wallis,
    mcnemar,
    scores_needed,
    sign_flip,
    tango,
)
from router.evals.pairing import NO_FLIPS, Factor, Flips, Marks, Table, mean_of
from router.evals.stats import Interval, clustered, wilson

Measure: TypeAlias = Literal["accuracy", "score"]
"""What is compared: the share of right answers, or where answers are graded the mean of their scores."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One condition: `items` that it asked, `marked` answers, `right` ones among them.

    `mean` is the accuracy, or where answers are graded the mean score, None without marks. `interval` is Wilson's;
    where answers are graded, or items were asked several times, it is clustered by item.
    """

    name: str
    items: int
    marked: int
    right: int
    mean: float | None
    interval: Interval


@dataclass(frozen=True, slots=True)
class Part:
    """What one provider's model made of one arm: `marked` answers, `right` ones, Wilson's interval of their share."""

    arm: str
    provider: str
    model: str
    marked: int
    right: int
    interval: Interval


@dataclass(frozen=True, slots=True)
class Difference:
    """Arm `b` less arm `a`, over the `items` that both have marked; `left_out` were asked in both and lack a mark.

    Where each item was asked once and is right or wrong, `p` is McNemar's mid-p and `exact` its exact test, `interval`
    is Tango's, `pairs` the table. Else `p` is that of a sign-flip test over items, `interval` a bootstrap's, and
    `exact` and `pairs` are None. `p_adjusted` is Holm's, for how many comparisons were made, and decides at the 5 %
    level. `elsewhere` counts items that the two arms asked at different providers or models, where that is not what is
    compared. `items_needed` is how many items would show a difference of this size with a power of 80 %, None where it
    is decided, or no number would.
    """

    a: str
    b: str
    items: int
    left_out: int
    mean_a: float | None
    mean_b: float | None
    difference: float
    interval: Interval
    p: float
    p_adjusted: float
    exact: float | None = None
    pairs: Pairs | None = None
    flips: Flips = NO_FLIPS
    elsewhere: int = 0
    items_needed: int | None = None

    @property
    def is_decided(self) -> bool:
        """Whether the difference is more than chance at the 5 % level, for all comparisons together."""
        return self.p_adjusted <= ALPHA

    @property
    def better(self) -> str | None:
        """The arm that is better; None where that is not decided."""
        return (self.b if self.difference > 0 else self.a) if self.is_decided else None

    def to_json(self) -> dict[str, object]:
        """All of it as JSON can say it, with what is decided, and McNemar's p values by name."""
        mcnemar_p = None if self.exact is None else {"mid_p": self.p, "exact": self.exact}
        told = {"mcnemar": mcnemar_p, "decided": self.is_decided, "better": self.better}
        return {**dataclasses.asdict(self), **told}

    def within(self, margin: float) -> bool:
        """Whether the two are the same but for `margin` (0…1): the 95 % interval lies inside of it on both sides."""
        return -margin < self.interval.low and self.interval.high < margin

    def not_worse(self, margin: float) -> bool:
        """Whether `b` is not worse than `a` by `margin` (0…1) or more: its interval ends above that."""
        return self.interval.low > -margin


@dataclass(frozen=True, slots=True)
class Comparison:
    """Arms, and every two of them as a paired difference.

    `together` is the p value that all arms are alike, by Cochran's Q over the items that all of three arms or more have
    marked; None for two arms, for graded answers, and for items that were asked several times. Arms that were asked
    different items, as providers among which items are spread, have no differences, and `is_paired` says so: then
    `together` is that of the chi-square test, or of Kruskal and Wallis's where items have several marks or grades.
    `parts` are the arms by provider and model.
    """

    factor: Factor
    measure: Measure
    arms: tuple[Arm, ...]
    differences: tuple[Difference, ...]
    together: float | None = None
    parts: tuple[Part, ...] = ()
    simulated: bool = False
    is_paired: bool = True

    def regressions(self, margin: float | None = None) -> tuple[Difference, ...]:
        """The differences in which a later arm is worse than the first.

        Without a `margin` that is where it is decided so; with one (0…1), where it is not shown to be less than that.
        """
        against = [each for each in self.differences if each.a == self.arms[0].name]
        if margin is None:
            return tuple(each for each in against if each.better == each.a)
        return tuple(each for each in against if not each.not_worse(margin))

    def to_json(self) -> dict[str, object]:
        """All of it as JSON can say it, with what is decided in words."""
        return {
            "factor": self.factor,
            "measure": self.measure,
            "simulated": self.simulated,
            "arms": [dataclasses.asdict(arm) for arm in self.arms],
            "comparisons": len(self.differences),
            "paired": self.is_paired,
            "together_p": self.together,
            "parts": [dataclasses.asdict(part) for part in self.parts],
            "differences": [each.to_json() for each in self.differences],
        }


def compare(table: Table, *, seed: int = 0) -> Comparison:
    """Compare every two arms of a table. The same table and seed give the same values."""
    measure, is_plain = _kind(table)
    arms = tuple(_arm(table, name, is_plain=is_plain) for name in table.arms)
    parts = tuple(_parts(table))
    if table.is_spread:
        alike = _homogeneity(table, arms, is_plain=is_plain)
        return Comparison(table.factor, measure, arms, (), alike, parts, table.simulated, is_paired=False)
    found = [_difference(table, a, b, seed, is_plain=is_plain) for a, b in combinations(table.arms, 2)]
    adjusted = holm([each.p for each in found])
    differences = tuple(_adjusted(each, p) for each, p in zip(found, adjusted, strict=True))
    together = _cochran(table) if is_plain and len(table.arms) > 2 else None  # noqa: PLR2004 - more than a pair
    return Comparison(table.factor, measure, arms, differences, together, parts, table.simulated)


def _homogeneity(table: Table, arms: Sequence[Arm], *, is_plain: bool) -> float:
    if is_plain:
        return homogeneity([(arm.right, arm.marked - arm.right) for arm in arms])
    return kruskal_wallis([_means(table, name) for name in table.arms])


def _parts(table: Table) -> Iterator[Part]:
    """The marks of every arm by who gave them, the arms in their order and the givers by name."""
    for name in table.arms:
        counts: Counter[tuple[str, str, bool]] = Counter()
        for marks, times in table.cells(name):
            for mark in marks or ():
                counts[mark.provider, mark.model, mark.right] += times
        for provider, model in sorted({(provider, model) for provider, model, _ in counts}):
            right, wrong = (counts[provider, model, verdict] for verdict in (True, False))
            yield Part(name, provider, model, right + wrong, right, wilson(right, right + wrong))


def _kind(table: Table) -> tuple[Measure, bool]:
    """What is compared, and whether every item was asked once in each arm and is right or wrong."""
    measure: Measure = "score" if any(mark.score != mark.right for mark in table.marks()) else "accuracy"
    return measure, measure == "accuracy" and all(len(marks or ()) <= 1 for p in table.patterns for marks in p)


def _means(table: Table, name: str) -> list[float]:
    return [mean_of(marks) for marks, times in table.cells(name) if marks for _ in range(times)]


def _adjusted(found: Difference, p: float) -> Difference:
    made = dataclasses.replace(found, p_adjusted=p)
    return dataclasses.replace(made, items_needed=None) if made.is_decided else made


def _arm(table: Table, name: str, *, is_plain: bool) -> Arm:
    cells = [(marks, times) for marks, times in table.cells(name) if marks is not None]
    marked = sum(times * len(marks) for marks, times in cells)
    right = sum(times * sum(mark.right for mark in marks) for marks, times in cells)
    total = math.fsum(times * mark.score for marks, times in cells for mark in marks)
    scores = [[mark.score for mark in marks] for marks, times in cells if marks for _ in range(times)]
    interval = wilson(right, marked) if is_plain else clustered(scores)
    return Arm(name, sum(times for _, times in cells), marked, right, total / marked if marked else None, interval)


def _difference(table: Table, a: str, b: str, seed: int, *, is_plain: bool) -> Difference:
    asked = list(table.pairs(a, b))
    marked = [(one, other, times) for one, other, times in asked if one and other]
    items = sum(times for *_, times in marked)
    found = Difference(
        a=a,
        b=b,
        items=items,
        left_out=sum(times for *_, times in asked) - items,
        mean_a=math.fsum(times * mean_of(one) for one, _, times in marked) / items if items else None,
        mean_b=math.fsum(times * mean_of(other) for _, other, times in marked) / items if items else None,
        difference=0.0,
        interval=Interval(-1.0, 1.0),
        p=1.0,
        p_adjusted=1.0,
        flips=table.flips.get((a, b), NO_FLIPS),
        elsewhere=sum(times for one, other, times in marked if _places(one, table) != _places(other, table)),
    )
    return _of_verdicts(found, marked) if is_plain else _of_scores(found, marked, seed)


def _places(marks: Marks, table: Table) -> set[tuple[str, str]]:
    """Who answered, but for that in which the arms differ anyway."""
    match table.factor:
        case "provider":
            return set()
        case "model":
            return {(mark.provider, "") for mark in marks}
    return {(mark.provider, mark.model) for mark in marks}


def _of_verdicts(found: Difference, marked: list[tuple[Marks, Marks, int]]) -> Difference:
    """Each item was asked once and is right or wrong."""

    def count(a: bool, b: bool) -> int:  # noqa: FBT001 - the two verdicts
        return sum(times for one, other, times in marked if (one[0].right, other[0].right) == (a, b))

    pairs = Pairs(count(True, True), count(True, False), count(False, True), count(False, False))
    test = mcnemar(pairs)
    return dataclasses.replace(
        found,
        difference=pairs.difference,
        interval=tango(pairs),
        p=test.mid_p,
        exact=test.exact,
        pairs=pairs,
        items_needed=items_needed(pairs.discordant, pairs.difference),
    )


def _of_scores(found: Difference, marked: list[tuple[Marks, Marks, int]], seed: int) -> Difference:
    """Answers are graded, or items were asked several times: the items count, not the answers."""
    differences = [mean_of(other) - mean_of(one) for one, other, times in marked for _ in range(times)]
    return dataclasses.replace(
        found,
        difference=math.fsum(differences) / len(differences) if differences else 0.0,
        interval=bootstrap(differences, seed=seed),
        p=sign_flip(differences, seed=seed),
        items_needed=scores_needed(differences),
    )


def _cochran(table: Table) -> float:
    rows = [
        [bool(marks and marks[0].right) for marks in pattern]
        for pattern, times in table.patterns.items()
        if all(pattern)
        for _ in range(times)
    ]
    return cochran_q(rows)
