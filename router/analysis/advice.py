"""Plain advice from what happened: a sentence or two, and the line of `providers.yaml` to set where there is one.

Each sentence has its condition in the log. A rate is suggested after throttled calls alone, and nothing is to be set
after a rehearsal, whose vendors are made up.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeVar

from router.analysis.episode import Episode
from router.analysis.errors import Errors
from router.analysis.rows import family_of
from router.analysis.stalls import Hang
from router.analysis.suggestions import Advice, day_line, is_daily, timeout_line
from router.analysis.throttle_advice import is_about_rate, on_throttles, throttle_name
from router.analysis.throttles import Throttle
from router.analysis.usage import Usage
from router.analysis.wording import counted, counts_text, listed, said, seconds, share, time_of_day, times
from router.faults import Family, Kind

T = TypeVar("T")


class Seen(NamedTuple):
    """Everything that advice is taken from; `duration_s` is the length of the log."""

    episodes: Sequence[Episode]
    hangs: Sequence[Hang]
    throttles: Sequence[Throttle]
    errors: Sequence[Errors]
    usage: Sequence[Usage]
    duration_s: float
    simulated: bool


def advise(seen: Seen) -> tuple[Advice, ...]:
    """All advice that the log calls for, what a person must do first."""
    lasting = [episode for episode in seen.episodes if episode.ended != "cleared"]
    whole = {each.provider: each for each in seen.usage if each.key is None}
    errors = {
        family: _grouped((row for row in seen.errors if row.family is family), lambda row: row.provider)
        for family in Family
    }
    found = (
        *map(_dead, _episodes(lasting, Family.DEAD, lambda each: each.answered_before > 0)),
        *map(_quota, _episodes(lasting, Family.QUOTA, lambda each: each.fault == Kind.DAILY_QUOTA and each.account)),
        *map(_path, _episodes(lasting, Family.PATH)),
        *(_access(rows) for mine in errors[Family.ACCESS].values() for rows in _by_model(mine)),
        *map(on_throttles, _grouped(filter(is_about_rate, seen.throttles), throttle_name).values()),
        *(_unknown(row) for rows in errors[Family.UNKNOWN].values() for row in rows),
        *(_items(rows, whole[provider]) for provider, rows in errors[Family.ITEM].items()),
        *(_trouble(rows, whole[provider], seen, lasting) for provider, rows in errors[Family.VENDOR].items()),
        *_unexplained(errors, lasting, whole),
    )
    return tuple(replace(each, set=None) for each in found) if seen.simulated else found


def _grouped(items: Iterable[T], key: Callable[[T], str]) -> dict[str, list[T]]:
    groups: dict[str, list[T]] = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return dict(groups)


def _episodes(
    episodes: Iterable[Episode], family: Family, apart: Callable[[Episode], Hashable] = lambda _each: None
) -> Iterable[list[Episode]]:
    """Groups of a family, each for one piece of advice: one provider with one fault, unless `apart` separates them."""
    mine = (each for each in episodes if family_of(each.fault) is family)
    return _grouped(mine, lambda each: repr((each.provider, each.fault, each.alike, apart(each)))).values()


# A key or an account.


def _dead(mine: Sequence[Episode]) -> Advice:
    first, who, provider = mine[0], _keys(mine), mine[0].provider
    refused = f"{who} {'were' if ' and ' in who else 'was'} refused"
    at = f"{refused} at {time_of_day(first.started_at)} ({_said(first)})"
    if first.alike and len(first.keys) > 1:
        return _advice(
            first,
            f"{refused} alike within seconds at {time_of_day(first.started_at)} ({_said(first)}): the address or the "
            f"vendor rather than the keys. Check `base_url:` under `{provider}:`, and where calls leave from.",
        )
    if first.fault == Kind.ACCOUNT_BANNED:
        return _advice(
            first, f"{at}: the vendor has closed the account. Write to the vendor before another key is lost."
        )
    if first.answered_before:
        answers = counted(sum(each.answered_before for each in mine), "good answer")
        more = f"after {answers} in this run: revoked or expired"
        return _advice(first, f"{at} {more}. Replace it, or take it out of `keys:` under `{provider}:`.")
    more = "without one good answer in this run: mistyped, dead, or for another address of the vendor"
    return _advice(first, f"{at} {more}. Replace it, take it out of `keys:`, or check `base_url:`.")


def _quota(mine: Sequence[Episode]) -> Advice:
    last, who = mine[-1], _keys(mine)
    accounts = "accounts" if last.alike else "account"
    if last.fault == Kind.NO_CREDIT:
        them = f"{'them' if ' and ' in who else 'it'} out of `keys:` under `{last.provider}:`"
        return _advice(last, f"Top up the {accounts} of {who}, or take {them}: out of credit ({_said(last)}).")
    until = f" until {time_of_day(last.until_at)} UTC" if last.until_at else ""
    used = f"is used up{until}, after {counted(last.answered_before, 'answer')} in this run ({_said(last)})"
    if not is_daily(last):
        what = f"A quota of the {accounts} of {who}"
        return _advice(last, f"{what} {used}: it comes back within hours, so it is no daily quota.")
    line = day_line(last)
    more = "If nothing else used it today, declare that" if line else "Wait, or lower the daily limit that it declares"
    return _advice(last, f"The daily quota of the {accounts} of {who} {used}. {more}.", line)


def _path(mine: Sequence[Episode]) -> Advice:
    first, provider = mine[0], mine[0].provider
    if first.fault == Kind.REGION_BLOCKED:
        words = (
            f"{provider} does not serve this address's region ({_said(first)}). Leave it out, or reach it another way"
        )
        return _advice(first, f"{words}.", "enabled: false")
    often = f" {times(len(mine))}, first" if len(mine) > 1 else ""
    return _advice(
        first,
        f"{provider} refused this address{often} at {time_of_day(first.started_at)} ({_said(first)}). Call from "
        "another address (no VPN, no shared proxy or cloud host), or ask the vendor why.",
    )


def _by_model(rows: Sequence[Errors]) -> Iterable[list[Errors]]:
    return _grouped(rows, lambda row: repr((row.fault, sorted(row.models)))).values()


def _access(rows: Sequence[Errors]) -> Advice:
    first, who = rows[0], listed([row.key or row.provider for row in rows])
    refused = "may not use" if first.fault == Kind.PERMISSION else "cannot find"
    number = times(sum(row.count for row in rows))
    return _about(
        rows,
        who,
        f"{who} {refused} {listed(first.models)} ({_said_in(first)}), {number}. Ask the vendor for access, name "
        f"another `model:` under `{first.provider}:`, or leave the key out.",
    )


# What nobody can change, and what nobody knows.


def _unknown(row: Errors) -> Advice:
    who = row.key or row.provider
    words = (
        f"{who} gave {counted(row.count, 'answer')} that the router does not recognise; please report {_said_in(row)}"
    )
    return _about([row], who, f"{words}.")


def _items(rows: Sequence[Errors], usage: Usage) -> Advice:
    provider, first = usage.provider, rows[0]
    kinds, number = _kinds(rows), sum(row.count for row in rows)
    if not usage.answered and number > 1 and set(kinds) == {Kind.BAD_REQUEST}:
        words = f"{provider} refused every call ({counts_text(kinds)}: {_said_in(first)}), so it is not the items"
        return _about(
            rows, provider, f"{words}. Look at `params:` and `model:` under `{provider}:`, and at the prompt."
        )
    refused = f"{provider} refused {_part(number, usage)} for what was asked ({counts_text(kinds)}: {_said_in(first)})"
    item = next((example.item for row in rows for example in row.examples if example.item), "")
    see = f" See `router logs --item {item}`." if item else ""
    return _about(rows, provider, f"{refused}; {_lost(first)}.{see}")


def _trouble(rows: Sequence[Errors], usage: Usage, seen: Seen, lasting: Iterable[Episode]) -> Advice:
    """What a vendor's own failures come to, all of them together."""
    provider, first, kinds = usage.provider, rows[0], counts_text(_kinds(rows))
    if not usage.answered:
        words = f"{provider} has not answered one of its {counted(usage.calls, 'call')} ({kinds}: {_said_in(first)})"
        return _about(rows, provider, f"{words}. Check its `base_url:` and `model:`.")
    number = sum(row.count for row in rows)
    rests = [each.cost for each in lasting if (each.provider, each.scope) == (provider, "provider")]
    hung_s = sum(hang.lasted_s for hang in seen.hangs if hang.provider == provider)
    not_ready_s = sum(cost.not_ready_s for cost in rests)
    parts = [
        f"{provider} failed {_part(number, usage)} ({kinds}: {_said_in(first)})",
        f"rested or was slow {seconds(not_ready_s)}, {share(not_ready_s, seen.duration_s)} of the time"
        if not_ready_s
        else "",
        f"calls hung for {seconds(hung_s)}" if hung_s else "",
        _lost(first),
    ]
    slowest_s = max((row.slowest_s for row in rows if row.fault == Kind.TIMEOUT), default=0.0)
    line = timeout_line(usage.latency_max_s, slowest_s)
    end = "A shorter timeout loses less" if line else "Nothing to change: it is the vendor's problem"
    return _about(rows, provider, f"{'; '.join(filter(None, parts))}. {end}.", line)


