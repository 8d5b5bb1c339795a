"""What a lane is doing now, as a frozen record for screens and summaries."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from router.clock import Clock
from router.engine.budget import Budget
from router.engine.health import Health, State
from router.engine.lane import Lane


@dataclass(frozen=True, slots=True)
class BudgetStatus:
    """A limit over more than a minute: `left` calls until `resets_at` (wall time), then `amount` in each period.

    Those of accounts are taken together.
    """

    rate: str
    left: float
    amount: float
    period_s: float
    resets_at: float


@dataclass(frozen=True, slots=True)
class LaneStatus:
    """One provider at one moment. `waiting_until` is wall time in seconds, None where nobody knows.

    `because` is why it, or all that is left of its keys, rests or is dropped: the fault in the vendor's words;
    `rests_until` is wall time, too, None where it does not rest, or nobody knows. `declared` is its tightest rate.
    """

    name: str
    state: State
    in_flight: int
    max_in_flight: int
    sent: int
    answered: int
    faults: int
    throttled: int
    keys_ready: int
    keys_resting: int
    keys_dropped: int
    waiting_for: str
    waiting_until: float | None
    declared_per_second: float | None
    because: str = ""
    declared: str = ""
    rests_until: float | None = None
    budgets: tuple[BudgetStatus, ...] = ()

    @property
    def keys_alive(self) -> int:
        """Keys that are not dropped."""
        return self.keys_ready + self.keys_resting


def view(lane: Lane, clock: Clock) -> LaneStatus:
    """Look at a lane."""
    now = clock.now()
    provider_state = lane.provider_state
    states = [provider_state.health_of(key, now).state for key in provider_state.ring]
    rate = lane.provider.paced_rate
    until = lane.waiting.until
    health = provider_state.effective(now)
    dropped = states.count(State.DROPPED)
    resting = states.count(State.RESTING)
    return LaneStatus(
        name=lane.name,
        state=health.state,
        in_flight=provider_state.in_flight,
        max_in_flight=lane.max_in_flight(now),
        sent=provider_state.sent,
        answered=provider_state.answered,
        faults=provider_state.faults,
        throttled=provider_state.throttled,
        keys_ready=len(states) - dropped - resting,
        keys_resting=resting,
        keys_dropped=dropped,
        waiting_for=lane.waiting.what,
        waiting_until=None if math.isinf(until) else clock.wall() + until - now,
        declared_per_second=rate.per_second if rate else None,
        because=str(health.cause) if health.cause and health.state in {State.RESTING, State.DROPPED} else "",
        declared=str(rate) if rate else "",
        rests_until=_rests_until(health, clock),
        budgets=tuple(_budgets(lane, clock)),
    )


def _rests_until(health: Health, clock: Clock) -> float | None:
    if health.state is not State.RESTING or math.isinf(health.until):
        return None
    return clock.wall() + health.until - clock.now()


def _budgets(lane: Lane, clock: Clock) -> Iterator[BudgetStatus]:
    """Its own, and those of its accounts by their rate."""
    alike: dict[tuple[str, bool], list[Budget]] = {}
    for budget in lane.budgets:
        alike.setdefault((str(budget.rate), False), []).append(budget)
    for account in lane.provider_state.ring.accounts:
        for budget in account.budgets:
            alike.setdefault((str(budget.rate), True), []).append(budget)
    for (rate, _), budgets in alike.items():
        first = budgets[0]
        left, amount = sum(each.left for each in budgets), first.rate.amount * len(budgets)
        yield BudgetStatus(rate, left, amount, first.rate.period_s, clock.wall() + first.seconds_to_reset)


def busiest(lanes: tuple[LaneStatus, ...], number: int) -> tuple[LaneStatus, ...]:
    """At most `number` lanes, in their own order: first those in trouble, then those at work, then the others."""
    chosen = sorted(range(len(lanes)), key=lambda index: _quietness(lanes[index]))[:number]
    return tuple(lanes[index] for index in sorted(chosen))


def _quietness(lane: LaneStatus) -> int:
    if lane.state is not State.READY or lane.keys_resting or lane.keys_dropped:
        return 0
    return 1 if lane.in_flight or lane.faults else 2
