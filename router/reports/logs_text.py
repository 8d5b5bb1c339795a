"""The analysis as tables and sentences for a terminal of any width, with colour or without."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from router.analysis.analysis import Analysis
from router.analysis.episode import Episode
from router.analysis.errors import Errors
from router.analysis.rows import SCOPES, WINDOWS_S, sent
from router.analysis.runs import Run
from router.analysis.stalls import Hang
from router.analysis.throttles import Throttle
from router.analysis.usage import Usage
from router.analysis.wording import counted, moment, seconds, share, time_of_day, window_words
from router.reports.logs_paper import BAD, DIM, GOOD, WARNING, simulated_line, table, told, words
from router.reports.paper import printed

MAX_ROWS = 40
MAX_TOLD = 15
BARS = " ▁▂▃▄▅▆▇█"


def render(analysis: Analysis, width: int = 100, *, color: bool = False) -> str:
    """The whole report as text of at most `width` columns. Times are UTC, as in the log."""
    parts: list[RenderableType] = list(_head(analysis))
    if not analysis.episodes and not analysis.errors:
        parts.append(Text("Nothing went wrong: every call was answered." if analysis.usage else "No call in this log."))
    if analysis.episodes:
        parts += [_title("Bans and rests"), _episodes(analysis), *_stories(analysis.episodes)]
    if analysis.hangs:
        parts += [_title("Hangs"), *(words(_hang(hang)) for hang in analysis.hangs[:MAX_ROWS])]
    if analysis.errors:
        parts += [_title("Errors"), _errors(analysis), *_examples(analysis.errors)]
    if analysis.throttles:
        parts += [_title("429s against the declared rates"), _throttles(analysis.throttles)]
    if analysis.usage:
        parts += [_title("Calls"), _usage(analysis.usage, analysis.duration_s)]
    if analysis.advice:
        parts += [_title("What to do"), *_advice(analysis)]
    return printed(parts, width, color=color)


def _title(text: str) -> Text:
    return Text(f"\n{text}", style="bold underline")


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
    damaged = f"; {counted(analysis.damaged, 'damaged line')} skipped" if analysis.damaged else ""
    yield words(f"{counted(analysis.lines, 'event')} read{damaged}. Times are UTC.", WARNING if damaged else DIM)


def _run(run: Run) -> str:
    end = {
        "finished": "finished",
        "interrupted": "interrupted",
        "open": "without an end in the log: it goes on, or was killed",
    }[run.ended]
    outcomes = ", ".join(f"{number:,} {name}" for name, number in run.outcomes.items())
    items = f"{counted(run.items, 'item')} settled ({outcomes})" if run.items else "no item settled"
    name = run.run or "a run without a name"
    return f"{name}: {moment(run.started_at)}, {seconds(run.duration_s)}, {counted(run.calls, 'call')}, {items}, {end}"


# Bans and rests.


def _episodes(analysis: Analysis) -> Table:
    made = table(
        "when", "who", "why", "how it ended", "not ready", "calls", "items", right=frozenset({"calls", "items"})
    )
    shown = _costliest(analysis.episodes, MAX_ROWS)
    for episode in shown:
        cost = episode.cost
        made.add_row(
            time_of_day(episode.started_at),
            words(episode.name, _style(episode)),
            words(" ".join(filter(None, [episode.fault, str(episode.status or "")]))),
            words(_end(episode)),
            f"{seconds(cost.not_ready_s)} ({share(cost.not_ready_s, _length(analysis, episode))})",
            str(cost.calls),
            str(cost.items),
        )
    if len(shown) < len(analysis.episodes):
        made.add_row("", "…", f"and {len(analysis.episodes) - len(shown):,} shorter ones, see --json")
    return made


def _length(analysis: Analysis, episode: Episode) -> float:
    return sum(run.duration_s for run in analysis.runs if run.run == episode.run)


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


def _stories(episodes: Sequence[Episode]) -> Iterable[RenderableType]:
    for episode in _costliest(episodes, MAX_TOLD):
        yield Text()
        yield words(_opening(episode), "bold")
        yield told({"said": _said(episode), "before": _before(episode), "cost": _cost(episode)})


def _opening(episode: Episode) -> str:
    hashes = [hash_ for hash_ in episode.key_hashes if hash_]
    who = f"{episode.name} (key_hash {', '.join(hashes)})" if hashes else episode.name
    scope = {"account": ", one account", "provider": ", all its keys"}.get(episode.scope, "")
    fate = "dropped" if episode.ended == "dropped" else "had to rest"
    alike = ": several keys failed alike within seconds" if episode.alike else ""
    alike = ": none of its keys can be used any more" if episode.by_keys else alike
    return f"{time_of_day(episode.started_at)}  {who}{scope}: {fate} for {episode.fault or 'no stated reason'}{alike}"


def _said(episode: Episode) -> str:
    said = f"«{episode.message}»" if episode.message else "nothing"
    what = " ".join(filter(None, [f"HTTP {episode.status}" if episode.status else "", episode.vendor_code, said]))
    down = f". {episode.provider} had no usable key then" if episode.provider_down else ""
    return f"{what}{down}"


def _before(episode: Episode) -> str:
    """The calls before, by scope; the same numbers are not told twice."""
    before = episode.came_before
    scopes: dict[str, list[str]] = {}
    for scope in SCOPES:
        numbers = [sent(before, window, scope) for window in WINDOWS_S]
        if any(number is not None for number in numbers):
            counts = "/".join("?" if number is None else f"{number:,}" for number in numbers)
            scopes.setdefault(counts, []).append(scope)
    by = [f"{counts} by its {' and '.join(names)}" for counts, names in scopes.items()]
    windows = "/".join(window_words(window) for window in WINDOWS_S)
    rest = [
        f"peak {before['peak_1s']} in a second" if before.get("peak_1s") is not None else "",
        f"{before['in_flight']} in flight" if before.get("in_flight") is not None else "",
        f"declared {before.get('declared_rate') or 'no rate'}",
        f"{counted(episode.answered_before, 'good answer')} so far",
    ]
    statuses = before.get("last_statuses")
    last = f". Last: {_folded(statuses)}" if isinstance(statuses, list) and statuses else ""
    return f"calls in {windows}: {', '.join([*by, *filter(None, rest)])}{last}"


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
    cost = episode.cost
    spent = {"resting": cost.resting_s, "on trial": cost.trial_s, "slow afterwards": cost.ramping_s}
    if episode.ended == "dropped":
        spent = {"lost till the end": cost.not_ready_s}
    time = ", ".join(f"{seconds(amount)} {what}" for what, amount in spent.items() if amount) or "no time"
    rests = f" in {counted(episode.rests, 'rest')}" if episode.rests > 1 else ""
    led = f" ({cost.led} of them led to it)" if 0 < cost.led < cost.calls else ""
    answered = [
        f"{cost.answered_elsewhere} answered elsewhere" if cost.answered_elsewhere else "",
        f"{cost.answered_here} here later" if cost.answered_here else "",
        f"{cost.unanswered} never answered" if cost.unanswered else "",
    ]
    items = f"; {counted(cost.items, 'item')}: {', '.join(filter(None, answered))}" if cost.items else ""
    return f"{time}{rests}; {counted(cost.calls, 'call')} in vain{led}{items}. {_end(episode).capitalize()}."


def _hang(hang: Hang) -> str:
    """When a vendor said nothing, or let some calls hang while it answered others."""
    calls = f"{counted(hang.calls, 'call')} timed out after up to {seconds(hang.slowest_s)}"
    answered = "all answered later" if not hang.unanswered else f"{hang.unanswered} never answered"
    items = f"; {counted(hang.items, 'item')}, {answered}" if hang.items else ""
    start, provider = time_of_day(hang.started_at), hang.provider
    if hang.back_at is None:
        return f"{start}  {provider} took calls and has not answered since: {calls}{items}"
    if hang.back_at < hang.started_at + hang.slowest_s:
        return f"{start}  {provider} let calls hang while it answered others: {calls}{items}"
    silent_s = hang.back_at - hang.started_at
    return f"{start}  {provider} took calls and said nothing for {seconds(silent_s)}: {calls}{items}"


# Errors, 429s, calls.


def _errors(analysis: Analysis) -> Table:
    made = table("key", "kind", "HTTP", "calls", "first", "last", "over time", right=frozenset({"calls"}))
    for row in analysis.errors[:MAX_ROWS]:
        statuses = ", ".join("–" if status == "none" else status for status in row.statuses)
        span = max((run.last_at for run in analysis.runs), default=0.0) - analysis.runs[0].started_at
        made.add_row(
            words(row.key or row.provider),
            words(row.fault),
            statuses,
            f"{row.count:,}",
            time_of_day(row.first_at),
            time_of_day(row.last_at),
            bars(row.timeline[: int(span / row.step_s) + 1]),
        )
    if len(analysis.errors) > MAX_ROWS:
        made.add_row("…", f"and {len(analysis.errors) - MAX_ROWS:,} kinds more, see --json")
    return made


def bars(counts: Sequence[int]) -> str:
    """Counts as a row of bars; one is never so low that it cannot be seen."""
    most = max(counts, default=0)
    return "".join(BARS[-(-count * (len(BARS) - 1) // most)] if count else "·" for count in counts)


def _examples(errors: Sequence[Errors]) -> Iterable[Text]:
    for row in errors[:MAX_TOLD]:
        for example in row.examples:
            item = f" ({example.item})" if example.item else ""
            said = f"«{example.message}»" if example.message else "no words"
            yield words(f"{time_of_day(example.seen_at)}  {row.key} {row.fault}: {said}{item}", DIM)


def _throttles(throttles: Sequence[Throttle]) -> Table:
    right = frozenset({"calls", "429s", "of the rate", "peak 1 s"})
    made = table(
        "key", "calls", "429s", "of the rate", "declared", "sent before", "peak 1 s", "told to wait", right=right
    )
    for row in throttles:
        made.add_row(
            words(row.key or row.provider),
            f"{row.calls:,}",
            f"{row.status_429:,}",
            f"{row.about_rate:,}",
            words(row.declared or "–"),
            words(_sent_before(row)),
            str(row.peak_1s if row.peak_1s is not None else "–"),
            seconds(row.told_s) if row.told_s else "–",
        )
    return made


def _sent_before(row: Throttle) -> str:
    if row.sent_low is None or row.window is None:
        return "–"
    spread = str(row.sent_low) if row.sent_low == row.sent_high else f"{row.sent_low} to {row.sent_high}"
    return f"{spread} in {window_words(row.window)}"


def _usage(usage: Sequence[Usage], duration_s: float) -> Table:
    right = frozenset({"calls", "answered", "failed", "429s", "mean", "slowest"})
    made = table("who", "calls", "answered", "failed", "429s", "mean", "slowest", "unusable", right=right)
    for row in usage:
        down = f"{seconds(row.unavailable_s)} ({share(row.unavailable_s, duration_s)})" if row.unavailable_s else ""
        made.add_row(
            words(row.provider if row.key is None else f"  {row.key}", "bold" if row.key is None else ""),
            f"{row.calls:,}",
            f"{row.answered:,}",
            f"{row.failed:,}",
            f"{row.status_429:,}",
            seconds(row.latency_mean_s) if row.latency_mean_s is not None else "–",
            seconds(row.latency_max_s) if row.latency_max_s is not None else "–",
            down,
        )
    return made


def _advice(analysis: Analysis) -> Iterable[RenderableType]:
    for number, advice in enumerate(analysis.advice, 1):
        yield words(f"{number}. {advice.text}")
        if advice.set is not None:
            yield words(f"   providers.yaml, under `{advice.provider}:`, set `{advice.set}`", "bold green")
