"""The end of a run as a text for people, made from its summary alone; import it where it is used (rich)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from router.engine.health import State
from router.evals.comparison import Comparison
from router.evals.paired import ALPHA
from router.evals.results import VERDICTS
from router.evals.stats import format_hms
from router.reports.compare_text import details, headlines, p_text
from router.reports.paper import printed
from router.reports.tables import Column, grid
from router.reports.wording import DASH, count_text, figure_text, percent_text, seconds_text
from router.text import clean

SIMULATED = "SIMULATED vendors: the accuracy says nothing about a prompt or a model."
STYLES = {"right": "green", "wrong": "yellow", "unparsable": "magenta", "unscored": "cyan", "error": "red"}
INTERRUPTED = "Interrupted: some items have no outcome yet."
LEGEND = "p50, p95: seconds · keys: alive/all · rate: % of the declared rate used"
MIN_PROMPT = 24
"""Cells of a prompt's name for which counts give way: prompts are told apart by their ends."""

SAME = 1e-5
"""Scores of 0 and 1 have the accuracy as their mean."""
ACCURACY = len("100.0")

Summary = Mapping[str, object]


class Part(NamedTuple):
    """One prompt's or one provider's part of a summary."""

    name: str
    summary: Summary


def summary_text(summary: Summary, *, width: int, color: bool, comparisons: Sequence[Comparison] = ()) -> str:
    """A run's summary, as in its summary.json, as lines of at most `width` cells; what it lacks is a dash.

    What was compared stands first.
    """
    return printed(_blocks(summary, width, comparisons), width, color=color)


def _blocks(summary: Summary, width: int, comparisons: Sequence[Comparison]) -> Iterator[RenderableType]:
    banners = [text for name, text in (("simulated", SIMULATED), ("interrupted", INTERRUPTED)) if summary.get(name)]
    if isinstance(stopped := summary.get("stopped"), str):
        banners.append(f"Stopped: {clean(stopped)}")
    if banners:
        yield from (Text(text, style="bold reverse yellow") for text in banners)
        yield Text()
    first = next((each for each in comparisons if each.is_paired), None)
    if first is not None:
        yield from headlines(first)
        yield Text()
    yield _facts(summary, comparisons)
    for name in ("prompt", "model"):
        if len(parts := _parts(summary, f"{name}s")) > 1:
            yield Text()
            yield grid(_arm_columns(name, parts), parts, width=width, names="fold", min_name=MIN_PROMPT)
            yield from _compared(name, comparisons, first, width)
    if providers := _parts(summary, "providers"):
        yield Text()
        rows = [row for part in providers for row in (part, *_models_of(part))]
        yield grid((*_provider_columns(rows), *_cost_column(summary, rows)), rows, width=width, names="fold")
        yield from _ends(providers)
        yield Text(LEGEND, style="dim")
        yield from _compared("provider", comparisons, first, width)


def _compared(
    factor: str, comparisons: Sequence[Comparison], first: Comparison | None, width: int
) -> Iterator[RenderableType]:
    """What stands below a table of arms: their verdict, where it does not stand above everything, and its details."""
    for comparison in (each for each in comparisons if each.factor == factor):
        if comparison is not first:
            yield from headlines(comparison)
        yield from details(comparison, width)


# What stands above the tables.


