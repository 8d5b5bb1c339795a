"""Trials that differ in the prompt alone: each item is asked with every prompt at one provider, account and model.

So neither the vendor nor the time of day is mixed up with the prompt. The first of them goes to whoever can send first,
the others follow it at once. Where its provider fails them, all are asked again elsewhere.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby

from router.clock import Clock
from router.errors import AttemptsExhausted, ItemRefused, NothingServes
from router.evals.asking import ANYWHERE, At
from router.evals.plan import Plan
from router.evals.results import Row
from router.evals.settling import Settled
from router.evals.trials import Trial, trials
from router.faults import Proof

MAX_MOVES = 3
"""How many times the trials of an item may move to another place together."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How trials that were asked together ended, each with its seconds, and how often they went elsewhere."""

    settled: tuple[tuple[Settled, float], ...]
    moves: int = 0


def together(plan: Plan) -> Iterator[tuple[Trial, ...]]:
    """The trials of a plan, those that differ in the prompt alone as one; another prompt is the first in each turn."""
    groups = groupby(trials(plan), lambda trial: (trial.item.id, trial.epoch, trial.model, trial.provider))
    for number, (_, group) in enumerate(groups):
        found = tuple(group)
        turn = number % len(found)
        yield (*found[turn:], *found[:turn])


def place_of(row: Row) -> At:
    """Where a row was answered; anywhere, where it was not."""
    return At(row.provider, row.key or None) if row.outcome != "error" and row.provider else ANYWHERE


async def settle_together(
    group: tuple[Trial, ...], at: At, settle: Callable[[Trial, At], Awaitable[Settled]], clock: Clock
) -> Ended:
    """Settle trials at one place: at `at`, where others of them were answered before, or where the first one is."""
    moves, avoid, spent = 0, at.avoid, dict[str, tuple[Settled, float]]()
    while True:
        ended, place = await _round(group, at._replace(avoid=avoid), settle, clock, is_last=moves == MAX_MOVES)
        ended = [_with_earlier(each, spent.get(each[0].trial.id)) for each in ended]
        is_whole = len(ended) == len(group) and not _has_failed(ended[-1][0], place)
        if is_whole or at.provider or moves == MAX_MOVES or len(group) == 1:
            return Ended(tuple((_told(settled, place), seconds) for settled, seconds in ended), moves)
        moves, avoid = moves + 1, avoid | {place.provider}
        spent |= {each[0].trial.id: each for each in ended}


async def _round(
    group: tuple[Trial, ...],
    at: At,
    settle: Callable[[Trial, At], Awaitable[Settled]],
    clock: Clock,
    *,
    is_last: bool,
) -> tuple[list[tuple[Settled, float]], At]:
    """Settle one after the other, and where the place fails one go on with the others only if it is the last try."""
    ended, place = [], at
    for trial in group:
        began = clock.now()
        settled = await settle(trial, place)
        ended.append((settled, clock.now() - began))
        if _has_failed(settled, place) and not (is_last or at.provider):
            break
        if not place.provider and (found := place_of(settled.row)).provider:
            place = found
    return ended, place


def _has_failed(settled: Settled, place: At) -> bool:
    """Whether a trial that wanted a place got no answer there, and might elsewhere."""
    error = settled.error
    if not place.provider:
        return False
    if isinstance(error, ItemRefused):
        fault = error.fault
        return fault is not None and not (fault.reaction.proof is Proof.ITS_WORDS and fault.message)
    return isinstance(error, AttemptsExhausted | NothingServes)


def _with_earlier(ended: tuple[Settled, float], earlier: tuple[Settled, float] | None) -> tuple[Settled, float]:
    """What a trial took with all that was asked and paid before it went elsewhere."""
    if earlier is None:
        return ended
    (settled, seconds), (before, seconds_before) = ended, earlier
    costs = [row.cost_usd for row in (before.row, settled.row) if row.outcome != "error" or row.cost_usd is not None]
    known = [cost for cost in costs if cost is not None]
    cost = sum(known) if known and len(known) == len(costs) else None
    row = replace(settled.row, attempts=before.row.attempts + settled.row.attempts, cost_usd=cost)
    return settled._replace(row=row), seconds_before + seconds


def _told(settled: Settled, place: At) -> Settled:
    """That one place does not serve says nothing of the others: it is this trial's end and not the run's."""
    if isinstance(settled.error, NothingServes) and place.provider:
        return settled._replace(error=AttemptsExhausted(f"{settled.error}; the other prompts were answered there"))
    return settled
