"""Bans and rests: changes of state paired into episodes, each with why, what came before and what it cost.

An episode begins when a key, an account or a provider stops being ready, and ends when it is ready again: several
rests with trials between them are one. What is kept grows with the episodes and the items in flight, not with the log.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from router.faults import Family, Kind
from router.reports.logs.rows import Call, Row, Settled, Share, Turn, family_of

SAME_INSTANT_S = 0.05
"""The keys of one account change within one turn of the router; their lines are this close, at most."""
LED_WITHIN_S = 120.0
MOST_REMEMBERED = 1000
MOST_PENDING = 100_000

_BY_SCOPE = {
    "key": frozenset({Family.THROTTLE, Family.QUOTA, Family.DEAD}),
    "provider": frozenset({Family.PATH, Family.VENDOR, Family.UNKNOWN}),
}

Target: TypeAlias = tuple[str, str | None]
"""A provider's name, and a key's or None for the provider itself."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What an episode cost.

    `not_ready_s` lasts until the target was ready again or the log ends, `resting_s` is the part in which nothing
    was sent. `calls` failed at the target: those that led to it, `led`, and those during it. `items` are the items of
    these calls; the others than `answered_elsewhere` and `answered_here` had no answer when the log ends.
    """

    not_ready_s: float
    resting_s: float
    calls: int
    led: int
    items: int
    answered_elsewhere: int
    answered_here: int

    @property
    def unanswered(self) -> int:
        """Items that failed here and were never answered."""
        return self.items - self.answered_elsewhere - self.answered_here


@dataclass(frozen=True, slots=True)
class Episode:
    """One ban or rest. `ended_at` is None where the target was not ready when the log ends.

    `ended` is `ready`, `cleared` (taken back: the address or the vendor was to blame, not the key), `then_dropped`
    (the key died while it rested, which is an episode of its own), or how the target stood at the end of the log:
    `dropped`, `resting`, `trial`, `ramping`. `share` is the part of its rate in use then. `alike` says that several keys failed alike, so the provider rests. `answered_before` counts the
    target's good answers in the log before. `provider_down` says that it left its provider without a usable key.
    """

    run: str
    scope: str
    provider: str
    keys: tuple[str, ...]
    key_hashes: tuple[str, ...]
    started_at: float
    ended_at: float | None
    ended: str
    until_at: float | None
    rests: int
    share: float
    fault: str
    status: int | None
    vendor_code: str
    message: str
    alike: bool
    provider_down: bool
    answered_before: int
    run_age_s: float
    came_before: Row
    cost: Cost

    @property
    def name(self) -> str:
        """Who it is about, as people read it: `openai#1`, `moonshot`, `deepseek#1 and deepseek#2`."""
        return " and ".join(self.keys) or self.provider


@dataclass(slots=True)
class _Open:
    """An episode while the log is read."""

    run: str
    first: Turn
    keys: dict[str, str]
    answered_before: int
    run_age_s: float
    state: str = ""
    changed_at: float = 0.0
    ended_at: float | None = None
    ended: str = ""
    until_at: float | None = None
    rests: int = 0
    share: float = 1.0
    resting_s: float = 0.0
    not_ready_s: float = 0.0
    provider_down: bool = False
    led: int = 0
    calls: int = 0
    items: int = 0
    elsewhere: int = 0
    here: int = 0
    living: set[Target] = field(default_factory=set)

    @property
    def scope(self) -> str:
        if self.first.key is None:
            return "provider"
        return "account" if len(self.keys) > 1 else "key"

    @property
    def alike(self) -> bool:
        own = self.first.fault and family_of(self.first.fault) in _BY_SCOPE["key"] | {Family.ACCESS}
        return self.first.key is None and bool(own)

    def covers(self, call: Call) -> bool:
        return call.provider == self.first.provider and (self.first.key is None or call.key in self.keys)

    def is_hit_by(self, family: Family) -> bool:
        own = _BY_SCOPE["provider" if self.first.key is None else "key"]
        return family in own or family is family_of(self.first.fault)

    def enter(self, turn: Turn) -> None:
        """Go on to another state; the same one again is the next key of an account."""
        if turn.after == self.state:
            return
        self._leave(turn.at)
        self.state, self.changed_at = turn.after, turn.at
        if turn.after == "resting":
            self.rests += 1
            self.until_at = turn.until_at

    def _leave(self, at: float) -> None:
        spent = max(0.0, at - self.changed_at)
        if self.state in {"resting", "dropped"}:
            self.resting_s += spent
        if self.state:
            self.not_ready_s += spent

    def end(self, at: float, how: str) -> None:
        self._leave(at)
        self.ended_at, self.ended = at, how

    def break_off(self, at: float) -> None:
        """The log is over, or the run."""
        self._leave(at)
        self.ended = self.state

    def frozen(self) -> Episode:
        turn = self.first
        return Episode(
            run=self.run,
            scope=self.scope,
            provider=turn.provider,
            keys=tuple(self.keys),
            key_hashes=tuple(self.keys.values()),
            started_at=turn.at,
            ended_at=self.ended_at,
            ended=self.ended,
            until_at=self.until_at,
            rests=self.rests,
            share=self.share,
            fault=turn.fault,
            status=turn.status,
            vendor_code=turn.vendor_code,
            message=turn.message,
            alike=self.alike,
            provider_down=self.provider_down,
            answered_before=self.answered_before,
            run_age_s=self.run_age_s,
            came_before=turn.came_before,
            cost=self._cost(),
        )

    def _cost(self) -> Cost:
        not_ready_s, resting_s = round(self.not_ready_s, 3), round(self.resting_s, 3)
        return Cost(not_ready_s, resting_s, self.calls, self.led, self.items, self.elsewhere, self.here)


class _Failed(NamedTuple):
    at: float
    item: str
    family: Family


class Episodes:
    """Reads events in order and pairs changes of state into episodes."""

    def __init__(self) -> None:
        self._all: list[_Open] = []
        self._run = ""
        self._began_at = 0.0
        self._forget()

    def _forget(self) -> None:
        self._open: dict[Target, _Open] = {}
        self._streaks: dict[Target, list[_Failed]] = defaultdict(list)
        self._answered: dict[Target, int] = defaultdict(int)
        self._last_fault: dict[str, Call] = {}
        self._pending: dict[str, list[_Open]] = {}

    def begin(self, run: str, at: float, last_at: float) -> None:
        """A run begins, with every key ready: what was open ends with the log of the run before, at `last_at`."""
        self.finish(last_at)
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
            for episode in self._pending.pop(call.item, ()):
                episode.here += episode.covers(call)
                episode.elsewhere += not episode.covers(call)
            return
        family = call.family
        self._last_fault[call.provider] = call
        for target in targets:
            episode_or_none = self._open.get(target)
            if episode_or_none is None:
                self._remember(target, _Failed(call.at, call.item, family))
            elif episode_or_none.is_hit_by(family):
                self._hit(episode_or_none, call.item)

    def _remember(self, target: Target, failed: _Failed) -> None:
        streak = self._streaks[target]
        streak.append(failed)
        if len(streak) > MOST_REMEMBERED:
            del streak[: MOST_REMEMBERED // 2]

    def _hit(self, episode: _Open, item: str) -> None:
        episode.calls += 1
        if not item:
            return
        hit = self._pending.setdefault(item, [])
        if episode not in hit:
            hit.append(episode)
            episode.items += 1
        if len(self._pending) > MOST_PENDING:
            self._pending.pop(next(iter(self._pending)))

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
            episode = _Open(self._run, cause, {}, answered, max(0.0, turn.at - self._began_at))
            self._all.append(episode)
        elif target not in episode.living:
            episode.answered_before += self._answered[target]
        if turn.key is not None:
            episode.keys[turn.key] = turn.key_hash
        episode.living.add(target)
        episode.enter(turn)
        self._open[target] = episode
        for failed in self._streaks.pop(target, ()):
            if failed.at >= turn.at - LED_WITHIN_S and episode.is_hit_by(failed.family):
                episode.led += 1
                self._hit(episode, failed.item)

    def _explained(self, turn: Turn) -> Turn:
        """A provider that no key serves any more says no fault of its own: the last failed call has it."""
        call = self._last_fault.get(turn.provider)
        if turn.fault or call is None:
            return turn
        said = {"fault": call.fault, "status": call.status, "vendor_code": call.vendor_code, "message": call.message}
        return turn._replace(**said)  # type: ignore[arg-type]

    def _same_account(self, turn: Turn) -> _Open | None:
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
            episode.end(turn.at, _how(episode, turn))


def _how(episode: _Open, turn: Turn) -> str:
    """A rest ends in a trial or a ramp; one that ends in `ready` at once was taken back."""
    if turn.after != "ready":
        return "then_dropped"
    return "cleared" if turn.key is not None and turn.before in {"resting", "dropped"} else "ready"


def _is_twin(episode: _Open, turn: Turn) -> bool:
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
