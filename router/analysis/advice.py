"""Plain advice from what happened: a sentence or two, and the line of `providers.yaml` to set where there is one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from router.analysis.episode import Episode
from router.analysis.errors import Errors
from router.analysis.rows import family_of, sent, text
from router.analysis.stalls import Hang
from router.analysis.suggestions import concurrency_line, day_line, lower_rate, rate_line, timeout_line, tokens_line
from router.analysis.throttles import Throttle
from router.analysis.usage import Usage
from router.analysis.wording import MINUTE_S, counted, seconds, share, time_of_day, times, window_words
from router.faults import Family, Kind

QUOTED = 160


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do. `about` is a key, an account's keys or a provider; `set` is the line to put under the provider."""

    provider: str
    about: str
    fault: str
    text: str
    set: str | None = None


class Seen(NamedTuple):
    """Everything that advice is taken from; `duration_s` is the length of the log."""

    episodes: Sequence[Episode]
    hangs: Sequence[Hang]
    throttles: Sequence[Throttle]
    errors: Sequence[Errors]
    usage: Sequence[Usage]
    duration_s: float


def advise(seen: Seen) -> tuple[Advice, ...]:
    """All advice that the log calls for, what a person must do first."""
    lasting = [episode for episode in seen.episodes if episode.ended != "cleared"]
    whole = {each.provider: each for each in seen.usage if each.key is None}
    return (
        *(_dead(episode) for episode in lasting if _is(episode, Family.DEAD)),
        *(_quota(episode) for episode in _last_of_each(lasting) if _is(episode, Family.QUOTA)),
        *(_blocked(episode) for episode in _last_of_each(lasting) if episode.alike or _is(episode, Family.PATH)),
        *(_access(row) for row in seen.errors if row.family == Family.ACCESS),
        *_throttled(seen.throttles, {episode.provider for episode in lasting if _is_throttled_alike(episode)}),
        *(_unknown(row) for row in seen.errors if row.family == Family.UNKNOWN),
        *_silent(whole, seen.errors),
        *_vendors(lasting, seen.errors, whole, seen.duration_s),
        *_hung(seen.hangs, whole, seen.duration_s),
        *_items(seen.errors),
    )


def _is(episode: Episode, family: Family) -> bool:
    return family_of(episode.fault) is family and not episode.alike


def _is_throttled_alike(episode: Episode) -> bool:
    return episode.alike and family_of(episode.fault) is Family.THROTTLE


def _last_of_each(episodes: Iterable[Episode]) -> Iterable[Episode]:
    """The last episode of each target and fault: one advice is enough."""
    return {(episode.name, episode.fault): episode for episode in episodes}.values()


# A key or an account.


def _dead(episode: Episode) -> Advice:
    who, provider = _with_hash(episode), episode.provider
    said = f"{who} was refused at {time_of_day(episode.started_at)} ({_said(episode)})"
    if episode.fault == Kind.ACCOUNT_BANNED:
        more = (
            "the vendor has closed the account. Write to the vendor, and lower the rate before another key goes there"
        )
        return _advice(episode, f"{said}: {more}. {_sent_before(episode)}", lower_rate(episode))
    if episode.answered_before:
        more = f"after {counted(episode.answered_before, 'good answer')} in this run: it was revoked or has run out"
        return _advice(episode, f"{said} {more}. Replace it, or take it out of `keys:` under `{provider}:`.")
    more = "and has not worked once in this run: it is mistyped, dead, or for another address of the vendor"
    return _advice(episode, f"{said} {more}. Replace it, take it out of `keys:`, or check `base_url:`.")


def _quota(episode: Episode) -> Advice:
    who = f"the account of {_with_hash(episode)}"
    if episode.fault == Kind.NO_CREDIT:
        return _advice(
            episode,
            f"Top up {who}, or take {'them' if len(episode.keys) > 1 else 'it'} out of `keys:` under "
            f"`{episode.provider}:`: it is out of credit ({_said(episode)}).",
        )
    until = f" until {time_of_day(episode.until_at)} UTC" if episode.until_at else ""
    answers = counted(episode.answered_before, "answer")
    line = day_line(episode)
    more = "If nothing else used it today, declare that" if line else "Lower the daily limit that it declares, or wait"
    return _advice(
        episode,
        f"The daily quota of {who} is used up{until}, after {answers} in this run ({_said(episode)}). {more}.",
        line,
    )


def _access(row: Errors) -> Advice:
    refused = "may not use" if row.fault == Kind.PERMISSION else "does not find"
    return _about(
        row,
        f"{row.key} {refused} {' and '.join(row.models)} ({_said_in(row)}), said {times(row.count)}. Ask the vendor "
        f"for access to it, name another `model:` under `{row.provider}:`, or take the key out of `keys:`.",
    )


