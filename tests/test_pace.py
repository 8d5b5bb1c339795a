from __future__ import annotations

import asyncio
import contextvars
import math
import random
from collections.abc import Callable, Coroutine
from itertools import pairwise

import pytest
from conftest import max_in_any_window
from hypothesis import example, given, settings
from hypothesis import strategies as st

from router.config.rates import Rate
from router.engine.pace import Budget, Pace, TokenPace
from router.testing import VirtualLoop, run_virtual

LATE_S = 0.003


class LateLoop(VirtualLoop):
    """A loop that wakes everybody up to LATE_S too late."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._rng = random.Random(seed)

    def call_at(
        self,
        when: float,
        callback: Callable[..., object],
        *args: object,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        return super().call_at(when + self._rng.uniform(0, LATE_S), callback, *args, context=context)


def run_late(main: Coroutine[object, object, list[float]], seed: int) -> list[float]:
    with asyncio.Runner(loop_factory=lambda: LateLoop(seed)) as runner:
        return runner.run(main)


Demand = list[tuple[int, float, float]]
"""So many calls in a rush, each kept for so many periods between buying and leaving, then so many periods idle."""

limits = st.integers(1, 300)
periods = st.sampled_from([1.0, 5.0, 60.0])
bursts = st.integers(1, 3)
demands: st.SearchStrategy[Demand] = st.lists(
    st.tuples(
        st.integers(1, 200),
        st.just(0.0) | st.floats(0, 0.1) | st.sampled_from([0.5, 1.0, 3.0]),
        st.just(0.0) | st.floats(0, 3) | st.sampled_from([0.001, 0.999, 1.0, 1.001]),
    ),
    min_size=1,
    max_size=5,
)


async def departures(pace: Pace, period_s: float, demand: Demand) -> list[float]:
    loop = asyncio.get_running_loop()
    left: list[float] = []
    for calls, kept, idle in demand:
        for number in range(calls):
            await pace.acquire()
            if kept and number % 7 == 0:
                bought_at = loop.time()
                await asyncio.sleep(kept * period_s)
                await pace.renew(loop.time() - bought_at)
            left.append(loop.time())
        await asyncio.sleep(idle * period_s)
    return left


@settings(max_examples=150)
@given(limits, periods, bursts, demands, st.none() | st.integers(0, 99))
@example(10, 1.0, 1, [(50, 0.0, 3.0), (50, 0.0, 0.0)], None)
@example(10, 1.0, 3, [(50, 0.0, 3.0), (50, 0.0, 0.0)], None)
@example(2, 1.0, 3, [(50, 1.0, 1.0)], 1)
@example(300, 1.0, 1, [(200, 0.0, 0.0)] * 4, 2)
def test_no_window_holds_more_than_the_limit(
    amount: int, period_s: float, burst: int, demand: Demand, seed: int | None
) -> None:
    async def main() -> list[float]:
        return await departures(Pace([Rate(amount, period_s)], burst), period_s, demand)

    left = run_virtual(main()) if seed is None else run_late(main(), seed)
    assert max_in_any_window(left, period_s) <= amount


@pytest.mark.parametrize("burst", [1, 2, 3])
@pytest.mark.parametrize("late", [False, True], ids=["on time", "woken late"])
@pytest.mark.parametrize("period_s", [1.0, 5.0, 60.0])
@pytest.mark.parametrize("amount", [1, 2, 5, 50, 200, 300])
def test_under_load_nearly_all_of_the_limit_leaves(amount: int, period_s: float, *, late: bool, burst: int) -> None:
    async def main() -> list[float]:
        return await departures(Pace([Rate(amount, period_s)], burst), period_s, [(3 * amount + 300, 0.0, 0.0)])

    left = run_late(main(), 7) if late else run_virtual(main())
    promised = 0.985 * (amount + 1 - min(burst, amount))  # a burst costs steady rate
    steady = left[burst:]
    assert (len(steady) - 1) / (steady[-1] - steady[0]) * period_s >= promised
    for first, last in zip(left, left[max(1, math.floor(promised)) - 1 :], strict=False):
        assert last - first <= period_s


@pytest.mark.parametrize("burst", [1, 2, 3])
def test_a_burst_leaves_at_once_and_no_more(burst: int) -> None:
    async def main() -> list[float]:
        return await departures(Pace([Rate(60, 60)], burst), 60, [(8, 0.0, 5.0), (8, 0.0, 0.0)])

    left = run_virtual(main())
    for rush in (left[:8], left[8:]):
        assert sum(at - rush[0] < 0.5 for at in rush) == burst


def test_a_fresh_pace_does_not_start_full() -> None:
    async def main() -> list[float]:
        return await departures(Pace([Rate(10, 1)]), 1, [(10, 0.0, 0.0)])

    assert min(after - before for before, after in pairwise(run_virtual(main()))) > 0.09


@settings(max_examples=30)
@given(st.integers(1, 20), st.integers(20, 300), demands)
def test_several_limits_hold_together(second: int, minute: int, demand: Demand) -> None:
    async def main() -> list[float]:
        return await departures(Pace([Rate(second, 1), Rate(minute, 60), Rate(1, 86400)]), 1, demand)

    left = run_virtual(main())
    assert max_in_any_window(left, 1) <= second
    assert max_in_any_window(left, 60) <= minute


def test_fractions_of_a_call_are_paced() -> None:
    async def main() -> list[float]:
        return await departures(Pace([Rate(0.5, 1)]), 1, [(5, 0.0, 0.0)])

    left = run_virtual(main())
    assert [round(at / 2, 1) for at in left] == pytest.approx([0, 1, 2, 3, 4], abs=0.2)


def test_renewing_a_fresh_permit_costs_nothing() -> None:
    async def main() -> float:
        pace = Pace([Rate(10, 1)])
        await pace.acquire()
        before = pace.ready_at()
        await pace.renew(0.0)
        return pace.ready_at() - before

    assert run_virtual(main()) == 0


@pytest.mark.parametrize(
    ("late_s", "costs_s"),
    [
        pytest.param(0.0, 0.0, id="on the wire at once"),
        pytest.param(0.005, 0.0, id="within the room for jitter"),
        pytest.param(0.056, 0.05, id="late by connecting"),
        pytest.param(9.0, 0.1, id="so late that it counts as new"),
    ],
)
def test_only_what_exceeds_the_room_for_jitter_is_charged_again(late_s: float, costs_s: float) -> None:
    async def main() -> float:
        pace = Pace([Rate(10, 1)])
        await pace.acquire()
        before = pace.ready_at()
        await asyncio.sleep(late_s)
        pace.owe(late_s)
        foretold = pace.ready_at()
        await pace.acquire()
        assert asyncio.get_running_loop().time() == pytest.approx(max(foretold, late_s), abs=1e-3)
        return foretold - max(before, 0)

    cost = run_virtual(main())
    if late_s < 1:
        assert cost == pytest.approx(costs_s, abs=0.002)
    else:
        assert cost == pytest.approx(late_s, abs=0.01)


@settings(max_examples=40)
@given(st.integers(1, 60), periods, bursts, demands)
def test_ready_at_foretells_when_a_call_may_leave(amount: int, period_s: float, burst: int, demand: Demand) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        pace = Pace([Rate(amount, period_s)], burst)
        for calls, _, idle in demand:
            for _ in range(min(calls, 20)):
                foretold = max(loop.time(), pace.ready_at())
                await pace.acquire()
                assert loop.time() == pytest.approx(foretold, abs=1e-4)
            await asyncio.sleep(idle * period_s)

    run_virtual(main())


def test_without_limits_nothing_waits() -> None:
    async def main() -> float:
        pace = Pace([Rate(5, 86400)])
        for _ in range(100):
            await pace.acquire()
            await pace.renew(9.0)
            pace.owe(9.0)
        assert pace.ready_at() == 0
        assert not pace.is_short
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) < 0.001


@pytest.mark.parametrize(
    ("rates", "short"),
    [
        pytest.param([Rate(5, 1)], True, id="a second"),
        pytest.param([Rate(5, 60)], False, id="a minute"),
        pytest.param([Rate(5, 60), Rate(1, 1)], True, id="both"),
    ],
)
def test_short_windows_are_known(rates: list[Rate], *, short: bool) -> None:
    assert Pace(rates).is_short is short


# Tokens.

items = st.lists(st.tuples(st.integers(0, 1500), st.just(0.0) | st.floats(0, 90)), min_size=1, max_size=40)


async def token_departures(pace: TokenPace, wanted: list[tuple[int, float]]) -> list[tuple[float, int]]:
    left = []
    for tokens, idle_s in wanted:
        await asyncio.sleep(idle_s)
        await pace.charge(tokens)
        left.append((asyncio.get_running_loop().time(), tokens))
    return left


@given(st.sampled_from([100, 1000, 5000]), st.sampled_from([1.0, 10.0, 60.0]), items)
@example(1000, 60.0, [(400, 0.0)] * 6)
@example(1000, 60.0, [(30, 0.0)] * 40)
@example(1000, 60.0, [(1500, 0.0)] * 3)
def test_no_window_holds_more_tokens_than_the_limit(
    amount: int, period_s: float, wanted: list[tuple[int, float]]
) -> None:
    async def main() -> list[tuple[float, int]]:
        return await token_departures(TokenPace([Rate(amount, period_s)]), wanted)

    left = run_virtual(main())
    for start, first in left:
        held = [tokens for at, tokens in left if start <= at < start + period_s and tokens]
        assert sum(held) <= amount or held == [first]


def test_small_items_use_nearly_all_tokens() -> None:
    async def main() -> list[tuple[float, int]]:
        return await token_departures(TokenPace([Rate(6000, 60)]), [(30, 0.0)] * 600)

    left = run_virtual(main())
    assert 30 * (len(left) - 1) / (left[-1][0] - left[0][0]) >= 0.93 * 100


def test_an_item_larger_than_the_limit_waits_for_a_full_window_and_goes() -> None:
    async def main() -> list[tuple[float, int]]:
        return await token_departures(TokenPace([Rate(1000, 60)]), [(10, 0.0), (9000, 0.0), (10, 0.0)])

    small, large, after = (at for at, _ in run_virtual(main()))
    assert large - small >= 60
    assert after - large >= 60


@pytest.mark.parametrize(
    ("used", "next_s"),
    [
        pytest.param(None, 0.0, id="not told"),
        pytest.param(40, 0.0, id="as estimated"),
        pytest.param(540, 500 / 950 * 60, id="far more"),
        pytest.param(0, 0.0, id="less"),
    ],
)
def test_the_difference_to_the_usage_falls_to_the_next_charge(used: float | None, next_s: float) -> None:
    async def main() -> float:
        pace = TokenPace([Rate(1000, 60)])
        await pace.charge(40)
        pace.correct(40, used)
        await asyncio.sleep(30)
        started = asyncio.get_running_loop().time()
        await pace.charge(40)
        return asyncio.get_running_loop().time() - started

    assert run_virtual(main()) == pytest.approx(next_s, abs=1.0)


def test_a_credit_lasts_until_it_is_used() -> None:
    async def main() -> float:
        pace = TokenPace([Rate(1000, 60)])
        await pace.charge(1000)
        pace.correct(1000, 0)
        started = asyncio.get_running_loop().time()
        for _ in range(10):
            await pace.charge(100)
        return asyncio.get_running_loop().time() - started

    assert run_virtual(main()) < 0.01


def test_without_a_limit_tokens_are_free() -> None:
    async def main() -> float:
        pace = TokenPace([])
        await pace.charge(1e9)
        pace.renew()
        assert not pace.is_limited
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) < 0.001


# Budgets.


@pytest.mark.parametrize(
    ("period_s", "wall", "reset_s"),
    [
        pytest.param(86400.0, 86400.0 * 20_000 + 3600, 82800, id="a day begins at 00:00 UTC"),
        pytest.param(3600.0, 86400.0 * 20_000 + 5400, 1800, id="an hour"),
    ],
)
def test_a_budget_rolls_with_its_window(period_s: float, wall: float, reset_s: float) -> None:
    now = [wall]
    budget = Budget(Rate(3, period_s), lambda: now[0])
    lefts = [budget.left]
    for _ in range(4):
        budget.take()
        lefts.append(budget.left)
    assert lefts == [3, 2, 1, 0, 0]
    assert budget.seconds_to_reset == reset_s
    now[0] += reset_s - 0.001
    assert budget.left == 0
    now[0] += 0.002
    assert budget.left == 3


@given(st.integers(1, 5), st.lists(st.floats(0, 100_000), max_size=40))
def test_no_fixed_window_holds_more_than_the_budget(amount: int, waits: list[float]) -> None:
    now, taken = [1_763_985_600.0], dict[int, int]()
    budget = Budget(Rate(amount, 86400), lambda: now[0])
    for wait in waits:
        now[0] += wait
        if budget.left:
            budget.take()
            taken[int(now[0] // 86400)] = taken.get(int(now[0] // 86400), 0) + 1
    assert all(count <= amount for count in taken.values())


class SharedTally:
    """What several runs count together."""

    def __init__(self) -> None:
        self.counts: dict[int, int] = {}

    def used(self, window: int) -> int:
        return self.counts.get(window, 0)

    def count(self, window: int) -> int:
        self.counts[window] = self.used(window) + 1
        return self.counts[window]


def test_a_budget_goes_on_where_an_earlier_run_stopped() -> None:
    tally = SharedTally()
    for left in (3, 1):
        budget = Budget(Rate(3, 86400), lambda: 1_763_985_600.0, tally)
        assert budget.left == left
        budget.take()
        budget.take()
    assert budget.left == 0


@pytest.mark.parametrize("late_s", [0.0, 0.2], ids=["on time", "late"])
def test_what_is_owed_does_not_move_the_moment_away_for_ever(late_s: float) -> None:
    async def main() -> float:
        pace = Pace([Rate(5, 1)])
        await pace.acquire()
        await asyncio.sleep(late_s)
        pace.owe(late_s)
        foretold = pace.ready_at()
        await asyncio.sleep(1.0)
        assert pace.ready_at() == foretold
        return asyncio.get_running_loop().time() - foretold

    assert run_virtual(main()) > 0
