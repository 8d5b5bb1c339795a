"""Bans and rests: changes of state paired into episodes, each with why, what came before and what it cost.

An episode begins when a key, an account or a provider stops being ready, and ends when it is ready again: several
rests with trials between them are one. What is kept grows with the episodes and the items in flight, not with the log.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from router.analysis.episode import Episode, OpenEpisode, Target
from router.analysis.rows import Call, Settled, Share, Turn
from router.faults import Family, Kind

SAME_INSTANT_S = 0.05
"""The keys of one account change within one turn of the router; their lines are this close, at most."""
LED_WITHIN_S = 120.0
MAX_REMEMBERED = 1000
MAX_PENDING = 100_000


@dataclass(slots=True)
class _Failed:
    """A failed call that may lead to an episode; `answered` is the good answer that its item had later."""

    at: float
    item: str
    family: Family
    answered: Call | None = None


class Episodes:
    """Reads events in order and pairs changes of state into episodes."""

    def __init__(self) -> None:
        self._all: list[OpenEpisode] = []
        self._run = ""
        self._began_at = 0.0
        self._forget()

    def _forget(self) -> None:
        self._open: dict[Target, OpenEpisode] = {}
        self._streaks: dict[Target, list[_Failed]] = defaultdict(list)
        self._answered: dict[Target, int] = defaultdict(int)
        self._last_fault: dict[str, Call] = {}
        self._pending: dict[str, list[OpenEpisode | _Failed]] = {}

    def begin(self, run: str, at: float) -> None:
        """A run begins, with every key ready; call `finish` for the one before."""
        self._forget()
        self._run, self._began_at = run, at

    def finish(self, at: float) -> None:
        """The log is over."""
        for episode in {id(each): each for each in self._open.values()}.values():
            episode.break_off(at)
        self._open.clear()

    def frozen(self) -> tuple[Episode, ...]:
        """All episodes in the order in which they began; call `finish` before."""
        return tuple(each.frozen() for each in self._all)

    # Calls and items.

    def call(self, call: Call) -> None:
        """Count a call for the episodes of its key and its provider."""
        targets: tuple[Target, Target] = ((call.provider, call.key), (call.provider, None))
        if call.ok:
            for target in targets:
                self._answered[target] += 1
                self._streaks.pop(target, None)
            for waiting in self._pending.pop(call.item, ()):
                if isinstance(waiting, _Failed):
                    waiting.answered = call
                else:
                    waiting.answered(call)
            return
        family = call.family
        self._last_fault[call.provider] = call
        failed = _Failed(call.at, call.item, family)
        for target in targets:
            episode = self._open.get(target)
            if episode is None:
                self._remember(target, failed)
            elif episode.is_hit_by(family):
                episode.calls += 1
                self._wait(episode, call.item)

    def _remember(self, target: Target, failed: _Failed) -> None:
        streak = self._streaks[target]
        streak.append(failed)
        self._pend(failed.item, failed)
        if len(streak) > MAX_REMEMBERED:
            del streak[: MAX_REMEMBERED // 2]

    def _wait(self, episode: OpenEpisode, item: str) -> None:
        """Count an item once, and wait for its answer."""
        if item and not any(each is episode for each in self._pending.get(item, ())):
            episode.items += 1
            self._pend(item, episode)

    def _pend(self, item: str, whom: OpenEpisode | _Failed) -> None:
        if not item:
            return
        self._pending.setdefault(item, []).append(whom)
        if len(self._pending) > MAX_PENDING:
            self._pending.pop(next(iter(self._pending)))

    def _led(self, episode: OpenEpisode, streak: Sequence[_Failed]) -> None:
        """Count the failed calls that have led to an episode; some of their items have been answered meanwhile."""
        episode.led += len(streak)
        episode.calls += len(streak)
        for failed in {each.item: each for each in streak}.values():
            if failed.answered is None:
                self._wait(episode, failed.item)
            elif failed.item:
                episode.items += 1
                episode.answered(failed.answered)

    def settled(self, settled: Settled) -> None:
        """An item is over: nobody will answer it any more."""
        self._pending.pop(settled.item, None)

    def share(self, share: Share) -> None:
        """Note the part of its rate that a target uses."""
        if (episode := self._open.get((share.provider, share.key))) is not None:
            episode.share = share.after

    # Changes of state.

    def turn(self, turn: Turn) -> None:
        """Begin, go on with or end the episode of a key or a provider."""
        target = (turn.provider, turn.key)
        if turn.by_keys and self._blame_keys(turn):
            return
        episode = self._open.get(target)
        if turn.after == "ready":
            self._close(target, turn)
        elif turn.after == "dropped" and episode is not None and episode.state != "dropped":
            self._close(target, turn)
            self._begin(target, turn)
        elif episode is not None:
            episode.enter(turn)
        else:
            self._begin(target, turn)

    def _blame_keys(self, turn: Turn) -> bool:
        """A provider whose last key has just stopped being ready is part of that key's episode."""
        keys = {id(e): e for (provider, key), e in self._open.items() if provider == turn.provider and key is not None}
        recent = [e for e in keys.values() if abs(e.changed_at - turn.at) <= SAME_INSTANT_S]
        for episode in recent:
            episode.provider_down = True
        return bool(recent)

    def _begin(self, target: Target, turn: Turn) -> None:
        cause = self._explained(turn)
        episode = self._same_account(cause)
        if episode is None:
            answered = self._answered[target]
            episode = OpenEpisode(self._run, cause, {}, turn.by_keys, answered, max(0.0, turn.at - self._began_at))
            self._all.append(episode)
        elif target not in episode.living:
            episode.answered_before += self._answered[target]
        if turn.key is not None:
            episode.keys[turn.key] = turn.key_hash
        episode.living.add(target)
        episode.enter(turn)
        self._open[target] = episode
        led = self._streaks.pop(target, [])
        self._led(episode, [e for e in led if e.at >= turn.at - LED_WITHIN_S and episode.is_hit_by(e.family)])

    def _explained(self, turn: Turn) -> Turn:
        """A provider that no key serves any more says no fault of its own: the last failed call has it."""
        call = self._last_fault.get(turn.provider)
        if (turn.fault and not turn.by_keys) or call is None:
            return turn
        said = {"fault": call.fault, "status": call.status, "vendor_code": call.vendor_code, "message": call.message}
        return turn._replace(**said)  # type: ignore[arg-type]

    def _same_account(self, turn: Turn) -> OpenEpisode | None:
        """The episode that another key of the same account has begun in the same instant."""
        if turn.key is None or (turn.after == "dropped" and turn.fault != Kind.ACCOUNT_BANNED):
            return None
        for episode in reversed(self._all[-64:]):
            if _is_twin(episode, turn):
                return episode
        return None

    def _close(self, target: Target, turn: Turn) -> None:
        episode = self._open.pop(target, None)
        if episode is None:
            return
        episode.living.discard(target)
        if not episode.living:
            episode.end(turn.at, _how(turn))


def _how(turn: Turn) -> str:
    """A rest ends in a trial or a ramp; one that ends in `ready` at once was taken back."""
    if turn.after != "ready":
        return "then_dropped"
    return "cleared" if turn.key is not None and turn.before in {"resting", "dropped"} else "ready"


def _is_twin(episode: OpenEpisode, turn: Turn) -> bool:
    first = episode.first
    same = (first.provider, first.after, first.fault, first.message) == (
        turn.provider,
        turn.after,
        turn.fault,
        turn.message,
    )
    near = 0 <= turn.at - first.at <= SAME_INSTANT_S
    until = abs((first.until_at or 0) - (turn.until_at or 0)) <= SAME_INSTANT_S
    return first.key is not None and same and near and until and episode.ended_at is None
