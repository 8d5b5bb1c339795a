"""Aggregates rows in bounded memory, with the notes that a reader of the figures needs."""

from __future__ import annotations

import dataclasses
from collections import Counter
from dataclasses import dataclass, field
from typing import Self

from router.engine.status import LaneStatus
from router.evals.comparison import Comparison, compare
from router.evals.earlier import Earlier
from router.evals.epochs import ByItem
from router.evals.pairing import Factor, Pairing
from router.evals.plan import Plan
from router.evals.quantiles import Quantiles
from router.evals.results import VERDICTS, Row, Verdict
from router.evals.stats import bounds, wilson


@dataclass(slots=True)
class Counts:
    """What some rows add up to, in memory that does not grow with them."""

    verdicts: Counter[Verdict] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    score: float = 0.0
    latencies_s: Quantiles = field(default_factory=Quantiles)
    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: float = 0.0
    priced: int = 0
    cached: int = 0

    @property
    def items(self) -> int:
        """All rows, with an answer or without."""
        return self.verdicts.total()

    @property
    def answered(self) -> int:
        """Rows with an answer, be it right, wrong, unparsable or unscored."""
        return self.items - self.verdicts["error"]

    @property
    def marked(self) -> int:
        """Rows whose answer could be right: those with an answer, but for the unscored."""
        return self.answered - self.verdicts["unscored"]

    @property
    def accuracy(self) -> float | None:
        """The share of right answers among the marked, None before the first."""
        return self.verdicts["right"] / self.marked if self.marked else None

    @property
    def mean_score(self) -> float | None:
        """The mean of the scores of the marked, None before the first."""
        return self.score / self.marked if self.marked else None

    def add(self, row: Row) -> None:
        """Count one row; the latency of a call that failed is not an answer's and stays out."""
        self.verdicts[row.outcome] += 1
        self.score += float(row.outcome == "right") if row.score is None else row.score
        if row.reason is not None:
            self.reasons[row.reason] += 1
        if row.latency_s is not None and row.outcome != "error":
            self.latencies_s.add(row.latency_s)
        self.cached += row.cached
        self.tokens_in += 0 if row.cached else row.tokens_in or 0
        self.tokens_out += 0 if row.cached else row.tokens_out or 0
        if row.cost_usd is not None:
            self.cost_usd += row.cost_usd
            self.priced += 1

    def summary(self) -> dict[str, object]:
        """The counts with `accuracy`, its 95 % `interval` (Wilson's, over the marked) and its `bounds`.

        The bounds hold whatever the errors would have been: from all wrong to all right.
        Latencies are in seconds, None without answers; `cost_usd` is None where no row had a price.
        """
        right, marked = self.verdicts["right"], self.marked
        return {
            "items": self.items,
            "answered": self.answered,
            "marked": marked,
            **{verdict: self.verdicts[verdict] for verdict in VERDICTS},
            "reasons": dict(sorted(self.reasons.items())),
            "accuracy": self.accuracy,
            "mean_score": None if self.mean_score is None else round(self.mean_score, 6),
            "interval": dataclasses.asdict(wilson(right, marked)),
            "bounds": dataclasses.asdict(bounds(right, marked, self.verdicts["error"])),
            "latency_p50_s": self.latencies_s.percentile(50),
            "latency_p95_s": self.latencies_s.percentile(95),
            "tokens_in": self.tokens_in,
            "tokens_out": self.tokens_out,
            # Rounded, so that rows in another order (a resumed run) give the same sum.
            "cost_usd": round(self.cost_usd, 9) if self.priced else None,
            "priced": self.priced,
            "cached": self.cached,
        }


