"""Percentiles: exact for few values, close for many, in memory that does not grow."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.evals.quantiles import EXACT, Quantiles
from router.evals.stats import percentile


def of(values: list[float]) -> Quantiles:
    quantiles = Quantiles()
    for value in values:
        quantiles.add(value)
    return quantiles


def test_of_nothing_there_is_none() -> None:
    assert Quantiles().percentile(50) is None


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=50), st.sampled_from([0, 50, 95, 100]))
def test_few_are_exact(values: list[float], percent: float) -> None:
    assert of(values).percentile(percent) == percentile(sorted(values), percent)


@settings(max_examples=10)
@given(st.integers(0, 100), st.sampled_from([1.0, 50.0, 95.0, 100.0]))
def test_many_are_within_half_a_percent(seed: int, percent: float) -> None:
    rng = random.Random(seed)
    values = [rng.lognormvariate(0, 2) for _ in range(EXACT + 1000)]
    exact = percentile(sorted(values), percent)
    assert of(values).percentile(percent) == pytest.approx(exact, rel=0.0051)


def test_many_take_no_more_than_few() -> None:
    quantiles = of([0.001 * (1 + n % 5000) for n in range(3 * EXACT)])
    assert not quantiles._values
    assert len(quantiles._buckets) < 1000
