from __future__ import annotations

import asyncio

import pytest
from conftest import make_provider
from drivers import FakeLane

from router.engine.keys import AccountState, KeyState
from router.engine.pace import Pace
from router.engine.permit import Permit
from router.engine.selector import Selector
from router.faults import Action, Fault, Kind
from router.types import Answer


class Noting(FakeLane):
    """Keeps what its permits told it."""

    def __init__(self) -> None:
        super().__init__(make_provider())
        self.on_the_wire: list[Permit] = []
        self.back: list[Answer | Fault | None] = []

    def on_wire(self, permit: Permit) -> None:
        self.on_the_wire.append(permit)

    def release(self, permit: Permit) -> None:
        self.back.append(permit.result)


def make_permit(lane: Noting) -> Permit:
    key = lane.provider.keys[0]
    state = KeyState(key, AccountState(key.account, Pace()))
    return Permit(lane, 1, state, "openai/m", Selector(), left_at=0.0, generation=0, account_generation=0)


def test_a_request_is_on_the_wire_once() -> None:
    lane = Noting()
    permit = make_permit(lane)
    permit.sent()
    permit.sent()
    assert lane.on_the_wire == [permit]


@pytest.mark.parametrize(
    "result", [Answer("7"), Fault(Kind.TIMEOUT), None], ids=["an answer", "a fault", "its caller went away"]
)
def test_leaving_it_gives_the_slot_back_with_what_came(result: Answer | Fault | None) -> None:
    lane = Noting()

    async def use() -> None:
        async with make_permit(lane) as permit:
            if result is None:
                raise asyncio.CancelledError
            permit.settle(result)

    try:
        asyncio.run(use())
    except asyncio.CancelledError:
        assert result is None
    assert lane.back == [result]


def test_its_lane_says_what_is_done_about_a_fault() -> None:
    permit = make_permit(Noting())
    assert permit.action(Fault(Kind.INVALID_KEY)) is Action.DROP_KEY
    assert permit.provider.name == "acme"
    permit.take_back()