def _unexplained(
    errors: Mapping[Family, Mapping[str, Sequence[Errors]]], lasting: Sequence[Episode], whole: Mapping[str, Usage]
) -> Iterable[Advice]:
    """Failed calls that no rest or drop in the log explains, so that everybody who failed is named."""
    told = {(family_of(episode.fault), episode.provider) for episode in lasting}
    for family in (Family.DEAD, Family.QUOTA, Family.PATH):
        for provider, rows in errors[family].items():
            if (family, provider) not in told:
                number = _part(sum(row.count for row in rows), whole[provider])
                yield _about(rows, provider, f"{provider} failed {number} ({_kinds_said(rows)}); {_lost(rows[0])}.")


# Words.


def _advice(episode: Episode, words: str, line: str | None = None) -> Advice:
    return Advice(episode.provider, episode.name, episode.fault, words, line)


def _about(rows: Sequence[Errors], who: str, words: str, line: str | None = None) -> Advice:
    return Advice(rows[0].provider, who, rows[0].fault, words, line)


def _keys(mine: Iterable[Episode]) -> str:
    """Their keys with the hashes by which a person finds them."""
    pairs = {key: hash_ for each in mine for key, hash_ in zip(each.keys, each.key_hashes, strict=True)}
    return listed([f"{key} (key_hash {hash_})" if hash_ else key for key, hash_ in pairs.items()])


def _kinds(rows: Iterable[Errors]) -> Mapping[str, int]:
    kinds: Counter[str] = Counter()
    for row in rows:
        kinds[row.fault] += row.count
    return dict(kinds.most_common())


def _kinds_said(rows: Sequence[Errors]) -> str:
    return f"{counts_text(_kinds(rows))}: {_said_in(rows[0])}"


def _part(number: int, usage: Usage) -> str:
    """`18 of 54 calls (33 %)`."""
    return f"{number:,} of {counted(usage.calls, 'call')} ({share(number, usage.calls)})"


def _lost(row: Errors) -> str:
    unanswered = row.items.unanswered
    if not unanswered:
        return "no item was lost"
    return f"{counted(unanswered, 'item')} {'has' if unanswered == 1 else 'have'} no answer"


def _said(episode: Episode) -> str:
    return said(episode.status, episode.vendor_code, episode.message)


def _said_in(row: Errors) -> str:
    return said(next(iter(row.statuses)), next(iter(row.vendor_codes), ""), row.examples[0].message)
