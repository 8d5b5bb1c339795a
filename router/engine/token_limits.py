"""What a provider takes in tokens: by the minute as a pace, over longer times as budgets for all runs together."""

from __future__ import annotations

from collections.abc import Sequence

from router.engine.budget import Budget
from router.engine.obstacle import Obstacle
from router.engine.pace import Charge, Pace
from router.faults import Fault
from router.types import Answer


class TokenLimits:
    """Charged with an estimate when a call leaves, and settled with what the vendor counted when it is back."""

    def __init__(self, pace: Pace, budgets: Sequence[Budget] = ()) -> None:
        self._pace = pace
        self._budgets = budgets

    @property
    def used_up(self) -> list[str]:
        """The budgets of which nothing is left."""
        return [str(budget.rate) for budget in self._budgets if not budget.left]

    def obstacle(self, tokens: int, now: float) -> Obstacle | None:
        """What keeps so many tokens from leaving now. Who is behind waits too, else small ones went first for ever."""
        if resets := [each.seconds_to_reset for each in self._budgets if not each.fits(tokens)]:
            return Obstacle("budget used up", now + max(resets), for_all=False)
        ready_at = self._pace.ready_at(tokens)
        return Obstacle("tokens", ready_at, for_all=False) if ready_at > now else None

    def take(self, now: float, tokens: int) -> Charge:
        """Charge what leaves now."""
        for budget in self._budgets:
            budget.add(tokens)
        return self._pace.take(now, tokens)

    def settle(self, charge: Charge, now: float, result: Answer | Fault | None) -> None:
        """Put what was counted in the place of the estimate; of a long budget, a refused call has used nothing."""
        counted = result.usage.total if isinstance(result, Answer) else None
        is_refused = isinstance(result, Fault) and result.status is not None
        if counted is not None or is_refused:
            for budget in self._budgets:
                budget.add(round((counted or 0) - charge.amount))
        if counted is not None:
            charge.correct(now, counted)
