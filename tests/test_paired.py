"""Comparisons of prompts and vendors, against published values and the definitions themselves."""

from __future__ import annotations

from itertools import combinations
from math import comb, erfc, sqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.evals.paired import (
    McNemar,
    Pairs,
    bonett_price,
    bootstrap,
    cochran_q,
    discordance,
    holm,
    homogeneity,
    items_needed,
    mcnemar,
    power_of,
    scores_needed,
    sign_flip,
    tango,
)
from router.evals.stats import Interval

APPROVAL = Pairs(794, 86, 150, 570)
"""A. Agresti, "Categorical Data Analysis", table 10.1: 1600 people asked twice about a prime minister."""
AIRWAYS = Pairs(1, 7, 1, 12)
"""L. Bentur and others (2009), as printed in the supplement of Fagerland, Lydersen and Laake (2013)."""

counts = st.integers(0, 400)
pairs = st.builds(Pairs, counts, counts, counts, counts)


@pytest.mark.parametrize(
    ("table", "mid_p", "exact"),
    [
        pytest.param(APPROVAL, 2.893e-5, 3.716e-5, id="approval"),
        pytest.param(AIRWAYS, 0.0391, 0.0703, id="airways"),
        pytest.param(Pairs(0, 25, 59, 0), 1.868e-4, 2.6645e-4, id="25 against 59"),
        pytest.param(Pairs(9, 5, 5, 9), 1 - 0.5 * 252 / 1024, 1.0, id="a tie"),
        pytest.param(Pairs(9, 0, 0, 9), 1.0, 1.0, id="no difference at all"),
        pytest.param(Pairs(0, 0, 0, 0), 1.0, 1.0, id="no items"),
    ],
)
def test_mcnemar_as_published(table: Pairs, mid_p: float, exact: float) -> None:
    assert mcnemar(table).mid_p == pytest.approx(mid_p, rel=2e-3)
    assert mcnemar(table).exact == pytest.approx(exact, rel=2e-3)


@settings(deadline=None, max_examples=60)
@given(pairs)
def test_the_exact_test_adds_up_binomials(table: Pairs) -> None:
    changed, fewer = table.only_a + table.only_b, min(table.only_a, table.only_b)
    tail = sum(comb(changed, heads) for heads in range(fewer + 1)) / 2**changed
    assert mcnemar(table).exact == pytest.approx(min(1.0, 2 * tail), abs=1e-12)
    assert 0 <= mcnemar(table).mid_p <= mcnemar(table).exact <= 1


@pytest.mark.parametrize(("mid_p", "decided"), [(0.05, True), (0.0501, False)])
def test_decided_at_five_percent(mid_p: float, *, decided: bool) -> None:
    assert McNemar(mid_p, exact=1.0).is_decided is decided


@pytest.mark.parametrize(
    ("table", "low", "high"),
    [
        pytest.param(APPROVAL, 0.02136, 0.05900, id="approval"),
        pytest.param(AIRWAYS, -0.5172, -0.0260, id="airways"),
        pytest.param(Pairs(0, 0, 0, 0), -1.0, 1.0, id="no items"),
    ],
)
def test_tango_as_published(table: Pairs, low: float, high: float) -> None:
    assert tango(table).low == pytest.approx(low, abs=6e-6 if table is APPROVAL else 6e-5)
    assert tango(table).high == pytest.approx(high, abs=6e-6 if table is APPROVAL else 6e-5)


@settings(deadline=None)
@given(pairs)
def test_tango_holds_the_difference_and_has_a_mirror(table: Pairs) -> None:
    mirrored = tango(Pairs(table.both, table.only_b, table.only_a, table.neither))
    interval = tango(table)
    assert -1 <= interval.low <= table.difference <= interval.high <= 1
    assert (mirrored.low, mirrored.high) == pytest.approx((-interval.high, -interval.low), abs=1e-9)


def test_bonett_price_as_published() -> None:
    interval = bonett_price(AIRWAYS)
    assert (interval.low, interval.high) == pytest.approx((-0.5084, -0.0134), abs=6e-5)


def test_pairs_are_counted_item_by_item() -> None:
    assert Pairs.of([True, True, False, False, True], [True, False, True, False, True]) == Pairs(2, 1, 1, 1)
    with pytest.raises(ValueError, match="shorter"):
        Pairs.of([True], [])


@pytest.mark.parametrize(
    ("a", "b", "discordant", "needed"),
    [
        # Not independent: of 100 items 13 only B has right and 10 only A.
        pytest.param(0.80, 0.83, 0.23, 2004, id="three points"),
        pytest.param(0.85, 0.98, None, 74, id="the article's prompts, independent errors"),
        pytest.param(0.85, 0.85, None, None, id="no difference"),
        pytest.param(0.5, 0.5001, None, None, id="out of reach"),
    ],
)
def test_items_needed(a: float, b: float, discordant: float | None, needed: int | None) -> None:
    assert items_needed(discordant or discordance(a, b), b - a) == needed


def test_items_needed_refuses_the_impossible() -> None:
    with pytest.raises(ValueError, match=r"expected \|difference\| <= discordant"):
        items_needed(0.1, 0.2)


