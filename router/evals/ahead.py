"""Estimates during a run what is left, from its recent speed, and records which limit has applied for longest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from router.engine.status import LaneStatus
from router.evals.flow import Demand
from router.evals.money import Purse
from router.evals.outlook import Outlook, Speeds, outlook
from router.evals.plan import Plan
from router.evals.summary import Tally


@dataclass(slots=True)
class Ahead:
    """What is left of a plan whose money is in `purse`; it remembers what it saw."""

    plan: Plan
    purse: Purse
    _speeds: Speeds = field(default_factory=Speeds)
    _bounds: Counter[str] = field(default_factory=Counter)

    def look(self, lanes: Sequence[LaneStatus], tally: Tally, elapsed_s: float, wall: float) -> Outlook:
        """The outlook at a moment."""
        self._speeds.see(elapsed_s, lanes)
        left = list(self._left(tally))
        share = self._affordable(sum(demand.calls for demand in left))
        payable = [replace(demand, calls=demand.calls * share) for demand in left]
        found = outlook(lanes, payable, self._speeds.all(), wall=wall, max_samples=self.plan.max_samples)
        if share < 1.0 and found.seconds is not None:
            found = Outlook(found.seconds, f"--max-cost {self.purse.limit_usd:g}")
        if found.bound:
            self._bounds[found.bound] += 1
        return found

    @property
    def bound(self) -> str | None:
        """What was seen to bind the run most of the time; None where nobody looked."""
        return self._bounds.most_common(1)[0][0] if self._bounds else None

    def _left(self, tally: Tally) -> Iterator[Demand]:
        """What has no outcome yet: of everybody together, or of each where each is asked everything."""
        plan = self.plan
        if plan.total is None or not plan.routes:
            return
        if plan.across == "spread":
            yield Demand(plan.total - tally.total.items, frozenset(plan.asked))
            return
        of_route = plan.total / len(plan.routes)
        for name in plan.asked:
            routes = sum(route.provider == name for route in plan.routes)
            done = tally.providers[name].items if name in tally.providers else 0
            yield Demand(routes * of_route - done, frozenset({name}), name)

    def _affordable(self, left: float) -> float:
        """The part of what is left that the money pays for."""
        if not left or not self.purse.each_usd:
            return 1.0
        return min(1.0, max(0.0, self.purse.limit_usd - self.purse.spent_usd) / self.purse.each_usd / left)
