"""From rows to what a comparison found, against published values; the same whatever the order of the rows."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterable, Iterator
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_results import LOST, ROW

from router.evals.comparison import Comparison, compare
from router.evals.paired import Pairs
from router.evals.pairing import MAX_FLIPS, Factor, Pairing
from router.evals.results import Row, Verdict
from router.jsonl import decode, encode

OUTCOMES: dict[str, Verdict] = {"1": "right", "0": "wrong", "u": "unparsable", "?": "unscored", "e": "error"}


def row(id_: str, prompt: str, outcome: str, provider: str = "acme", **others: object) -> Row:
    base = LOST if outcome == "e" else ROW
    made = dataclasses.replace(base, id=id_, prompt=prompt, outcome=OUTCOMES[outcome], provider=provider, score=None)
    made = dataclasses.replace(made, **others)  # type: ignore[arg-type]
    return dataclasses.replace(made, trial=f"{id_}/{prompt}@{made.epoch}")


def rows(*patterns: str, times: Iterable[int] = (), arms: str = "abcd") -> Iterator[Row]:
    """`11 10` are two items asked with the prompts a and b; each pattern as often as `times` say."""
    numbers = count()
    for pattern, often in zip(patterns, times or [1] * len(patterns), strict=True):
        for _ in range(often):
            number = next(numbers)
            yield from (
                row(f"i{number}", arm, outcome) for arm, outcome in zip(arms, pattern, strict=False) if outcome != "-"
            )


def compared(found: Iterable[Row], arms: str = "", factor: Factor = "prompt") -> Comparison:
    pairing = Pairing(factor, arms)
    for each in found:
        pairing.add(each)
    return compare(pairing.table())


def test_the_approval_table_as_published() -> None:
    """A. Agresti, "Categorical Data Analysis", table 10.1."""
    found = compared(rows("11", "10", "01", "00", times=(794, 150, 86, 570)))
    (difference,) = found.differences
    assert difference.pairs == Pairs(794, 150, 86, 570)
    assert (difference.p, difference.exact) == pytest.approx((2.893e-5, 3.716e-5), rel=1e-3)
    assert difference.difference == pytest.approx(-0.04)
    assert (difference.interval.low, difference.interval.high) == pytest.approx((-0.059, -0.02136), abs=1e-5)
    assert (difference.better, difference.items, difference.items_needed) == ("a", 1600, None)
    assert [(arm.name, arm.right, arm.marked) for arm in found.arms] == [("a", 944, 1600), ("b", 880, 1600)]
    assert found.together is None


def test_who_has_no_mark_is_left_out_and_counted() -> None:
    found = compared(rows("11", "01", "1e", "?0", "e?", "1-", "u1"))
    (difference,) = found.differences
    assert (difference.items, difference.left_out) == (3, 3)
    assert difference.pairs == Pairs(1, 0, 2, 0)
    assert [(arm.name, arm.items, arm.marked, arm.right) for arm in found.arms] == [("a", 7, 5, 3), ("b", 6, 4, 3)]
    assert difference.flips.only_b == ("i1", "i6")


def test_undecided_says_how_many_items_would_show_it() -> None:
    """80 % against 83 %, of 100 items 13 and 10 changed: Connor's formula wants 2,004."""
    (difference,) = compared(rows("11", "10", "01", "00", times=(70, 10, 13, 7))).differences
    assert (difference.is_decided, difference.better, difference.items_needed) == (False, None, 2004)


def test_three_prompts_have_cochrans_q_and_holms_p_values() -> None:
    found = compared(rows("110", "110", "111", "100", "000", "110"))
    assert found.together == pytest.approx(0.0387742, abs=1e-7)  # statsmodels 0.15.0, `cochrans_q`
    assert [(each.a, each.b) for each in found.differences] == [("a", "b"), ("a", "c"), ("b", "c")]
    # 1, 4 and 3 items changed, all one way: 2 x 0.5^n less the half of it by mid-p; then by 3, 2 and 1.
    assert [each.p for each in found.differences] == pytest.approx([0.5, 0.0625, 0.125])
    assert [each.p_adjusted for each in found.differences] == pytest.approx([0.5, 0.1875, 0.25])


def test_one_of_many_comparisons_needs_more_than_a_p_value_of_its_own() -> None:
    found = compared(rows("111", "011", "110", times=(30, 6, 1)))
    (difference,) = (each for each in found.differences if (each.a, each.b) == ("a", "b"))
    assert difference.p == pytest.approx(0.015625)
    assert difference.p_adjusted == pytest.approx(0.046875)
    assert difference.better == "b"


