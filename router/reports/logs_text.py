"""The analysis as tables and sentences for a terminal of any width, with colour or without."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from router.analysis.analysis import Analysis
from router.analysis.episode import Episode
from router.analysis.errors import Errors
from router.analysis.rows import SCOPES, WINDOWS_S
from router.analysis.runs import Run
from router.analysis.stalls import Hang
from router.analysis.throttles import Throttle
from router.analysis.usage import Usage
from router.analysis.waits import bound_by
from router.analysis.wording import (
    counted,
    listed,
    moment,
    quoted,
    said,
    seconds,
    share,
    time_of_day,
    window_words,
)
from router.reports.paper import BAD, DIM, GOOD, WARNING, printed, simulated_line, table, titled, told, words

MAX_ROWS = 40
MAX_TOLD = 15
ENDS = {
    "finished": "finished",
    "interrupted": "interrupted",
    "open": "without an end in the log: it goes on, or was killed",
}


def render(analysis: Analysis, width: int = 100, *, color: bool = False) -> str:
    """The whole report as text of at most `width` columns. Times are UTC, as in the log."""
    parts: list[RenderableType] = list(_head(analysis))
    if analysis.advice:
        parts += [titled("What to do, were these real vendors" if analysis.simulated else "What to do")]
        parts += _advice(analysis)
    if analysis.episodes:
        parts += [titled("Bans and rests"), _episodes(analysis), *_stories(analysis)]
    if analysis.hangs:
        parts += [titled("Hangs"), *(words(_hang(hang)) for hang in analysis.hangs[:MAX_ROWS])]
    if analysis.errors:
        parts += [titled("Errors"), _errors(analysis.errors), *_examples(analysis)]
    if analysis.throttles:
        parts += [titled("429s against the declared rates"), _throttles(analysis.throttles)]
    if analysis.usage:
        parts += [titled("Calls"), _usage(analysis.usage, analysis.duration_s)]
    return printed(parts, width, color=color)


def _rows(made: Table, rows: Sequence[Sequence[object]], most: int = MAX_ROWS) -> Table:
    """Fill a table with the first rows, and say how many more there are."""
    for row in rows[:most]:
        made.add_row(*(cell if isinstance(cell, Text) else words(cell) for cell in row))
    if len(rows) > most:
        made.add_row("…", f"and {len(rows) - most:,} more, see --json")
    return made


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
        yield words(f"Bound by {bound}.")
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


# Bans and rests.


def _episodes(analysis: Analysis) -> Table:
    right = ("calls", "items")
    made = table("when", "who", "why", "how it ended", "not ready", *right, right=right)
    lengths = {run.run: sum(each.duration_s for each in analysis.runs if each.run == run.run) for run in analysis.runs}
    rows = [
        (
            time_of_day(each.started_at),
            words(each.name, _style(each)),
            f"{each.fault} {each.status or ''}".strip(),
            _end(each),
            f"{seconds(each.cost.not_ready_s)} ({share(each.cost.not_ready_s, lengths[each.run])})",
            each.cost.calls,
            each.cost.items.items,
        )
        for each in _costliest(analysis.episodes, MAX_ROWS)
    ]
    hidden = len(analysis.episodes) - len(rows)
    return _rows(
        made, rows if not hidden else [*rows, ("", "…", f"and {hidden:,} shorter ones, see --json")], hidden + 99
    )


def _costliest(episodes: Sequence[Episode], most: int) -> list[Episode]:
    """The longest, in the order in which they began."""
    longest = sorted(episodes, key=lambda each: each.cost.not_ready_s, reverse=True)[:most]
    return sorted(longest, key=lambda each: each.started_at)


def _style(episode: Episode) -> str:
    if episode.ended_at is not None:
        return GOOD if episode.ended in {"ready", "cleared"} else WARNING
    return BAD if episode.ended == "dropped" else WARNING


def _end(episode: Episode) -> str:
    """How it ended, or how it stood when the log ended."""
    match episode.ended:
        case "ready":
            return f"ready at {time_of_day(episode.ended_at or 0)}"
        case "cleared":
            return "taken back"
        case "then_dropped":
            return f"dropped at {time_of_day(episode.ended_at or 0)}"
        case "dropped":
            return "dropped for the run"
        case "resting":
            until = episode.until_at
            return f"resting till {moment(until) if _is_far(episode) else time_of_day(until)}" if until else "resting"
        case "trial":
            return "on trial"
        case _:
            return f"ramping, at {share(episode.share, 1)} of its rate"


def _is_far(episode: Episode) -> bool:
    """Whether a rest ends on another day than it began."""
    return moment(episode.until_at or 0).split()[0] != moment(episode.started_at).split()[0]


def _stories(analysis: Analysis) -> Iterable[RenderableType]:
    for episode in _costliest(analysis.episodes, MAX_TOLD):
        yield Text()
        yield words(_opening(episode), "bold")
        yield told(("said", _said(episode, analysis)), ("before", _before(episode)), ("cost", _cost(episode)))


def _opening(episode: Episode) -> str:
    hashes = [hash_ for hash_ in episode.key_hashes if hash_]
    who = f"{episode.name} (key_hash {listed(hashes)})" if hashes and episode.scope != "provider" else episode.name
    who += ", one account" if episode.scope == "account" and len(episode.keys) > 1 else ""
    fate = "dropped" if episode.ended == "dropped" else "had to rest"
    alike = f": {listed(episode.keys)} failed alike within seconds" if episode.alike and len(episode.keys) > 1 else ""
    return f"{time_of_day(episode.started_at)}  {who}: {fate} for {episode.fault or 'no stated reason'}{alike}"


def _said(episode: Episode, analysis: Analysis) -> str:
    """The vendor's words where the advice has not told them already."""
    message = "" if _is_told(episode.message, analysis) else episode.message
    words = [said(episode.status, episode.vendor_code, message)] if message or episode.status else []
    down = (
        [f"{episode.provider} had no usable key then"] if episode.provider_down and episode.scope != "provider" else []
    )
    return ". ".join(words + down)


