"""A call that wants one account: the same as an earlier one's, for as long as that is up."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from conftest import make_provider
from test_router import DOWN, SEVEN, Bench, now

from router.config.models import Provider
from router.engine.router import Router
from router.errors import AttemptsExhausted, CallError, NothingServes
from router.faults import Fault, Kind
from router.transport import Call
from router.types import Answer

TWO_KEYS = make_provider("acme", keys=2, key_rates=["1/s"])
BOLT = make_provider("bolt")


def test_all_calls_go_to_the_account_that_is_wanted() -> None:
    bench = Bench(TWO_KEYS, BOLT)

    async def main(router: Router) -> list[str]:
        return [(await router.complete("hi", key="acme#2")).key for _ in range(4)]

    assert bench.run(main) == ["acme#2"] * 4


def test_any_key_of_the_account_will_do() -> None:
    bench = Bench(make_provider("acme", keys=3, accounts=("one", "two", "one")))

    async def main(router: Router) -> Counter[str]:
        return Counter([(await router.complete("hi", key="acme#1")).key for _ in range(4)])

    assert bench.run(main) == {"acme#1": 2, "acme#3": 2}


def test_who_waits_for_one_account_holds_nobody_up() -> None:
    """Each account may be asked once a second: 4 pinned calls take the first one's time, 4 others the second one's."""
    bench = Bench(TWO_KEYS)

    async def main(router: Router) -> float:
        pinned = [router.complete("hi", key="acme#1", priority=-1) for _ in range(4)]
        await asyncio.gather(*pinned, *(router.complete("hi") for _ in range(4)))
        return now()

    assert bench.run(main) == pytest.approx(4.0, abs=0.2)
    assert bench.transport.counts() == {"acme#1": 4, "acme#2": 4}


@pytest.mark.parametrize(
    ("providers", "fault", "error", "calls"),
    [
        pytest.param((TWO_KEYS, BOLT), DOWN, AttemptsExhausted, 1, id="asked once"),
        pytest.param((TWO_KEYS,), Fault(Kind.INVALID_KEY, "no", 401), NothingServes, 1, id="dead, and another lives"),
        pytest.param((BOLT,), DOWN, AttemptsExhausted, 4, id="as often as usual where there is no other"),
    ],
)
def test_a_failure_there_is_told_at_once(
    providers: tuple[Provider, ...], fault: Fault, error: type[CallError], calls: int
) -> None:
    bench = Bench(*providers, script=lambda _call: fault)

    async def main(router: Router) -> None:
        with pytest.raises(error):
            await router.complete("hi", key=f"{providers[0].name}#1")

    bench.run(main)
    assert len(bench.asked) == calls


@pytest.mark.parametrize(
    ("providers", "rest_s", "ends_at"),
    [
        pytest.param((TWO_KEYS, BOLT), 10.0, 12.0, id="a short rest is waited for"),
        pytest.param((TWO_KEYS, BOLT), 60.0, 1.0, id="a long one is not, where others are up"),
        pytest.param((BOLT,), 60.0, 62.0, id="a long one, too, where nobody else is"),
    ],
)
def test_an_account_that_rests(providers: tuple[Provider, ...], rest_s: float, ends_at: float) -> None:
    def script(_call: Call) -> Answer | Fault:
        return SEVEN if now() > 1 else Fault(Kind.RATE_LIMIT, "slow down", 429, retry_after_s=rest_s)

    bench = Bench(*providers, script=script)

    async def main(router: Router) -> float:
        try:
            await router.complete("hi", key=f"{providers[0].name}#1")
        except NothingServes as error:
            assert "is not up, and others are" in str(error)  # noqa: PT017 - it may also end well
        return now()

    assert bench.run(main) == pytest.approx(ends_at, rel=0.1)


def test_a_key_that_does_not_exist_serves_nothing() -> None:
    bench = Bench(TWO_KEYS)

    async def main(router: Router) -> None:
        with pytest.raises(NothingServes):
            await router.complete("hi", key="acme#9")

    bench.run(main)
