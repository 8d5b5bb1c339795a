from __future__ import annotations

import heapq
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import pytest
from conftest import max_in_any_window
from hypothesis import example, given, settings
from hypothesis import strategies as st

from router.engine.pace import Bucket, Charge, Limit, Pace
from router.rates import Rate
from router.testing import run_virtual

ON_TIME = 0.0005
WOKEN_LATE_S = 0.003

Late = Callable[[], float]
"""How long the next call is on its way to the wire."""


@dataclass(frozen=True)
class Rush:
    """So many calls as fast as the pace lets them, with a share of the rate, then so many seconds without one."""

    calls: int
    share: float = 1.0
    idle_s: float = 0.0


class Caller:
    """Asks a pace for calls on a clock of its own, and keeps when each left and when it was on the wire."""

    def __init__(self, pace: Pace, late: Late = lambda: ON_TIME, *, woken_late_s: float = 0.0, seed: int = 0) -> None:
        self.pace = pace
        self.now = 0.0
        self.left: list[float] = []
        self.arrived: list[float] = []
        self._late = late
        self._woken_late_s = woken_late_s
        self._rng = random.Random(seed)
        self._on_the_way: list[tuple[float, int, Charge]] = []

    def run(self, *rushes: Rush) -> Caller:
        for rush in rushes:
            self.pace.share = rush.share
            for _ in range(rush.calls):
                self._call()
            self._pass_to(self.now + rush.idle_s)
        self._pass_to(math.inf)
        return self

    def _call(self, amount: float = 1.0) -> None:
        while (ready_at := self.pace.ready_at(amount)) > self.now:
            woken_at = ready_at + self._rng.uniform(0, self._woken_late_s)
            self._pass_to(min(woken_at, self._on_the_way[0][0] if self._on_the_way else math.inf))
        charge = self.pace.take(self.now, amount)
        heapq.heappush(self._on_the_way, (self.now + self._late(), len(self.left), charge))
        self.left.append(self.now)

    def _pass_to(self, until: float) -> None:
        assert until < math.inf or self._on_the_way or self.left, "it would wait for ever"
        while self._on_the_way and self._on_the_way[0][0] <= until:
            at, _, charge = heapq.heappop(self._on_the_way)
            charge.arrive(at)
            self.arrived.append(at)
        self.now = max(self.now, until) if until < math.inf else self.now

    def used(self, rate: Rate) -> float:
        """What arrived, as a part of what the rate allows from the first to the last."""
        return (len(self.arrived) - 1) / ((self.arrived[-1] - self.arrived[0]) * rate.per_second)


def connects(share: float, seed: int, max_s: float = 0.3) -> Late:
    """A part of the calls has to connect first, which takes 50 ms to `max_s`."""
    rng = random.Random(seed)
    return lambda: rng.uniform(0.05, max_s) if rng.random() < share else ON_TIME


rates = st.builds(Rate, st.integers(1, 300), st.sampled_from([1.0, 2.0, 5.0, 10.0, 60.0]))
bursts = st.integers(1, 5)
rushes = st.lists(
    st.builds(
        Rush,
        st.integers(1, 200),
        st.sampled_from([1.0, 1.0, 0.05, 0.3, 0.7]),
        st.just(0.0) | st.floats(0, 70) | st.sampled_from([0.001, 0.999, 1.0, 1.001]),
    ),
    min_size=1,
    max_size=6,
)
lates = st.builds(connects, st.floats(0, 0.3), st.integers(0, 99))


