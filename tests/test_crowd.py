"""Without a declared rate the calls in flight grow from a few, and shrink when the vendor objects."""

from __future__ import annotations

import asyncio
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from router.crowd import ROUNDS, START, Crowd, crowd_for
from router.faults import Fault, Kind
from router.providers import Config, Key, Provider
from router.rates import Rate
from router.router import Router
from router.simulator.window import Window
from router.testing import ScriptedTransport, run_virtual
from router.transport import Call
from router.types import Answer


def after_round(crowd: Crowd) -> Crowd:
    for _ in range(crowd.room):
        crowd = crowd.answered()
    return crowd


def test_it_doubles_with_every_round_until_the_vendor_objects() -> None:
    crowd = Crowd()
    rooms = []
    for _ in range(4):
        rooms.append(crowd.room)
        crowd = after_round(crowd)
    assert rooms == [START, 2 * START, 4 * START, 8 * START]


def test_after_an_objection_it_halves_and_grows_by_one_in_some_rounds() -> None:
    crowd = Crowd(size=64.0).throttled(in_flight=40)
    assert crowd.room == 20
    for _ in range(2 * ROUNDS + 1):
        crowd = after_round(crowd)
    assert crowd.room in {21, 22}


def test_a_declared_concurrency_is_believed_until_the_vendor_objects() -> None:
    assert crowd_for(1000, 1000).room == 1000
    assert crowd_for(None, 512).room == START


@given(st.lists(st.integers(0, 600), max_size=200), st.integers(1, 512))
def test_there_is_always_room_for_one_and_never_for_more_than_declared(events: list[int], most: int) -> None:
    crowd = crowd_for(None, most)
    for event in events:
        crowd = crowd.throttled(event) if event else crowd.answered()
        assert 1 <= crowd.room <= most


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
