"""Writes the report of one run or of several: reads their directories, puts the page together, writes one file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from router.evals.comparison import Comparison
from router.reports.html import comparing, opening, plots, sections
from router.reports.html.blocks import packed
from router.reports.html.charts import Chart
from router.reports.html.items import Items, items_of
from router.reports.html.markup import Markup, element
from router.reports.html.page import page
from router.reports.html.source import Source, read_source

NAME = "report.html"
CHAPTERS = {
    "accuracy": "Accuracy",
    "differences": "Differences",
    "time": "Over time",
    "latency": "Latency",
    "cost": "Cost",
    "items": "Items",
    "about": "What was asked of whom",
}
"""In the order of the page; a comparison is needed for the differences."""

Plots: TypeAlias = Callable[[Source, str], Iterator[Chart]]


def write_report(directories: Sequence[Path], target: Path) -> None:
    """Write the report of runs to a file, whole or not at all.

    Raises ConfigError for a directory that is no run's, OSError where the file cannot be written.
    """
    text = report([read_source(directory) for directory in directories])
    fresh = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(target)
    finally:
        fresh.unlink(missing_ok=True)


def report(sources: Sequence[Source]) -> str:
    """The page of runs."""
    return _Report(sources, comparing.comparison_of(sources), items_of(sources)).page()


@dataclass(slots=True)
class _Report:
    """A page being put together: what it is made of, and the plots that have a place in it so far."""

    sources: Sequence[Source]
    comparison: Comparison | None
    items: Items
    charts: dict[str, Chart] = field(default_factory=dict)

    @property
    def simulated(self) -> bool:
        return any(source.simulated for source in self.sources)

    @property
    def name(self) -> str:
        return opening.names(self.sources)

    def page(self) -> str:
        chapters = list(self._chapters())
        shown = [name for name, chapter in zip(CHAPTERS, chapters, strict=True) if chapter]
        body = [self._head(shown), element("main", self._opening(), *chapters)]
        texts = {f"texts-{index}": text for index, text in enumerate(self.items.texts)}
        specs = packed({name: chart.spec for name, chart in self.charts.items()})
        title = f"{'SIMULATED: ' if self.simulated else ''}{self.name}"
        return page(title, body, {"columns": self.items.columns}, {"charts": specs, **texts})

    def _head(self, shown: Iterable[str]) -> Markup:
        links = [element("a", CHAPTERS[name], href=f"#{name}") for name in shown if name != "about"]
        theme = element("button", "Dark or light", type="button", id="theme")
        tag = element("span", "SIMULATED", class_="tag") if self.simulated else None
        return element("header", element("strong", self.name), tag, element("nav", *links, theme))

    def _opening(self) -> Markup:
        """The verdict first; of several runs that of the comparison, then each for itself."""
        parts: list[object] = [element("p", opening.SIMULATED, class_="banner")] if self.simulated else []
        if self.comparison and self.comparison.is_paired:
            parts += opening.verdict(comparing.headline(self.comparison), comparing.how_sure(self.comparison))
        for source in self.sources:
            parts += opening.of_run(source, is_alone=len(self.sources) == 1, compared=self.comparison)
        return element("section", *parts, id="verdict")

    def _chapters(self) -> Iterator[Markup | None]:
        yield self._chapter("accuracy", plots.accuracy_plots, sections.accuracy_table)
        yield self._differences()
        yield self._chapter("time", plots.time_plots)
        yield self._chapter("latency", plots.latency_plots)
        yield self._chapter("cost", plots.cost_plots, sections.cost_table)
        yield sections.items(self.items, self._title("items"))
        yield sections.chapter("about", CHAPTERS["about"], *map(sections.description, self.sources))

    def _chapter(self, name: str, charts: Plots, table: Callable[[Source], Markup] | None = None) -> Markup:
        parts: list[object] = []
        for index, source in enumerate(self.sources):
            several = len(self.sources) > 1
            parts += [element("h3", source.name)] if several else []
            parts += [self._drawn(charts(source, f"run{index}-" if several else ""))]
            parts += [table(source)] if table else []
        return sections.chapter(name, self._title(name), *parts)

    def _differences(self) -> Markup | None:
        found = self.comparison
        if found is None or not found.differences:
            return None
        drawn = self._drawn(comparing.difference_plot(found))
        parts = (comparing.flips(found), drawn, comparing.difference_table(found))
        return sections.chapter("differences", self._title("differences"), *parts)

    def _title(self, name: str) -> str:
        return f"{CHAPTERS[name]} (simulated)" if self.simulated else CHAPTERS[name]

    def _drawn(self, charts: Iterable[Chart]) -> Markup:
        found = list(charts)
        self.charts.update({chart.name: chart for chart in found})
        return sections.plots(found, simulated=self.simulated)
