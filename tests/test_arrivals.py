from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.engine.arrivals import GRAINS, ArrivalLog


def log_of(*arrivals: tuple[float, float], on_the_way: float = 0.0) -> ArrivalLog:
    log = ArrivalLog(10.0)
    for at, amount in arrivals:
        log.add(at, amount)
    log.on_the_way = on_the_way
    return log


@pytest.mark.parametrize(
    ("log", "amount", "fits_at"),
    [
        pytest.param(log_of(), 3, -math.inf, id="nothing yet"),
        pytest.param(log_of((1, 2)), 1, -math.inf, id="room left"),
        pytest.param(log_of((1, 2), (4, 1)), 1, 11, id="when the first is a window old"),
        pytest.param(log_of((1, 1), (4, 2)), 2, 14, id="when the second is"),
        pytest.param(log_of((1, 2), on_the_way=1), 1, 11, id="what is on its way counts"),
        pytest.param(log_of((1, 2), on_the_way=3), 1, math.inf, id="all of it is on its way"),
        pytest.param(log_of((1, 1), (4, 1)), 9, 14, id="more than the limit: a full window"),
        pytest.param(log_of(), 9, -math.inf, id="more than the limit, and nothing else"),
    ],
)
def test_when_more_fits(log: ArrivalLog, amount: float, fits_at: float) -> None:
    assert log.fits_at(amount, 3) == fits_at


def test_what_leaves_is_on_its_way_until_it_arrives() -> None:
    log = log_of()
    log.leave(0.0, 3)
    assert log.fits_at(1, 3) == math.inf
    log.arrive(2.5, 3)
    assert log.fits_at(1, 3) == 12.5


def test_what_is_older_than_the_window_is_forgotten() -> None:
    log = log_of((0, 1), (5, 1))
    log.leave(9.9, 1)
    assert len(log) == 2
    log.leave(10.0, 1)
    assert len(log) == 1


@pytest.mark.parametrize(
    ("leaves_at", "fits_at"),
    [pytest.param(0.0, -math.inf, id="in the window"), pytest.param(20.0, -math.inf, id="after it")],
)
def test_what_is_taken_back_makes_room_in_its_own_window(leaves_at: float, fits_at: float) -> None:
    log = log_of()
    arrival = log.add(0.0, 3)
    log.leave(leaves_at, 0)
    log.take_back(arrival, 2)
    assert log.fits_at(2, 3) == fits_at


def test_what_is_taken_back_late_makes_no_room_in_a_later_window() -> None:
    log = log_of()
    arrival = log.add(0.0, 3)
    log.leave(20.0, 0)
    log.add(20.0, 3)
    log.take_back(arrival, 3)
    assert log.fits_at(1, 3) == 30.0


@given(st.integers(0, 999), st.sampled_from([1e-5, 1e-4, 1e-3, 0.1]))
def test_memory_has_a_bound_and_nothing_counts_too_early(seed: int, mean_s: float) -> None:
    rng, log, now = random.Random(seed), ArrivalLog(1.0), 0.0
    times: list[float] = []
    for _ in range(2000):
        now += rng.expovariate(1 / mean_s)
        log.leave(now, 1)
        log.arrive(now, 1)
        times.append(now)
    assert len(log) <= GRAINS + 2
    for limit in (1, 10, 100, 1000):
        exact, told = times[-limit] + 1.0, log.fits_at(1, limit)
        assert told == -math.inf if exact <= now else exact <= told <= exact + 1.0 / GRAINS