# A rate.


def _blocked(episode: Episode) -> Advice:
    provider, when, said = episode.provider, time_of_day(episode.started_at), _said(episode)
    if episode.fault == Kind.REGION_BLOCKED:
        words = f"{provider} does not serve this address's region ({said}). Leave it out, or go there another way"
        return _advice(episode, f"{words}.", "enabled: false")
    if episode.alike:
        first = f"Several keys of {provider} were refused alike at {when}: the address or the vendor, not the keys"
    else:
        first = f"{provider} refused this address at {when}, with all its keys alike"
    return _advice(episode, f"{first} ({said}). {_sent_before(episode)}", lower_rate(episode))


def _throttled(throttles: Iterable[Throttle], said: Container[str]) -> Iterable[Advice]:
    """One for each provider and kind, of the keys together: they share what is declared. None twice."""
    groups: dict[tuple[str, str], list[Throttle]] = defaultdict(list)
    for throttle in throttles:
        about_rate = {name: count for name, count in throttle.faults.items() if family_of(name) is Family.THROTTLE}
        if about_rate and throttle.provider not in said:
            groups[throttle.provider, max(about_rate, key=lambda name: about_rate[name])].append(throttle)
    for (provider, fault), mine in groups.items():
        telling = max(mine, key=lambda each: (each.sent_median is not None, each.rests))
        words, line = {"token_limit": _on_tokens, "concurrency": _on_concurrency}.get(fault, _on_rate)(telling)
        who, were = " and ".join(each.key for each in mine), "were" if len(mine) > 1 else "was"
        number, calls = sum(each.about_rate for each in mine), sum(each.calls for each in mine)
        first = f"{who} {were} throttled {times(number)} ({fault}) in {counted(calls, 'call')}"
        yield Advice(provider, who, fault, f"{first}{words}.", line)


def _on_rate(throttle: Throttle) -> tuple[str, str | None]:
    window, found = throttle.window, throttle.sent_median
    declared = f"declares {throttle.declared}" if throttle.declared else "declares no rate"
    if window is None or found is None:
        return f"; it {declared}, and the log does not say after how many calls it was refused at its full rate", None
    after = f", mostly after {counted(found, 'call')} in {window_words(window)}; it {declared}{_headers(throttle)}"
    line = rate_line(throttle.declared, found, window, "key_rate" if throttle.scope == "account" else "rate")
    return (
        after if line else f"{after}; so few say nothing about the rate, perhaps something else uses this account",
        line,
    )


def _on_tokens(throttle: Throttle) -> tuple[str, str | None]:
    return f"{_headers(throttle)}; it is the tokens that are limited, so declare `tokens:`", tokens_line(throttle)


def _on_concurrency(throttle: Throttle) -> tuple[str, str | None]:
    line = concurrency_line(throttle)
    if line is None or throttle.in_flight is None:
        return " with no other call in flight: perhaps something else uses this account", None
    return f" with up to {throttle.in_flight + 1} calls in flight", line


def _headers(throttle: Throttle) -> str:
    told = [f"{name}: {value}" for name, value in throttle.limits.items() if "limit" in name.split("-")]
    return f"; the vendor's own headers say {', '.join(told[:3])}" if told else ""


# What nobody can change, and what nobody knows.


def _unknown(row: Errors) -> Advice:
    words = f"{row.key} answered {times(row.count)} with what is not recognised: please report, message {_said_in(row)}"
    return _about(row, f"{words}.")


def _silent(whole: Mapping[str, Usage], errors: Sequence[Errors]) -> Iterable[Advice]:
    for provider, usage in whole.items():
        row = next((row for row in errors if row.provider == provider and row.family == Family.VENDOR), None)
        if row is not None and not usage.answered:
            words = f"{provider} has not answered one call ({row.fault}: {_said_in(row)})"
            yield Advice(provider, provider, row.fault, f"{words}. Check its `base_url:` and `model:`.")


def _vendors(
    episodes: Iterable[Episode], errors: Iterable[Errors], whole: Mapping[str, Usage], duration_s: float
) -> Iterable[Advice]:
    lost: dict[tuple[str, str], list[Episode]] = defaultdict(list)
    for episode in episodes:
        if episode.scope == "provider" and _is(episode, Family.VENDOR):
            lost[episode.provider, episode.fault].append(episode)
    slowest = {row.provider: row.slowest_s for row in errors if row.fault == Kind.TIMEOUT}
    for (provider, fault), mine in lost.items():
        usage = whole.get(provider)
        hung_s = slowest.get(provider, 0.0) if fault == Kind.TIMEOUT else 0.0
        line = timeout_line(usage.latency_max_s if usage else None, hung_s)
        end = "A shorter timeout loses less" if line else "Nothing to change: it is the vendor's trouble"
        yield Advice(provider, provider, fault, f"{_lost(mine, duration_s)} {end}.", line)