def _facts(summary: Summary, comparisons: Sequence[Comparison]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for label, text in _lines(summary, comparisons):
        table.add_row(label, text)
    return table


def _lines(summary: Summary, comparisons: Sequence[Comparison]) -> Iterator[tuple[str, Text]]:
    yield "run", Text(f"{_word(summary, 'run')}, started {_word(summary, 'started')}")
    yield "prompt", Text(_word(summary, "prompt"))
    yield "items", _verdicts(summary)
    if reasons := _reasons(summary):
        yield "reasons", Text(reasons)
    yield from _accuracy_lines(summary, comparisons)
    yield from (("epochs", Text(line)) for line in _epochs(summary))
    elapsed = _number(summary, "elapsed_s")
    elapsed_text = DASH if elapsed is None or elapsed < 0 else format_hms(elapsed)
    bound = f", bound by {clean(said)}" if isinstance(said := summary.get("bound"), str) else ""
    yield "elapsed", Text(f"{elapsed_text}   {figure_text(_number(summary, 'items_per_s'))} items/s{bound}")
    if (cost := _cost(summary)) is not None:
        yield "cost", Text(cost)
    if cached := _number(summary, "cached"):
        yield (
            "cached",
            Text(f"{count_text(cached)} of {count_text(_number(summary, 'items'))} answers, not asked again"),
        )
    yield "files", Text(_word(summary, "directory"))


def _verdicts(summary: Summary) -> Text:
    counts = Text("   ").join(
        Text(f"{name} {count_text(_number(summary, name))}", style=STYLES[name] if _number(summary, name) else "dim")
        for name in VERDICTS
        if name != "unscored" or _number(summary, name)
    )
    return Text(f"{count_text(_number(summary, 'items'))}: ").append_text(counts)


def _reasons(summary: Summary) -> str:
    """Why there is no verdict, the most frequent first."""
    counts = summary.get("reasons")
    counts = counts if isinstance(counts, Mapping) else {}
    ordered = sorted(counts, key=lambda name: (-(_number(counts, name) or 0), name))
    return "   ".join(f"{name} {count_text(_number(counts, name))}" for name in ordered)


def _accuracy_lines(summary: Summary, comparisons: Sequence[Comparison]) -> Iterator[tuple[str, Text]]:
    tag = ", simulated" if summary.get("simulated") else ""
    errors = _number(summary, "error")
    if why := _several_figures(comparisons):
        yield "accuracy", Text(f"by provider, below: {why}", style="bold")
    accuracy = Text(_accuracy(summary, " %"), style="" if why else "bold").append(tag)
    if _number(summary, "marked"):
        accuracy.append(f"   95 % interval {_range(summary, 'interval')} %", style="not bold")
    yield "all together" if why else "accuracy", accuracy
    mean, share = _number(summary, "mean_score"), _number(summary, "accuracy")
    if mean is not None and share is not None and abs(mean - share) > SAME:
        yield "score", Text(f"{mean:.3f} of 1 on average")
    if errors:
        noun = "the error" if errors == 1 else f"all {count_text(errors)} errors"
        yield "", Text(f"in brackets: had {noun} been wrong, or right", style="dim")


def _several_figures(comparisons: Sequence[Comparison]) -> str:
    """Why one accuracy of all providers together would mean nothing; empty where it does."""
    found = next((each for each in comparisons if each.factor == "provider"), None)
    if found is None:
        return ""
    if not found.is_paired and (found.together or 0.0) <= ALPHA:
        return f"they differ ({p_text(found.together)})"
    models = {part.model for part in found.parts}
    return f"they are {len(models)} different models" if len(models) > 1 else ""


def _epochs(summary: Summary) -> Iterator[str]:
    """What items that were asked several times come to, a line for each prompt."""
    parts = _parts(summary, "epochs")
    for name, part in parts:
        found = part.get("pass_at")
        passes = found if isinstance(found, Mapping) else {}
        shares = {"majority": _number(part, "majority"), **{f"pass@{k}": _number(passes, k) for k in passes}}
        who = f"{name}: " if len(parts) > 1 else ""
        told = "   ".join(f"{what} {percent_text(share)} %" for what, share in shares.items())
        yield f"{who}{count_text(_number(part, 'epochs'))} an item   {told}"


def _cost(summary: Summary) -> str | None:
    """What the run cost in dollars; nothing where no price is known, or nobody was paid."""
    cost, priced, items = (_number(summary, name) for name in ("cost_usd", "priced", "items"))
    if cost is None or summary.get("simulated"):
        return None
    known = f" (known for {count_text(priced)} of {count_text(items)} items)" if priced != items else ""
    return f"${cost:,.4f}{known}"


def _ends(providers: list[Part]) -> Iterator[Text]:
    """In what state those providers ended that were not ready, and the vendors' words for it."""
    states = [(part.name, _word(part.summary, "state"), part.summary.get("because")) for part in providers]
    for name, state, because in states:
        if state not in {State.READY, DASH}:
            words = f" ({clean(because)})" if isinstance(because, str) and because else ""
            yield Text(f"at the end: {name} {state}{words}", style="yellow")


# The tables.


def _accuracy(summary: Summary, sign: str = "") -> str:
    """The share of right answers; never alone where errors exist, because they might change it."""
    accuracy = percent_text(_number(summary, "accuracy"))
    text = accuracy if accuracy == DASH else f"{accuracy}{sign}"
    return f"{text} ({_range(summary, 'bounds')})" if _number(summary, "error") else text


def _range(summary: Summary, name: str) -> str:
    ends = summary.get(name)
    if not isinstance(ends, Mapping) or not _number(summary, "items"):
        return DASH
    return "–".join(percent_text(_number(ends, end)) for end in ("low", "high"))


def _interval(part: Part) -> Text:
    return Text(_range(part.summary, "interval") if _number(part.summary, "marked") else DASH)


def _alive(part: Part) -> Text:
    alive, keys = (_number(part.summary, name) for name in ("keys_alive", "keys"))
    if keys is None:
        return Text(DASH)
    return Text(f"{count_text(alive)}/{count_text(keys)}", style="red" if alive == 0 and keys else "")


def _items(part: Part) -> Text:
    return Text(count_text(_number(part.summary, "items") or None))


def _rate(part: Part) -> Text:
    return Text(percent_text(_number(part.summary, "rate_used") if _was_asked(part) else None, 0))


def _was_asked(part: Part) -> bool:
    return _number(part.summary, "attempts") != 0


def _name_column(header: str) -> Column[Part]:
    return Column(header, lambda part: Text(part.name), align="left")


def _count_column(header: str, name: str, drop_order: int = 0) -> Column[Part]:
    return Column(header, lambda part: Text(count_text(_number(part.summary, name))), drop_order=drop_order)


def _sent_column(header: str, name: str, drop_order: int) -> Column[Part]:
    return Column(
        header,
        lambda part: Text(count_text(_number(part.summary, name) if _was_asked(part) else None)),
        drop_order=drop_order,
    )


def _seconds_column(header: str, name: str, drop_order: int) -> Column[Part]:
    return Column(header, lambda part: Text(seconds_text(_number(part.summary, name))), drop_order=drop_order)


def _accuracy_column(parts: list[Part]) -> Column[Part]:
    """With brackets behind some of the figures, the figures are aligned, not the brackets."""
    if not any(_number(part.summary, "error") for part in parts):
        return Column("accuracy %", lambda part: Text(_accuracy(part.summary)))
    return Column("accuracy %", lambda part: Text(_aligned(_accuracy(part.summary))), align="left")


def _aligned(accuracy: str) -> str:
    figure, bracket, rest = accuracy.partition(" (")
    return f"{figure:>{ACCURACY}}{bracket}{rest}"


def _models_of(part: Part) -> list[Part]:
    """A provider's models, where the run asked for several; what its calls tell is the provider's alone."""
    return [Part(f"  {model.name}", {**model.summary, "attempts": 0}) for model in _parts(part.summary, "models")]


def _arm_columns(name: str, parts: list[Part]) -> tuple[Column[Part], ...]:
    return (
        _name_column(name),
        Column("items", _items),
        _count_column("right", "right", drop_order=2),
        _count_column("wrong", "wrong", drop_order=3),
        _count_column("unparsable", "unparsable", drop_order=4),
        _count_column("error", "error"),
        _accuracy_column(parts),
        Column("95 %", _interval, drop_order=1),
    )


def _provider_columns(parts: list[Part]) -> tuple[Column[Part], ...]:
    return (
        _name_column("provider"),
        Column("items", _items),
        _accuracy_column(parts),
        _seconds_column("p50", "latency_p50_s", drop_order=2),
        _seconds_column("p95", "latency_p95_s", drop_order=3),
        _sent_column("attempts", "attempts", drop_order=5),
        _sent_column("429s", "throttled", drop_order=1),
        Column("keys", _alive, drop_order=4),
        Column("rate", _rate, drop_order=6),
    )


def _cost_column(summary: Summary, parts: list[Part]) -> Iterator[Column[Part]]:
    """What each took, where anybody was paid."""
    if not summary.get("simulated") and any(_number(part.summary, "cost_usd") for part in parts):
        yield Column("cost $", _paid, drop_order=7)


def _paid(part: Part) -> Text:
    cost = _number(part.summary, "cost_usd")
    return Text(DASH if cost is None else f"{cost:,.4f}")


# A summary is read from a file, maybe of another version: what is not there, or of another type, is a dash.


def _parts(summary: Summary, name: str) -> list[Part]:
    parts = summary.get(name)
    if not isinstance(parts, Mapping):
        return []
    return [Part(str(key), value) for key, value in parts.items() if isinstance(value, Mapping)]


def _number(summary: Summary, name: str) -> float | None:
    value = summary.get(name)
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if is_number and isinstance(value, int | float) else None


def _word(summary: Summary, name: str) -> str:
    value = summary.get(name)
    return value if isinstance(value, str) and value else DASH