@settings(max_examples=100)
@given(rates, bursts, rushes, lates, st.sampled_from([0.0, WOKEN_LATE_S, 0.05]))
@example(Rate(10, 1), 1, [Rush(50, idle_s=3), Rush(50)], connects(0, 0), 0.0)
@example(Rate(10, 1), 3, [Rush(50, 0.7, 0.3), Rush(50)], connects(0.3, 1), 0.0)
@example(Rate(300, 1), 5, [Rush(200)] * 4, connects(0.3, 2), WOKEN_LATE_S)
def test_no_window_holds_more_arrivals_than_the_limit(
    rate: Rate, burst: int, demand: list[Rush], late: Late, woken_late_s: float
) -> None:
    caller = Caller(Pace.of_calls([rate], burst), late, woken_late_s=woken_late_s).run(*demand)
    assert max_in_any_window(caller.arrived, rate.period_s) <= rate.amount


WINDOWS = [Rate(1, 1), Rate(5, 1), Rate(20, 1), Rate(200, 1), Rate(10, 2), Rate(50, 10), Rate(60, 60), Rate(300, 60)]


@pytest.mark.parametrize("rate", WINDOWS, ids=str)
@pytest.mark.parametrize(
    ("connecting", "burst", "promised"),
    [
        pytest.param(0.0, 1, 0.985, id="on time"),
        pytest.param(0.0, 3, 0.985, id="on time, in bursts"),
        pytest.param(0.05, 1, 0.95, id="5 % connect"),
        pytest.param(0.3, 1, 0.85, id="30 % connect"),
        pytest.param(0.3, 3, 0.85, id="30 % connect, in bursts"),
    ],
)
def test_nearly_all_of_the_limit_arrives_and_never_more(
    rate: Rate, connecting: float, burst: int, promised: float
) -> None:
    pace = Pace.of_calls([rate], burst)
    caller = Caller(pace, connects(connecting, 7), woken_late_s=WOKEN_LATE_S).run(Rush(900))
    assert max_in_any_window(caller.arrived, rate.period_s) <= rate.amount
    assert caller.used(rate) >= promised


@pytest.mark.parametrize("woken_late_s", [0.0, WOKEN_LATE_S], ids=["on time", "woken late"])
@pytest.mark.parametrize("rate", WINDOWS, ids=str)
def test_every_full_window_under_load_holds_nearly_all_of_the_limit(rate: Rate, woken_late_s: float) -> None:
    left = Caller(Pace.of_calls([rate]), woken_late_s=woken_late_s).run(Rush(900)).left
    for first, last in zip(left, left[max(1, math.floor(0.985 * rate.amount)) - 1 :], strict=False):
        assert last - first <= rate.period_s


@pytest.mark.parametrize("share", [0.05, 0.3, 0.7])
@pytest.mark.parametrize("rate", [Rate(5, 1), Rate(200, 1), Rate(300, 60)], ids=str)
def test_a_share_is_kept_and_used(rate: Rate, share: float) -> None:
    caller = Caller(Pace.of_calls([rate])).run(Rush(400, share))
    assert max_in_any_window(caller.arrived, rate.period_s) <= share * rate.amount + 1
    assert caller.used(rate) == pytest.approx(share, rel=0.02)


def test_a_cut_counts_from_the_next_call_on_and_a_raise_at_once() -> None:
    pace = Pace.of_calls([Rate(10, 1)])
    pace.take(0.0).arrive(0.0)
    told = []
    for share in (1.0, 0.1):
        pace.share = share
        told.append(pace.ready_at())
    pace.take(0.2).arrive(0.2)
    for share in (0.1, 0.5, 0.2, 1.0):
        pace.share = share
        told.append(pace.ready_at() - 0.2)
    assert told == pytest.approx([0.1, 0.1, 1.0, 0.2, 0.2, 0.1], rel=0.02)


def test_a_cut_share_goes_on_at_once_whatever_the_window_has_seen() -> None:
    left = Caller(Pace.of_calls([Rate(240, 60)])).run(Rush(100), Rush(10, 0.1)).left
    gaps = [after - before for before, after in pairwise(left[99:])]
    assert gaps == pytest.approx([0.25, *[2.5] * 9], rel=0.02)


