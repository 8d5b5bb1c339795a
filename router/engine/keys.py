"""The ring of one provider's keys: rotation, what each key and account may do now, and since when.

The mutable state is `KeyState` and `AccountState`; everything that decides is synchronous.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from router.config.models import Key
from router.engine.congestion import CongestionWindow
from router.engine.health import Health, State
from router.engine.pace import Budget, Pace
from router.faults import Fault


@dataclass(slots=True)
class AccountState:
    """What keys of one account share: the limits that vendors put on accounts, and the rests they impose.

    `congestion` bounds the calls in flight where no rate is declared; None where one is.
    """

    name: str
    pace: Pace
    budgets: tuple[Budget, ...] = ()
    health: Health = field(default_factory=Health)
    in_flight: int = 0
    congestion: CongestionWindow | None = None
    spaced_until: float = 0.0

    def is_full(self, now: float) -> bool:
        """Whether one more call would be too many: on trial after one, without a rate when its window is full."""
        if self.health.at(now).state is State.TRIAL:
            return self.in_flight > 0
        return self.congestion is not None and self.in_flight >= self.congestion.room


@dataclass(slots=True)
class KeyState:
    """One key: whether it is dead, what it does not serve, and how often it was used."""

    key: Key
    account: AccountState
    health: Health = field(default_factory=Health)
    denied: dict[str, Fault] = field(default_factory=dict)
    sent: int = 0
    proven: bool = False

    def state(self, now: float) -> State:
        """The worse of its own state and its account's."""
        own = self.health.at(now).state
        return own if own is State.DROPPED else self.account.health.at(now).state

    def serves(self, model: str) -> bool:
        """Whether it may ever be asked for `model` in this run."""
        return self.health.state is not State.DROPPED and model not in self.denied

    def rested_at(self, now: float) -> float:
        """The loop time at which its account's rest is over, and its budgets have something left."""
        health = self.account.health.at(now)
        rest_over = health.until if health.state is State.RESTING else 0.0
        return max(rest_over, *(now + each.seconds_to_reset for each in self.account.budgets if not each.left), 0.0)

    def ready_at(self, now: float) -> float:
        """The loop time from which it may be used; `inf` while its account has as many calls out as it may."""
        if self.health.state is State.DROPPED or self.account.is_full(now):
            return math.inf
        return max(self.rested_at(now), self.account.spaced_until, self.account.pace.ready_at())


class KeyRing:
    """Hands out the keys of one provider in strict rotation, skipping those that may not be used."""

    def __init__(self, states: Iterable[KeyState]) -> None:
        self._turn = deque(states)
        self.keys = tuple(self._turn)

    def __iter__(self) -> Iterator[KeyState]:
        return iter(self.keys)

    def pick(self, model: str, now: float) -> KeyState | None:
        """The next key in turn that may be used for `model` now."""
        return next((k for k in self._turn if k.serves(model) and k.ready_at(now) <= now), None)

    def took(self, state: KeyState) -> None:
        """Move a key that was used to the end of the turn."""
        state.sent += 1
        self._turn.remove(state)
        self._turn.append(state)

    def ready_at(self, model: str, now: float) -> float:
        """When the first key that serves `model` may be used; `inf` where none can be foreseen."""
        return min((k.ready_at(now) for k in self._turn if k.serves(model)), default=math.inf)

    def serves(self, model: str) -> bool:
        """Whether any key may ever be asked for `model`."""
        return any(k.serves(model) for k in self._turn)

    @property
    def has_budget(self) -> bool:
        """Whether the account of any living key may still send in the present window of each long limit."""
        living = (k for k in self.keys if k.health.state is not State.DROPPED)
        return any(all(budget.left for budget in k.account.budgets) for k in living)

    def of_account(self, account: AccountState) -> tuple[KeyState, ...]:
        """The keys that share an account."""
        return tuple(k for k in self.keys if k.account is account)
