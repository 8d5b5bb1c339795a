"""One request on its way: its attempts so far, and the pure decision whether it may go on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from router.engine.dispatch import Selector
from router.errors import AttemptsExhausted, CallError, ItemRefused
from router.faults import OTHER_VENDORS_MAY_TAKE_IT, Family, Fault, Kind
from router.types import Attempt, Request

MAX_SENT = 50
"""An item that was denied so often (throttled, dead keys) is given up, whatever its charged attempts say."""
ITEM_IF_ALIKE = frozenset({Kind.UNKNOWN, Kind.MALFORMED_REPLY})
"""Faults of a vendor which, met alike at two vendors that otherwise work, are the item's."""


@dataclass(slots=True)
class Job:
    """A request under way; `attempts` grows, everything else stays."""

    request: Request
    selector: Selector
    priority: int
    number: int
    max_charged: int
    attempts: tuple[Attempt, ...] = ()

    @property
    def next_selector(self) -> Selector:
        """What it asks for now: what its caller asked, and better not where it has failed."""
        failed_at = {attempt.provider for attempt in self.attempts if _elsewhere(attempt.fault)}
        return Selector(self.selector.model, self.selector.only, self.selector.avoid | failed_at)


def _elsewhere(fault: Fault | None) -> bool:
    """Whether another provider is the better next try: not after a throttle or a dead key, where keys rotate."""
    return fault is not None and fault.reaction.family in {
        Family.VENDOR,
        Family.UNKNOWN,
        Family.ITEM,
        Family.PATH,
        Family.ACCESS,
    }


def give_up(attempts: Sequence[Attempt], max_charged: int, *, is_last: bool = False) -> type[CallError] | None:
    """The error that ends a job after these attempts, or None where it may try again.

    `is_last` says that no other provider is left to try.
    """
    faults = [attempt.fault for attempt in attempts if attempt.fault]
    if not faults:
        return None
    if faults[-1].reaction.family is Family.ITEM and (is_last or _refused(faults)):
        return ItemRefused
    if _alike_at_two(attempts):
        return ItemRefused
    charged = sum(fault.reaction.charged for fault in faults)
    if charged >= max_charged or len(attempts) >= MAX_SENT:
        return AttemptsExhausted
    return None


def _refused(faults: Sequence[Fault]) -> bool:
    """Whether the item's own fault is final: at once, or at the second vendor where vendors differ."""
    by_item = [fault for fault in faults if fault.reaction.family is Family.ITEM]
    return len(by_item) > 1 or by_item[0].kind not in OTHER_VENDORS_MAY_TAKE_IT


def _alike_at_two(attempts: Sequence[Attempt]) -> bool:
    """Whether two providers have failed it in the same way, and in a way that an item can cause."""
    seen = {(attempt.fault.kind, attempt.fault.status): attempt.provider for attempt in attempts if attempt.fault}
    return any(
        attempt.fault
        and attempt.fault.kind in ITEM_IF_ALIKE
        and seen[attempt.fault.kind, attempt.fault.status] != attempt.provider
        for attempt in attempts
    )