def _is_told(message: str, analysis: Analysis) -> bool:
    return bool(message) and any(quoted(message) in advice.text for advice in analysis.advice)


def _before(episode: Episode) -> str:
    """The calls before, by scope; the same numbers are not told twice, nor windows that add nothing."""
    before = episode.came_before
    scopes: dict[str, list[str]] = {}
    for scope, prefix in SCOPES.items():
        if counts := _growing({window: before.get(f"{prefix}sent_{window}") for window in WINDOWS_S}):
            scopes.setdefault(counts, []).append(scope)
    parts = [
        *(f"{listed(names)}: {counts}" for counts, names in scopes.items()),
        f"{before['peak_1s']} in the busiest second of the minute" if "peak_1s" in before else "",
        f"{before['in_flight']} in flight" if "in_flight" in before else "",
        f"declared {before.get('declared_rate', 'no rate')}",
        f"{counted(episode.answered_before, 'good answer')} so far",
    ]
    statuses = before.get("last_statuses")
    last = f". Last: {_folded(statuses)}" if isinstance(statuses, Sequence) else ""
    return "; ".join(filter(None, parts)) + last


def _growing(counts: Mapping[str, object]) -> str:
    """`3 calls in 1 s, 61 in 60 s, no more in an hour`: windows that add nothing are told together."""
    parts: list[str] = []
    known, same = None, ""
    for window, number in counts.items():
        if isinstance(number, int) and number == known:
            same = f", no more in {window_words(window)}"
        elif isinstance(number, int):
            parts.append(f"{f'{number:,}' if parts else counted(number, 'call')} in {window_words(window)}")
            known, same = number, ""
    return ", ".join(parts) + same


def _folded(statuses: Sequence[object]) -> str:
    """`openai#1 200 ×3, openai#1 401`: equal neighbours once."""
    folded: list[tuple[str, int]] = []
    for status in map(str, statuses):
        if folded and folded[-1][0] == status:
            folded[-1] = (status, folded[-1][1] + 1)
        else:
            folded.append((status, 1))
    return ", ".join(name if number == 1 else f"{name} ×{number}" for name, number in folded)


def _cost(episode: Episode) -> str:
    cost, items = episode.cost, episode.cost.items
    spent = {"resting": cost.resting_s, "on trial": cost.trial_s, "slow afterwards": cost.ramping_s}
    if episode.ended == "dropped":
        spent = {"lost till the end": cost.not_ready_s}
    time = ", ".join(f"{seconds(amount)} {what}" for what, amount in spent.items() if amount) or "no time"
    rests = f" in {counted(episode.rests, 'rest')}" if episode.rests > 1 else ""
    led = f" ({cost.led} of them led to it)" if 0 < cost.led < cost.calls else ""
    answered = {
        "answered elsewhere": items.answered_elsewhere,
        "here later": items.answered_here,
        "never answered": items.unanswered,
    }
    fates = ", ".join(f"{number:,} {how}" for how, number in answered.items() if number)
    whose = f"; {counted(items.items, 'item')}: {fates}" if items.items else ""
    return f"{time}{rests}; {counted(cost.calls, 'failed call')}{led}{whose}. {_end(episode).capitalize()}."


def _hang(hang: Hang) -> str:
    """When a vendor said nothing, or let some calls hang while it answered others."""
    calls = f"{counted(hang.calls, 'call')} timed out after up to {seconds(hang.slowest_s)}"
    unanswered = hang.items.unanswered
    answered = "all answered later" if not unanswered else f"{unanswered} never answered"
    items = f"; {counted(hang.items.items, 'item')}, {answered}" if hang.items.items else ""
    start, provider = time_of_day(hang.started_at), hang.provider
    if hang.back_at is None:
        return f"{start}  {provider} took calls and has not answered since: {calls}{items}"
    if hang.back_at < hang.started_at + hang.slowest_s:
        return f"{start}  {provider} let calls hang while it answered others: {calls}{items}"
    return f"{start}  {provider} took calls and said nothing for {seconds(hang.lasted_s)}: {calls}{items}"


# Errors, 429s, calls.


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
    return _rows(table("key", "kind", "HTTP", "calls", "first", "last", right=["calls"]), rows)


def _examples(analysis: Analysis) -> Iterable[Text]:
    """What vendors said beyond what was told above, each sentence once."""
    above = {episode.message for episode in _costliest(analysis.episodes, MAX_TOLD)} | {""}
    for row in analysis.errors[:MAX_TOLD]:
        for example in row.examples:
            if example.message not in above and not _is_told(example.message, analysis):
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
    named = ("key", "calls", "429s", "of the rate", "declared", "sent before", "peak 1 s", "told to wait")
    return _rows(table(*named, right=right), rows)


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
    return _rows(table("who", *right, "unusable", right=right), rows, len(rows))
