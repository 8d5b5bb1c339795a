"""One ban or rest, from its first line in the log to its end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields

from router.analysis.items import ItemCounts
from router.analysis.rows import family_of
from router.faults import Family
from router.log.events import AttemptFinished, StateChanged

FAULTS_OF = {
    "account": frozenset({Family.THROTTLE, Family.QUOTA, Family.DEAD}),
    "key": frozenset({Family.THROTTLE, Family.QUOTA, Family.DEAD}),
    "provider": frozenset({Family.PATH, Family.VENDOR, Family.UNKNOWN}),
}
"""The faults that speak of a key or its account, and those that speak of the provider."""
_NAMES = [each.name for each in fields(StateChanged)]
CAME_BEFORE = _NAMES[_NAMES.index("sent_1s") :]
"""The fields that say what came before a change of state."""


@dataclass(slots=True)
class Cost:
    """What an episode cost.

    In `resting_s` nothing was sent (a dropped key rests), in `trial_s` one call at a time, in `ramping_s` calls at a
    share of the rate. `calls` failed at the target: those that led to it, `led`, and those during it.
    """

    items: ItemCounts
    resting_s: float = 0.0
    trial_s: float = 0.0
    ramping_s: float = 0.0
    calls: int = 0
    led: int = 0

    @property
    def not_ready_s(self) -> float:
        """Until the target was ready again, or the log ends."""
        return self.resting_s + self.trial_s + self.ramping_s

    def spend(self, state: str, amount_s: float) -> None:
        """Count the time in a state."""
        name = {"trial": "trial_s", "ramping": "ramping_s"}.get(state, "resting_s")
        setattr(self, name, getattr(self, name) + max(0.0, amount_s))


@dataclass(slots=True)
class Episode:
    """One ban or rest. `ended_at` is None where the target was not ready when the log ends.

    `ended` is `ready`, `cleared` (taken back: the address or the vendor was to blame, not the key), `then_dropped`
    (the key died while it rested, which is an episode of its own), or how the target stood at the end of the log:
    `dropped`, `resting`, `trial`, `ramping`. `share` is the part of its rate in use then. `answered_before` counts the
    target's good answers in the run before. `provider_down` says that it left its provider without a usable key,
    `run_age_s` how long before it the first item had been asked.
    """

    run: str
    _first: StateChanged = field(repr=False)
    key_hashes: tuple[str, ...]
    started_at: float
    run_age_s: float
    answered_before: int
    cost: Cost
    ended_at: float | None = None
    ended: str = ""
    until_at: float | None = None
    rests: int = 0
    share: float = 1.0
    provider_down: bool = False
    _state: str = ""
    _changed_at: float = 0.0
    _living: set[str] = field(default_factory=set, repr=False)

    @property
    def scope(self) -> str:
        """`key`, `account` or `provider`."""
        return self._first.scope

    @property
    def provider(self) -> str:
        """Which, or whose."""
        return self._first.provider

    @property
    def account(self) -> str | None:
        """Which, or a key's; None for a provider."""
        return self._first.account

    @property
    def keys(self) -> tuple[str, ...]:
        """The key, the account's keys, or the provider's keys that failed alike."""
        return tuple(map(str, self._first.keys))

    @property
    def alike(self) -> bool:
        """Whether several accounts failed alike, so that the provider rests and they do not."""
        return self._first.because == "alike"

    @property
    def fault(self) -> str:
        """Why."""
        return self._first.fault or ""

    @property
    def status(self) -> int | None:
        """The HTTP status of that fault."""
        return self._first.status

    @property
    def vendor_code(self) -> str:
        """The vendor's code."""
        return self._first.vendor_code or ""

    @property
    def message(self) -> str:
        """The vendor's words."""
        return self._first.message or ""

    @property
    def came_before(self) -> Mapping[str, object]:
        """What the log tells of the time before."""
        told = vars(self._first)
        return {name: told[name] for name in CAME_BEFORE if told[name] not in (None, (), [])}

    @property
    def name(self) -> str:
        """Who it is about, as people read it: `openai#1`, `moonshot`, `deepseek#1 and deepseek#2`."""
        return self.provider if self.scope == "provider" else " and ".join(self.keys) or self.provider

    def covers(self, key: str) -> bool:
        """Whether it is about this key of its provider."""
        return self.scope == "provider" or key in self._first.keys

    def is_hit_by(self, call: AttemptFinished) -> bool:
        """Whether a failed call at its provider is one of its own."""
        family = family_of(call.fault)
        mine = family in FAULTS_OF[self.scope] or family is family_of(self.fault)
        return mine and self.covers(call.key)

    def enter(self, at: float, state: str, until_at: float | None) -> None:
        """Go on to another state."""
        self.leave(at)
        self._state, self._changed_at = state, at
        if state == "resting":
            self.rests += 1
            self.until_at = until_at

    def leave(self, at: float, ended: str | None = None) -> None:
        """Count the time in the state up to now; `ended` says how it ended, None if only the log did."""
        if self._state:
            self.cost.spend(self._state, at - self._changed_at)
            self._changed_at = at
        if ended is not None:
            self.ended_at = at
        self.ended = ended or self._state

    def lose(self, keys: Iterable[str]) -> bool:
        """Take out keys that were dropped by themselves; returns whether none is left."""
        had_some = bool(self._living)
        self._living.difference_update(keys)
        return had_some and not self._living
