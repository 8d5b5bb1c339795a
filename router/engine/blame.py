"""Blame by correlation: several keys of one provider that fail alike within seconds are not the cause.

One block of an address makes every key look bad; a pool that believes each reply by itself is emptied by it
(tbphp/gpt-load, issue 143). So a failure that could be the address's or the vendor's is remembered for a moment
with the health from before it, and when enough accounts have failed alike with no success in between, their
healths are put back and the provider rests instead.

A key that says it is dead is only doubted while it has answered before in this run, and only once: after the
rest, a second refusal counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from router.engine.health import Health
from router.engine.keys import KeyState
from router.faults import Doubt, Family, Fault, Signal

WITHIN_S = 5.0
MIN_ACCOUNTS = 2


@dataclass(frozen=True, slots=True)
class Suspect:
    """One failure that may be somebody else's: when, of which key and model, and how its account and keys stood before.

    All keys of the account, since a ban of the account drops them all.
    """

    at: float
    fault: Fault
    model: str
    key: KeyState
    keys_before: tuple[tuple[KeyState, Health], ...]
    account_before: Health


class Suspects:
    """The recent doubtful failures of one provider's keys."""

    def __init__(self) -> None:
        self._recent: list[Suspect] = []

    def note(self, fault: Fault, model: str, key: KeyState, siblings: Iterable[KeyState], now: float) -> None:
        """Remember a failure before it is acted upon; `siblings` are the keys of its account, itself included."""
        doubted = fault.reaction.doubted
        if doubted is Doubt.ALWAYS or (doubted is Doubt.IF_PROVEN and key.proven):
            before = tuple((each, each.health.at(now)) for each in siblings)
            self._recent.append(Suspect(now, fault, model, key, before, key.account.health.at(now)))

    def cleared(self) -> None:
        """A key of this provider has answered: whatever failed, it was not the address."""
        self._recent.clear()

    def alike(self, family: Family, keys: Iterable[KeyState], now: float) -> tuple[Suspect, ...]:
        """The failures of one family that enough accounts share within WITHIN_S; empty where too few do."""
        self._recent = [suspect for suspect in self._recent if suspect.at > now - WITHIN_S]
        same = tuple(suspect for suspect in self._recent if suspect.fault.reaction.family is family)
        failing = {suspect.key.account.name for suspect in same}
        accounts = {key.account.name for key in keys if key.sent}
        enough = max(MIN_ACCOUNTS, (len(accounts) + 1) // 2)
        return same if len(failing) >= enough else ()


def instead(family: Family) -> Signal:
    """What the provider is signalled in the place of its keys: a limit on the address cuts its pace too."""
    return Signal.THROTTLED if family is Family.THROTTLE else Signal.BLOCKED


def exonerate(suspects: Iterable[Suspect]) -> None:
    """Put back how keys and accounts stood before the oldest doubtful failure of each."""
    for suspect in reversed(tuple(suspects)):
        for key, before in suspect.keys_before:
            key.health = _back(before, key.health)
        account = suspect.key.account
        account.health = _back(suspect.account_before, account.health)
        suspect.key.allow(suspect.model)
        suspect.key.proven = False


def told_left_s(suspects: Iterable[Suspect], now: float) -> float | None:
    """The longest time to wait from `now` that the vendor named in any of the failures; None without one to come."""
    told = (s.at + s.fault.retry_after_s - now for s in suspects if s.fault.retry_after_s is not None)
    return max((left for left in told if left > 0), default=None)


def _back(before: Health, now: Health) -> Health:
    """The state from before in a generation of its own, so that calls still out say nothing about it."""
    return before if before == now else replace(before, generation=now.generation + 1)
