"""A comparison as a text for people: the verdict first, in one sentence; import it where it is used (rich)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.console import RenderableType
from rich.text import Text

from router.evals.comparison import Arm, Comparison, Difference, Part
from router.evals.paired import ALPHA
from router.evals.stats import Interval
from router.reports.paper import DIM, GOOD, WARNING, printed, simulated_line, words
from router.reports.tables import Column, grid
from router.reports.wording import DASH, count_text, percent_text

MAX_FLIPS = 5
MAX_TOLD = 3
"""So many differences are told in sentences of their own; more are a table."""
MIN_NAME = 24
SMALL_P = 0.001


def render(comparison: Comparison, width: int = 100, *, color: bool = False, margin: float | None = None) -> str:
    """The comparison as lines of at most `width` cells; `margin` (0…1) is that within which arms are called alike."""
    parts = [*([simulated_line(), Text()] if comparison.simulated else []), *blocks(comparison, width, margin)]
    return printed(parts, width, color=color)


def blocks(comparison: Comparison, width: int, margin: float | None = None) -> Iterator[RenderableType]:
    """What a comparison found, as parts of a page: the verdict, the arms, the details."""
    yield from headlines(comparison, margin)
    yield Text()
    yield grid(_arm_columns(comparison), comparison.arms, width=width, names="fold", min_name=MIN_NAME)
    yield from details(comparison, width)


def headlines(comparison: Comparison, margin: float | None = None) -> Iterator[Text]:
    """The verdicts, and how many comparisons were made."""
    differences = comparison.differences
    is_told = len(differences) <= MAX_TOLD
    yield from (_headline(each, comparison, margin) for each in differences if is_told or each.better)
    if not comparison.is_paired:
        yield words(apart(comparison), "bold")
    if len(differences) > 1:
        yield words(many(comparison), DIM)


def details(comparison: Comparison, width: int) -> Iterator[RenderableType]:
    """What stands behind the verdicts: counts, what would be needed, who flipped, and each provider's part."""
    differences = comparison.differences
    if len(differences) <= MAX_TOLD:
        for each in differences:
            yield from _details(each, is_alone=len(differences) == 1)
    else:
        yield Text()
        yield grid(_difference_columns(comparison), differences, width=width, names="fold", min_name=MIN_NAME)
    if comparison.factor == "prompt" and len({(part.provider, part.model) for part in comparison.parts}) > 1:
        yield Text()
        yield grid(_part_columns(comparison), comparison.parts, width=width, names="fold", min_name=MIN_NAME)


def _headline(found: Difference, comparison: Comparison, margin: float | None) -> Text:
    return words(verdict(found, comparison.measure, margin), f"bold {GOOD}" if found.better else "bold")


def apart(comparison: Comparison) -> str:
    """Whether arms differ that were asked different items."""
    alike = "may be equally good" if (comparison.together or 0.0) > ALPHA else "differ"
    return (
        f"The {comparison.factor}s {alike} ({p_text(comparison.together)}); each was asked other items. "
        "`--across every` asks all of them the same."
    )


def verdict(found: Difference, measure: str = "accuracy", margin: float | None = None) -> str:
    """What a difference says, in one sentence."""
    if not found.items:
        return f"Nothing to compare: {found.a} and {found.b} have no item that both have marked."
    means = {found.a: found.mean_a, found.b: found.mean_b}
    first = found.better or (found.b if found.difference > 0 else found.a)
    other = found.a if first == found.b else found.b
    sign = 1 if first == found.b else -1
    ends = sorted((sign * found.interval.low, sign * found.interval.high))
    second = "" if found.better else f"{other} "
    figures = (
        f"{_mean(means[first], measure)} against {second}{_mean(means[other], measure)}, "
        f"{'+' if found.difference else ''}{points_text(sign * found.difference)} points "
        f"({points_text(ends[0])} to {points_text(ends[1])}), "
        f"{p_text(found.p_adjusted)}, {counted(found.items, 'item')}"
    )
    if found.better:
        return f"{first} beats {other}: {figures}"
    if margin is not None and found.within(margin):
        return f"{found.a} and {found.b} are the same within {100 * margin:g} points: {figures}"
    return f"Undecided: {first} {figures}"


def _details(found: Difference, *, is_alone: bool) -> Iterator[Text]:
    lines = list(_sentences(found))
    if lines and not is_alone:
        yield words(f"\n{found.a}, {found.b}", "bold")
    elif lines:
        yield Text()
    yield from lines


def _sentences(found: Difference) -> Iterator[Text]:
    if found.elsewhere:
        yield words(
            f"{counted(found.elsewhere, 'item')} of {found.items:,} had two different providers or models with "
            "the two, so part of the difference may be theirs.",
            WARNING,
        )
    if found.left_out:
        yield words(f"{counted(found.left_out, 'item')} took no part, without a mark in one of the two.", DIM)
    if found.pairs is not None:
        yield words(
            f"both right {found.pairs.both:,}   only {found.a} {found.pairs.only_a:,}   "
            f"only {found.b} {found.pairs.only_b:,}   neither {found.pairs.neither:,}   "
            f"(McNemar mid-p {p_text(found.p, name='')}, exact {p_text(found.exact, name='')})"
        )
    if not found.is_decided and found.items:
        yield words(needed(found), DIM)
    for name, ids in ((found.a, found.flips.only_a), (found.b, found.flips.only_b)):
        if ids:
            yield words(f"only {name} has right: {_listed(ids)}", DIM)


