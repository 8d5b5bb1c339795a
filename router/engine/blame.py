"""Who is to blame: what a finished call changes, as steps for `ProviderState` to do.

A fault says whom it blames (`faults.REACTIONS`). Two things it cannot know are found here, by correlation:

*Several accounts of one provider that fail alike within seconds are not the cause.* One block of an address makes
every key look bad; a pool that believes each reply by itself is emptied by it (tbphp/gpt-load, issue 143). So a failure
that could be the address's or the vendor's is remembered for a moment with the healths from before it, and when enough
accounts have failed alike with no success in between, their healths are put back and the provider rests instead. A
"dead key" reply is overridden at most once, and only for a key that has already succeeded.

*A model that refuses one request after the other in the same words refuses the parameters, not the items.*
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

from router.config.models import Provider
from router.engine.health import AGAIN_S, DAY_S, Health, Observation, told_rest_s, transition
from router.engine.keys import KeyRing, KeyState
from router.engine.permit import Permit
from router.faults import Blame, Doubt, Family, Fault, Kind, Signal
from router.types import Answer

WITHIN_S = 5.0
MIN_ACCOUNTS = 2
REFUSED_ALIKE = 5


class Target(Protocol):
    """Who has a health: a provider, an account, a key."""

    health: Health


class Accused(Target, Protocol):
    """The provider whose calls are judged."""

    provider: Provider
    ring: KeyRing


class Move(NamedTuple):
    """Somebody's health becomes this one."""

    target: Target
    health: Health


class Rest(NamedTuple):
    """The provider's health becomes this one in the place of those of several accounts, whose keys failed alike."""

    target: Target
    health: Health
    alike: tuple[KeyState, ...]


class Denial(NamedTuple):
    """A key does not serve a model, as the fault says; with None it does again."""

    key: KeyState
    model: str
    fault: Fault | None


Step = Move | Rest | Denial


@dataclass(frozen=True, slots=True)
class Suspect:
    """One failure that may be somebody else's: when, of which key and model, and how those stood whom it moved."""

    at: float
    fault: Fault
    model: str
    key: KeyState
    keys_before: tuple[tuple[KeyState, Health], ...]
    account_before: Health

    @property
    def family(self) -> Family:
        return self.fault.reaction.family


