"""What calls wait for, in words, and what a run waited for most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from router.analysis.usage import Waited
from router.analysis.wording import share

WAITS: Mapping[str, tuple[str, str]] = {
    "idle": ("", "nothing: {provider} was free"),
    "nothing": ("", "nothing more"),
    "vendor is silent": ("silence", "a sign of life from {provider}"),
    "pace": ("rate", "the pace of {provider}"),
    "key pace": ("key_rate", "the pace of {provider}'s accounts"),
    "tokens": ("token limit", "the token limit of {provider}"),
    "provider rests": ("rests", "the end of a rest of {provider}"),
    "key rests": ("keys' rests", "the end of a rest of {provider}'s keys"),
    "in flight full": ("concurrency", "a free place among {provider}'s calls in flight"),
    "one trial": ("trials after a break", "the one trial call at {provider}"),
    "ramp": ("ramps after a rest", "{provider}, which was ramping up after a rest"),
    "budget used up": ("limit of a day or hour", "the next day or hour of {provider}'s limit"),
}
"""What stood last between an attempt and its call: in the words of the log, as a thing of the provider's, and as a
sentence goes on."""

MIN_WAITED_S = 1.0
MIN_SHARE = 0.1
MAX_NAMED = 3


def waited_for(provider: str, what: str) -> str:
    """What an attempt waited for, as a sentence goes on."""
    _, known = WAITS.get(what, ("", ""))
    return known.format(provider=provider) or what or "the log does not say what"


def bound_by(waited: Sequence[Waited]) -> str:
    """What all calls waited for, `fast's rate 85 % of all waiting`; empty where nobody waited long.

    Shares, since calls wait side by side: their seconds add up to more than the run took.
    """
    total_s = sum(each.waited_s for each in waited)
    named = [each for each in waited if WAITS.get(each.waited_for, ("",))[0] and each.waited_s >= MIN_SHARE * total_s]
    if total_s < MIN_WAITED_S or not named:
        return ""
    shares = [f"{_thing(each)} {share(each.waited_s, total_s)}" for each in named[:MAX_NAMED]]
    return f"{', '.join(shares)} of all waiting"


def _thing(waited: Waited) -> str:
    thing, _ = WAITS[waited.waited_for]
    return f"{waited.provider}'s {thing}"
