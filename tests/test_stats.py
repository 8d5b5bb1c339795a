"""Intervals, percentiles and durations, against published values."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.evals.stats import Interval, bounds, clustered, format_hms, pass_at, percentile, wilson


# R. G. Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in Medicine 17
# (1998), 857-872, table I, method 3.
@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    [
        pytest.param(81, 263, 0.2553, 0.3662, id="81-of-263"),
        pytest.param(15, 148, 0.0624, 0.1605, id="15-of-148"),
        pytest.param(0, 20, 0.0, 0.1611, id="0-of-20"),
        pytest.param(1, 29, 0.0061, 0.1718, id="1-of-29"),
    ],
)
def test_wilson_as_published(right: int, n: int, low: float, high: float) -> None:
    interval = wilson(right, n)
    assert interval.low == pytest.approx(low, abs=5e-5)
    assert interval.high == pytest.approx(high, abs=5e-5)


def test_wilson_without_items_knows_nothing() -> None:
    assert wilson(0, 0) == Interval(0.0, 1.0)


@settings(deadline=None)
@given(st.integers(1, 10**6), st.data())
def test_wilson_ends_solve_its_equation(n: int, data: st.DataObject) -> None:
    """Each end p is where (share - p)^2 = z^2 p (1 - p) / n; the mirror image holds too."""
    right = data.draw(st.integers(0, n))
    interval = wilson(right, n, z=2.0)
    for p in (interval.low, interval.high):
        assert (right / n - p) ** 2 == pytest.approx(4 * p * (1 - p) / n, abs=1e-9)
    assert 0 <= interval.low <= right / n <= interval.high <= 1
    assert wilson(n - right, n, z=2.0).low == pytest.approx(1 - interval.high)


@pytest.mark.parametrize(("right", "n"), [(-1, 5), (6, 5), (0, -1)])
def test_wilson_refuses_impossible_counts(right: int, n: int) -> None:
    with pytest.raises(ValueError, match="expected 0 <= right <= n"):
        wilson(right, n)


@pytest.mark.parametrize(
    ("right", "answered", "unanswered", "expected"),
    [
        pytest.param(0, 0, 0, Interval(0.0, 1.0), id="nothing"),
        pytest.param(3, 4, 0, Interval(0.75, 0.75), id="all-answered"),
        pytest.param(3, 4, 1, Interval(0.6, 0.8), id="one-unanswered"),
        pytest.param(0, 0, 5, Interval(0.0, 1.0), id="none-answered"),
    ],
)
def test_bounds(right: int, answered: int, unanswered: int, expected: Interval) -> None:
    assert bounds(right, answered, unanswered) == expected


@pytest.mark.parametrize(
    ("values", "low", "high"),
    [
        # Computed with statsmodels 0.15.0: OLS on a constant, `cov_type="cluster"` without its small-sample correction,
        # and Student's t with one degree of freedom less than there are items.
        pytest.param(
            [[0.2, 0.4, 0.9], [0.1], [0.5, 0.5], [1.0, 0.7], [0, 0.3, 0.2, 0.9]], 0.2481567, 0.7018433, id="5"
        ),
        pytest.param([[0.5], [0.5], [0.75]], 0.2905749, 0.8760918, id="asked once each"),
        pytest.param([[1, 1, 1], [1, 1], [0, 1]], 0.3158504, 1.0, id="cut at 1"),
        pytest.param([[1, 0], [1, 1], [0, 0], [1]], 0.0, 1.0, id="cut at both ends"),
    ],
)
def test_the_clustered_interval(values: list[list[float]], low: float, high: float) -> None:
    interval = clustered(values)
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=1e-7)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=20), st.integers(1, 4))
def test_asking_again_for_the_same_answers_tells_nothing_new(scores: list[float], times: int) -> None:
    once, often = clustered([[score] for score in scores]), clustered([[score] * times for score in scores])
    assert (once.low, once.high) == pytest.approx((often.low, often.high), abs=1e-9)


@pytest.mark.parametrize(("score", "expected"), [(1.0, wilson(20, 20)), (0.0, wilson(0, 20))])
def test_all_alike_is_not_certain(score: float, expected: Interval) -> None:
    assert clustered([[score, score]] * 20) == expected


def test_one_item_says_nothing_about_others() -> None:
    assert clustered([[1.0, 0.0]]) == clustered([]) == Interval(0.0, 1.0)


def test_pass_at() -> None:
    assert pass_at(5, 10, 3) == pytest.approx(0.9167, abs=5e-5)
    assert (pass_at(1, 4, 1), pass_at(4, 4, 1), pass_at(2, 2, 0)) == (0.25, 1.0, 0.0)
    with pytest.raises(ValueError, match="expected 1 <= k <= n"):
        pass_at(3, 2, 1)


# The worked examples of https://en.wikipedia.org/wiki/Percentile (nearest-rank method).
FIVE = (15, 20, 35, 40, 50)
TEN = (3, 6, 7, 8, 8, 10, 13, 15, 16, 20)


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [
        pytest.param(FIVE, 5, 15, id="five-5"),
        pytest.param(FIVE, 30, 20, id="five-30"),
        pytest.param(FIVE, 40, 20, id="five-40"),
        pytest.param(FIVE, 50, 35, id="five-50"),
        pytest.param(FIVE, 100, 50, id="five-100"),
        pytest.param(TEN, 25, 7, id="ten-25"),
        pytest.param(TEN, 50, 8, id="ten-50"),
        pytest.param(TEN, 75, 15, id="ten-75"),
        pytest.param(TEN, 100, 20, id="ten-100"),
        pytest.param(TEN, 0, 3, id="ten-0"),
        pytest.param(range(1, 101), 7, 7, id="no-rounding-upwards"),
        pytest.param(range(1, 251), 64.4, 161, id="fraction-of-a-percent"),
        pytest.param((4,), 95, 4, id="one-value"),
    ],
)
def test_percentile(values: tuple[float, ...], percent: float, expected: float) -> None:
    assert percentile(values, percent) == expected


@pytest.mark.parametrize(("values", "percent"), [((), 50), ((1,), 101), ((1,), -1), ((1,), math.nan)])
def test_percentile_refuses(values: tuple[float, ...], percent: float) -> None:
    with pytest.raises(ValueError, match="expected values and a percent"):
        percentile(values, percent)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        pytest.param(0, "0:00:00.000", id="zero"),
        pytest.param(20.491, "0:00:20.491", id="seconds"),
        pytest.param(59.9996, "0:01:00.000", id="rounding-carries"),
        pytest.param(3599.9999, "1:00:00.000", id="rounding-carries-to-the-hour"),
        pytest.param(3723.004, "1:02:03.004", id="all-parts"),
        pytest.param(360000, "100:00:00.000", id="many-hours"),
    ],
)
def test_format_hms(seconds: float, expected: str) -> None:
    assert format_hms(seconds) == expected


@pytest.mark.parametrize("seconds", [-0.001, math.inf, math.nan])
def test_format_hms_refuses(seconds: float) -> None:
    with pytest.raises(ValueError, match="expected a duration"):
        format_hms(seconds)
