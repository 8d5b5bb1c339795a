"""The analysis as tables and sentences for a terminal of any width, with colour or without."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from router.analysis.analysis import Analysis
from router.analysis.errors import Errors
from router.analysis.runs import Run
from router.analysis.stalls import Hang
from router.analysis.throttles import Throttle
from router.analysis.usage import Usage
from router.analysis.waits import bound_by
from router.analysis.wording import (
    counted,
    moment,
    quoted,
    seconds,
    share,
    time_of_day,
    window_words,
)
from router.reports.episodes_text import episodes_text, is_told, told_above
from router.reports.paper import DIM, GOOD, WARNING, filled, printed, simulated_line, table, titled, words

MAX_ROWS = 40
MAX_TOLD = 15
ENDS = {
    "finished": "finished",
    "interrupted": "interrupted",
    "open": "no end in the log: it is still running, or was killed",
}


def render(analysis: Analysis, width: int = 100, *, color: bool = False) -> str:
    """The whole report as text of at most `width` columns. Times are UTC, as in the log."""
    parts: list[RenderableType] = list(_head(analysis))
    if analysis.advice:
        parts += [titled("What to do if these were real vendors" if analysis.simulated else "What to do")]
        parts += _advice(analysis)
    if analysis.episodes:
        parts += episodes_text(analysis)
    if analysis.hangs:
        parts += [titled("Hangs"), *(words(_hang(hang)) for hang in analysis.hangs[:MAX_ROWS])]
    if analysis.errors:
        parts += [titled("Errors"), _errors(analysis.errors), *_examples(analysis)]
    if analysis.throttles:
        parts += [titled("429s against the declared rates"), _throttles(analysis.throttles)]
    if analysis.usage:
        parts += [titled("Calls"), _usage(analysis.usage, analysis.duration_s)]
    return printed(parts, width, color=color)


# The head.


def _head(analysis: Analysis) -> Iterable[Text]:
    if analysis.simulated:
        yield simulated_line()
    runs = analysis.runs
    for run in runs[:MAX_ROWS]:
        yield words(_run(run))
        for name, why in run.left_out.items():
            yield words(f"  {name} took no part: {why}", DIM)
    if len(runs) > MAX_ROWS:
        yield words(f"… and {counted(len(runs) - MAX_ROWS, 'run')} more")
    if bound := bound_by(analysis.waited):
        yield words(f"What calls waited for: {bound}.")
    if not analysis.usage:
        yield words("No call in this log.")
    elif not analysis.errors and not analysis.episodes:
        yield words("Nothing went wrong: every call was answered.", GOOD)
    damaged = f"; {counted(analysis.damaged, 'damaged line')} skipped" if analysis.damaged else ""
    yield words(f"{counted(analysis.lines, 'event')} read{damaged}. Times are UTC.", WARNING if damaged else DIM)


def _run(run: Run) -> str:
    outcomes = ", ".join(f"{number:,} {name}" for name, number in run.outcomes.most_common())
    items = f"{counted(run.items, 'item')} settled ({outcomes})" if run.items else "no item settled"
    name, calls = run.run or "a run without a name", counted(run.calls, "call")
    return f"{name}: {moment(run.started_at)}, {seconds(run.duration_s)}, {calls}, {items}, {ENDS[run.ended]}"


def _advice(analysis: Analysis) -> Iterable[RenderableType]:
    for number, advice in enumerate(analysis.advice, 1):
        yield words(f"{number}. {advice.text}")
        if advice.set is not None:
            yield words(f"   providers.yaml, under `{advice.provider}:`, set `{advice.set}`", "bold green")


# Hangs, errors, 429s, calls.


def _hang(hang: Hang) -> str:
    """When a vendor said nothing, or let some calls hang while it answered others."""
    calls = f"{counted(hang.calls, 'call')} timed out after up to {seconds(hang.slowest_s)}"
    unanswered = hang.items.unanswered
    answered = "all answered later" if not unanswered else f"{unanswered} never answered"
    items = f"; {counted(hang.items.items, 'item')}, {answered}" if hang.items.items else ""
    start, provider = time_of_day(hang.started_at), hang.provider
    if hang.back_at is None:
        return f"{start}  {provider} accepted calls and has not answered since: {calls}{items}"
    if hang.back_at < hang.started_at + hang.slowest_s:
        return f"{start}  {provider} let calls hang while it answered others: {calls}{items}"
    return f"{start}  {provider} accepted calls and said nothing for {seconds(hang.lasted_s)}: {calls}{items}"


def _errors(errors: Sequence[Errors]) -> Table:
    rows = [
        (
            each.key or each.provider,
            each.fault,
            ", ".join("–" if status == "none" else status for status in each.statuses),
            f"{each.count:,}",
            time_of_day(each.first_at),
            time_of_day(each.last_at),
        )
        for each in errors
    ]
    return filled(table("key", "kind", "HTTP", "calls", "first", "last", right=["calls"]), rows, MAX_ROWS)


def _examples(analysis: Analysis) -> Iterable[Text]:
    """What vendors said beyond what was told above, each sentence once."""
    above = {"", *told_above(analysis)}
    for row in analysis.errors[:MAX_TOLD]:
        for example in row.examples:
            if example.message not in above and not is_told(example.message, analysis):
                above.add(example.message)
                item = f" ({example.item})" if example.item else ""
                who = f"{time_of_day(example.seen_at)}  {row.key or row.provider} {row.fault}"
                yield words(f"{who}: {quoted(example.message)}{item}", DIM)


def _throttles(throttles: Sequence[Throttle]) -> Table:
    right = ("calls", "429s", "of the rate", "peak 1 s")
    rows = [
        (
            each.key or each.provider,
            f"{each.calls:,}",
            f"{each.status_429:,}",
            f"{each.about_rate:,}",
            each.declared or "–",
            _sent_before(each),
            "–" if each.peak_1s is None else each.peak_1s,
            seconds(each.told_s) if each.told_s else "–",
        )
        for each in throttles
    ]
    named = ("key", "calls", "429s", "of the rate", "declared", "sent before", "peak 1 s", "asked to wait")
    return filled(table(*named, right=right), rows, MAX_ROWS)


def _sent_before(row: Throttle) -> str:
    if row.sent_low is None or row.window is None:
        return "–"
    spread = str(row.sent_low) if row.sent_low == row.sent_high else f"{row.sent_low} to {row.sent_high}"
    return f"{spread} in {window_words(row.window)}"


def _usage(usage: Sequence[Usage], duration_s: float) -> Table:
    right = ("calls", "answered", "failed", "429s", "mean", "slowest")
    rows = [
        (
            words(each.provider if each.key is None else f"  {each.key}", "bold" if each.key is None else ""),
            *(f"{number:,}" for number in (each.calls, each.answered, each.failed, each.status_429)),
            *("–" if amount is None else seconds(amount) for amount in (each.latency_mean_s, each.latency_max_s)),
            f"{seconds(each.unavailable_s)} ({share(each.unavailable_s, duration_s)})" if each.unavailable_s else "",
        )
        for each in usage
    ]
    return filled(table("who", *right, "unusable", right=right), rows)
