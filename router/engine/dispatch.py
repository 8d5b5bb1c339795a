"""The line: tickets wait, lanes offer permits, and `match` pairs them. Synchronous; no I/O; called on every change.

Nothing is bound to a provider before that provider can send, so load spreads in proportion to what each vendor
really grants, and a ban moves nothing. Tickets with equal selectors wait in one heap, oldest first; a lane is given
the oldest head among the heaps that it may serve, so nobody scans the line.

A permit never lies on a shelf: a lane makes one when there is a ticket for it, and the two are paired in the same
turn of the loop. The only mutable state is the dict of waiting tickets by selector.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar


@dataclass(frozen=True, slots=True)
class Selector:
    """What a call asks of a lane: a model by its name of `--model`, only these providers, better not those."""

    model: str | None = None
    only: frozenset[str] | None = None
    avoid: frozenset[str] = frozenset()


class LaneLike(Protocol):
    """What the line needs to know of a lane."""

    @property
    def name(self) -> str: ...

    @property
    def rank(self) -> int:
        """Lower is offered work first where several lanes wait for it."""
        ...

    @property
    def is_up(self) -> bool:
        """Whether it may send now or soon: neither resting nor dropped."""
        ...

    def could_serve(self, selector: Selector) -> bool:
        """Whether any living key of it may ever serve this selector, `avoid` left aside."""
        ...

    def demand_changed(self) -> None:
        """Look again whether somebody wants a permit."""
        ...


class PermitLike(Protocol):
    """The right to send once."""

    def serves(self, selector: Selector) -> bool:
        """Whether the key behind this very permit serves the selector."""
        ...


FEW = 64
"""So many callers who went away are not worth a tidying."""

LaneT = TypeVar("LaneT", bound=LaneLike)
PermitT = TypeVar("PermitT", bound=PermitLike)


@dataclass(order=True, slots=True)
class Ticket(Generic[PermitT]):
    """A waiting call. Lower priority numbers go first, then the older number."""

    priority: int
    number: int
    selector: Selector = field(compare=False)
    tokens: int = field(compare=False)
    paired: asyncio.Future[PermitT] = field(compare=False)

    @property
    def is_waiting(self) -> bool:
        """Whether it still wants a permit; a cancelled caller's does not."""
        return not self.paired.done()


class Dispatcher(Generic[LaneT, PermitT]):
    """Pairs tickets with permits.

    `on_paired(lane, permit, ticket)` is called in the moment of pairing, before the caller resumes, so that a
    permit counts as in flight from then on. `hopeless(selector)` makes the error for a ticket
    that no lane could serve, or none soon enough; None where one could.
    """

    def __init__(
        self,
        on_paired: Callable[[LaneT, PermitT, Ticket[PermitT]], None],
        hopeless: Callable[[Selector], Exception | None],
    ) -> None:
        self.lanes: tuple[LaneT, ...] = ()
        self._waiting: dict[Selector, list[Ticket[PermitT]]] = {}
        self._on_paired = on_paired
        self._hopeless = hopeless
        self._number = 0
        self._gone = 0
        self._closed: Exception | None = None

    def __repr__(self) -> str:
        return f"<Dispatcher waiting={self.waiting} lanes={[lane.name for lane in self.lanes]}>"

    @property
    def waiting(self) -> int:
        """How many tickets wait."""
        return sum(ticket.is_waiting for heap in self._waiting.values() for ticket in heap)

    def next_number(self) -> int:
        """A number for a new call; a retried call keeps its own."""
        self._number += 1
        return self._number

    def submit(self, ticket: Ticket[PermitT]) -> None:
        """Put a ticket into the line; it fails at once where no lane could ever serve it."""
        if self._closed is not None:
            ticket.paired.set_exception(self._closed)
            return
        heapq.heappush(self._waiting.setdefault(ticket.selector, []), ticket)
        self._fail_hopeless(ticket.selector)
        self._tell(ticket.selector)

    def withdraw(self, ticket: Ticket[PermitT]) -> None:
        """Take a cancelled caller's ticket out of the line."""
        ticket.paired.cancel()
        self._clear(ticket.selector)
        self._gone += 1
        if self._gone > FEW + sum(map(len, self._waiting.values())) // 2:
            self._tidy()

    def close(self, error: Exception) -> None:
        """Fail everybody who waits, and everybody who will come."""
        self._closed = error
        for selector in tuple(self._waiting):
            self._fail(selector, error)

    def changed(self) -> None:
        """Look again after a lane's health changed: some tickets may be hopeless now, others may go elsewhere."""
        for selector in tuple(self._waiting):
            self._fail_hopeless(selector)
            self._tell(selector)

    def head(self, lane: LaneT) -> Ticket[PermitT] | None:
        """The oldest ticket that the lane may serve now."""
        selectors = (
            selector for selector in tuple(self._waiting) if self._accepts(lane, selector) and self._clear(selector)
        )
        return min((self._waiting[selector][0] for selector in selectors), default=None)

    def has_other(self, lane: LaneT, selector: Selector) -> bool:
        """Whether another lane, none of those to be avoided, is up for a selector."""
        others = (other for other in self.lanes if other is not lane and other.name not in selector.avoid)
        return any(other.is_up and other.could_serve(selector) for other in others)

    def match(self, lane: LaneT, permit: PermitT) -> Ticket[PermitT] | None:
        """Give a permit to the oldest ticket that the lane may serve; None, and nothing happens, without one."""
        ticket = self.head(lane)
        if ticket is None or not permit.serves(ticket.selector):
            return None
        self._on_paired(lane, permit, ticket)  # it may raise: until then the ticket is in the line, where it is found
        heapq.heappop(self._waiting[ticket.selector])
        self._clear(ticket.selector)
        ticket.paired.set_result(permit)
        return ticket

    def _accepts(self, lane: LaneT, selector: Selector) -> bool:
        """Whether a lane takes a selector now: one to be avoided does only while no other lane is up for it."""
        if not lane.could_serve(selector):
            return False
        if lane.name not in selector.avoid:
            return True
        return not self.has_other(lane, selector)

    def _clear(self, selector: Selector) -> bool:
        """Drop callers who went away from the top of a heap; whether anybody is left in it."""
        heap = self._waiting.get(selector, [])
        while heap and not heap[0].is_waiting:
            heapq.heappop(heap)
        if not heap:
            self._waiting.pop(selector, None)
        return bool(heap)

    def _tidy(self) -> None:
        """Forget the callers who went away behind one who stays; their tickets would else lie there until he goes."""
        self._gone = 0
        for selector, heap in tuple(self._waiting.items()):
            heap[:] = [ticket for ticket in heap if ticket.is_waiting]
            heapq.heapify(heap)
            self._clear(selector)

    def _fail_hopeless(self, selector: Selector) -> None:
        if selector in self._waiting and (error := self._hopeless(selector)) is not None:
            self._fail(selector, error)

    def _fail(self, selector: Selector, error: Exception) -> None:
        for ticket in self._waiting.pop(selector):
            if ticket.is_waiting:
                ticket.paired.set_exception(error)

    def _tell(self, selector: Selector) -> None:
        for lane in self.lanes:
            if lane.could_serve(selector):
                lane.demand_changed()
