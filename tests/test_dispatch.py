from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence

import pytest
from conftest import make_provider
from drivers import NOON, FakeLane
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from router.clock import LoopClock
from router.engine.dispatch import MAX_QUEUES, Dispatcher, Ticket
from router.engine.keys import AccountState, KeyState
from router.engine.pace import Pace
from router.engine.permit import Permit
from router.engine.selector import Selector
from router.errors import NothingServes, Stopped

NAMES = ("acme", "bolt", "cask")
SELECTORS = (
    Selector(),
    Selector(model="big"),
    Selector(only=frozenset({"acme"})),
    Selector(only=frozenset({"bolt", "cask"})),
    Selector(avoid=frozenset({"acme"})),
    Selector(avoid=frozenset({"acme", "bolt"})),
    Selector(only=frozenset({"acme", "bolt"}), avoid=frozenset({"acme"})),
)


class Slots(FakeLane):
    """A lane with so many slots."""

    def __init__(self, name: str, rank: int = 0, models: Sequence[str] = ("small", "big"), slots: float = 2) -> None:
        super().__init__(make_provider(name, models=models), rank)
        self.slots = slots
        self.out: list[Ticket] = []


def make_permit(lane: Slots, ticket: Ticket) -> Permit:
    key = lane.provider.keys[0]
    state = KeyState(key, AccountState(key.account, Pace()))
    return Permit(lane, 1, state, "openai/m", ticket.selector, left_at=0.0, generation=0, account_generation=0)


