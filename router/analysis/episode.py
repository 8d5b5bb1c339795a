"""One ban or rest: what is known of it at the end, and what it counts while the log is read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from router.analysis.rows import Call, Row, Turn, family_of
from router.faults import Family

FAULTS_OF = {
    "key": frozenset({Family.THROTTLE, Family.QUOTA, Family.DEAD}),
    "provider": frozenset({Family.PATH, Family.VENDOR, Family.UNKNOWN}),
}
"""The faults that speak of a key or its account, and those that speak of the provider."""

Target: TypeAlias = tuple[str, str | None]
"""A provider's name, and a key's or None for the provider itself."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What an episode cost.

    `not_ready_s` lasts until the target was ready again or the log ends. Of it, in `resting_s` nothing was sent (a
    dropped key rests), in `trial_s` one call at a time, in `ramping_s` calls at a share of the rate. `calls` failed
    at the target: those that led to it, `led`, and those during it. `items` are the items of these calls; the others
    than `answered_elsewhere` and `answered_here` had no answer when the log ends.
    """

    not_ready_s: float
    resting_s: float
    trial_s: float
    ramping_s: float
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
    `dropped`, `resting`, `trial`, `ramping`. `share` is the part of its rate in use then. `alike` says that several
    keys failed alike, so the provider rests, `by_keys` that it only follows its keys, of which none serves any more;
    then `fault` is that of its last failed call. `answered_before` counts the target's good answers in the run before.
    `provider_down` says that it left its provider without a usable key, `run_age_s` how old the run was.
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
    by_keys: bool
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
class OpenEpisode:
    """An episode while the log is read."""

    run: str
    first: Turn
    keys: dict[str, str]
    by_keys: bool
    answered_before: int
    run_age_s: float
    state: str = ""
    changed_at: float = 0.0
    ended_at: float | None = None
    ended: str = ""
    until_at: float | None = None
    rests: int = 0
    share: float = 1.0
    spent_s: dict[str, float] = field(default_factory=dict)
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
        mine = FAULTS_OF["key"] | {Family.ACCESS}
        return self.first.key is None and not self.by_keys and family_of(self.first.fault) in mine

    def covers(self, call: Call) -> bool:
        return call.provider == self.first.provider and (self.first.key is None or call.key in self.keys)

    def answered(self, call: Call) -> None:
        self.here += self.covers(call)
        self.elsewhere += not self.covers(call)

    def is_hit_by(self, family: Family) -> bool:
        own = FAULTS_OF["provider" if self.first.key is None else "key"]
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
        if self.state:
            self.spent_s[self.state] = self.spent_s.get(self.state, 0.0) + max(0.0, at - self.changed_at)

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
            by_keys=self.by_keys,
            provider_down=self.provider_down,
            answered_before=self.answered_before,
            run_age_s=round(self.run_age_s, 3),
            came_before=turn.came_before,
            cost=self._cost(),
        )

    def _cost(self) -> Cost:
        spent = self.spent_s.get
        return Cost(
            not_ready_s=round(sum(self.spent_s.values()), 3),
            resting_s=round(spent("resting", 0.0) + spent("dropped", 0.0), 3),
            trial_s=round(spent("trial", 0.0), 3),
            ramping_s=round(spent("ramping", 0.0), 3),
            calls=self.calls,
            led=self.led,
            items=self.items,
            answered_elsewhere=self.elsewhere,
            answered_here=self.here,
        )
