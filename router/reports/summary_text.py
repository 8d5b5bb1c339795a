"""The end of a run as a text for people, made from its summary alone; import it where it is used (rich)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

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
from router.reports.summary_figures import Part, Summary, accuracy_text, number, parts_of, range_text, word
from router.reports.summary_tables import arm_columns, cost_column, models_of, provider_columns
from router.reports.tables import grid
from router.reports.wording import DASH, count_text, figure_text, percent_text
from router.text import clean

SIMULATED = "SIMULATED vendors: the accuracy says nothing about a prompt or a model."
STYLES = {"right": "green", "wrong": "yellow", "unparsable": "magenta", "unscored": "cyan", "error": "red"}
INTERRUPTED = "Interrupted: some items have no outcome yet."
LEGEND = "p50, p95: seconds · keys: alive/all · rate: % of the declared rate used"
MIN_PROMPT = 24
"""Cells of a prompt's name for which counts give way: prompts are told apart by their ends."""

SAME = 1e-5
"""Scores of 0 and 1 have the accuracy as their mean."""


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
        if len(parts := parts_of(summary, f"{name}s")) > 1:
            yield Text()
            yield grid(arm_columns(name, parts), parts, width=width, names="fold", min_name=MIN_PROMPT)
            yield from _compared(name, comparisons, first, width)
    if providers := parts_of(summary, "providers"):
        yield Text()
        rows = [row for part in providers for row in (part, *models_of(part))]
        yield grid((*provider_columns(rows), *cost_column(summary, rows)), rows, width=width, names="fold")
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
    yield "run", Text(f"{word(summary, 'run')}, started {word(summary, 'started')}")
    yield "prompt", Text(word(summary, "prompt"))
    yield "items", _verdicts(summary)
    if reasons := _reasons(summary):
        yield "reasons", Text(reasons)
    yield from _accuracy_lines(summary, comparisons)
    yield from (("epochs", Text(line)) for line in _epochs(summary))
    if moved := number(summary, "moved"):
        noun = "item was" if moved == 1 else "items were"
        yield (
            "moved",
            Text(f"{count_text(moved)} {noun} asked again with all prompts, elsewhere: a provider failed in between"),
        )
    elapsed = number(summary, "elapsed_s")
    elapsed_text = DASH if elapsed is None or elapsed < 0 else format_hms(elapsed)
    bound = f", bound by {clean(said)}" if isinstance(said := summary.get("bound"), str) else ""
    yield "elapsed", Text(f"{elapsed_text}   {figure_text(number(summary, 'items_per_s'))} items/s{bound}")
    if (cost := _cost(summary)) is not None:
        yield "cost", Text(cost)
    if cached := number(summary, "cached"):
        yield (
            "cached",
            Text(f"{count_text(cached)} of {count_text(number(summary, 'items'))} answers, not asked again"),
        )
    yield "files", Text(word(summary, "directory"))


def _verdicts(summary: Summary) -> Text:
    counts = Text("   ").join(
        Text(f"{name} {count_text(number(summary, name))}", style=STYLES[name] if number(summary, name) else "dim")
        for name in VERDICTS
        if name != "unscored" or number(summary, name)
    )
    return Text(f"{count_text(number(summary, 'items'))}: ").append_text(counts)


def _reasons(summary: Summary) -> str:
    """Why there is no verdict, the most frequent first."""
    counts = summary.get("reasons")
    counts = counts if isinstance(counts, Mapping) else {}
    ordered = sorted(counts, key=lambda name: (-(number(counts, name) or 0), name))
    return "   ".join(f"{name} {count_text(number(counts, name))}" for name in ordered)


def _accuracy_lines(summary: Summary, comparisons: Sequence[Comparison]) -> Iterator[tuple[str, Text]]:
    tag = ", simulated" if summary.get("simulated") else ""
    errors = number(summary, "error")
    if why := _several_figures(comparisons):
        yield "accuracy", Text(f"by provider, below: {why}", style="bold")
    accuracy = Text(accuracy_text(summary, " %"), style="" if why else "bold").append(tag)
    if number(summary, "marked"):
        accuracy.append(f"   95 % interval {range_text(summary, 'interval')} %", style="not bold")
    yield "all together" if why else "accuracy", accuracy
    mean, share = number(summary, "mean_score"), number(summary, "accuracy")
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
    parts = parts_of(summary, "epochs")
    for name, part in parts:
        found = part.get("pass_at")
        passes = found if isinstance(found, Mapping) else {}
        shares = {"majority": number(part, "majority"), **{f"pass@{k}": number(passes, k) for k in passes}}
        who = f"{name}: " if len(parts) > 1 else ""
        told = "   ".join(f"{what} {percent_text(share)} %" for what, share in shares.items())
        yield f"{who}{count_text(number(part, 'epochs'))} an item   {told}"


def _cost(summary: Summary) -> str | None:
    """What the run cost in dollars; nothing where no price is known, or nobody was paid."""
    cost, priced, items = (number(summary, name) for name in ("cost_usd", "priced", "items"))
    if cost is None or summary.get("simulated"):
        return None
    known = f" (known for {count_text(priced)} of {count_text(items)} items)" if priced != items else ""
    return f"${cost:,.4f}{known}"


def _ends(providers: list[Part]) -> Iterator[Text]:
    """In what state those providers ended that were not ready, and the vendors' words for it."""
    states = [(part.name, word(part.summary, "state"), part.summary.get("because")) for part in providers]
    for name, state, because in states:
        if state not in {State.READY, DASH}:
            words = f" ({clean(because)})" if isinstance(because, str) and because else ""
            yield Text(f"at the end: {name} {state}{words}", style="yellow")
