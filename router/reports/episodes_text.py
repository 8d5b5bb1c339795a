"""Bans and rests of an analysis: a table of all, and a chapter for each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from router.analysis.analysis import Analysis
from router.analysis.episode import Episode
from router.analysis.rows import SCOPES, WINDOWS_S
from router.analysis.wording import counted, listed, moment, quoted, said, seconds, share, time_of_day, window_words
from router.reports.paper import BAD, GOOD, WARNING, filled, table, titled, told, words

MAX_ROWS = 40
MAX_TOLD = 15


def episodes_text(analysis: Analysis) -> Iterable[RenderableType]:
    """The table, and the chapters of those that cost most."""
    yield titled("Bans and rests")
    yield _table(analysis)
    yield from _stories(analysis)


def told_above(analysis: Analysis) -> set[str]:
    """The vendor's sentences that chapters tell."""
    return {episode.message for episode in _costliest(analysis.episodes, MAX_TOLD)}


def _table(analysis: Analysis) -> Table:
    right = ("calls", "items")
    made = table("when", "who", "why", "how it ended", "not ready", *right, right=right)
    lengths = {run.run: sum(each.duration_s for each in analysis.runs if each.run == run.run) for run in analysis.runs}
    rows: list[tuple[object, ...]] = [
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
    if hidden := len(analysis.episodes) - len(rows):
        rows.append(("", "…", f"and {hidden:,} shorter ones, see --json", "", "", "", ""))
    return filled(made, rows)


def _costliest(episodes: Sequence[Episode], number: int) -> list[Episode]:
    """The longest, in the order in which they began."""
    longest = sorted(episodes, key=lambda each: each.cost.not_ready_s, reverse=True)[:number]
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
            return f"resting until {moment(until) if _is_far(episode) else time_of_day(until)}" if until else "resting"
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
    message = "" if is_told(episode.message, analysis) else episode.message
    words = [said(episode.status, episode.vendor_code, message)] if message or episode.status else []
    down = (
        [f"{episode.provider} had no usable key then"] if episode.provider_down and episode.scope != "provider" else []
    )
    return ". ".join(words + down)


def is_told(message: str, analysis: Analysis) -> bool:
    """Whether the advice tells a vendor's sentence."""
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
        spent = {"lost until the end": cost.not_ready_s}
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
