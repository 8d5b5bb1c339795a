"""Forecasts, held against what the engine then does: 300 calls on a virtual clock, within five percent."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
from conftest import make_config, make_provider

from router.config.models import Price, Provider
from router.engine.router import Router
from router.evals.forecast import Forecast, Forecaster, Terms, Work
from router.evals.supplies import Estimate
from router.testing import ScriptedTransport, run_virtual
from router.transport import Call
from router.types import Answer, Request, Usage

CALLS = 300
NOON = 1_763_985_600.0
USED = Usage(10, 13)
PRICED = Price(1.0, 2.0)


def forecast(*providers: Provider, latency_s: float = 0.4, calls: int = CALLS, terms: Terms | None = None) -> Forecast:
    estimate = Estimate(10, 13, latency_s, 270)
    names = frozenset(each.name for each in providers)
    terms = terms or Terms(wall=NOON)
    return Forecaster(
        make_config(*providers), [Work("", calls, names)], dict.fromkeys(names, estimate), terms
    ).forecast()


def measured(*providers: Provider, latency_s: float, sigma: float, window: int = 256) -> float:
    rng = random.Random(1)

    def script(_call: Call) -> tuple[float, Answer]:
        return latency_s * rng.lognormvariate(-(sigma**2) / 2, sigma), Answer("7", USED, "stop")

    async def main() -> float:
        async with Router(make_config(*providers), transport=ScriptedTransport(script)) as router:
            began = asyncio.get_running_loop().time()
            questions = (Request.of("What is 17 + 12 x 3?") for _ in range(CALLS))
            async for outcome in router.map(questions, window=window):
                assert outcome.error is None
            return asyncio.get_running_loop().time() - began

    return run_virtual(main())


@pytest.mark.parametrize("sigma", [0.0, 0.3])
@pytest.mark.parametrize(
    ("providers", "window"),
    [
        pytest.param([make_provider(rates=["5/s"])], 256, id="one rate"),
        pytest.param([make_provider(rates=["300/min"])], 256, id="a rate a minute"),
        pytest.param([make_provider(rates=["5/s"], burst=3)], 256, id="a burst"),
        pytest.param(
            [make_provider("a", rates=["10/s"]), make_provider("b", rates=["5/s"]), make_provider("c", rates=["1/s"])],
            256,
            id="three rates",
        ),
        pytest.param([make_provider(concurrency=4)], 256, id="calls in flight"),
        pytest.param([make_provider(concurrency=4, rates=["50/s"])], 256, id="calls in flight below the rate"),
        pytest.param([make_provider(keys=3, key_rates=["5/s"])], 256, id="a rate of each account"),
        pytest.param([make_provider(rates=["50/s"], tokens=["20k/min"])], 256, id="tokens"),
        pytest.param([make_provider(rates=["50/s"])], 4, id="items under way"),
    ],
)
def test_the_run_takes_what_was_said(providers: list[Provider], window: int, sigma: float) -> None:
    said = forecast(*providers, terms=Terms(max_samples=window, wall=NOON)).seconds
    assert said == pytest.approx(measured(*providers, latency_s=0.4, sigma=sigma, window=window), rel=0.05)


@pytest.mark.parametrize(
    ("provider", "bound"),
    [
        pytest.param(make_provider(rates=["5/s", "100/s"]), "acme's 5/s", id="the tightest rate"),
        pytest.param(make_provider(rates=["50/s"], tokens=["6k/min"]), "acme's tokens 6000/min", id="tokens"),
        pytest.param(make_provider(rates=["50/s"], concurrency=2), "acme's concurrency 2", id="in flight"),
        pytest.param(make_provider(keys=2, key_rates=["60/min"]), "acme's 2 accounts of 60/min", id="accounts"),
        pytest.param(make_provider(rates=["50/s", "100/day"]), "acme's 100/day", id="a daily cap"),
        pytest.param(
            make_provider(rates=["50/s"], tokens=["3k/day"]), "acme's tokens 3000/day", id="a daily cap of tokens"
        ),
    ],
)
def test_what_bounds_it(provider: Provider, bound: str) -> None:
    assert forecast(provider).bound == bound


def test_a_cap_that_suffices_and_one_that_does_not() -> None:
    small, large = (forecast(make_provider(rates=["5/s", f"{cap}/day"])).caps[0] for cap in (100, 400))
    assert (small.suffices, round(small.after_s or 0)) == (False, 20)
    assert (large.suffices, round(large.used), large.amount) == (True, 300, 400)


def test_a_cap_ends_the_run_where_nobody_is_to_wait() -> None:
    stop = forecast(make_provider(rates=["5/s", "100/day"])).stop
    assert stop is not None
    assert (round(stop.after_s), round(stop.left)) == (20, 200)
    assert stop.until_s == 86_400 - NOON % 86_400
    patient = Terms(max_wait_s=1e6, wall=NOON)
    assert forecast(make_provider(rates=["5/s", "100/day"]), terms=patient).stop is None


priced: Callable[..., Provider] = partial(replace, price=PRICED)


def test_what_it_costs() -> None:
    found = forecast(priced(make_provider("a", rates=["5/s"])), make_provider("b", rates=["5/s"]))
    a, b = found.shares
    assert a.cost_usd == pytest.approx(a.calls * (10 + 2 * 13) / 1e6)
    assert (b.cost_usd, found.unpriced, found.cost_usd) == (None, ("b",), a.cost_usd)


def test_the_money_ends_it() -> None:
    provider = priced(make_provider(rates=["5/s"]))
    whole = forecast(provider)
    half = forecast(provider, terms=Terms(max_cost_usd=whole.cost_usd / 2, wall=NOON)).stop
    assert half is not None
    assert half.left == pytest.approx(CALLS / 2)
    assert forecast(provider, terms=Terms(max_cost_usd=whole.cost_usd * 2, wall=NOON)).stop is None


def test_what_would_change_it() -> None:
    found = forecast(make_provider("a", rates=["10/s"]), make_provider("b", rates=["5/s"]))
    times = {each.what: round(each.seconds) for each in found.variants}
    assert times == {
        "one account more at a, with limits like its others": 12,
        "half of what a may do": 31,
        "without a": 61,
    }
