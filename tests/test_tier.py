"""The flex tier: refused a few times, a request goes to the standard tier and is answered."""

from __future__ import annotations

import asyncio

import pytest
from conftest import make_config, make_provider

from router.engine.router import Router
from router.errors import Outcome
from router.faults import Fault, Kind
from router.testing import ScriptedTransport, run_virtual
from router.transport import Call
from router.types import Answer, Json, Request

REFUSED = Fault(Kind.OVERLOADED, "Resource unavailable for the flex service tier", 429)


def tier_of(call: Call) -> Json:
    return {**call.provider.params_of(call.model), **call.request.params}.get("service_tier")


def flex_is_full(call: Call) -> Answer | Fault:
    return REFUSED if tier_of(call) == "flex" else Answer("7")


def asked(
    *requests: Request, attempts: int = 4, params: dict[str, Json] | None = None
) -> tuple[list[Outcome], list[Json], float]:
    provider = make_provider(rates=["5/s"], params={"service_tier": "flex"} if params is None else params)
    transport = ScriptedTransport(flex_is_full)

    async def main() -> tuple[list[Outcome], float]:
        async with Router(make_config(provider, attempts=attempts), transport=transport) as router:
            began = asyncio.get_running_loop().time()
            found = [outcome async for outcome in router.map(requests)]
            return found, asyncio.get_running_loop().time() - began

    outcomes, took_s = run_virtual(main())
    return outcomes, [tier_of(call) for _, call in transport.calls], took_s


@pytest.mark.parametrize(
    ("attempts", "tiers"),
    [
        pytest.param(4, ["flex", "flex", "flex", "default"], id="three refusals"),
        pytest.param(1, ["flex", "flex", "flex", "default"], id="they cost no attempt"),
    ],
)
def test_after_some_refusals_it_goes_to_the_standard_tier(attempts: int, tiers: list[str]) -> None:
    (outcome,), sent, _ = asked(Request.of("What is 3 + 4?"), attempts=attempts)
    assert sent == tiers
    assert outcome.error is None
    assert [attempt.tier for attempt in outcome.attempts] == tiers


def test_a_request_may_ask_for_it_too() -> None:
    request = Request(({"role": "user", "content": "3 + 4?"},), params={"service_tier": "flex"})
    _, sent, _ = asked(request, params={})
    assert sent == ["flex", "flex", "flex", "default"]


def test_what_is_not_asked_for_is_left_alone() -> None:
    _, sent, _ = asked(Request.of("3 + 4?"), params={"service_tier": "priority"})
    assert sent == ["priority"]


def test_many_are_all_answered_while_flex_is_full() -> None:
    outcomes, sent, took_s = asked(*(Request.of(f"{number} + 4?") for number in range(40)))
    assert all(outcome.error is None for outcome in outcomes)
    assert took_s < 40
    assert sent.count("default") == 40
