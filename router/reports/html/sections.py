"""The chapters below the first screen, in plain HTML: tables, places for plots, and the run's description."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

from router.evals.results import Verdict
from router.evals.stats import wilson
from router.evals.summary import Counts
from router.reports.html.charts import Chart
from router.reports.html.items import Items
from router.reports.html.markup import Markup, element, joined, table
from router.reports.html.parts import FACTORS, Part, parts_by
from router.reports.html.source import Source
from router.reports.wording import DASH, count_text, percent_text, seconds_text

KEYS = "Keys: / searches, j and k go down and up, Enter opens, Escape closes, f shows what flipped."
OUTCOMES: tuple[Verdict, ...] = ("right", "wrong", "unparsable", "error")


def chapter(name: str, title: str, *parts: object) -> Markup:
    """A chapter that the page's head leads to."""
    return element("section", element("h2", title), *parts, id=name)


def plot(chart: Chart, *, simulated: bool) -> Markup:
    """The place of a plot, with its exports; without scripts it says so."""
    title = f"{chart.title} (simulated)" if simulated else chart.title
    buttons = [
        element("button", form.upper(), type="button", data_export=form, title=f"Save this plot as {form.upper()}")
        for form in ("png", "svg")
    ]
    head = element("figcaption", element("strong", title), element("span", *buttons, class_="exports"))
    note = element("p", chart.note, class_="note") if chart.note else None
    return element("figure", head, note, element("div", class_="plot", data_chart=chart.name), class_="chart")


def plots(charts: Sequence[Chart], *, simulated: bool) -> Markup:
    """Plots side by side where there is room."""
    kind = "plots three" if len(charts) == 3 else "plots"  # noqa: PLR2004 - which go into one line
    return element("div", *(plot(chart, simulated=simulated) for chart in charts), class_=kind)


def accuracy_table(source: Source) -> Markup:
    """Prompt x provider x model with counts, accuracy and interval; a factor of one value is no column."""
    factors = [name for name, of in FACTORS.items() if len({of(row) for row in source.rows}) > 1] or ["prompt"]
    head = [*factors, "items", *OUTCOMES, "accuracy %", "95 %", "p50 s", "p95 s"]
    lines = [[*part.names, *_figures(part.counts)] for part in _ordered(source, factors)]
    return table(head, lines, numbers=head[len(factors) :])


def _ordered(source: Source, factors: Sequence[str]) -> list[Part]:
    """Prompts as they were named, the rest by name."""
    return sorted(
        parts_by(source.rows, *factors),
        key=lambda part: (source.prompt_place(part.names[0]) if factors[0] == "prompt" else 0, part.names),
    )


def _figures(counts: Counts) -> Iterator[str]:
    yield count_text(counts.items)
    for outcome in OUTCOMES:
        yield count_text(counts.verdicts[outcome])
    yield percent_text(counts.accuracy)
    ends = wilson(counts.verdicts["right"], counts.marked)
    yield f"{percent_text(ends.low)}–{percent_text(ends.high)}" if counts.marked else DASH
    yield seconds_text(counts.latencies_s.percentile(50))
    yield seconds_text(counts.latencies_s.percentile(95))


def cost_table(source: Source) -> Markup:
    """Tokens and dollars by prompt and provider."""
    head = ["prompt", "provider", "items", "tokens in", "tokens out", "dollars", "dollars per 1,000 items"]
    return table(head, map(_cost, _ordered(source, ["prompt", "provider"])), numbers=head[2:])


def _cost(part: Part) -> Iterator[str]:
    counts = part.counts
    yield from part.names
    yield from map(count_text, (counts.items, counts.tokens_in, counts.tokens_out))
    yield f"{counts.cost_usd:,.4f}" if counts.priced else DASH
    yield f"{1000 * counts.cost_usd / counts.priced:,.3f}" if counts.priced else DASH


def description(source: Source) -> Markup:
    """The prompts as they were, and what run.json has besides; keys are masked in there already."""
    text = json.dumps(source.described, ensure_ascii=False, indent=2)
    prompts = [_folded(f"Prompt {name}", *_turns(turns)) for name, turns in source.prompts()]
    return joined([*prompts, _folded(f"run.json of {source.name}", element("pre", text))])


def _folded(title: str, *parts: Markup) -> Markup:
    return element("details", element("summary", title), *parts)


def _turns(turns: Iterable[Mapping[str, object]]) -> Iterator[Markup]:
    for turn in turns:
        yield element("h4", turn.get("role"))
        yield element("pre", turn.get("text"))


def items(found: Items, title: str) -> Markup:
    """The table of all items, and what is needed to find some of them."""
    search = "Search questions, answers, names"
    tools = element(
        "form",
        element("input", type="search", id="search", placeholder=search, aria_label=search),
        element("span", id="filters"),
        element("button", "Clear", type="button", id="clear"),
        element("output", id="count"),
        id="tools",
    )
    return chapter(
        "items",
        title,
        *(element("p", line, class_="note") for line in found.missing),
        tools,
        element("div", id="table"),
        element("p", KEYS, class_="note keys"),
        element("div", id="printed"),
        element("dialog", id="item", aria_label="Item"),
        element("noscript", element("p", "The table and the plots need JavaScript.")),
    )