class Line(Dispatcher):
    """A dispatcher over slots, and the tickets that were put into it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, lanes: Sequence[Slots]) -> None:
        super().__init__(max_wait=60.0)
        self.open(lanes, LoopClock(loop, loop.time(), NOON))
        self._loop = loop

    def enter(self, selector: Selector = SELECTORS[0], priority: int = 0, number: int | None = None) -> Ticket:
        ticket = Ticket(priority, number or self.next_number(), selector, 10, self._loop.create_future())
        self.submit(ticket)
        return ticket

    def offer(self, lane: Slots) -> Ticket | None:
        """What a lane does when it looks, once."""
        heads = self.heads(lane) if len(lane.out) < lane.slots and lane.up and lane.alive else []
        if not heads:
            lane.looks_out = not self.heads(lane)
            self.looked(lane)
            return None
        self.match(heads[0], make_permit(lane, heads[0]))
        lane.out.append(heads[0])
        return heads[0]


def on_a_line(check: Callable[[Line, Slots, Slots], None]) -> None:
    loop = asyncio.new_event_loop()
    try:
        first, second = Slots("acme"), Slots("bolt", 1)
        check(Line(loop, [first, second]), first, second)
    finally:
        loop.close()


def test_older_goes_first_and_retries_keep_their_place() -> None:
    def check(line: Line, acme: Slots, bolt: Slots) -> None:
        old, young = line.enter(), line.enter()
        assert line.offer(acme) is old
        again = line.enter(number=old.number)
        assert line.offer(bolt) is again
        assert line.offer(bolt) is young

    on_a_line(check)


def test_a_lower_priority_number_goes_first_across_selectors() -> None:
    def check(line: Line, acme: Slots, _bolt: Slots) -> None:
        acme.slots = 9
        tickets = [
            line.enter(SELECTORS[0], 1),
            line.enter(SELECTORS[2], 0),
            line.enter(SELECTORS[1], -1),
            line.enter(priority=0),
        ]
        assert [line.offer(acme) for _ in range(5)] == [tickets[2], tickets[1], tickets[3], tickets[0], None]

    on_a_line(check)


def test_a_lane_sees_the_oldest_ticket_for_each_model() -> None:
    def check(line: Line, acme: Slots, _bolt: Slots) -> None:
        tickets = [line.enter(selector) for selector in (SELECTORS[2], SELECTORS[1], SELECTORS[0], SELECTORS[1])]
        assert line.heads(acme) == tickets[:2]

    on_a_line(check)


@pytest.mark.parametrize(
    ("others_up", "others_alive", "served"),
    [
        pytest.param(True, True, False, id="another is up"),
        pytest.param(False, True, True, id="another rests"),
        pytest.param(True, False, True, id="another is dead"),
    ],
)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_lane_is_avoided_only_while_another_is_up(
    when: str, *, others_up: bool, others_alive: bool, served: bool
) -> None:
    def check(line: Line, acme: Slots, bolt: Slots) -> None:
        ticket = None if when == "before" else line.enter(Selector(avoid=frozenset({"acme"})))
        bolt.up, bolt.alive = others_up, others_alive
        line.changed(bolt)
        ticket = ticket or line.enter(Selector(avoid=frozenset({"acme"})))
        assert line.offer(acme) is (ticket if served else None)
        assert line.has_other(acme, ticket.selector) is (others_up and others_alive)

    on_a_line(check)


def test_avoiding_everybody_avoids_nobody() -> None:
    def check(line: Line, acme: Slots, bolt: Slots) -> None:
        first, second = (line.enter(Selector(avoid=frozenset(NAMES))) for _ in range(2))
        assert (line.offer(acme), line.offer(bolt)) == (first, second)

    on_a_line(check)


def test_who_cannot_be_served_by_anybody_fails_at_once() -> None:
    def check(line: Line, acme: Slots, bolt: Slots) -> None:
        nobody = line.enter(Selector(only=frozenset({"dune"})))
        with pytest.raises(NothingServes, match="dune: takes no part in this run"):
            nobody.paired.result()
        waiting = [line.enter(), line.enter(Selector(only=frozenset({"acme"})))]
        acme.alive = False
        line.changed(acme)
        assert [ticket.is_waiting for ticket in waiting] == [True, False]
        bolt.alive = False
        line.changed(bolt)
        assert line.waiting == 0
        late = line.enter()
        for ticket in (*waiting, late):
            with pytest.raises(NothingServes, match="acme: no more"):
                ticket.paired.result()
        acme.alive = True
        line.changed(acme)
        assert line.offer(acme) is None
        again = line.enter()
        assert line.offer(acme) is again

    on_a_line(check)


def test_one_lane_is_woken_and_wakes_the_next_for_what_it_leaves() -> None:
    def check(line: Line, acme: Slots, bolt: Slots) -> None:
        acme.slots = 1
        for _ in range(3):
            line.enter()
        assert (acme.told, bolt.told) == (1, 0)
        assert line.offer(acme)
        assert bolt.told == 0
        assert line.offer(acme) is None
        assert (acme.told, bolt.told) == (1, 1)

    on_a_line(check)


def test_a_lane_that_is_busy_or_not_meant_is_not_woken() -> None:
    def check(line: Line, acme: Slots, bolt: Slots) -> None:
        acme.looks_out = False
        line.enter()
        assert (acme.told, bolt.told) == (0, 1)
        line.enter(Selector(only=frozenset({"acme"})))
        assert (acme.told, bolt.told) == (0, 1)

    on_a_line(check)


def test_a_lane_hears_of_what_it_may_take_after_a_change() -> None:
    def check(line: Line, acme: Slots, bolt: Slots) -> None:
        line.enter(Selector(avoid=frozenset({"acme"})))
        assert (acme.told, bolt.told) == (0, 1)
        bolt.up = False
        line.changed(bolt)
        assert (acme.told, bolt.told) == (1, 1)

    on_a_line(check)


def test_a_lane_that_dies_after_it_was_woken_hands_over_to_the_next() -> None:
    def check(line: Line, acme: Slots, bolt: Slots) -> None:
        ticket = line.enter()
        assert (acme.told, bolt.told) == (1, 0)
        acme.alive = False
        line.changed(acme)
        assert line.offer(acme) is None
        assert (acme.told, bolt.told) == (1, 1)
        assert line.offer(bolt) is ticket

    on_a_line(check)


@pytest.mark.parametrize(
    ("back_in", "failed"),
    [
        pytest.param((50, 1000), False, id="one is back soon"),
        pytest.param((1000, 1000), True, id="both are far away"),
        pytest.param((math.inf, math.inf), True, id="neither comes back"),
    ],
)
@pytest.mark.parametrize("is_early", [True, False], ids=["who waits", "who comes"])
def test_what_is_too_far_away_is_not_waited_for(back_in: tuple[float, float], *, failed: bool, is_early: bool) -> None:
    def check(line: Line, acme: Slots, bolt: Slots) -> None:
        early = line.enter()
        for lane, seconds in zip((acme, bolt), back_in, strict=True):
            lane.up = False
            lane.back_at = line._loop.time() + seconds
            line.changed(lane)
        ticket = early if is_early else line.enter()
        assert ticket.paired.done() is failed
        if failed:
            error = ticket.paired.exception()
            assert isinstance(error, NothingServes)
            assert error.until == (None if math.isinf(back_in[0]) else pytest.approx(NOON + 1000, abs=1))
            assert "acme: no more; bolt: no more" in str(error)
            assert ("2025-11-24 12:16:4" in str(error)) is not math.isinf(back_in[0])

    on_a_line(check)


def test_closing_fails_who_waits_and_who_comes() -> None:
    def check(line: Line, acme: Slots, _bolt: Slots) -> None:
        served, waiting = line.enter(), line.enter(Selector(model="big"))
        assert line.offer(acme) is served
        line.close(Stopped("closed"))
        late = line.enter()
        assert [str(ticket.paired.exception()) for ticket in (waiting, late)] == ["closed", "closed"]
        assert served.paired.result().lane is acme
        assert line.offer(acme) is None

    on_a_line(check)


def test_callers_who_leave_are_forgotten_behind_one_who_stays() -> None:
    def check(line: Line, acme: Slots, bolt: Slots) -> None:
        acme.up = bolt.up = False
        stays = line.enter()
        for _ in range(5000):
            line.withdraw(line.enter())
        assert line.waiting == 1
        assert sum(len(queue.tickets) for queue in line._queues.values()) < 200
        acme.up = True
        assert line.offer(acme) is stays

    on_a_line(check)


def test_selectors_for_which_nobody_waits_are_forgotten() -> None:
    def check(line: Line, acme: Slots, _bolt: Slots) -> None:
        acme.slots = math.inf
        stays = line.enter(Selector(only=frozenset({"bolt"})))
        for number in range(3 * MAX_QUEUES):
            ticket = line.enter(Selector(avoid=frozenset({f"v{number}"})))
            assert line.offer(acme) is ticket
        assert len(line._queues) <= MAX_QUEUES
        assert len(line._heads[acme]["openai/acme-small"]) <= 1
        assert stays.is_waiting

    on_a_line(check)


def test_it_shows_who_waits() -> None:
    def check(line: Line, _acme: Slots, _bolt: Slots) -> None:
        line.enter()
        assert repr(line) == "<Dispatcher waiting=1 lanes=['acme', 'bolt']>"

    on_a_line(check)


class AnyOrder(RuleBasedStateMachine):
    """Callers come and go, lanes offer, rest, die and finish, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        models = {"acme": ["small", "big"], "bolt": ["small"], "cask": ["small", "big"]}
        self.lanes = [Slots(name, rank, models[name]) for rank, name in enumerate(NAMES)]
        self.line = Line(self.loop, self.lanes)
        self.tickets: list[Ticket] = []
        self.served: list[Ticket] = []
        self.cancelled: list[Ticket] = []

    def teardown(self) -> None:
        for ticket in self.tickets:
            if ticket.paired.done() and not ticket.paired.cancelled():
                ticket.paired.exception()
        self.loop.close()

    def waiting(self) -> list[Ticket]:
        return [ticket for ticket in self.tickets if ticket.is_waiting]

    def serves(self, lane: Slots, selector: Selector) -> bool:
        model = lane.model_of(selector)
        return model is not None and lane.may_serve(model)

    def may_take(self, lane: Slots, ticket: Ticket) -> bool:
        selector = ticket.selector
        others = (each for each in self.lanes if each.name not in selector.avoid and self.serves(each, selector))
        return self.serves(lane, selector) and (lane.name not in selector.avoid or not any(each.up for each in others))

    @rule(selector=st.sampled_from(SELECTORS), priority=st.integers(-1, 1))
    def submit(self, selector: Selector, priority: int) -> None:
        self.tickets.append(self.line.enter(selector, priority))

    @precondition(lambda self: self.served)
    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        old = data.draw(st.sampled_from(self.served))
        out = next((lane for lane in self.lanes if old in lane.out), None)
        if out is not None:
            out.out = [ticket for ticket in out.out if ticket is not old]
            self.tickets.append(self.line.enter(old.selector, old.priority, old.number))
            self.wakes(out)

    @precondition(lambda self: self.waiting())
    @rule(data=st.data(), by_task=st.booleans())
    def cancel(self, data: st.DataObject, *, by_task: bool) -> None:
        ticket = data.draw(st.sampled_from(self.waiting()))
        if by_task:
            ticket.paired.cancel()
        self.cancelled.append(ticket)
        if not by_task or data.draw(st.booleans()):
            self.line.withdraw(ticket)

    @rule(index=st.integers(0, 2))
    def offer(self, index: int) -> None:
        lane = self.lanes[index]
        wanted = [ticket for ticket in self.waiting() if self.may_take(lane, ticket)]
        free = len(lane.out) < lane.slots and lane.up and lane.alive
        ticket = self.line.offer(lane)
        if not free or not wanted:
            assert ticket is None
            return
        assert ticket is not None
        assert (ticket.priority, ticket.number) == min((each.priority, each.number) for each in wanted)
        assert ticket not in [*self.served, *self.cancelled]
        self.served.append(ticket)

    @rule(index=st.integers(0, 2), up=st.booleans())
    def rest(self, index: int, *, up: bool) -> None:
        self.lanes[index].up = up
        self.line.changed(self.lanes[index])
        self.wakes(self.lanes[index])

    @rule(index=st.integers(0, 2), alive=st.booleans())
    def ban(self, index: int, *, alive: bool) -> None:
        self.lanes[index].alive = alive
        self.line.changed(self.lanes[index])
        self.wakes(self.lanes[index])

    @rule(index=st.integers(0, 2))
    def finish(self, index: int) -> None:
        if self.lanes[index].out:
            self.lanes[index].out.pop(0)
        self.wakes(self.lanes[index])

    def wakes(self, lane: Slots) -> None:
        """A lane looks by itself when something of its own has changed."""
        lane.looks_out = False

    @invariant()
    def every_permit_is_out_once_and_no_lane_is_overfull(self) -> None:
        out = [ticket for lane in self.lanes for ticket in lane.out]
        assert len({id(ticket) for ticket in out}) == len(out)
        assert all(len(lane.out) <= lane.slots for lane in self.lanes)
        assert all(ticket.paired.result().lane is lane for lane in self.lanes for ticket in lane.out)

    @invariant()
    def nobody_is_lost_and_nobody_hopes_in_vain(self) -> None:
        assert self.line.waiting == len(self.waiting())
        for ticket in self.tickets:
            if ticket.is_waiting:
                assert any(self.serves(lane, ticket.selector) for lane in self.lanes)
            elif ticket not in [*self.served, *self.cancelled]:
                assert isinstance(ticket.paired.exception(), NothingServes)

    @invariant()
    def nobody_waits_while_all_who_could_take_him_sleep(self) -> None:
        for ticket in self.waiting():
            lanes = [lane for lane in self.lanes if self.may_take(lane, ticket)]
            idle = [lane for lane in lanes if lane.looks_out and lane.up and len(lane.out) < lane.slots]
            # A lane that was roused and has died since still takes its turn, and hands over to the next one.
            handing_over = any(lane in self.line._woken and not lane.looks_out for lane in self.lanes)
            assert not idle or handing_over or any(not lane.looks_out for lane in lanes)


AnyOrder.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestAnyOrder = AnyOrder.TestCase


def test_no_lane_is_idle_while_somebody_waits_for_it() -> None:
    def check(line: Line, acme: Slots, bolt: Slots) -> None:
        for number in range(100):
            line.enter(SELECTORS[number % 4], number % 3)
        acme.slots = bolt.slots = math.inf
        while line.offer(acme) or line.offer(bolt):
            pass
        assert line.waiting == 0
        assert len(acme.out) + len(bolt.out) == 100

    on_a_line(check)
