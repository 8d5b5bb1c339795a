"""How long shared work takes: rates, rests, budgets, windows, and whose fault it is."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.evals.flow import Allowance, Course, Demand, Supply, flow

FAST = Supply("fast", 5.0, "5/s")
SLOW = Supply("slow", 1.0, "1/s")
BOTH = frozenset({"fast", "slow"})
DAY = 86_400.0


def daily(supply: Supply, amount: float, reset_s: float = 3600.0, left: float | None = None) -> Supply:
    allowance = Allowance(f"{amount:g}/day", amount, DAY, amount if left is None else left, reset_s)
    return Supply(supply.name, supply.per_second, supply.bound, allowances=(allowance,))


def rests(supply: Supply, seconds: float) -> Supply:
    return Supply(supply.name, supply.per_second, supply.bound, from_s=seconds, rest=f"{supply.name} rests")


def course(supplies: list[Supply], demands: list[Demand], window: float = math.inf) -> Course:
    return flow(supplies, demands, window)


@pytest.mark.parametrize(
    ("supplies", "demands", "seconds", "bound"),
    [
        pytest.param([FAST], [Demand(1, BOTH)], 0.0, "", id="one call leaves at once"),
        pytest.param([FAST], [Demand(51, BOTH)], 10.0, "fast's 5/s", id="one provider"),
        pytest.param([FAST, SLOW], [Demand(62, BOTH)], 10.0, "fast's 5/s and 1 more", id="two share"),
        pytest.param(
            [FAST, SLOW],
            [Demand(11, frozenset({"fast"}), "a"), Demand(11, frozenset({"slow"}), "b")],
            10.0,
            "slow's 1/s",
            id="every provider is asked: the slowest counts",
        ),
        pytest.param(
            [FAST, SLOW],
            [Demand(102, BOTH, "any"), Demand(11, frozenset({"fast"}), "its own")],
            (102 + 11 - 2) / 6,
            "fast's 5/s and 1 more",
            id="what few can do goes first",
        ),
        pytest.param([rests(FAST, 60.0)], [Demand(51, BOTH)], 70.0, "fast rests", id="a rest is waited for"),
        pytest.param([rests(FAST, 60.0), SLOW], [Demand(41, BOTH)], 40.0, "slow's 1/s", id="another works on"),
        pytest.param([daily(FAST, 51)], [Demand(51, BOTH)], 10.0, "fast's 5/s", id="a budget that suffices"),
        pytest.param([daily(FAST, 51)], [Demand(101, BOTH)], 3610.0, "fast's 51/day", id="one that does not"),
        pytest.param(
            [daily(FAST, 50)], [Demand(150, BOTH)], 3600.0 + DAY + 10, "fast's 50/day", id="days of a small budget"
        ),
        pytest.param([daily(FAST, 50, left=0)], [Demand(5, BOTH)], 3600.8, "fast's 50/day", id="nothing left today"),
        pytest.param([FAST], [Demand(1, frozenset({"slow"}))], math.inf, "", id="nobody ever"),
        pytest.param([], [], 0.0, "", id="nothing to do"),
    ],
)
def test_how_long_it_takes(supplies: list[Supply], demands: list[Demand], seconds: float, bound: str) -> None:
    found = course(supplies, demands)
    assert found.seconds == pytest.approx(seconds, abs=0.3)
    assert found.bound == bound


def test_no_more_than_the_window_is_in_flight() -> None:
    supply = Supply("fast", 100.0, "100/s", latency_s=2.0)
    found = course([supply], [Demand(100, BOTH)], window=10)
    assert found.seconds == pytest.approx((100 - 1) / 5, abs=0.01)
    assert found.bound == "--max-samples"


def test_where_no_rate_is_declared_it_doubles_with_every_round() -> None:
    supply = Supply("open", 512.0, "calls in flight 512", at_once=8, latency_s=1.0, is_felt_out=True)
    assert course([supply], [Demand(8 * 31, frozenset({"open"}))]).seconds == pytest.approx(4.0, abs=0.01)


def test_who_waits_and_what_is_used_up() -> None:
    found = course([daily(FAST, 51), daily(SLOW, 5, reset_s=7200)], [Demand(101, BOTH)])
    (wait,) = found.waits
    assert (round(wait.at_s), wait.until_s, wait.why) == (10, 3600.0, "fast's 51/day")
    assert found.used_up.keys() == {("fast", "51/day"), ("slow", "5/day")}
    assert wait.left == pytest.approx(101 - 56)


supplied = st.lists(
    st.builds(
        Supply,
        st.sampled_from("abcd"),
        st.floats(0.1, 100),
        st.just("x"),
        at_once=st.floats(1, 8),
        latency_s=st.floats(0, 10),
        from_s=st.floats(0, 100),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda each: each.name,
)


@given(supplied, st.lists(st.floats(1, 1e5), min_size=1, max_size=3), st.floats(1, 1e3))
def test_all_is_taken_and_never_faster_than_allowed(
    supplies: list[Supply], amounts: list[float], window: float
) -> None:
    names = frozenset(each.name for each in supplies)
    demands = [Demand(calls, names, str(number)) for number, calls in enumerate(amounts)]
    found = flow(supplies, demands, window)
    assert sum(found.taken.values()) == pytest.approx(sum(amounts))
    for each in supplies:
        taken = sum(calls for (name, _), calls in found.taken.items() if name == each.name)
        assert taken <= each.at_once + each.per_second * max(0.0, found.seconds - each.from_s) + 1e-3 * taken + 1e-3


@given(supplied, st.floats(1, 1e5), st.floats(1.1, 5))
def test_more_of_everything_is_never_slower(supplies: list[Supply], calls: float, factor: float) -> None:
    names = frozenset(each.name for each in supplies)
    more = [
        Supply(each.name, each.per_second * factor, "x", each.at_once, each.latency_s, each.from_s) for each in supplies
    ]
    assert flow(more, [Demand(calls, names)]).seconds <= flow(supplies, [Demand(calls, names)]).seconds + 1e-3
