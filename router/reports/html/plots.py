"""Which plots a run has, and their data."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from router.analysis.timeline import Level
from router.analysis.waits import WAITS
from router.reports.html import charts
from router.reports.html.charts import Chart
from router.reports.html.parts import FACTORS, accuracy_records, cost_records, latency_records
from router.reports.html.source import Source

MAX_SPANS = 500
"""Rests that are drawn, the longest of them: a plot of more is black."""
NOT_WAITING = {"idle", "nothing"}


def accuracy_plots(source: Source, tag: str) -> Iterator[Chart]:
    """Accuracy with intervals by prompt, provider and model; a factor of one value is left out."""
    for factor in FACTORS:
        records = accuracy_records(source.rows, factor)
        if len(records) > 1:
            yield Chart(f"{tag}accuracy-{factor}", f"Accuracy by {factor}", "", charts.accuracy(records))


def time_plots(source: Source, tag: str) -> Iterator[Chart]:
    """Over time: answers, calls in flight, who rested, failed calls and waiting by cause."""
    steps = source.timeline
    if not steps.calls:
        return
    calls = [each._asdict() for each in steps.calls]
    longest = set(sorted(steps.spans, key=lambda span: span.from_s - span.to_s)[:MAX_SPANS])
    spans = [span._asdict() for span in steps.spans if span in longest]
    asked = {each.provider for each in steps.calls}
    behind = [span for span in spans if span["provider"] in asked]
    length = steps.duration_s
    note = "Shaded: rests and bans, the darker ones of the whole provider."
    yield Chart(f"{tag}calls", "Calls a second", note, charts.over_time(calls, behind, "calls", length))
    yield Chart(f"{tag}in-flight", "Calls in flight", note, charts.over_time(calls, behind, "in_flight", length))
    if spans:
        yield Chart(f"{tag}rests", "Rests and bans", _rests_note(source), charts.rests(spans, length))
    yield from _trouble_plots(source, tag)


def _rests_note(source: Source) -> str:
    drawn, spans = min(MAX_SPANS, len(source.timeline.spans)), len(source.timeline.spans)
    return "" if drawn == spans else f"The {drawn} longest of {spans:,}."


def _trouble_plots(source: Source, tag: str) -> Iterator[Chart]:
    steps = source.timeline
    if steps.faults:
        spec = charts.levels(stacked(steps.faults, steps.step_s), "failed calls", steps.duration_s)
        yield Chart(f"{tag}faults", "Failed calls by cause", "", spec)
    waiting = [level for level in steps.waiting if level.name not in NOT_WAITING]
    if waiting:
        named = [level._replace(name=_cause(level.name)) for level in waiting]
        spec = charts.levels(stacked(named, steps.step_s), "items waiting", steps.duration_s)
        yield Chart(
            f"{tag}waiting", "Items waiting for a place, by cause", "What their provider had waited for last.", spec
        )


def latency_plots(source: Source, tag: str) -> Iterator[Chart]:
    """Latencies of answers by provider."""
    if records := latency_records(source.rows):
        yield Chart(f"{tag}latency", "Latency of answers", "", charts.latencies(records))


def cost_plots(source: Source, tag: str) -> Iterator[Chart]:
    """Dollars by provider and prompt, where a price is known."""
    records = cost_records(source.rows)
    if any(record["cost_usd"] for record in records):
        yield Chart(f"{tag}cost", "Cost by provider", "", charts.costs(records))


def stacked(levels: Iterable[Level], step_s: float) -> list[dict[str, object]]:
    """Levels as boxes, those of one step one on the other."""
    tops: defaultdict[float, float] = defaultdict(float)
    found = []
    for level in levels:
        start = tops[level.at_s]
        tops[level.at_s] = end = start + level.number
        found.append({**level._asdict(), "to_s": level.at_s + step_s, "from": start, "to": end})
    return found


def _cause(waited_for: str) -> str:
    thing, _ = WAITS.get(waited_for, ("", ""))
    return thing or waited_for
