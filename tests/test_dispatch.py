from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from router.engine.dispatch import Dispatcher, Selector, Ticket

NAMES = ("acme", "bolt", "cask")
WISHES = (
    Selector(),
    Selector(model="big"),
    Selector(only=frozenset({"acme"})),
    Selector(only=frozenset({"bolt", "cask"})),
    Selector(avoid=frozenset({"acme"})),
    Selector(avoid=frozenset({"acme", "bolt"})),
    Selector(only=frozenset({"acme", "bolt"}), avoid=frozenset({"acme"})),
)


@dataclass(eq=False)
class Slots:
    """A lane with so many slots; it takes no notice of time."""

    name: str
    rank: int = 0
    is_up: bool = True
    is_alive: bool = True
    models: Sequence[str] = ("small", "big")
    slots: int = 2
    out: list[Ticket[Pass]] = field(default_factory=list)
    told: int = 0

    def could_serve(self, selector: Selector) -> bool:
        named = selector.only is None or self.name in selector.only
        return self.is_alive and named and (selector.model is None or selector.model in self.models)

    def demand_changed(self) -> None:
        self.told += 1


@dataclass(frozen=True)
class Pass:
    """A permit whose key serves these models."""

    lane: Slots
    models: Sequence[str]

    def serves(self, selector: Selector) -> bool:
        return selector.model is None or selector.model in self.models


class Hopeless(Exception):
    """Nothing serves."""


