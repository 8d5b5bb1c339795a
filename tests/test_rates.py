from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.rates import Rate, parse_duration, parse_rate


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        pytest.param("300/min", Rate(300, 60), id="a minute"),
        pytest.param("5/s", Rate(5, 1), id="a second"),
        pytest.param("150k/min", Rate(150_000, 60), id="thousands"),
        pytest.param("2M/day", Rate(2_000_000, 86400), id="millions"),
        pytest.param("10000/day", Rate(10_000, 86400), id="a day"),
        pytest.param("20/10s", Rate(20, 10), id="ten seconds"),
        pytest.param("0.5/s", Rate(0.5, 1), id="a fraction"),
        pytest.param(" 3 / 2 minutes ", Rate(3, 120), id="spaces and plural"),
        pytest.param("7/hours", Rate(7, 3600), id="plural unit"),
    ],
)
def test_rates_are_read(text: str, rate: Rate) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["", "300", "/min", "x/min", "5/fortnight", "0/s", "5/0s", "-5/s", "5/s/s", "٥/s"])
def test_what_is_no_rate_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="300/min"):
        parse_rate(text)


@given(st.integers(1, 10**9), st.sampled_from([1.0, 60.0, 3600.0, 86400.0, 10.0, 90.0]))
def test_a_rate_reads_as_it_is_written(amount: int, period_s: float) -> None:
    rate = Rate(float(amount), period_s)
    assert parse_rate(str(rate)) == rate


@pytest.mark.parametrize(
    ("period_s", "paced"),
    [pytest.param(1, True, id="a second"), pytest.param(60, True, id="a minute"), pytest.param(61, False, id="longer")],
)
def test_windows_up_to_a_minute_are_paced(period_s: float, paced: bool) -> None:  # noqa: FBT001 - a table's column
    assert Rate(10, period_s).is_paced is paced


def test_per_second_is_the_mean() -> None:
    assert Rate(300, 60).per_second == 5


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        pytest.param("120s", 120, id="seconds"),
        pytest.param("1m30s", 90, id="two units"),
        pytest.param("1m 30s", 90, id="two units apart"),
        pytest.param("500ms", 0.5, id="milliseconds"),
        pytest.param("2h", 7200, id="hours"),
        pytest.param("1d", 86400, id="a day"),
        pytest.param("45", 45, id="bare"),
        pytest.param("1.5", 1.5, id="bare fraction"),
    ],
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "1x", "1m30", "-5s", "1s foo", "٥s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="30s"):
        parse_duration(text)


@given(st.text(max_size=20))
def test_any_text_is_a_rate_or_a_value_error(text: str) -> None:
    for parse in (parse_rate, parse_duration):
        try:
            parse(text)
        except ValueError as error:
            assert str(error).startswith("a ")  # noqa: PT017 - either outcome is right, the sentence is what counts
