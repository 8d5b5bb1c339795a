"""Without a declared rate the calls in flight grow from a few, and shrink when the vendor objects."""

from __future__ import annotations

import asyncio
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from router.config.models import Config, Key, Provider
from router.engine.congestion import ROUNDS, START, CongestionWindow, window_for
from router.engine.router import Router
from router.faults import Fault, Kind
from router.rates import Rate
from router.simulator.window import Window
from router.testing import ScriptedTransport, run_virtual
from router.transport import Call
from router.types import Answer


def after_round(congestion: CongestionWindow) -> CongestionWindow:
    for _ in range(congestion.room):
        congestion = congestion.answered()
    return congestion


def test_it_doubles_with_every_round_until_the_vendor_objects() -> None:
    congestion = CongestionWindow()
    rooms = []
    for _ in range(4):
        rooms.append(congestion.room)
        congestion = after_round(congestion)
    assert rooms == [START, 2 * START, 4 * START, 8 * START]


def test_after_an_objection_it_halves_and_grows_by_one_in_some_rounds() -> None:
    congestion = CongestionWindow(size=64.0).throttled(in_flight=40)
    assert congestion.room == 20
    for _ in range(2 * ROUNDS + 1):
        congestion = after_round(congestion)
    assert congestion.room in {21, 22}


def test_a_declared_concurrency_is_believed_until_the_vendor_objects() -> None:
    assert window_for(1000, 1000).room == 1000
    assert window_for(None, 512).room == START


@given(st.lists(st.integers(0, 600), max_size=200), st.integers(1, 512))
def test_there_is_always_room_for_one_and_never_for_more_than_declared(events: list[int], max_size: int) -> None:
    congestion = window_for(None, max_size)
    for event in events:
        congestion = congestion.throttled(event) if event else congestion.answered()
        assert 1 <= congestion.room <= max_size


def test_a_line_of_hundreds_does_not_burst_at_a_vendor_whose_rate_nobody_declared() -> None:
    limit = Window(Rate(5, 1.0))
    provider = Provider("acme", {"default": "openai/small"}, (Key("acme#1", None, "acme"),), ())

    async def main() -> tuple[int, int]:
        def script(_call: Call) -> Answer | Fault:
            now = asyncio.get_running_loop().time()
            if limit.wait(now) > 0:
                return Fault(Kind.RATE_LIMIT, "slow down", 429, retry_after_s=limit.wait(now))
            limit.add(now)
            return Answer("fine")

        transport = ScriptedTransport(script, latency_s=0.4)
        async with Router(Config(Path("x"), (provider,)), transport=transport) as router:
            answers = [outcome.completion async for outcome in router.map(("?" for _ in range(200)), window=200)]
        return sum(answer is not None for answer in answers), len(transport.calls) - len(answers)

    answered, refused = run_virtual(main())
    assert answered == 200
    assert refused < 40
