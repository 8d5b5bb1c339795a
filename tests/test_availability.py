from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from drivers import BIG, SMALL, Driver

from router.engine.availability import NEVER, Availability, Standing
from router.engine.budget import Budget
from router.faults import Fault, Kind
from router.rates import Rate
from router.types import Answer

UP = Standing(may_serve=True, is_up=True, serves_at=0.0)


def rests(seconds: float, *keys: int) -> Callable[[Driver], None]:
    def act(driver: Driver) -> None:
        for key in keys:
            driver.call(Fault(Kind.NO_CREDIT, retry_after_s=seconds), key)

    return act


def dies(*keys: int) -> Callable[[Driver], None]:
    def act(driver: Driver) -> None:
        for key in keys:
            driver.call(Fault(Kind.INVALID_KEY), key)

    return act


def breaks(driver: Driver) -> None:
    for _ in range(3):
        driver.call(Fault(Kind.OVERLOADED, retry_after_s=20.0))


def hangs(driver: Driver) -> None:
    for _ in range(3):
        driver.call(Answer("7"), after_s=0.1)
    driver.leaves()
    driver.leaves()
    driver.time += 100.0


@pytest.mark.parametrize(
    ("act", "may_serve", "is_up", "serves_in"),
    [
        pytest.param(lambda _driver: None, True, True, 0, id="as new"),
        pytest.param(rests(50, 1), True, True, 0, id="one key rests"),
        pytest.param(rests(50, 1, 2), True, False, 50, id="all keys rest"),
        pytest.param(breaks, True, False, 20, id="the provider rests"),
        pytest.param(dies(1, 2), False, False, math.inf, id="all keys are dead"),
        pytest.param(hangs, True, False, 0, id="silent: no rest keeps it"),
    ],
)
def test_what_a_lane_may_serve(
    act: Callable[[Driver], None], *, may_serve: bool, is_up: bool, serves_in: float
) -> None:
    driver = Driver()
    act(driver)
    standing = Availability(driver.provider_state, (), driver)[SMALL]
    assert (standing.may_serve, standing.is_up) == (may_serve, is_up)
    assert standing.serves_at == pytest.approx(serves_in and driver.time + serves_in, abs=1.1)


def test_a_used_up_budget_keeps_it_until_the_reset() -> None:
    driver = Driver()
    budget = Budget(Rate(1, 3600), driver.wall)
    budget.take()
    assert Availability(driver.provider_state, (budget,), driver)[SMALL] == Standing(True, False, 3600.0)  # noqa: FBT003


def test_it_is_judged_anew_only_when_asked_to_and_says_what_differs() -> None:
    driver = Driver()
    availability = Availability(driver.provider_state, (), driver)
    assert (availability[SMALL], availability[BIG]) == (UP, UP)
    assert not availability.renew(driver.time)
    driver.ring.keys[0].deny(BIG, Fault(Kind.PERMISSION))
    driver.ring.keys[1].deny(BIG, Fault(Kind.PERMISSION))
    assert availability[BIG] == UP
    assert availability.renew(driver.time)
    assert (availability[SMALL], availability[BIG]) == (UP, NEVER)


def test_it_foresees_the_end_of_a_rest_and_the_beginning_of_a_silence() -> None:
    driver = Driver()
    availability = Availability(driver.provider_state, (), driver)
    rests(50, 1, 2)(driver)
    assert not availability[SMALL].is_up
    changes_at = availability.changes_at(driver.time)
    assert 50 <= changes_at <= 51
    assert not availability.is_due(changes_at - 1)
    assert availability.is_due(changes_at)
    driver.time = changes_at
    assert availability.renew(driver.time)
    hangs(driver)
    driver.time -= 100.0
    assert driver.time < availability.changes_at(driver.time) < driver.time + 10
