"""The comparison of a report: its headline, what makes it sure, the table and the plot of differences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from router.analysis.results import Results, between, within
from router.analysis.wording import listed
from router.errors import ConfigError
from router.evals.comparison import Comparison, Difference
from router.evals.results import Row
from router.reports.compare_text import apart, many, needed, p_text, points_text, verdict
from router.reports.html import charts
from router.reports.html.charts import Chart
from router.reports.html.markup import Markup, element, table
from router.reports.html.source import Source
from router.reports.wording import count_text

MAX_TOLD = 3
"""So many differences are told in sentences; more are a table alone."""


@dataclass(frozen=True, slots=True)
class _Read(Results):
    """Results whose rows have been read already."""

    read: Sequence[Row]

    def rows(self) -> Iterator[Row]:
        """The rows at hand."""
        return iter(self.read)


def comparison_of(sources: Sequence[Source]) -> Comparison | None:
    """The runs compared with each other, or the prompts, models or providers within one; None without two of them."""
    results = [_Read(source.directory, source.described, source.rows) for source in sources]
    try:
        return between(results) if len(results) > 1 else within(results[0])
    except ConfigError:
        return None


def headline(found: Comparison) -> str:
    """What to take, in a few words."""
    ranked = sorted((arm for arm in found.arms if arm.mean is not None), key=lambda arm: -(arm.mean or 0.0))
    if not ranked:
        return "Nothing is marked, so nothing is compared."
    best = ranked[0].name
    beaten = _beaten_by(best, found)
    if len(beaten) == len(found.arms) - 1:
        return f"Take {best}: it beats {beaten[0]}" if len(beaten) == 1 else f"Take {best}: it beats all others"
    if len(found.arms) == 2:  # noqa: PLR2004 - a pair
        return f"Undecided between {found.arms[0].name} and {found.arms[1].name}"
    others = [arm.name for arm in found.arms if arm.name not in {best, *beaten}]
    return f"{best} is ahead, but not decided against {listed(others)}"


def _beaten_by(name: str, found: Comparison) -> list[str]:
    pairs = [(each, each.better) for each in found.differences if each.better == name]
    return [each.a if better == each.b else each.b for each, better in pairs]


def how_sure(found: Comparison) -> Iterator[str]:
    """The figures behind the headline."""
    told = found.differences if len(found.differences) <= MAX_TOLD else ()
    for each in told:
        yield f"{verdict(each, found.measure)}."
        if not each.is_decided and each.items:
            yield needed(each)
        if each.elsewhere:
            yield (
                f"{count_text(each.elsewhere)} of {count_text(each.items)} items had two different providers or "
                "models with the two, so part of the difference may be theirs."
            )
    if len(found.differences) > 1:
        yield many(found)
    if not found.is_paired:
        yield apart(found)


def difference_plot(found: Comparison) -> Iterator[Chart]:
    """Every paired difference with its interval."""
    if found.differences:
        yield Chart(
            "differences",
            "Paired differences",
            "Right of zero: the first of the two is better. Where the interval reaches zero, chance may be all of it.",
            charts.differences([_record(each) for each in found.differences]),
        )


def _record(each: Difference) -> dict[str, object]:
    return {
        "name": f"{each.b} − {each.a}",
        "difference": 100 * each.difference,
        "low": 100 * each.interval.low,
        "high": 100 * each.interval.high,
        "items": each.items,
        "p": each.p_adjusted,
        "decided": "decided" if each.is_decided else "undecided",
    }


def difference_table(found: Comparison) -> Markup:
    """The same in figures, with what McNemar's test is made of."""
    head = ["compared", "items", "left out", "points", "95 %", "p, adjusted", "exact p"]
    head += ["both right", "only the first", "only the second", "neither", "items needed"]
    return table(head, map(_line, found.differences), numbers=head[1:])


def _line(each: Difference) -> list[object]:
    pairs = each.pairs
    counts = (pairs.both, pairs.only_b, pairs.only_a, pairs.neither) if pairs else (None,) * 4
    return [
        f"{each.b} − {each.a}",
        count_text(each.items),
        count_text(each.left_out),
        points_text(each.difference),
        f"{points_text(each.interval.low)} to {points_text(each.interval.high)}",
        p_text(each.p_adjusted, name=""),
        p_text(each.exact, name=""),
        *map(count_text, counts),
        count_text(each.items_needed),
    ]


def flips(found: Comparison) -> Markup | None:
    """Where to see the items that ended differently."""
    flipped = sum(len(each.flips.only_a) + len(each.flips.only_b) for each in found.differences)
    if not flipped or found.factor == "provider":
        return None
    return element("p", element("a", "Show the items that flipped", href="#flipped=1"), class_="note")