def needed(found: Difference) -> str:
    """How many items would show a difference that is not decided."""
    if not found.difference:
        return "No difference at all was seen; `router plan --detect` says how many items would show one of a size."
    if found.items_needed is None:
        return "A difference as small as this one would need more than a million items."
    more = found.items_needed - found.items
    return (
        f"If the difference is as large as it looks, about {found.items_needed:,} items"
        f"{f' ({more:,} more)' if more > 0 else ''} would show it in 4 of 5 cases."
    )


def many(comparison: Comparison) -> str:
    """How many comparisons were made, and what all of them say together."""
    number, undecided = len(comparison.differences), sum(not each.is_decided for each in comparison.differences)
    together = "" if comparison.together is None else f" All together: Cochran's Q, {p_text(comparison.together)}."
    return (
        f"{number} comparisons were made, each p is adjusted for that (Holm), {undecided or 'none'} "
        f"{'is' if undecided <= 1 else 'are'} undecided.{together}"
    )


# Small parts.


def _arm_columns(comparison: Comparison) -> tuple[Column[Arm], ...]:
    return (
        Column(comparison.factor, lambda arm: Text(arm.name), align="left"),
        Column("items", lambda arm: Text(count_text(arm.items))),
        Column("marked", lambda arm: Text(count_text(arm.marked)), drop_order=2),
        Column("right", lambda arm: Text(count_text(arm.right)), drop_order=1),
        Column("score" if comparison.measure == "score" else "accuracy %", lambda arm: Text(_cell(arm, comparison))),
        Column("95 %", lambda arm: Text(_interval(arm, comparison))),
    )


def _part_columns(comparison: Comparison) -> tuple[Column[Part], ...]:
    return (
        Column(comparison.factor, lambda part: Text(part.arm), align="left"),
        Column("provider", lambda part: Text(part.provider), align="left"),
        Column("model", lambda part: words(part.model), align="left", drop_order=1),
        Column("marked", lambda part: Text(count_text(part.marked)), drop_order=3),
        Column("right", lambda part: Text(count_text(part.right)), drop_order=2),
        Column("accuracy %", lambda part: Text(percent_text(part.right / part.marked))),
        Column("95 %", lambda part: Text(_range(part.interval))),
    )


def _range(interval: Interval) -> str:
    return f"{percent_text(interval.low)}–{percent_text(interval.high)}"


def _difference_columns(comparison: Comparison) -> tuple[Column[Difference], ...]:
    return (
        Column(f"{comparison.factor}s", lambda each: Text(f"{each.b} − {each.a}"), align="left"),
        Column("items", lambda each: Text(count_text(each.items)), drop_order=1),
        Column("points", lambda each: Text(points_text(each.difference))),
        Column("95 %", lambda each: Text(f"{points_text(each.interval.low)} to {points_text(each.interval.high)}")),
        Column("p, adjusted", lambda each: Text(p_text(each.p_adjusted, name=""))),
        Column("needed", lambda each: Text(count_text(each.items_needed)), drop_order=2),
    )


def _cell(arm: Arm, comparison: Comparison) -> str:
    if arm.mean is None:
        return DASH
    return f"{arm.mean:.3f}" if comparison.measure == "score" else percent_text(arm.mean)


def _interval(arm: Arm, comparison: Comparison) -> str:
    if arm.mean is None:
        return DASH
    if comparison.measure == "score":
        return f"{arm.interval.low:.3f}–{arm.interval.high:.3f}"
    return _range(arm.interval)


def p_text(p: float | None, *, name: str = "p") -> str:
    """A p value as people print it, with an equals sign where it has a name: `p = 0.023`, `p < 0.001`."""
    if p is None:
        return DASH
    text = f"< {SMALL_P:g}" if p < SMALL_P else f"= {p:.3f}" if p < 0.1 else f"= {p:.2f}"  # noqa: PLR2004 - places
    return f"{name} {text}" if name else text.removeprefix("= ")


def _mean(mean: float | None, measure: str) -> str:
    if mean is None:
        return DASH
    return f"{mean:.3f}" if measure == "score" else f"{percent_text(mean)} %"


def points_text(share: float) -> str:
    """A difference in points of 100, with a true minus, which does not look like a range's dash."""
    points = round(100 * share, 1)
    return f"{'−' if points < 0 else ''}{abs(points):.1f}"


def counted(number: int, noun: str) -> str:
    """`1 item`, `2 items`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _listed(ids: Iterable[str]) -> str:
    named = list(ids)
    more = " and more, see --json or `router show --flipped`" if len(named) > MAX_FLIPS else ""
    return ", ".join(named[:MAX_FLIPS]) + more
