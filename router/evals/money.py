"""What a run may cost: whether prices are known, and when the money is spent."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice

from router.config.models import Provider
from router.engine.tokens import REPLY_TOKENS, estimate
from router.errors import ConfigError
from router.evals.judge import JudgeScorer
from router.evals.plan import Plan
from router.evals.trials import trials
from router.transport.price import Tariff, cost_usd, price_list, tariffs_of
from router.types import Usage

CAREFUL = 8
TRIED = 20
"""So many trials are looked at before anything has an answer, to guess what one will cost."""


@dataclass(slots=True)
class Purse:
    """Lets trials begin as long as they can be paid for; its mutable state is what was spent, and how many are out.

    A trial is taken to cost what those before it did in the mean, and `guess_usd` before the first. So no more is out
    than the rest of the money pays for, and `limit_usd` is exceeded only by what these cost more than that. Since the
    guess may be wrong (thinking costs ten times as much), CAREFUL begin, and one more with each that is paid.
    `needed_usd` is a limit with which it would have come to its end, once it has not.
    """

    limit_usd: float = math.inf
    guess_usd: float = 0.0
    spent_usd: float = 0.0
    paid: int = 0
    out: int = 0
    needed_usd: float | None = None
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def each_usd(self) -> float:
        """What one more trial is taken to cost."""
        return self.spent_usd / self.paid if self.paid else self.guess_usd

    async def admit(self, trials: int = 1) -> bool:
        """Wait until so many more can be paid for; False where nothing is out any more that could leave some over."""
        while not self._fits(self.out + trials, trials):
            if not self.out:
                return False
            self._news.clear()
            await self._news.wait()
        self.out += trials
        return True

    def _fits(self, out: int, trials: int) -> bool:
        if math.isinf(self.limit_usd) or (out == trials and not self.paid and self.limit_usd > 0):
            return True  # the first show what calls cost; a guess alone is to stop nobody
        rounding = 1e-9 * self.limit_usd
        return (
            out <= max(CAREFUL, trials) + self.paid
            and self.spent_usd + out * self.each_usd <= self.limit_usd + rounding
        )

    def settle(self, cost_usd: float | None) -> None:
        """Count one that is back; None or 0 where nothing was paid."""
        self.out -= 1
        if cost_usd:
            self.has_spent(cost_usd, 1)
        self._news.set()

    def has_spent(self, cost_usd: float, trials: int) -> None:
        """Count what trials have cost, here or in an earlier part of the run."""
        self.spent_usd += cost_usd
        self.paid += trials

    def spent(self, left: int) -> str:
        """Say that nothing more can be paid for, and what the `left` trials would take."""
        rest = left * self.each_usd
        self.needed_usd = _up(1.1 * (self.spent_usd + rest))
        return (
            f"--max-cost {self.limit_usd:g}: ${self.spent_usd:.4g} is spent; one more costs about "
            f"${self.each_usd:.2g}, and the {left:,} that are left about ${rest:.2g}"
        )


def _up(dollars: float) -> float:
    """The next number up with two digits that count."""
    if dollars <= 0:
        return dollars
    unit = 10.0 ** (math.floor(math.log10(dollars)) - 1)
    return round(math.ceil(dollars / unit - 1e-6) * unit, 12)


def purse_of(plan: Plan) -> Purse:
    """The money of a plan; raises ConfigError where it is limited and somebody has no price who may be asked."""
    if plan.max_cost_usd is None:
        return Purse()
    priced = {(each.name, model): _tariffs(plan, each, model) for each, model in _asked(plan)}
    if unknown := [f"{name} ({model})" for (name, model), tariffs in priced.items() if not tariffs]:
        raise ConfigError(
            f"--max-cost {plan.max_cost_usd:g}: no price is known for {', '.join(unknown)}; write price: "
            f"{{input: …, output: …}} there in {plan.config.path}, in dollars per million tokens, or leave it out "
            "with --providers"
        )
    usage = _usage(plan)
    return Purse(plan.max_cost_usd, max((cost_usd(usage, tariffs) or 0.0 for tariffs in priced.values()), default=0.0))


def _asked(plan: Plan) -> Iterator[tuple[Provider, str]]:
    """Every provider with every model of it that may be asked, by judges too."""
    judges = [scorer.prompt for scorer in plan.scorers.values() if isinstance(scorer, JudgeScorer)]
    whom = [(model, {provider} if provider else {*plan.asked}) for model, provider in plan.routes]
    everybody = {provider.name for provider in plan.config.usable}
    whom += [(judge.model, {judge.provider} if judge.provider else everybody) for judge in judges]
    for name, providers in whom:
        for provider in plan.config.usable:
            if provider.name in providers and (model := provider.model_for(name)):
                yield provider, model


def _tariffs(plan: Plan, provider: Provider, model: str) -> tuple[Tariff, ...]:
    tier = str(provider.params_of(model).get("service_tier", ""))
    return tuple(tariffs_of(provider, model, price_list(), simulated=plan.config.simulated, tier=tier))


def _usage(plan: Plan) -> Usage:
    """What one trial is taken to use before any has an answer: the most among the first, and a long reply."""
    sizes = [0]
    for trial in islice(trials(plan), TRIED):
        try:
            sizes.append(estimate(replace(trial.request(), params={"max_tokens": 0})).total)
        except ConfigError:
            continue  # it will not be sent
    return Usage(max(sizes), REPLY_TOKENS)
