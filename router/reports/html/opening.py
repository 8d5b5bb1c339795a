"""The first screen: what came out, how sure that is, and what went wrong on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from router.analysis.episode import Episode
from router.analysis.waits import bound_by
from router.analysis.wording import counted, listed, seconds, share, time_of_day
from router.evals.comparison import Comparison
from router.evals.stats import bounds, format_hms, wilson
from router.evals.summary import Counts
from router.reports.compare_text import apart
from router.reports.html.markup import Markup, element, joined
from router.reports.html.source import Source
from router.reports.wording import figure_text, percent_text

MAX_TOLD = 6
SIMULATED = "SIMULATED vendors: nothing here says anything about a prompt, a model or a vendor."


def verdict(headline: str, sentences: Iterable[str]) -> Iterator[Markup]:
    """The headline, and what makes it sure."""
    yield element("h1", headline)
    yield from (element("p", line, class_="sure") for line in sentences)


def of_run(source: Source, *, is_alone: bool, compared: Comparison | None) -> Iterator[Markup]:
    """One run: its name where there are several, its accuracy, its figures, its troubles."""
    counts = totals(source)
    if not is_alone:
        yield element("h2", source.name)
    yield from _banners(source)
    if compared is None or not compared.is_paired:
        yield from verdict(verdict_of_one(counts), [*how_sure(counts), *([apart(compared)] if compared else [])])
    elif not is_alone:
        yield from (element("p", line) for line in how_sure(counts))
    yield facts(source, counts)
    yield troubles(source)


def _banners(source: Source) -> Iterator[Markup]:
    """What must be known before anything is read."""
    if source.summary.get("interrupted"):
        yield element("p", "Interrupted: some items have no outcome yet.", class_="banner")
    if stopped := source.summary.get("stopped"):
        yield element("p", f"Stopped: {stopped}", class_="banner")
    if not source.summary:
        yield element("p", "This run has no summary: it goes on, or was killed.", class_="banner")


def totals(source: Source) -> Counts:
    """What all rows of a run add up to."""
    counts = Counts()
    for row in source.rows:
        counts.add(row)
    return counts


def verdict_of_one(counts: Counts) -> str:
    """The accuracy in a sentence, where nothing is compared."""
    if not counts.items:
        return "No item has an outcome."
    if not counts.marked:
        return f"{counted(counts.items, 'item')}, none of them marked."
    return f"{percent_text(counts.accuracy)} % right"


def how_sure(counts: Counts) -> Iterator[str]:
    """The interval, and what the errors might have been."""
    if counts.marked:
        right, errors = counts.verdicts["right"], counts.verdicts["error"]
        ends = wilson(right, counts.marked)
        yield (
            f"{right:,} of {counted(counts.marked, 'marked answer')} are right; 95 % interval "
            f"{percent_text(ends.low)} to {percent_text(ends.high)} %."
        )
        if errors:
            limits = bounds(right, counts.marked, errors)
            yield (
                f"{counted(errors, 'item')} got no answer; had all been wrong or all right, it would be "
                f"{percent_text(limits.low)} to {percent_text(limits.high)} %."
            )


def facts(source: Source, counts: Counts) -> Markup:
    """Figures in a row."""
    outcomes = {name: number for name, number in counts.verdicts.items() if number}
    elapsed = source.summary.get("elapsed_s")
    rate = source.summary.get("items_per_s")
    pairs: list[tuple[str, object]] = [("items", f"{counts.items:,}")]
    pairs += [(name, f"{outcomes[name]:,}") for name in outcomes]
    pairs += [("calls", f"{sum(each.calls for each in source.analysis.usage if each.key is None):,}")]
    if isinstance(elapsed, int | float):
        pairs += [("elapsed", format_hms(float(elapsed)).split(".")[0])]
    if isinstance(rate, int | float):
        pairs += [("items/s", figure_text(float(rate)))]
    if counts.priced:
        pairs += [("would cost" if source.simulated else "cost", f"${counts.cost_usd:,.4f}")]
    return element("dl", *(element("div", element("dt", name), element("dd", value)) for name, value in pairs))


def troubles(source: Source) -> Markup:
    """What went wrong on the way, worst first, and what to do about it."""
    told, todo = list(_troubles(source)), list(_advice(source))
    if not told:
        told.append("Nothing went wrong: every call was answered.")
    if bound := bound_by(source.analysis.waited):
        told.append(f"What calls waited for: {bound}.")
    title = "What to do, were these real vendors" if source.analysis.simulated else "What to do"
    return joined([*_list("On the way", told), *(_list(title, todo) if todo else ())])


def _list(title: str, lines: Iterable[object]) -> tuple[Markup, Markup]:
    return element("h3", title), element("ul", *(element("li", line) for line in lines))


def _advice(source: Source) -> Iterator[Markup]:
    for advice in source.analysis.advice:
        line = element("code", advice.set) if advice.set else None
        yield joined([advice.text, " Set " if line else None, line, f" under {advice.provider}." if line else None])


def _troubles(source: Source) -> Iterator[str]:
    analysis = source.analysis
    reasons = Counter(row.reason or row.fault or "unknown" for row in source.rows if row.outcome == "error")
    if reasons:
        told = ", ".join(f"{name} {number:,}" for name, number in reasons.most_common())
        yield f"{counted(reasons.total(), 'item')} got no answer: {told}."
    told_of = sorted(analysis.episodes, key=lambda each: -each.cost.not_ready_s)
    for episode in told_of[:MAX_TOLD]:
        yield _episode(episode, source.timeline.duration_s)
    if len(told_of) > MAX_TOLD:
        yield f"{len(told_of) - MAX_TOLD:,} shorter rests, see the plots."
    failed = sum(each.failed for each in analysis.usage if each.key is None)
    if failed:
        calls = sum(each.calls for each in analysis.usage if each.key is None)
        kinds: Counter[str] = Counter()
        for each in analysis.errors:
            kinds[each.fault] += each.count
        causes = listed([f"{name} {number:,}" for name, number in kinds.most_common()])
        yield f"{failed:,} of {counted(calls, 'call')} failed and were sent again where that could help: {causes}."


def _episode(episode: Episode, duration_s: float) -> str:
    lost_s = min(episode.cost.not_ready_s, duration_s)
    lasted = f"{seconds(lost_s)} ({share(lost_s, duration_s)} of the run)"
    why = " ".join(filter(None, [episode.fault or "no stated reason", str(episode.status or "")]))
    ended = {
        "ready": "then it was ready again",
        "cleared": "taken back, since others failed alike",
        "then_dropped": "then it was dropped",
        "dropped": "dropped for the run",
    }.get(episode.ended, f"{episode.ended} at the end")
    return f"{time_of_day(episode.started_at)} UTC: {episode.name} not ready for {lasted}, {why}; {ended}."


def names(sources: Sequence[Source]) -> str:
    """The runs' names, for titles."""
    return listed([source.name for source in sources])