@pytest.mark.parametrize(
    ("items", "mid_p", "power"),
    [(74, False, 0.778), (74, True, 0.847), (100, False, 0.911), (100, True, 0.943)],
)
def test_the_power_of_the_articles_experiment(items: int, power: float, *, mid_p: bool) -> None:
    assert power_of(items, discordance(0.85, 0.98), 0.13, mid_p=mid_p) == pytest.approx(power, abs=5e-4)


def test_without_discordant_items_nothing_is_ever_decided() -> None:
    assert power_of(50, 0.0, 0.0) == 0.0


@pytest.mark.parametrize(
    ("rows", "p"),
    [
        # Computed with statsmodels 0.15.0, `cochrans_q`.
        pytest.param("110 110 111 100 000 110", 0.0387742, id="three conditions"),
        pytest.param("1110 1010 0010 1011 1110 0000 1111 1001", 0.1447436, id="four conditions"),
        pytest.param("11 00 11", 1.0, id="no difference"),
        pytest.param("", 1.0, id="no items"),
    ],
)
def test_cochran_q(rows: str, p: float) -> None:
    assert cochran_q([[each == "1" for each in row] for row in rows.split()]) == pytest.approx(p, abs=1e-7)


@given(pairs)
def test_cochran_q_of_two_is_mcnemars_chi_square(table: Pairs) -> None:
    rows = [[True, False]] * table.only_a + [[False, True]] * table.only_b + [[True, True]] * table.both
    changed = table.only_a + table.only_b
    square = (table.only_a - table.only_b) ** 2 / changed if changed else 0.0
    assert cochran_q(rows) == pytest.approx(erfc(sqrt(square / 2)), abs=1e-9)


def test_holm() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))
    assert holm([]) == ()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm_is_the_closed_test_of_bonferroni(p_values: list[float]) -> None:
    """A hypothesis is rejected where every set of hypotheses that holds it is (Marcus, Peritz and Gabriel, 1976)."""
    numbers = range(len(p_values))
    sets = [chosen for size in numbers for chosen in combinations(numbers, size + 1)]
    of_set = {chosen: min(1.0, len(chosen) * min(p_values[n] for n in chosen)) for chosen in sets}
    closed = tuple(max(p for chosen, p in of_set.items() if n in chosen) for n in numbers)
    assert holm(p_values) == pytest.approx(closed, abs=1e-9)


@pytest.mark.parametrize(
    ("table", "p"),
    [
        pytest.param([(90, 10), (85, 15), (70, 30)], 7.205e-4, id="three vendors"),
        pytest.param([(90, 10)], 1.0, id="one vendor"),
        pytest.param([(90, 10), (0, 0)], 1.0, id="one of two without answers"),
        pytest.param([(9, 0), (7, 0)], 1.0, id="nothing wrong anywhere"),
    ],
)
def test_homogeneity(table: list[tuple[int, int]], p: float) -> None:
    assert homogeneity(table) == pytest.approx(p, rel=1e-3)


def test_the_bootstrap_repeats_itself_and_holds_the_mean() -> None:
    differences = [0.1, 0.2, -0.1, 0.3, 0.2, 0.05, 0.0, 0.4, -0.2, 0.1]
    interval = bootstrap(differences, seed=7)
    assert interval == bootstrap(differences, seed=7)
    assert interval.low < sum(differences) / len(differences) < interval.high


def test_the_bootstrap_is_near_the_normal_interval_where_that_holds() -> None:
    differences = [(i % 21 - 10) / 100 for i in range(2100)]
    half = 1.959964 * (sum(d * d for d in differences) / 2100) ** 0.5 / 2100**0.5
    interval = bootstrap(differences)
    assert (interval.low, interval.high) == pytest.approx((-half, half), rel=0.05)


@pytest.mark.parametrize(
    ("differences", "expected"),
    [([], Interval(-1.0, 1.0)), ([0.25], Interval(0.25, 0.25)), ([0.5, 0.5], Interval(0.5, 0.5))],
)
def test_the_bootstrap_of_nothing_to_resample(differences: list[float], expected: Interval) -> None:
    assert bootstrap(differences) == expected


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 5), st.integers(0, 6))
def test_the_sign_flip_of_verdicts_is_mcnemars_exact_test(up: int, down: int) -> None:
    assert sign_flip([1.0] * up + [-1.0] * down + [0.0] * 4) == pytest.approx(mcnemar(Pairs(2, down, up, 2)).exact)


def test_the_sign_flip_of_many_items_is_the_normal_one() -> None:
    differences = [0.02 + (i % 21 - 10) / 10 for i in range(2100)]
    error = (sum((d - 0.02) ** 2 for d in differences) / 2100**2) ** 0.5
    assert sign_flip(differences) == pytest.approx(erfc(0.02 / error / 2**0.5), abs=0.02)
    assert sign_flip([0.5] * 6000) == 0.0
    assert bootstrap([0.0, 0.2] * 3000).low == pytest.approx(0.1 - 1.959964 * 0.1 / 6000**0.5)


def test_scores_needed() -> None:
    """Mean 0.03, standard deviation 1/3: (1.96 + 0.8416)^2 / (9 x 0.03^2) = 969, as in Miller's example."""
    differences = [0.03 + sign / 3 for sign in (-1, 1)] * 50
    assert scores_needed(differences) == 969
    assert scores_needed([]) is scores_needed([0.1, -0.1]) is None
