"""When a run ends before its items do: nothing can serve them, or not as soon as anybody wants to wait for."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from router.errors import NothingServes
from router.evals.plan import Plan, Route
from router.evals.settling import Settled
from router.faults import Kind


@dataclass(slots=True)
class Patience:
    """Hears of every trial and says when to give up: as soon as no provider of the plan serves any more."""

    plan: Plan
    _lost: set[Route] = field(default_factory=set)

    def hear(self, settled: Settled, wall: float) -> str | None:
        """Why to end the run, in the vendors' words and with what to do; None while somebody serves.

        A trial speaks for its model, and a pinned one for its provider.
        """
        route = Route(settled.trial.model, settled.trial.provider)
        if not isinstance(settled.error, NothingServes):
            self._lost.discard(route)
            return None
        self._lost.add(route)
        if len(self._lost) < len(self.plan.routes):
            return None
        return f"{settled.error}; {self._advice(settled.error, wall)}"

    def _advice(self, error: NothingServes, wall: float) -> str:
        if error.until is not None:
            return f"come back then, or wait with --max-wait {-(-(error.until - wall) // 60):.0f}min"
        if Kind.BAD_REQUEST in str(error):
            return self._parameters(str(error))
        return "`router check --live` shows how each key stands"

    def _parameters(self, words: str) -> str:
        """The parameters that stand in the vendors' words, and where they come from."""
        declared = {name: self.plan.config.path for each in self.plan.config.usable for name in each.params}
        places = declared | {name: prompt.path for prompt in self.plan.prompts for name in prompt.params}
        named = [f"{name} in {path}" for name, path in places.items() if re.search(rf"\b{re.escape(name)}\b", words)]
        if named:
            return f"look at the parameter {', '.join(named)}"
        return f"look at the model and at `params:` in {self.plan.config.path} and in the prompt"
