"""Whether a lane may serve a model: ever, soon, and if not soon, from when on.

It is remembered and judged anew only when something may have changed: a call is back, or a moment has come that was
foreseen. So the line can ask as often as it likes, and is told only of what differs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from router.clock import Clock
from router.engine.budget import Budget
from router.engine.provider_state import ProviderState
from router.engine.selector import Wanted


class Standing(NamedTuple):
    """Whether a lane may ever serve a model, whether it may do so now or soon, and when its rests are over.

    It is up unless it, or all its keys, rest, are silent or out of budget. `serves_at` is in seconds of the loop, 0
    where no rest keeps it, `inf` where it will not serve in this run.
    """

    may_serve: bool
    is_up: bool
    serves_at: float


NEVER = Standing(may_serve=False, is_up=False, serves_at=math.inf)


class Availability:
    """The standing of one lane for each model that was asked for."""

    def __init__(self, provider_state: ProviderState, budgets: Sequence[Budget], clock: Clock) -> None:
        self._state = provider_state
        self._budgets = budgets
        self._clock = clock
        self._standings: dict[Wanted, Standing] = {}
        self._changes_at = math.inf

    def __getitem__(self, model: Wanted) -> Standing:
        if model not in self._standings:
            self._standings[model] = self._judge(model, self._clock.now())
        return self._standings[model]

    def changes_at(self, now: float) -> float:
        """When time alone may change something; a stall that may begin counts too."""
        begins_at = self._state.stall.begins_at()
        if begins_at > now:
            self._changes_at = min(self._changes_at, begins_at)
        return self._changes_at

    def expire(self) -> None:
        """Let everything be judged anew at the next look."""
        self._changes_at = -math.inf

    def is_due(self, now: float) -> bool:
        """Whether that time has come."""
        return now >= self._changes_at

    def renew(self, now: float) -> bool:
        """Judge anew; whether anything differs."""
        self._changes_at, before = math.inf, self._standings
        self._standings = {model: self._judge(model, now) for model in before}
        return self._standings != before

    def _judge(self, model: Wanted, now: float) -> Standing:
        if not self._state.may_serve(model):
            return NEVER
        resets = [now + budget.seconds_to_reset for budget in self._budgets if not budget.left]
        rested_at = max(self._state.rested_at(model, now), *resets, 0.0)
        is_rested = rested_at <= now
        if not is_rested:
            self._changes_at = min(self._changes_at, rested_at)
        serves_at = math.inf if self._state.is_unreachable(now) else 0.0 if is_rested else rested_at
        is_up = is_rested and not self._state.stall.lasts(now)
        return Standing(may_serve=True, is_up=is_up, serves_at=serves_at)