@dataclass(slots=True)
class Tally:
    """A running summary of rows: the whole, the parts of each prompt, named model and provider; no row is kept.

    `pairings` are what is compared, each item with itself; `whole` and, by prompt, `epochs` are there where items are
    asked several times.
    """

    total: Counts = field(default_factory=Counts)
    prompts: dict[str, Counts] = field(default_factory=dict)
    models: dict[str, Counts] = field(default_factory=dict)
    providers: dict[str, Counts] = field(default_factory=dict)
    pairs: dict[tuple[str, str], Counts] = field(default_factory=dict)
    pairings: tuple[Pairing, ...] = ()
    whole: ByItem | None = None
    epochs: dict[str, ByItem] = field(default_factory=dict)
    simulated: bool = False

    @classmethod
    def of(cls, plan: Plan) -> Self:
        """The tally of a plan, nothing in it: prompts and models stand as they are named."""
        prompts = [prompt.name for prompt in plan.prompts]
        each = len(prompts) * plan.epochs * len(plan.routes)
        factors: dict[Factor, tuple[str, ...]] = {
            "prompt": tuple(prompts),
            "model": plan.models,
            "provider": plan.asked,
        }
        pairings = (
            Pairing(factor, arms, rows_per_item=each, is_spread=factor == "provider" and plan.across == "spread")
            for factor, arms in factors.items()
            if len(arms) > 1
        )
        return cls(
            prompts={name: Counts() for name in prompts},
            pairings=tuple(pairings),
            whole=ByItem(each) if each > 1 else None,
            epochs={name: ByItem(plan.epochs) for name in prompts} if plan.epochs > 1 else {},
        )

    def add(self, row: Row) -> None:
        """Count one row, for its provider too if it was sent to one or asked for one, and for its model if named."""
        self.total.add(row)
        self.simulated = self.simulated or row.simulated
        for pairing in self.pairings:
            pairing.add(row)
        if self.whole is not None:
            self.whole.add(row, row.id)
        if row.prompt in self.epochs:
            # The same question at the same place: its trial but for the epoch.
            self.epochs[row.prompt].add(row, row.trial.replace(f"@{row.epoch}", "", 1))
        self.prompts.setdefault(row.prompt, Counts()).add(row)
        if row.provider:
            self.providers.setdefault(row.provider, Counts()).add(row)
        if row.asked_model:
            self.models.setdefault(row.asked_model, Counts()).add(row)
            if row.provider:
                self.pairs.setdefault((row.provider, row.asked_model), Counts()).add(row)

    def summary(self) -> dict[str, object]:
        """The whole as `Counts.summary` has it, `simulated`, and the same for each of `prompts`, `models`, `providers`.

        Models are those that were named; a provider that was asked for several has its `models`, too.
        """
        return {
            **self.total.summary(),
            "simulated": self.simulated,
            **({"interval": dataclasses.asdict(self.whole.interval())} if self.whole and self.total.marked else {}),
            "epochs": {name: each.summary() for name, each in self.epochs.items()},
            "comparisons": [each.to_json() for each in self.comparisons],
            "prompts": {name: self._of_prompt(name, counts) for name, counts in self.prompts.items()},
            "models": {name: counts.summary() for name, counts in self.models.items()},
            "providers": {name: self.of_provider(name) for name in sorted(self.providers)},
        }

    def _of_prompt(self, name: str, counts: Counts) -> dict[str, object]:
        by_item = self.epochs.get(name)
        interval = {"interval": dataclasses.asdict(by_item.interval())} if by_item and counts.marked else {}
        return {**counts.summary(), **interval}

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """What the rows so far say of each factor of which there are two arms or more."""
        return tuple(compare(pairing.table()) for pairing in self.pairings)

    def of_provider(self, name: str) -> dict[str, object]:
        """One provider's part; all zero where it has none."""
        models = {model: counts.summary() for (provider, model), counts in self.pairs.items() if provider == name}
        own = self.providers.get(name, Counts()).summary()
        return {**own, "models": models} if len(self.models) > 1 else own


def notes(plan: Plan) -> tuple[str, ...]:
    """What a person must know about a run: that it is simulated, and who takes no part."""
    simulated = ("the vendors are simulated: no call leaves this machine, and the accuracy says nothing",)
    usual = (f"{each.name}: {each.keys_from}" for each in plan.config.usable if each.keys_from)
    left_out = (f"{provider.name} is left out: {provider.why_left_out}" for provider in plan.config.left_out)
    return (
        *(simulated if plan.config.simulated else ()),
        *plan.task.notes,
        *plan.notes,
        *(() if plan.config.simulated else usual),
        *left_out,
    )


def provider_summary(view: LaneStatus, elapsed_s: float, earlier: Earlier) -> dict[str, object]:
    """What a provider's calls say about it, those of `earlier` parts included: 429s, keys, rate used, how it ended."""
    rate, sent = view.declared_per_second, view.sent + earlier.sent[view.name]
    return {
        "attempts": sent,
        "throttled": view.throttled + earlier.throttled[view.name],
        "keys_alive": view.keys_alive,
        "keys": view.keys_alive + view.keys_dropped,
        # One call may leave at the very start of any window, so a rate is full at rate x time + 1, in each part.
        "rate_used": round(sent / (rate * elapsed_s + 1 + earlier.parts), 4) if rate and elapsed_s else None,
        "state": str(view.state),
        "because": view.because or None,
    }