def test_items_asked_several_times_count_once() -> None:
    """The mean of an item's epochs is compared; statsmodels 0.15.0 gives the same clustered interval of an arm."""
    marks = {"x": ("110", "111"), "y": ("10", "10"), "z": ("000", "111")}
    found = compared(
        row(id_, arm, outcome, epoch=epoch)
        for id_, of_arms in marks.items()
        for arm, outcomes in zip("ab", of_arms, strict=True)
        for epoch, outcome in enumerate(outcomes, 1)
    )
    (difference,) = found.differences
    assert (difference.items, difference.pairs, difference.exact) == (3, None, None)
    assert difference.difference == pytest.approx((1 / 3 + 0 + 1) / 3)
    assert difference.p == pytest.approx(0.5)  # of the 4 ways to sign two differences, 2 are as far out
    assert found.measure == "accuracy"
    assert found.arms[0].mean == pytest.approx(3 / 8)


def test_graded_answers_are_compared_by_their_scores() -> None:
    scores = {"a": (0.1, 0.4, 0.3, 0.5, 0.2, 0.3), "b": (0.3, 0.5, 0.7, 0.6, 0.5, 0.9)}
    found = compared(row(f"i{n}", arm, "1", score=each) for arm in "ab" for n, each in enumerate(scores[arm]))
    (difference,) = found.differences
    assert (found.measure, difference.pairs) == ("score", None)
    assert difference.difference == pytest.approx(1.7 / 6)
    assert difference.p == pytest.approx(2 / 64)  # all six are better: 2 of 2^6 signs are as far out
    assert 0.1 < difference.interval.low < 1.7 / 6 < difference.interval.high < 0.6


def test_pairs_asked_at_different_vendors_are_counted() -> None:
    found = [
        row("x", "a", "1"),
        row("x", "b", "1", provider="bolt"),
        row("y", "a", "1"),
        row("y", "b", "0", model="m2"),
        row("z", "a", "1"),
        row("z", "b", "1"),
    ]
    (difference,) = compared(found).differences
    assert (difference.items, difference.elsewhere) == (3, 2)


@pytest.mark.parametrize(
    ("margin", "same", "not_worse"), [(0.05, False, False), (0.0589, False, False), (0.06, True, True)]
)
def test_a_margin(margin: float, *, same: bool, not_worse: bool) -> None:
    (difference,) = compared(rows("11", "10", "01", "00", times=(794, 150, 86, 570))).differences
    assert (difference.within(margin), difference.not_worse(margin)) == (same, not_worse)


def test_better_is_never_worse() -> None:
    (difference,) = compared(rows("11", "01", times=(50, 30))).differences
    assert (difference.within(0.01), difference.not_worse(0.0)) == (False, True)


def test_the_arms_stand_as_they_are_named() -> None:
    found = compared(rows("11", "01", arms="ab"), arms="ba")
    assert [arm.name for arm in found.arms] == ["b", "a"]
    assert found.differences[0].difference == -0.5
    assert found.differences[0].flips.only_a == ("i1",)


def test_vendors_of_other_items_are_not_paired() -> None:
    found = compared([row("x", "a", "1"), row("y", "a", "0", provider="bolt")], factor="provider")
    assert [(arm.name, arm.mean) for arm in found.arms] == [("acme", 1.0), ("bolt", 0.0)]
    assert (found.differences[0].items, found.differences[0].mean_a) == (0, None)


def test_many_flips_are_counted_and_some_are_named() -> None:
    (difference,) = compared(rows("01", times=[MAX_FLIPS + 1])).differences
    assert difference.pairs == Pairs(0, 0, MAX_FLIPS + 1, 0)
    assert len(difference.flips.only_b) == MAX_FLIPS


def test_what_was_found_is_json() -> None:
    found = decode(encode(compared(rows("11", "01", "1e")).to_json()))
    assert isinstance(found, dict)
    assert found["differences"][0]["pairs"] == {"both": 1, "only_a": 0, "only_b": 1, "neither": 0}
    assert found["differences"][0]["flips"] == {"only_a": [], "only_b": ["i1"]}
    assert (found["comparisons"], found["differences"][0]["better"]) == (1, None)


def test_nothing_to_compare() -> None:
    assert compared([]).arms == ()
    assert compared(rows("e", "e")).arms[0].mean is None
    assert compared([dataclasses.replace(ROW, provider="")], factor="provider").arms == ()


@settings(deadline=None, max_examples=25)
@given(st.lists(st.text("10ue", min_size=3, max_size=3), min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_neither_order_nor_forgetting_changes_anything(patterns: list[str], rng: random.Random) -> None:
    """Items that are forgotten once they are whole leave the same table behind."""
    found = list(rows(*patterns))
    forgetting, shuffled = Pairing("prompt", "abc", rows_per_item=3), list(found)
    rng.shuffle(shuffled)
    for each in shuffled:
        forgetting.add(each)
    assert forgetting._open == {}
    expected, made = compared(found, arms="abc").to_json(), compare(forgetting.table()).to_json()
    assert _without_flips(made) == _without_flips(expected)


def _without_flips(found: dict[str, object]) -> object:
    differences = found["differences"]
    assert isinstance(differences, list)
    return {**found, "differences": [{**each, "flips": None} for each in differences]}
