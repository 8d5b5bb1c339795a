"""One request on its way: its attempts so far, and the pure decision whether it may go on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Sequence
from dataclasses import dataclass

from router.engine.selector import Selector
from router.errors import AttemptsExhausted, CallError, ItemRefused
from router.faults import Family, Fault, Kind, Proof
from router.types import Attempt, Completion, Request

MAX_SENT = 50
"""An item that was denied so often (throttled, dead keys) is given up, whatever its charged attempts say."""


@dataclass(slots=True)
class Job:
    """A request under way; `attempts` grows until `completion` is there, or `verdict`, the error that ends it.

    `tokens` are estimated, 0 where nobody counts.
    """

    request: Request
    selector: Selector
    priority: int
    number: int
    max_charged: int
    tokens: int = 0
    attempts: tuple[Attempt, ...] = ()
    completion: Completion | None = None
    verdict: type[CallError] | None = None

    def commit(self) -> None:
        """Its answer has begun to be handed over: a failure from now on is its end."""
        self.max_charged = 0

    @property
    def is_committed(self) -> bool:
        """Whether its answer has begun to be handed over."""
        return self.max_charged == 0

    @property
    def next_selector(self) -> Selector:
        """What it asks for now: what its caller asked, and better not where it has failed."""
        failed_at = {attempt.provider for attempt in self.attempts if _elsewhere(attempt.fault)}
        return self.selector._replace(avoid=self.selector.avoid | failed_at) if failed_at else self.selector


def _elsewhere(fault: Fault | None) -> bool:
    return fault is not None and fault.reaction.elsewhere


def give_up(
    attempts: Sequence[Attempt], max_charged: int, *, proven: Container[str] = (), is_last: bool = False
) -> type[CallError] | None:
    """The error that ends a job after these attempts, or None where it may try again.

    `proven` are the providers that have answered others, `is_last` says that none is left to try.
    """
    faults = [attempt.fault for attempt in attempts if attempt.fault]
    if not faults:
        return None
    if _is_refused(faults, is_last=is_last) or _is_alike_at_two(attempts, proven):
        return ItemRefused
    charged = sum(fault.reaction.charged for fault in faults)
    if charged >= max_charged or len(attempts) >= MAX_SENT:
        return AttemptsExhausted
    return None


def _is_refused(faults: Sequence[Fault], *, is_last: bool) -> bool:
    """Whether the item's own fault is final: by a vendor's own words, by a second vendor, or since nobody is left."""
    last = faults[-1]
    if last.reaction.family is not Family.ITEM:
        return False
    said = last.reaction.proof is Proof.ITS_WORDS and bool(last.message) and last.was_sent
    bad = [fault for fault in faults if fault.reaction.family is Family.ITEM and fault.was_sent]
    return said or is_last or len(bad) > 1


def _is_alike_at_two(attempts: Sequence[Attempt], proven: Container[str]) -> bool:
    """Whether two providers that answer others have failed it alike, and in a way that an item can cause."""
    alike: defaultdict[tuple[Kind, int | None], set[str]] = defaultdict(set)
    for attempt in attempts:
        fault = attempt.fault
        if fault and fault.reaction.proof is Proof.ALIKE_ELSEWHERE and attempt.provider in proven:
            alike[fault.kind, fault.status].add(attempt.provider)
    return any(len(providers) > 1 for providers in alike.values())
