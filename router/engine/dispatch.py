"""The line: tickets wait, lanes take them. Synchronous; no I/O.

Nothing is bound to a provider before that provider can send, so load spreads in proportion to what each vendor
really grants, and a ban moves nothing. Tickets with equal selectors wait in one queue, the oldest first.

The line is told and does not ask. A queue knows the lanes that may ever serve it, and those of them that take from it
now; both change only when a lane says so by `changed`. Each lane has heaps of the first tickets of its queues; an entry
may lag behind its queue, on the older side, and is put right when it comes to the top.

A new first ticket wakes one lane: the first that looks out for work. A lane that has looked and leaves tickets behind
wakes the next. So no ticket waits while a lane that could take it looks out, and no call wakes them all.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from router.clock import Clock
from router.engine.permit import LaneLike, Permit
from router.engine.selector import Selector, Wanted
from router.errors import NothingServes

MAX_TOMBSTONES = 64
"""Cancelled tickets that are tolerated before the queues are compacted."""
MAX_REASONS = 8
MAX_QUEUES = 1024
PINNED_WAIT_S = 30.0
"""Who wants one account waits so long for its rest to end, where others could serve at once."""
"""Selectors that are remembered; beyond that, those for which nobody waits are forgotten."""


@dataclass(slots=True, eq=False)
class Ticket:
    """A waiting call. Lower priority numbers go first, then the older number."""

    priority: int
    number: int
    selector: Selector
    tokens: int
    paired: asyncio.Future[Permit]

    def __lt__(self, other: Ticket) -> bool:
        return (self.priority, self.number) < (other.priority, other.number)

    @property
    def is_waiting(self) -> bool:
        """Whether it still wants a permit; a cancelled caller's does not."""
        return not self.paired.done()


class _Queue:
    """The tickets of one selector, and the lanes for them.

    `lanes` are all that it names, in the order of their rank, with the model that it means there. `takers` are those
    that take from it now, each with the number of the entry that stands for this queue in the lane's heap.
    """

    def __init__(self, selector: Selector, lanes: Sequence[LaneLike]) -> None:
        self.selector = selector
        named = ((lane, lane.model_of(selector)) for lane in lanes)
        self.lanes = {lane: model for lane, model in named if model is not None}
        self.takers: dict[LaneLike, int] = {}
        self.up: set[LaneLike] = set()
        self.tickets: list[Ticket] = []
        self._servers: set[LaneLike] = set()

    def first(self) -> Ticket | None:
        """The oldest ticket whose caller still waits."""
        while self.tickets and not self.tickets[0].is_waiting:
            heapq.heappop(self.tickets)
        return self.tickets[0] if self.tickets else None

    def heed(self, lane: LaneLike) -> bool:
        """Note how a lane stands now; whether that changes who takes."""
        before = bool(self.up), lane in self._servers
        may = lane.may_serve(self.lanes[lane])
        is_up = may and lane.provider.name not in self.selector.avoid and lane.is_up(self.lanes[lane])
        (self._servers.add if may else self._servers.discard)(lane)
        (self.up.add if is_up else self.up.discard)(lane)
        return (bool(self.up), may) != before

    def choose(self) -> list[LaneLike]:
        """Choose the takers: lanes to be avoided take only while no other is up. Returns those who were none before."""
        avoided = self.selector.avoid if self.up else ()
        takers = [lane for lane in self.lanes if lane in self._servers and lane.provider.name not in avoided]
        before, self.takers = self.takers, {lane: self.takers.get(lane, 0) for lane in takers}
        return [lane for lane in takers if lane not in before]


class _Entry(NamedTuple):
    """A ticket that is, or was, the first of its queue; `number` tells entries of one ticket apart."""

    ticket: Ticket
    number: int
    queue: _Queue


