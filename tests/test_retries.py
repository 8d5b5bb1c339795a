from __future__ import annotations

import asyncio

import pytest

from router.engine.retries import FREE, SHARE, RetryBudget
from router.testing import run_virtual


def spent_budget() -> RetryBudget:
    budget = RetryBudget()
    budget.firsts, budget.retries = FREE, int(SHARE * FREE)
    return budget


@pytest.mark.parametrize(
    ("firsts", "retries", "spent"),
    [
        pytest.param(0, 0, False, id="nothing yet"),
        pytest.param(FREE - 1, 1000, False, id="too few to judge"),
        pytest.param(FREE, 19, False, id="the last of the share"),
        pytest.param(FREE, 20, True, id="beyond the share"),
        pytest.param(10 * FREE, 199, False, id="the share grows with the run"),
    ],
)
def test_when_the_budget_is_spent(firsts: int, retries: int, *, spent: bool) -> None:
    budget = RetryBudget()
    budget.firsts, budget.retries = firsts, retries
    assert budget.is_spent is spent


def at_once(budget: RetryBudget, *, first: bool) -> int:
    """The most calls that are let through together, of 10 that take a second each."""
    inside = most = 0

    async def one() -> None:
        nonlocal inside, most
        async with budget.passing(None, first=first):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(1)
            inside -= 1

    async def main() -> None:
        await asyncio.gather(*(one() for _ in range(10)))

    run_virtual(main())
    return most


def test_first_tries_always_pass() -> None:
    budget = spent_budget()
    assert at_once(budget, first=True) == 10
    assert budget.firsts == FREE + 10


def test_retries_pass_while_the_budget_lasts() -> None:
    budget = RetryBudget()
    assert at_once(budget, first=False) == 10
    assert budget.retries == 10


def test_beyond_the_budget_retries_go_one_at_a_time_and_all_go() -> None:
    budget = spent_budget()
    assert at_once(budget, first=False) == 1
    assert budget.retries == SHARE * FREE + 10


def test_a_retry_that_is_cancelled_lets_the_next_one_through() -> None:
    async def main() -> list[str]:
        budget, done = spent_budget(), []

        async def one(name: str) -> None:
            async with budget.passing(None, first=False):
                await asyncio.sleep(10)
                done.append(name)

        tasks = [asyncio.create_task(one(name)) for name in "abc"]
        await asyncio.sleep(1)
        tasks[0].cancel()
        tasks[1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return done

    assert run_virtual(main()) == ["c"]


def test_a_retry_that_waits_holds_up_only_those_that_ask_for_the_same() -> None:
    async def main() -> list[str]:
        budget, done = spent_budget(), []

        async def one(selector: str, name: str, seconds: float) -> None:
            async with budget.passing(selector, first=False):
                await asyncio.sleep(seconds)
                done.append(name)

        await asyncio.gather(one("acme", "rests", 100), one("acme", "behind", 1), one("bolt", "elsewhere", 1))
        return done

    assert run_virtual(main()) == ["elsewhere", "rests", "behind"]