class Line(Dispatcher[Slots, Pass]):
    """A dispatcher over slots, and the tickets that were put into it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, lanes: Sequence[Slots]) -> None:
        super().__init__(lambda lane, _permit, ticket: lane.out.append(ticket), self.hopeless)
        self.lanes = tuple(lanes)
        self._loop = loop

    def hopeless(self, selector: Selector) -> Exception | None:
        return None if any(lane.could_serve(selector) for lane in self.lanes) else Hopeless(str(selector))

    def enter(self, selector: Selector = WISHES[0], priority: int = 0) -> Ticket[Pass]:
        ticket = Ticket(priority, self.next_number(), selector, 10, self._loop.create_future())
        self.submit(ticket)
        return ticket

    def offer(self, lane: Slots) -> Ticket[Pass] | None:
        if len(lane.out) >= lane.slots or not lane.is_up or not lane.is_alive:
            return None
        return self.match(lane, Pass(lane, lane.models))


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
        again: Ticket[Pass] = Ticket(0, old.number, old.selector, 10, line._loop.create_future())
        line.submit(again)
        assert line.offer(bolt) is again
        assert line.offer(bolt) is young

    on_a_line(check)


def test_a_lower_priority_number_goes_first_across_wishes() -> None:
    def check(line: Line, acme: Slots, _bolt: Slots) -> None:
        acme.slots = 9
        tickets = [
            line.enter(WISHES[0], 1),
            line.enter(WISHES[2], 0),
            line.enter(WISHES[1], -1),
            line.enter(priority=0),
        ]
        assert [line.offer(acme) for _ in range(5)] == [tickets[2], tickets[1], tickets[3], tickets[0], None]

    on_a_line(check)


@pytest.mark.parametrize(
    ("others_up", "others_alive", "served"),
    [
        pytest.param(True, True, False, id="another is up"),
        pytest.param(False, True, True, id="another rests"),
        pytest.param(True, False, True, id="another is dead"),
    ],
)
def test_a_lane_is_avoided_only_while_another_is_up(*, others_up: bool, others_alive: bool, served: bool) -> None:
    def check(line: Line, acme: Slots, bolt: Slots) -> None:
        bolt.is_up, bolt.is_alive = others_up, others_alive
        ticket = line.enter(Selector(avoid=frozenset({"acme"})))
        assert line.offer(acme) is (ticket if served else None)

    on_a_line(check)


def test_avoiding_everybody_avoids_nobody() -> None:
    def check(line: Line, acme: Slots, bolt: Slots) -> None:
        first, second = line.enter(Selector(avoid=frozenset(NAMES))), line.enter(Selector(avoid=frozenset(NAMES)))
        assert (line.offer(acme), line.offer(bolt)) == (first, second)

    on_a_line(check)


def test_a_permit_is_not_given_to_a_ticket_that_its_key_cannot_serve() -> None:
    def check(line: Line, acme: Slots, _bolt: Slots) -> None:
        ticket = line.enter(Selector(model="big"))
        assert line.match(acme, Pass(acme, ["small"])) is None
        assert ticket.is_waiting
        assert line.match(acme, Pass(acme, ["big"])) is ticket

    on_a_line(check)


def test_who_cannot_be_served_by_anybody_fails_at_once() -> None:
    def check(line: Line, acme: Slots, bolt: Slots) -> None:
        nobody = line.enter(Selector(only=frozenset({"dune"})))
        assert isinstance(nobody.paired.exception(), Hopeless)
        waiting = [line.enter(), line.enter(Selector(only=frozenset({"acme"})))]
        acme.is_alive = False
        line.changed()
        assert [ticket.is_waiting for ticket in waiting] == [True, False]
        bolt.is_alive = False
        line.changed()
        assert line.waiting == 0
        assert all(isinstance(ticket.paired.exception(), Hopeless) for ticket in waiting)

    on_a_line(check)


def test_lanes_hear_of_demand_that_concerns_them() -> None:
    def check(line: Line, acme: Slots, bolt: Slots) -> None:
        line.enter(Selector(only=frozenset({"bolt"})))
        assert (acme.told, bolt.told) == (0, 1)
        line.changed()
        assert (acme.told, bolt.told) == (0, 2)

    on_a_line(check)


def test_closing_fails_who_waits_and_who_comes() -> None:
    def check(line: Line, acme: Slots, _bolt: Slots) -> None:
        served, waiting = line.enter(), line.enter(Selector(model="big"))
        assert line.offer(acme) is served
        line.close(Hopeless("closed"))
        late = line.enter()
        assert [str(ticket.paired.exception()) for ticket in (waiting, late)] == ["closed", "closed"]
        assert served.paired.result().lane is acme
        assert line.offer(acme) is None

    on_a_line(check)


def test_callers_who_leave_are_forgotten_behind_one_who_stays() -> None:
    def check(line: Line, acme: Slots, bolt: Slots) -> None:
        acme.is_up = bolt.is_up = False
        stays = line.enter()
        for _ in range(5000):
            line.withdraw(line.enter())
        assert line.waiting == 1
        assert sum(map(len, line._waiting.values())) < 200
        acme.is_up = True
        assert line.offer(acme) is stays

    on_a_line(check)


def test_it_shows_who_waits() -> None:
    on_a_line(lambda line, _acme, _bolt: _shows(line))


def _shows(line: Line) -> None:
    line.enter()
    assert repr(line) == "<Dispatcher waiting=1 lanes=['acme', 'bolt']>"


def is_among(ticket: Ticket[Pass], others: Sequence[Ticket[Pass]]) -> bool:
    return any(other is ticket for other in others)  # a retry compares equal to its first try


class AnyOrder(RuleBasedStateMachine):
    """Callers come and go, lanes offer, rest, die and finish, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.models = {"acme": ["small", "big"], "bolt": ["small"], "cask": ["small", "big"]}
        lanes = [Slots(name, rank, models=self.models[name]) for rank, name in enumerate(NAMES)]
        self.line = Line(self.loop, lanes)
        self.tickets: list[Ticket[Pass]] = []
        self.served: list[Ticket[Pass]] = []
        self.cancelled: list[Ticket[Pass]] = []

    def teardown(self) -> None:
        for ticket in self.tickets:
            if ticket.paired.done() and not ticket.paired.cancelled():
                ticket.paired.exception()
        self.loop.close()

    def waiting(self) -> list[Ticket[Pass]]:
        return [ticket for ticket in self.tickets if ticket.is_waiting]

    def may_take(self, lane: Slots, ticket: Ticket[Pass]) -> bool:
        if not lane.could_serve(ticket.selector):
            return False
        others = (other for other in self.line.lanes if other.name not in ticket.selector.avoid)
        return lane.name not in ticket.selector.avoid or not any(
            o.is_up and o.could_serve(ticket.selector) for o in others
        )

    @rule(selector=st.sampled_from(WISHES), priority=st.integers(-1, 1))
    def submit(self, selector: Selector, priority: int) -> None:
        self.tickets.append(self.line.enter(selector, priority))

    @precondition(lambda self: self.served)
    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        old = data.draw(st.sampled_from(self.served))
        out = next((lane for lane in self.line.lanes if is_among(old, lane.out)), None)
        if out is not None:
            out.out = [ticket for ticket in out.out if ticket is not old]
            again = Ticket(old.priority, old.number, old.selector, 10, self.loop.create_future())
            self.tickets.append(again)
            self.line.submit(again)
            self.line.changed()

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
        lane = self.line.lanes[index]
        wanted = [ticket for ticket in self.waiting() if self.may_take(lane, ticket)]
        free = len(lane.out) < lane.slots and lane.is_up and lane.is_alive
        ticket = self.line.offer(lane)
        if not free or not wanted:
            assert ticket is None
            return
        assert ticket is not None
        assert (ticket.priority, ticket.number) == min((each.priority, each.number) for each in wanted)
        assert not is_among(ticket, [*self.served, *self.cancelled])
        self.served.append(ticket)

    @rule(index=st.integers(0, 2), is_up=st.booleans())
    def rest(self, index: int, *, is_up: bool) -> None:
        self.line.lanes[index].is_up = is_up
        self.line.changed()

    @rule(index=st.integers(0, 2), is_alive=st.booleans())
    def ban(self, index: int, *, is_alive: bool) -> None:
        self.line.lanes[index].is_alive = is_alive
        self.line.changed()

    @rule(index=st.integers(0, 2))
    def finish(self, index: int) -> None:
        if self.line.lanes[index].out:
            self.line.lanes[index].out.pop(0)
        self.line.changed()

    @invariant()
    def every_permit_is_out_once_and_no_lane_is_overfull(self) -> None:
        out = [ticket for lane in self.line.lanes for ticket in lane.out]
        assert len({id(ticket) for ticket in out}) == len(out)
        assert all(len(lane.out) <= lane.slots for lane in self.line.lanes)
        assert all(ticket.paired.result().lane is lane for lane in self.line.lanes for ticket in lane.out)

    @invariant()
    def nobody_is_lost_and_nobody_hopes_in_vain(self) -> None:
        assert self.line.waiting == len(self.waiting())
        for ticket in self.tickets:
            if ticket.is_waiting:
                assert any(lane.could_serve(ticket.selector) for lane in self.line.lanes)
            elif not is_among(ticket, [*self.served, *self.cancelled]):
                assert isinstance(ticket.paired.exception(), Hopeless)


AnyOrder.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestAnyOrder = AnyOrder.TestCase


def test_no_lane_is_idle_while_somebody_waits_for_it() -> None:
    def check(line: Line, acme: Slots, bolt: Slots) -> None:
        for number in range(100):
            line.enter(WISHES[number % 4], number % 3)
        acme.slots = bolt.slots = math.inf  # type: ignore[assignment]
        while line.offer(acme) or line.offer(bolt):
            pass
        assert line.waiting == 0
        assert len(acme.out) + len(bolt.out) == 100

    on_a_line(check)