class Dispatcher:
    """Pairs tickets with permits; one for which every lane is more than `max_wait` seconds away fails."""

    def __init__(self, max_wait: float = math.inf) -> None:
        self._max_wait = max_wait
        self._clock: Clock | None = None
        self._lanes: tuple[LaneLike, ...] = ()
        self._queues: dict[Selector, _Queue] = {}
        self._told: dict[_Queue, None] = {}
        self._max_queues = MAX_QUEUES
        self._heads: dict[LaneLike, dict[Wanted, list[_Entry]]] = {}
        self._woken: dict[LaneLike, list[_Queue]] = {}
        self._numbers = itertools.count(1)
        self._entries = itertools.count(1)
        self._gone = 0
        self._closed: Exception | None = None

    def __repr__(self) -> str:
        return f"<Dispatcher waiting={self.waiting} lanes={[lane.provider.name for lane in self._lanes]}>"

    @property
    def waiting(self) -> int:
        """How many tickets wait."""
        return sum(ticket.is_waiting for queue in self._queues.values() for ticket in queue.tickets)

    def next_number(self) -> int:
        """A number for a new call; a retried call keeps its own."""
        return next(self._numbers)

    def open(self, lanes: Sequence[LaneLike], clock: Clock) -> None:
        """Let these lanes serve, in the order of their rank."""
        self._clock = clock
        self._lanes = tuple(sorted(lanes, key=lambda lane: lane.rank))
        self._heads = {lane: defaultdict(list) for lane in self._lanes}

    def close(self, error: Exception) -> None:
        """Fail everybody who waits, and everybody who will come."""
        self._closed = error
        for queue in self._queues.values():
            _fail(queue, error)

    # For those who wait.

    def submit(self, ticket: Ticket) -> None:
        """Put a ticket into the line; it fails at once where no lane could serve it soon enough."""
        queue = self._queue(ticket.selector)
        heapq.heappush(queue.tickets, ticket)
        if (error := self._closed or self._hopeless(queue)) is not None:
            _fail(queue, error)
        elif queue.first() is ticket:
            for lane in queue.takers:
                self._enter(ticket, queue, lane)
            self._wake(queue)

    def withdraw(self, ticket: Ticket) -> None:
        """Take a cancelled caller's ticket out of the line."""
        ticket.paired.cancel()
        self._gone += 1
        if self._gone > MAX_TOMBSTONES and self._gone > sum(len(queue.tickets) for queue in self._queues.values()) // 2:
            self._compact()

    # For lanes.

    def heads(self, lane: LaneLike) -> list[Ticket]:
        """The oldest ticket for each model that the lane may serve now, the oldest first."""
        return sorted(ticket for heap in self._heads[lane].values() if (ticket := self._head(heap, lane)) is not None)

    def match(self, ticket: Ticket, permit: Permit) -> None:
        """Give a permit to one of the lane's heads."""
        heapq.heappop(self._queue(ticket.selector).tickets)
        ticket.paired.set_result(permit)

    def looked(self, lane: LaneLike) -> None:
        """Wake the next lane for each ticket that a lane was woken for and has left behind."""
        for queue in self._woken.pop(lane, ()):
            if queue.first() is not None:
                self._wake(queue, after=lane.rank)

    def changed(self, lane: LaneLike) -> None:
        """Note that what a lane may ever serve, or what it can serve now, has changed."""
        for queue in tuple(self._told):
            ticket = queue.first()
            if ticket is None:
                del self._told[queue]
            elif lane in queue.lanes:
                self._heed(lane, queue, ticket)

    def has_other(self, lane: LaneLike, selector: Selector) -> bool:
        """Whether another lane, none of those to be avoided, is up for a selector."""
        up = self._queue(selector.free).up
        return len(up) > (lane in up)

    # Inside.

    def _queue(self, selector: Selector) -> _Queue:
        """The queue of a selector. One that nobody waits in is not told of changes, and so it asks once it is used."""
        queue = self._queues.get(selector) or self._new_queue(selector)
        if queue not in self._told:
            self._told[queue] = None
            for lane in queue.lanes:
                queue.heed(lane)
            queue.choose()
        return queue

    def _new_queue(self, selector: Selector) -> _Queue:
        if len(self._queues) >= self._max_queues:
            self._queues = {each: queue for each, queue in self._queues.items() if queue.first()}
            self._told = {queue: None for queue in self._told if queue.first()}
            self._max_queues = max(MAX_QUEUES, 2 * len(self._queues))
        queue = self._queues[selector] = _Queue(selector, self._lanes)
        return queue

    def _heed(self, changed: LaneLike, queue: _Queue, ticket: Ticket) -> None:
        if queue.heed(changed):
            for lane in queue.choose():
                self._enter(ticket, queue, lane)
                if lane.looks_out:
                    self._rouse(lane, queue)
        if (error := self._hopeless(queue)) is not None:
            _fail(queue, error)

    def _enter(self, ticket: Ticket, queue: _Queue, lane: LaneLike) -> None:
        entry = _Entry(ticket, next(self._entries), queue)
        queue.takers[lane] = entry.number
        heap = self._heads[lane][queue.lanes[lane]]
        heapq.heappush(heap, entry)
        if len(heap) > MAX_TOMBSTONES + 2 * len(self._queues):  # a lane that is never woken looks at none of them
            heap[:] = [each for each in heap if each.queue.takers.get(lane) == each.number and each.queue.first()]
            heapq.heapify(heap)

    def _head(self, heap: list[_Entry], lane: LaneLike) -> Ticket | None:
        while heap:
            ticket, number, queue = heap[0]
            first = queue.first()
            if first is ticket and queue.takers.get(lane) == number:
                return ticket
            heapq.heappop(heap)
            if first is not None and queue.takers.get(lane) == number:
                self._enter(first, queue, lane)
        return None

    def _wake(self, queue: _Queue, *, after: float = -1) -> None:
        lane = next((lane for lane in queue.takers if lane.rank > after and lane.looks_out), None)
        if lane is not None:
            self._rouse(lane, queue)

    def _rouse(self, lane: LaneLike, queue: _Queue) -> None:
        self._woken.setdefault(lane, []).append(queue)
        lane.look()

    def _compact(self) -> None:
        """Drop the tickets of callers who went away, which would stay behind one who still waits."""
        self._gone = 0
        for queue in self._queues.values():
            queue.tickets[:] = [ticket for ticket in queue.tickets if ticket.is_waiting]
            heapq.heapify(queue.tickets)

    def _hopeless(self, queue: _Queue) -> NothingServes | None:
        """The error for those who wait for what nobody can serve soon enough; None where somebody can."""
        if queue.up:
            return None
        earliest = min((lane.serves_at(queue.lanes[lane]) for lane in queue.takers), default=math.inf)
        if math.isinf(earliest) or self._clock is None:
            return NothingServes(f"nothing can serve this: {self._reasons(queue.selector)}")
        away_s = earliest - self._clock.now()
        if queue.selector.key is not None and not 0 < away_s <= PINNED_WAIT_S and self._queue(queue.selector.free).up:
            return NothingServes(f"the account of {queue.selector.key} is not up, and others are")
        if away_s <= self._max_wait:
            return None
        until = self._clock.wall() + away_s
        when = f"{datetime.fromtimestamp(until, UTC):%Y-%m-%d %H:%M:%S} UTC"
        why = self._reasons(queue.selector)
        return NothingServes(f"nothing can serve this before {when}, which is too far away: {why}", until=until)

    def _reasons(self, selector: Selector) -> str:
        lanes = [lane for lane in self._lanes if selector.only is None or lane.provider.name in selector.only]
        reasons = [reason for lane in lanes for reason in lane.reasons(selector)]
        unknown = sorted((selector.only or set()) - {lane.provider.name for lane in lanes})
        reasons += [f"{name}: takes no part in this run" for name in unknown]
        if (more := len(reasons) - MAX_REASONS) > 0:
            reasons[MAX_REASONS:] = [f"and {more} more"]
        return "; ".join(reasons) or "no provider takes part"


def _fail(queue: _Queue, error: Exception) -> None:
    for ticket in queue.tickets:
        if ticket.is_waiting:
            ticket.paired.set_exception(error)
    queue.tickets.clear()