def test_a_share_of_an_implied_rate_is_spaced_and_the_whole_is_free() -> None:
    pace = Pace.of_calls([], implied=Rate(10, 1))
    assert Caller(pace).run(Rush(100)).left[-1] == 0.0
    left = Caller(pace).run(Rush(20, 0.5)).left
    assert min(after - before for before, after in pairwise(left)) >= 0.199


def test_a_rate_can_be_set_while_it_runs() -> None:
    limit = Limit(Rate(5, 1))
    caller = Caller(Pace([limit])).run(Rush(20))
    limit.rate = Rate(50, 1)
    caller.run(Rush(200))
    assert max_in_any_window(caller.arrived[:20], 1) <= 5
    assert (200 - 1) / (caller.arrived[-1] - caller.arrived[20]) >= 0.985 * 50
    limit.rate = Rate(2, 1)
    slow = caller.run(Rush(20)).arrived[220:]
    assert max_in_any_window(slow, 1) <= 2


@pytest.mark.parametrize("burst", [1, 2, 3])
def test_a_burst_leaves_at_once_and_no_more(burst: int) -> None:
    left = Caller(Pace.of_calls([Rate(60, 60)], burst)).run(Rush(8, idle_s=300), Rush(8)).left
    for rush in (left[:8], left[8:]):
        assert sum(at - rush[0] < 0.5 for at in rush) == burst


@pytest.mark.parametrize("rate", [Rate(10, 1), Rate(200, 1), Rate(1000, 1)], ids=str)
def test_neither_at_first_nor_after_idling_do_calls_bunch_up(rate: Rate) -> None:
    left = Caller(Pace.of_calls([rate])).run(Rush(20, idle_s=3.3), Rush(20, idle_s=0.5), Rush(20)).left
    assert min(after - before for before, after in pairwise(left)) >= 0.99 / rate.per_second


def test_after_calls_that_were_late_the_others_keep_half_their_distance() -> None:
    caller = Caller(Pace.of_calls([Rate(5, 1)]), connects(0.3, 3)).run(Rush(500))
    assert min(after - before for before, after in pairwise(caller.left)) >= 0.45 / 5


def test_who_is_not_on_the_wire_counts_as_now() -> None:
    pace = Pace.of_calls([Rate(2, 1)])
    first, second = pace.take(0.0), pace.take(0.51)
    assert pace.ready_at() == math.inf
    second.arrive(0.52)
    assert pace.ready_at() == pytest.approx(1.526)
    pace.take(1.53)
    assert pace.ready_at() == math.inf
    first.arrive(1.6)
    first.arrive(1.7)
    assert pace.ready_at() == pytest.approx(2.606)


@settings(max_examples=50)
@given(st.integers(1, 20), st.integers(20, 300), rushes, lates)
def test_several_limits_hold_together(second: int, minute: int, demand: Sequence[Rush], late: Late) -> None:
    pace = Pace.of_calls([Rate(second, 1), Rate(minute, 60), Rate(1, 86400)])
    arrived = Caller(pace, late).run(*demand).arrived
    assert max_in_any_window(arrived, 1) <= second
    assert max_in_any_window(arrived, 60) <= minute


@pytest.mark.parametrize(
    ("rate", "every_s"), [(Rate(0.5, 1), 2.0), (Rate(1.5, 1), 1 / 1.5)], ids=["half", "one and a half"]
)
def test_fractions_of_a_call_are_paced(rate: Rate, every_s: float) -> None:
    left = Caller(Pace.of_calls([rate])).run(Rush(9)).left
    assert left[-1] / 8 == pytest.approx(every_s, rel=0.02)


def test_without_limits_nothing_waits() -> None:
    pace = Pace.of_calls([Rate(5, 86400)])
    assert Caller(pace).run(Rush(100)).left[-1] == 0.0
    assert pace.ready_at() == 0.0