class Judge:
    """Decides for one provider. It changes nothing but its own memory: doubtful failures, and refusals in a row."""

    def __init__(self, accused: Accused, rng: random.Random, wall: Callable[[], float]) -> None:
        self._accused = accused
        self._rng = rng
        self._wall = wall
        self._window_s = accused.provider.window_s
        self._suspects: list[Suspect] = []
        self._in_use: set[str] = set()
        self._proven: set[KeyState] = set()
        self._forgiven = 0
        self._answering: set[str] = set()
        self._refusals: dict[str, tuple[str, int]] = {}

    def judge(self, permit: Permit, result: Answer | Fault, now: float) -> Iterator[Step]:
        """What follows from a result. Each step must be done before the next is asked for."""
        self._in_use.add(permit.key.account.name)
        if isinstance(result, Fault):
            yield from self._blame(permit, result, now)
            return
        self._proven.add(permit.key)
        self._answering.add(permit.model)
        yield from self._both(permit, Signal.OK, now)

    def _blame(self, permit: Permit, fault: Fault, now: float) -> Iterator[Step]:
        reaction = fault.reaction
        if reaction.doubted is not Doubt.NEVER and permit.generation < self._forgiven:
            # It was out when its like were forgiven, and is one of them: only a time that the vendor names is heard.
            yield self._provider(permit, _instead(reaction.family), now, fault)
            return
        self._note(permit, fault, now)
        match reaction.blame:
            case Blame.ITEM:
                yield from self._both(permit, reaction.signal, now)
                yield from self._refusal(permit.model, fault)
            case Blame.PROVIDER:
                yield self._provider(permit, reaction.signal, now, fault)
            case Blame.ACCOUNT:
                yield self._account(permit, reaction.signal, now, fault)
            case Blame.KEY_AND_MODEL:
                yield Denial(permit.key, permit.model, fault)
            case Blame.KEY:
                for key in self._dead(permit, fault):
                    yield Move(key, transition(key.health, Observation(Signal.REFUSED, now, born=0, fault=fault)))
            case Blame.NOBODY:
                return
        if alike := self._alike(reaction.family, now):
            yield from self._rest_instead(alike, fault, now)

    # Whom a signal reaches.

    def _both(self, permit: Permit, signal: Signal, now: float) -> Iterator[Step]:
        """Key and vendor have proved to work: what failed was not the address, unless that is known to have a limit."""
        is_limited = now < self._accused.health.throttled_until + AGAIN_S
        self._suspects = [each for each in self._suspects if is_limited and each.family is Family.THROTTLE]
        yield self._provider(permit, signal, now)
        yield self._account(permit, signal, now)

    def _provider(self, permit: Permit, signal: Signal, now: float, fault: Fault | None = None) -> Move:
        return self._move(self._accused, self._observed(signal, now, permit.generation, fault))

    def _account(self, permit: Permit, signal: Signal, now: float, fault: Fault | None = None) -> Move:
        return self._move(permit.key.account, self._observed(signal, now, permit.account_generation, fault))

    def _move(self, target: Target, news: Observation) -> Move:
        return Move(target, transition(target.health, news))

    def _observed(self, signal: Signal, now: float, born: int, fault: Fault | None) -> Observation:
        told_s = told_rest_s(fault, DAY_S - self._wall() % DAY_S) if fault else None
        return Observation(signal, now, born, self._rng.random(), fault, told_s, self._window_s)

    def _dead(self, permit: Permit, fault: Fault) -> tuple[KeyState, ...]:
        banned = fault.kind is Kind.ACCOUNT_BANNED
        return self._accused.ring.of_account(permit.key.account) if banned else (permit.key,)

    # Parameters instead of items.

    def _refusal(self, model: str, fault: Fault) -> Iterator[Step]:
        if fault.kind is not Kind.BAD_REQUEST or model in self._answering:
            return
        words = _gist(fault)
        before, times = self._refusals.get(model, ("", 0))
        self._refusals[model] = words, times + 1 if words == before else 1
        if self._refusals[model][1] >= REFUSED_ALIKE:
            yield from (Denial(key, model, fault) for key in self._accused.ring)

    # The provider instead of its accounts.

    def _note(self, permit: Permit, fault: Fault, now: float) -> None:
        """Remember a doubtful failure before it is acted upon."""
        doubted, key = fault.reaction.doubted, permit.key
        if doubted is Doubt.ALWAYS or (doubted is Doubt.IF_PROVEN and key in self._proven):
            moving = self._dead(permit, fault) if fault.reaction.blame is Blame.KEY else ()
            before = tuple((each, each.health.at(now)) for each in moving)
            self._suspects.append(Suspect(now, fault, permit.model, key, before, key.account.health.at(now)))

    def _alike(self, family: Family, now: float) -> tuple[Suspect, ...]:
        """The failures of one family that enough accounts share within WITHIN_S; empty where too few do."""
        self._suspects = [suspect for suspect in self._suspects if suspect.at > now - WITHIN_S]
        same = tuple(suspect for suspect in self._suspects if suspect.family is family)
        failing = len({suspect.key.account.name for suspect in same})
        return same if failing >= max(MIN_ACCOUNTS, (len(self._in_use) + 1) // 2) else ()

    def _rest_instead(self, alike: tuple[Suspect, ...], fault: Fault, now: float) -> Iterator[Step]:
        """Rest the provider in the place of its keys, for as long as any of the failures asked for."""
        for suspect in reversed(alike):
            yield from _restored(suspect)
            self._proven.discard(suspect.key)
        self._suspects.clear()
        born = self._accused.health.at(now).generation
        news = self._observed(_instead(fault.reaction.family), now, born, fault)
        rest = self._move(self._accused, news._replace(told_s=_told_left_s(alike, now)))
        self._forgiven = rest.health.generation
        yield Rest(*rest, tuple(dict.fromkeys(suspect.key for suspect in alike)))


def _instead(family: Family) -> Signal:
    """What the provider is signalled in the place of its keys: a limit on the address cuts its pace too."""
    return Signal.THROTTLED if family is Family.THROTTLE else Signal.BLOCKED


def _restored(suspect: Suspect) -> Iterator[Step]:
    """Put back how keys and account stood before a doubtful failure."""
    for key, before in suspect.keys_before:
        yield Move(key, _back(before, key.health))
    account = suspect.key.account
    yield Move(account, _back(suspect.account_before, account.health))
    yield Denial(suspect.key, suspect.model, None)


def _back(before: Health, now: Health) -> Health:
    """The state from before in a generation of its own, so that calls still out say nothing about it."""
    return before if before == now else replace(before, generation=now.generation + 1)


def _told_left_s(suspects: Iterable[Suspect], now: float) -> float | None:
    """The longest time to wait from `now` that the vendor named in any of the failures; None without one to come."""
    told = (s.at + s.fault.retry_after_s - now for s in suspects if s.fault.retry_after_s is not None)
    return max((left for left in told if left > 0), default=None)


def _gist(fault: Fault) -> str:
    """What a vendor said, without the words that differ from call to call: numbers and identifiers."""
    return " ".join(word for word in fault.message.split() if not any(letter.isdigit() for letter in word))
