"""When a run ends before its items do: waiting is hopeless, or a provider refuses whatever it is asked."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime

from router.engine.status import LaneStatus
from router.errors import ItemRefused
from router.evals.plan import Plan
from router.evals.progress import silent_until
from router.evals.trials import Settled
from router.faults import Kind

MAX_REFUSALS = 10
"""Refusals in equal words from a provider that has answered nothing: the request's form is wrong, not ten items."""

_NUMBERS = re.compile(r"\d+")


@dataclass(slots=True)
class Waiting:
    """Whether the run waits for longer than anybody wants to; a moment between two calls is no waiting."""

    max_wait_s: float
    _was_hopeless: bool = False

    def look(self, lanes: tuple[LaneStatus, ...], wall: float) -> str | None:
        """Why to end, with the time to come back, where the last look said so too; None while there is hope."""
        until = silent_until(lanes)
        is_hopeless = until is not None and until - wall > self.max_wait_s
        was_hopeless, self._was_hopeless = self._was_hopeless, is_hopeless
        if until is None or not (is_hopeless and was_hopeless):
            return None
        reasons = "; ".join(f"{lane.name}: {lane.because or lane.waiting_for}" for lane in lanes if _waits(lane))
        return (
            f"nothing can be sent before {datetime.fromtimestamp(until, UTC):%Y-%m-%d %H:%M:%S} UTC ({reasons}); "
            f"come back then, or wait with --max-wait {-(-(until - wall) // 60):.0f}min"
        )


def _waits(lane: LaneStatus) -> bool:
    return lane.waiting_until is not None or bool(lane.because)


@dataclass(slots=True)
class Refusals:
    """Counts by provider the refusals in equal words, until it answers."""

    plan: Plan
    _counts: dict[str, Counter[str]] = field(default_factory=dict)
    _answering: set[str] = field(default_factory=set)

    def add(self, settled: Settled) -> str | None:
        """Why to end, where a provider has refused the same too often and answered nothing."""
        provider, error = settled.row.provider, settled.error
        if error is None:
            self._answering.add(provider)
        if not isinstance(error, ItemRefused) or not error.attempts or provider in self._answering:
            return None
        if error.fault is None or error.fault.kind is not Kind.BAD_REQUEST:
            return None
        words = _NUMBERS.sub("0", str(error.fault))
        counts = self._counts.setdefault(provider, Counter())
        counts[words] += 1
        if counts[words] < MAX_REFUSALS:
            return None
        return (
            f"{provider} has refused {MAX_REFUSALS} items in the same words and answered none: {error.fault}; "
            f"{self._advice(settled, error.fault.message)}"
        )

    def _advice(self, settled: Settled, message: str) -> str:
        """Name the parameters that stand in the vendor's words, and where they come from."""
        declared = next(each for each in self.plan.config.providers if each.name == settled.row.provider)
        prompt = settled.trial.prompt
        places = {**dict.fromkeys(declared.params, self.plan.config.path), **dict.fromkeys(prompt.params, prompt.path)}
        named = [f"{name} in {path}" for name, path in places.items() if re.search(rf"\b{re.escape(name)}\b", message)]
        if named:
            return f"look at the parameter {', '.join(named)}"
        return f"look at params: and the model in {self.plan.config.path}, and at params: in {prompt.path}"