def test_the_buckets_level_is_the_limiters_own() -> None:
    async def main() -> float:
        bucket = Bucket(2.0, 1.0)
        await bucket.acquire()
        bucket.take(0.0)
        assert not bucket.has_capacity()
        await bucket.acquire()
        return bucket.ready_at()

    assert run_virtual(main()) == pytest.approx(2.0, abs=0.001)


# Tokens.

Items = list[tuple[int, float]]
"""Tokens of a call, and seconds before it."""
items = st.lists(st.tuples(st.integers(1, 1500), st.just(0.0) | st.floats(0, 90)), min_size=1, max_size=40)


class TokenCaller(Caller):
    """Asks a pace for tokens."""

    def leaves(self, wanted: Items) -> list[tuple[float, int]]:
        """When each item was on the wire."""
        for tokens, idle_s in wanted:
            self._pass_to(self.now + idle_s)
            self._call(tokens)
        self._pass_to(math.inf)
        return [(at, tokens) for at, (tokens, _) in zip(self.left, wanted, strict=True)]


@given(st.sampled_from([100, 1000, 5000]), st.sampled_from([1.0, 10.0, 60.0]), items)
@example(1000, 60.0, [(400, 0.0)] * 6)
@example(1000, 60.0, [(30, 0.0)] * 40)
@example(1000, 60.0, [(1500, 0.0)] * 3)
def test_no_window_holds_more_tokens_than_the_limit(amount: int, period_s: float, wanted: Items) -> None:
    left = TokenCaller(Pace.of_tokens([Rate(amount, period_s)])).leaves(wanted)
    for start, first in left:
        held = [tokens for at, tokens in left if start <= at < start + period_s]
        assert sum(held) <= amount or held == [first]


def test_small_items_use_nearly_all_tokens() -> None:
    left = TokenCaller(Pace.of_tokens([Rate(6000, 60)])).leaves([(30, 0.0)] * 600)
    assert 30 * (len(left) - 1) / (left[-1][0] - left[0][0]) >= 0.98 * 100


def test_an_item_larger_than_the_limit_waits_for_a_full_window_and_goes() -> None:
    wanted = [(10, 0.0), (9000, 0.0), (10, 0.0)]
    small, large, after = (at for at, _ in TokenCaller(Pace.of_tokens([Rate(1000, 60)])).leaves(wanted))
    assert large - small >= 60
    assert after - large >= 60


def taken(pace: Pace, now: float, tokens: float) -> Charge:
    charge = pace.take(now, tokens)
    charge.arrive(now)
    return charge


@pytest.mark.parametrize(
    ("used", "next_at"),
    [
        pytest.param(400, 0.0, id="as estimated"),
        pytest.param(940, 90.6, id="far more: once the rest of it is a window old"),
        pytest.param(0, 0.0, id="less"),
    ],
)
def test_the_vendors_count_corrects_the_estimate(used: float, next_at: float) -> None:
    pace = Pace.of_tokens([Rate(1000, 60)])
    taken(pace, 0.0, 400).correct(30.0, used)
    assert max(0.0, pace.ready_at(500) - 0.0 if pace.ready_at(500) > 30 else 0.0) == pytest.approx(next_at, abs=0.6)


def test_what_was_estimated_too_high_is_there_again() -> None:
    pace = Pace.of_tokens([Rate(1000, 60)])
    charge = taken(pace, 0.0, 1000)
    assert pace.ready_at(50) > 60
    charge.correct(1.0, 10)
    assert pace.ready_at(50) <= 1.0


def test_a_correction_that_comes_after_its_window_leaves_the_next_alone() -> None:
    pace = Pace.of_tokens([Rate(1000, 60)])
    late = taken(pace, 0.0, 1000)
    taken(pace, 70.0, 1000)
    late.correct(71.0, 10)
    assert pace.ready_at(50) >= 130


def test_without_a_limit_tokens_are_free() -> None:
    pace = Pace.of_tokens([])
    pace.take(0.0, 1e9).correct(0.0, 5)
    assert pace.ready_at(1e9) == 0.0
