"""Bans and rests: changes of state paired into episodes, each with why, what came before and what it cost.

An episode begins when a key, an account or a provider stops being ready, and ends when it is ready again: several
rests with trials between them are one. A provider that only follows its keys is part of their episodes. What is kept
grows with the episodes and the items in flight, not with the log.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from router.analysis.episode import FAULTS_OF, Cost, Episode
from router.analysis.items import ItemCounts, Pending
from router.analysis.rows import DOWN, FOLLOWED, family_of
from router.log.events import AttemptFinished, PaceChanged, StateChanged
from router.log.times import seconds_of

LED_WITHIN_S = 120.0
MAX_REMEMBERED = 1000

Target: TypeAlias = tuple[str, str, str]
"""A provider, a scope, and the name of the key or account."""


@dataclass(slots=True)
class _Failed:
    """A failed call that may lead to an episode; `answer` is the good answer that its item had later."""

    at: float
    call: AttemptFinished
    answer: AttemptFinished | None = None

    def answered(self, call: AttemptFinished) -> None:
        self.answer = call


class Episodes:
    """Reads events in order and pairs changes of state into episodes."""

    def __init__(self, pending: Pending) -> None:
        self._pending = pending
        self._all: list[Episode] = []
        self.begin("", {})

    def begin(self, run: str, hashes: Mapping[str, object]) -> None:
        """A run begins, with every key ready; `hashes` are its keys' fingerprints. Call `finish` for the one before."""
        self._run, self._hashes = run, hashes
        self._open: dict[Target, Episode] = {}
        self._streaks: dict[tuple[str, str], list[_Failed]] = {}
        self._answered: dict[tuple[str, str], int] = defaultdict(int)

    def finish(self, at: float) -> None:
        """The log is over, or the run."""
        for episode in self._open.values():
            episode.leave(at)
        self._open.clear()

    def found(self) -> tuple[Episode, ...]:
        """All episodes in the order in which they began; call `finish` before."""
        return tuple(self._all)

    def succeeded(self, call: AttemptFinished) -> None:
        """A good answer: what has failed before it, with this key or for the provider's sake, leads to nothing."""
        for key in (call.key, ""):
            self._answered[call.provider, key] += 1
            self._streaks.pop((call.provider, key), None)

    def failed(self, at: float, call: AttemptFinished) -> None:
        """Count a failed call for the episodes that it belongs to, or remember it: it may lead to one."""
        mine = [episode for episode in self._of(call.provider) if episode.is_hit_by(call)]
        for episode in mine:
            self._count(episode, call)
        if not mine:
            about = "" if family_of(call.fault) in FAULTS_OF["provider"] else call.key
            failed, streak = _Failed(at, call), self._streaks.setdefault((call.provider, about), [])
            streak.append(failed)
            self._pending.wait(failed, call.item)
            if len(streak) > MAX_REMEMBERED:
                del streak[: MAX_REMEMBERED // 2]

    def share(self, change: PaceChanged) -> None:
        """Note the part of its rate that an account or a provider uses."""
        scope = "provider" if change.account is None else "account"
        if episode := self._open.get((change.provider, scope, change.account or "")):
            episode.share = change.after

    def turn(self, at: float, change: StateChanged, run_age_s: float) -> None:
        """Begin, continue or end the episode of a key, an account or a provider."""
        if change.because in FOLLOWED:
            for episode in self._of(change.provider):
                episode.provider_down |= change.scope == "provider" and change.after in DOWN
            return
        target = (change.provider, change.scope, _name(change))
        if change.after == "ready":
            self._close(target, at, "cleared" if change.because == "alike" else "ready")
            return
        if change.after == "dropped":
            self._lose(at, change)
        if target not in self._open:
            self._open[target] = self._begun(at, change, run_age_s)
        self._open[target].enter(at, change.after, seconds_of(change.until or ""))

    def _of(self, provider: str) -> Iterator[Episode]:
        return (episode for (name, _, _), episode in self._open.items() if name == provider)

    def _close(self, target: Target, at: float, ended: str) -> None:
        if (episode := self._open.pop(target, None)) is not None:
            episode.leave(at, ended)

    def _lose(self, at: float, change: StateChanged) -> None:
        """Keys that are dropped take part in no other episode."""
        for target, episode in tuple(self._open.items()):
            if target[:2] == (change.provider, "account") and episode.lose(map(str, change.keys)):
                self._close(target, at, "then_dropped")

    def _begun(self, at: float, change: StateChanged, run_age_s: float) -> Episode:
        keys = tuple(map(str, change.keys))
        own = change.scope != "provider"
        hashes = tuple(str(self._hashes.get(key, change.key_hash) or "") for key in keys)
        answered = sum(self._answered[change.provider, key] for key in (keys if own else ("",)))
        items = ItemCounts(_provider=change.provider, _keys=keys if own else None)
        episode = Episode(self._run, change, hashes, at, run_age_s, answered, Cost(items), _living=set(keys))
        self._all.append(episode)
        self._led(episode, at)
        return episode

    def _led(self, episode: Episode, at: float) -> None:
        """Count the failed calls that have led to it; some of their items have been answered meanwhile."""
        led = []
        for (provider, _), streak in self._streaks.items():
            if provider == episode.provider:
                mine = [
                    failed for failed in streak if failed.at >= at - LED_WITHIN_S and episode.is_hit_by(failed.call)
                ]
                led += mine
                streak[:] = (
                    [failed for failed in streak if not any(failed is each for each in mine)] if mine else streak
                )
        episode.cost.led += len(led)
        episode.cost.calls += len(led)
        for failed in {each.call.item: each for each in led}.values():
            if failed.answer is None:
                self._pending.count(episode.cost.items, failed.call.item)
            elif failed.call.item:
                episode.cost.items.items += 1
                episode.cost.items.answered(failed.answer)

    def _count(self, episode: Episode, call: AttemptFinished) -> None:
        episode.cost.calls += 1
        self._pending.count(episode.cost.items, call.item)


def _name(change: StateChanged) -> str:
    return "" if change.scope == "provider" else (change.account if change.scope == "account" else change.key) or ""
