from hypothesis import given
from hypothesis import strategies as st

from router.rates import Rate
from router.simulator.window import Peak, Window

gaps = st.lists(st.floats(0, 3) | st.sampled_from([0.0, 0.1, 0.5, 1.0]), max_size=120)
rates = st.builds(Rate, st.integers(1, 8).map(float), st.sampled_from([0.1, 0.3, 1.0, 2.0]))


def times_of(steps: list[float]) -> list[float]:
    now, times = 0.0, []
    for step in steps:
        now += step
        times.append(now)
    return times


@given(rates, gaps)
def test_no_half_open_window_holds_more_than_the_limit(rate: Rate, steps: list[float]) -> None:
    window = Window(rate)
    accepted: list[float] = []
    for now in times_of(steps):
        if not window.wait(now):
            window.add(now)
            accepted.append(now)
    for start in accepted:
        assert sum(start <= at < start + rate.period_s for at in accepted) <= rate.amount


@given(rates, gaps)
def test_an_arrival_is_refused_only_where_there_is_no_room(rate: Rate, steps: list[float]) -> None:
    window = Window(rate)
    accepted: list[float] = []
    for now in times_of(steps):
        held = sum(at + rate.period_s > now for at in accepted)
        assert bool(window.wait(now)) == (held >= rate.amount)
        if held < rate.amount:
            window.add(now)
            accepted.append(now)


@given(rates, gaps)
def test_after_the_told_wait_there_is_room(rate: Rate, steps: list[float]) -> None:
    window = Window(rate)
    for now in times_of(steps):
        wait = window.wait(now)
        if wait:
            assert not window.wait(now + wait + 1e-9)
            return
        window.add(now)


def test_what_is_one_period_old_has_left() -> None:
    window = Window(Rate(1, 10))
    window.add(5.0)
    assert window.wait(14.5) == 0.5
    assert window.wait(15.0) == 0.0
    assert window.used(15.0) == 0


def test_refused_arrivals_do_not_count() -> None:
    window = Window(Rate(1, 10))
    window.add(0.0)
    assert [window.wait(now) for now in (2.0, 4.0, 8.0)] == [8.0, 6.0, 2.0]


def test_amounts_wait_for_as_much_as_they_need() -> None:
    window = Window(Rate(100, 60))
    window.add(0.0, 50)
    window.add(10.0, 40)
    assert window.wait(20.0, 10) == 0.0
    assert window.wait(20.0, 60) == 40.0
    assert window.wait(20.0, 61) == 50.0


def test_an_amount_above_the_limit_passes_an_empty_window() -> None:
    window = Window(Rate(100, 60))
    assert window.wait(0.0, 1000) == 0.0
    window.add(0.0, 1000)
    assert window.used(0.0) == 100
    assert window.wait(1.0) == 59.0


def test_less_than_one_in_a_period_is_one_in_a_longer_period() -> None:
    window = Window(Rate(0.5, 1))
    window.add(0.0)
    assert window.wait(1.0) == 1.0


def test_reset_is_when_everything_has_left() -> None:
    window = Window(Rate(5, 10))
    assert window.reset_in(0.0) == 0.0
    window.add(0.0)
    window.add(4.0)
    assert window.reset_in(5.0) == 9.0


@given(gaps)
def test_the_peak_is_the_most_in_any_window(steps: list[float]) -> None:
    peak, times = Peak(1.0), times_of(steps)
    for now in times:
        peak.see(now)
    windows = [sum(at <= end < at + 1.0 for at in times[: last + 1]) for last, end in enumerate(times)]
    assert peak.highest == max(windows, default=0)
