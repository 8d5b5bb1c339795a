from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.engine.budget import Budget, take_all
from router.rates import Rate


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

    def take(self, window: int, limit: int) -> bool:
        if self.used(window) >= limit:
            return False
        self.add(window, 1)
        return True

    def add(self, window: int, amount: int) -> None:
        self.counts[window] = self.used(window) + amount


def make_budget(amount: int = 3, tally: SharedTally | None = None) -> Budget:
    return Budget(Rate(amount, 86400), lambda: 1_763_985_600.0, tally)


@pytest.mark.parametrize(
    ("used", "wanted", "fits"),
    [
        pytest.param(0, 100, True, id="all of it"),
        pytest.param(0, 900, True, id="more than a whole window"),
        pytest.param(1, 900, False, id="more than a whole window, of which one is used"),
        pytest.param(60, 40, True, id="the rest"),
        pytest.param(60, 41, False, id="more than the rest"),
    ],
)
def test_an_amount_fits_where_it_is_left(used: int, wanted: int, *, fits: bool) -> None:
    budget = make_budget(100)
    budget.add(used)
    assert budget.fits(wanted) is fits
    budget.add(-used)
    assert budget.left == 100


def test_a_budget_goes_on_where_an_earlier_run_stopped() -> None:
    tally = SharedTally()
    for left in (3, 1):
        budget = make_budget(3, tally)
        assert budget.left == left
        budget.take()
        budget.take()
    assert budget.left == 0


def test_runs_that_share_a_budget_keep_it_together() -> None:
    tally = SharedTally()
    runs = [make_budget(10, tally) for _ in range(3)]
    taken = [run.take() for _ in range(5) for run in runs if run.left]
    assert sum(taken) == 10
    assert [run.left for run in runs] == [0, 0, 0]


def test_one_full_budget_is_enough() -> None:
    first, second = make_budget(5), make_budget(1)
    assert [take_all((first, second)) for _ in range(2)] == [True, False]
    assert take_all(())
