"""What the rows of a run add up to by prompt, provider and model, for tables and plots alike."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeAlias

from router.evals.results import Row
from router.evals.stats import percentile, wilson
from router.evals.summary import Counts

Key: TypeAlias = tuple[str, ...]
FACTORS: Mapping[str, Callable[[Row], str]] = {
    "prompt": lambda row: row.prompt,
    "provider": lambda row: row.provider,
    "model": lambda row: row.asked_model or row.model,
}
NOBODY = "nobody"
"""Who was asked where nothing was sent."""
QUANTILES = (5, 25, 50, 75, 95)


@dataclass(frozen=True, slots=True)
class Part:
    """Some rows: what they have in common, and what they add up to."""

    names: Key
    counts: Counts


def parts_by(rows: Iterable[Row], *factors: str) -> list[Part]:
    """The rows by one factor or by several together, in the order in which they first occur."""
    found: defaultdict[Key, Counts] = defaultdict(Counts)
    for row in rows:
        found[tuple(FACTORS[factor](row) or NOBODY for factor in factors)].add(row)
    return [Part(names, counts) for names, counts in found.items()]


def accuracy_records(rows: Sequence[Row], factor: str) -> list[dict[str, object]]:
    """The accuracy of every prompt, provider or model with its interval, best first."""
    marked = [part for part in parts_by(rows, factor) if part.counts.marked]
    return [_accuracy(part) for part in sorted(marked, key=lambda part: -(part.counts.accuracy or 0.0))]


def _accuracy(part: Part) -> dict[str, object]:
    counts = part.counts
    interval = wilson(counts.verdicts["right"], counts.marked)
    (name,) = part.names
    return {
        "name": name,
        "accuracy": counts.accuracy,
        "low": interval.low,
        "high": interval.high,
        "items": counts.marked,
    }


def latency_records(rows: Iterable[Row]) -> list[dict[str, object]]:
    """Quantiles of the latencies of answers by provider, in seconds."""
    answered = [row for row in rows if row.latency_s and row.outcome != "error"]
    by_provider = groupby(sorted(answered, key=lambda row: row.provider), key=lambda row: row.provider)
    return [_latency(provider, [row.latency_s or 0.0 for row in group]) for provider, group in by_provider]


def _latency(provider: str, latencies_s: Iterable[float]) -> dict[str, object]:
    ordered = sorted(latencies_s)
    quantiles = {f"p{percent}": percentile(ordered, percent) for percent in QUANTILES}
    return {"provider": provider, "answers": len(ordered), **quantiles, "slowest": ordered[-1]}


def cost_records(rows: Iterable[Row]) -> list[dict[str, object]]:
    """What is known of the money by provider and prompt."""
    return [
        {
            "provider": part.names[0],
            "prompt": part.names[1],
            "cost_usd": part.counts.cost_usd,
            "tokens_in": part.counts.tokens_in,
            "tokens_out": part.counts.tokens_out,
        }
        for part in parts_by(rows, "provider", "prompt")
        if part.counts.priced
    ]
