"""Writes the report of one run or of several: reads their directories, puts the page together, writes one file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from router.reports.html import opening, plots, sections
from router.reports.html.blocks import packed
from router.reports.html.charts import Chart
from router.reports.html.items import Items, items_of
from router.reports.html.markup import Markup, element, joined
from router.reports.html.page import page
from router.reports.html.source import Source, read_source

NAME = "report.html"
CHAPTERS = (("accuracy", "Accuracy"), ("time", "Over time"), ("latency", "Latency"), ("cost", "Cost"), ("items", "Items"))


def write_report(directories: Sequence[Path], target: Path) -> None:
    """Write the report of runs to a file, whole or not at all; raises ConfigError for a directory that is no run's."""
    text = report([read_source(directory) for directory in directories])
    fresh = target.with_name(f".{target.name}.{os.getpid()}")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(target)


def report(sources: Sequence[Source]) -> str:
    """The page of runs."""
    items = items_of(sources)
    charts: dict[str, Chart] = {}
    body = [_head(sources), element("main", *_chapters(sources, items, charts))]
    texts = {f"texts-{index}": text for index, text in enumerate(items.texts)}
    drawn = packed({name: chart.spec for name, chart in charts.items()})
    simulated = "SIMULATED: " if _simulated(sources) else ""
    title = f"{simulated}{opening.names(sources)}"
    return page(title, body, {"charts": drawn, "columns": items.columns, **texts})


def _simulated(sources: Iterable[Source]) -> bool:
    return any(source.simulated for source in sources)


def _head(sources: Sequence[Source]) -> Markup:
    links = [element("a", title, href=f"#{name}") for name, title in CHAPTERS]
    theme = element("button", "Dark or light", type="button", id="theme", title="Change between dark and light")
    label = element("span", "SIMULATED", class_="tag") if _simulated(sources) else None
    return element("header", element("strong", opening.names(sources)), label, element("nav", *links, theme))


def _chapters(sources: Sequence[Source], items: Items, charts: dict[str, Chart]) -> Iterator[Markup]:
    simulated = _simulated(sources)

    def drawn(found: Iterable[Chart]) -> Markup:
        kept = list(found)
        charts.update({chart.name: chart for chart in kept})
        return sections.plots(kept, simulated=simulated)

    def each(title: str, *parts: object) -> Iterator[object]:
        yield element("h3", title) if len(sources) > 1 else None
        yield from parts

    tagged = [(source, f"run{index}-" if len(sources) > 1 else "") for index, source in enumerate(sources)]
    yield _opening(sources)
    yield sections.chapter(
        "accuracy",
        "Accuracy",
        *(
            part
            for source, tag in tagged
            for part in each(
                source.name, drawn(plots.accuracy_plots(source, tag)), sections.accuracy_table(source.rows)
            )
        ),
    )
    yield sections.chapter(
        "time",
        "Over time",
        *(
            part
            for source, tag in tagged
            for part in each(
                source.name,
                drawn([*plots.time_plots(source, tag), *plots.trouble_plots(source, tag)]),
            )
        ),
    )
    yield sections.chapter(
        "latency",
        "Latency",
        *(part for source, tag in tagged for part in each(source.name, drawn(plots.latency_plots(source, tag)))),
    )
    yield sections.chapter(
        "cost",
        "Cost",
        *(
            part
            for source, tag in tagged
            for part in each(source.name, drawn(plots.cost_plots(source, tag)), sections.cost_table(source.rows))
        ),
    )
    yield _items(items, simulated=simulated)
    yield sections.chapter("about", "What was asked of whom", *map(sections.description, sources))


def _opening(sources: Sequence[Source]) -> Markup:
    parts: list[object] = []
    if _simulated(sources):
        parts.append(element("p", opening.SIMULATED, class_="banner"))
    for source in sources:
        counts = opening.totals(source)
        parts += [element("p", source.name, class_="run") if len(sources) > 1 else None]
        parts += opening.banners(source)
        parts += [element("h1", opening.verdict_of_one(counts))]
        parts += [element("p", line, class_="sure") for line in opening.how_sure(counts)]
        parts += [opening.facts(source, counts), opening.troubles(source)]
    return element("section", *parts, id="verdict")


def _items(items: Items, *, simulated: bool) -> Markup:
    missing = [element("p", line, class_="note") for line in items.missing]
    tools = element(
        "form",
        element("input", type="search", id="search", placeholder="Search questions and answers", aria_label="Search"),
        element("span", id="filters"),
        element("button", "Clear", type="button", id="clear"),
        element("output", id="count"),
        id="tools",
    )
    keys = "Keys: / search, j and k down and up, Enter opens, Escape closes, f flipped only."
    title = "Items (simulated)" if simulated else "Items"
    return sections.chapter(
        "items",
        title,
        *missing,
        tools,
        element("div", id="table"),
        element("p", keys, class_="note keys"),
        element("div", id="printed"),
        element("dialog", id="item", aria_label="Item"),
        joined([element("noscript", element("p", "The table and the plots need JavaScript."))]),
    )