def _lost(mine: Sequence[Episode], duration_s: float) -> str:
    costs = [episode.cost for episode in mine]
    first = mine[0]
    parts = {
        "resting": sum(cost.resting_s for cost in costs),
        "on trial": sum(cost.trial_s for cost in costs),
        "slow afterwards": sum(cost.ramping_s for cost in costs),
    }
    status = f", HTTP {first.status}" if first.status else ""
    spent = ", ".join(f"{seconds(amount)} {what}" for what, amount in parts.items() if amount)
    percent = share(sum(cost.not_ready_s for cost in costs), duration_s)
    unanswered = sum(cost.unanswered for cost in costs)
    items = f"{counted(unanswered, 'item')} without an answer" if unanswered else "no item lost"
    calls = counted(sum(cost.calls for cost in costs), "call")
    trouble = f"{first.provider} was in trouble ({first.fault}{status})"
    return f"{trouble}: {spent}, {percent} of the time; {calls} in vain, {items}."


def _hung(hangs: Iterable[Hang], whole: Mapping[str, Usage], duration_s: float) -> Iterable[Advice]:
    by_provider: dict[str, list[Hang]] = defaultdict(list)
    for hang in hangs:
        by_provider[hang.provider].append(hang)
    for provider, mine in by_provider.items():
        usage = whole.get(provider)
        line = timeout_line(usage.latency_max_s if usage else None, max(hang.slowest_s for hang in mine))
        lost_s = sum((hang.back_at or hang.ended_at) - hang.started_at for hang in mine)
        calls, unanswered = sum(hang.calls for hang in mine), sum(hang.unanswered for hang in mine)
        items = f"{counted(unanswered, 'item')} without an answer" if unanswered else "no item lost"
        words = f"{provider} hung {times(len(mine))}, {seconds(lost_s)} in all, {share(lost_s, duration_s)} of the time"
        end = "A shorter timeout loses less" if line else "Nothing to change: it is the vendor's trouble"
        yield Advice(provider, provider, "timeout", f"{words}; {counted(calls, 'call')} in vain, {items}. {end}.", line)


def _items(errors: Iterable[Errors]) -> Iterable[Advice]:
    rows: dict[str, list[Errors]] = defaultdict(list)
    for row in errors:
        if row.family == Family.ITEM:
            rows[row.fault].append(row)
    for fault, mine in rows.items():
        item, calls = mine[0].examples[0].item, sum(row.count for row in mine)
        where = " and ".join(sorted({row.provider for row in mine}))
        see = f" See `router logs --item {item}`." if item else ""
        words = f"{counted(calls, 'call')} to {where} failed for the item's own sake ({fault}: {_said_in(mine[0])})."
        yield Advice(mine[0].provider, where, fault, words + see)


# Words.


def _advice(episode: Episode, words: str, line: str | None = None) -> Advice:
    return Advice(episode.provider, episode.name, episode.fault, words.rstrip(), line)


def _about(row: Errors, words: str) -> Advice:
    return Advice(row.provider, row.key, row.fault, words)


def _with_hash(episode: Episode) -> str:
    pairs = zip(episode.keys, episode.key_hashes, strict=True)
    return " and ".join(f"{key} (key_hash {hash_})" if hash_ else key for key, hash_ in pairs)


def _said(episode: Episode) -> str:
    return _quoted(str(episode.status or ""), episode.vendor_code, episode.message)


def _said_in(row: Errors) -> str:
    return _quoted(next(iter(row.statuses)), next(iter(row.vendor_codes), ""), row.examples[0].message)


def _quoted(status: str, code: str, message: str) -> str:
    words = message if len(message) <= QUOTED else message[: QUOTED - 1].rstrip() + "…"
    parts = [f"HTTP {status}" if status.isdigit() else "", code, f"«{words}»" if words else ""]
    return " ".join(filter(None, parts)) or "the vendor said nothing"


def _sent_before(episode: Episode) -> str:
    """How much all keys together had sent: an address has no keys."""
    minute, second = (sent(episode.came_before, window) for window in ("60s", "1s"))
    if minute is None or second is None:
        return ""
    declares = text(episode.came_before, "declared_rate") or "no rate"
    span = "in 60 s" if episode.run_age_s >= MINUTE_S else f"in the {seconds(episode.run_age_s)} since the run began"
    return f"It had sent {counted(minute, 'call')} {span}, {second} of them in the last second; it declares {declares}."
