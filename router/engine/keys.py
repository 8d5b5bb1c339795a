"""The ring of one provider's keys: rotation, what each key and account may do now, and since when.

The ring is told and does not ask. Whoever lets an account do more than before (a rest that is lifted, a call that is
back) says so by `AccountState.changed`; what a key serves is changed in `KeyState` only. That an account may do less is
found out when it is its turn. So a choice costs the same for one key and a thousand.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator

from router.config.models import Key
from router.engine.budget import Budget
from router.engine.congestion import CongestionWindow
from router.engine.health import Health, State
from router.engine.pace import Pace
from router.engine.selector import Pinned, Wanted
from router.faults import Fault

LONG_AGO = -math.inf


class AccountState:
    """What keys of one account share: the limits that vendors put on accounts, and the rests they impose.

    `congestion` bounds the calls in flight where no rate is declared; None where one is.
    """

    def __init__(
        self, name: str, pace: Pace, budgets: tuple[Budget, ...] = (), congestion: CongestionWindow | None = None
    ) -> None:
        self.name = name
        self.pace = pace
        self.budgets = budgets
        self.congestion = congestion
        self.in_flight = 0
        self.listeners: list[Callable[[AccountState], None]] = []
        self._health = Health()

    @property
    def health(self) -> Health:
        """How the account stands."""
        return self._health

    @health.setter
    def health(self, health: Health) -> None:
        self._health = health
        self.changed()

    def changed(self) -> None:
        """Tell every ring that it is in, and the other lanes of an account that several providers share."""
        for tell in self.listeners:
            tell(self)

    def up_at(self, now: float) -> float:
        """The loop time at which its rest and its used-up budgets are over; the past where nothing of that holds."""
        health = self._health.at(now)
        return max(health.until if health.state is State.RESTING else 0.0, self._budgets_over(now))

    def ready_at(self, now: float) -> float:
        """The loop time from which it may send; `inf` while it has as many calls out as it may."""
        health = self._health.at(now)
        if self._is_full(health):
            return math.inf
        self.pace.share = health.share
        rest_over = health.until if health.state is State.RESTING else 0.0
        return max(rest_over, self._budgets_over(now), self.pace.ready_at())

    def _is_full(self, health: Health) -> bool:
        """Whether one more call would be too many: on trial after one, without a rate when its window is full."""
        if health.state is State.TRIAL:
            return self.in_flight > 0
        return self.congestion is not None and self.in_flight >= self.congestion.room

    def _budgets_over(self, now: float) -> float:
        return max([now + budget.seconds_to_reset for budget in self.budgets if not budget.left], default=0.0)


class KeyState:
    """One key: whether it is dead, what it does not serve, and how often it was used."""

    def __init__(self, key: Key, account: AccountState, health: Health | None = None) -> None:
        self.key = key
        self.account = account
        self.denied: dict[str, Fault] = {}
        self.sent = 0
        self.changed: Callable[[KeyState], None] = _nobody_is_told
        self._health = health or Health()

    @property
    def health(self) -> Health:
        """How the key itself stands: as new, or dropped."""
        return self._health

    @health.setter
    def health(self, health: Health) -> None:
        self._health = health
        self.changed(self)

    def deny(self, model: str, fault: Fault) -> None:
        """Take a model from what it serves."""
        self.denied[model] = fault
        self.changed(self)

    def allow(self, model: str) -> None:
        """Give a model back."""
        if self.denied.pop(model, None) is not None:
            self.changed(self)

    def state(self, now: float) -> State:
        """The worse of its own state and its account's."""
        own = self._health.state
        return own if own is State.DROPPED else self.account.health.at(now).state

    def serves(self, model: str) -> bool:
        """Whether it may ever be asked for `model` in this run."""
        return self._health.state is not State.DROPPED and model not in self.denied


class _Rotation:
    """The keys that serve one model, in turn: the one that was not used for longest first.

    An account is *believed* ready, is *due* at a known time, or waits to be told. What is believed is checked when it
    is its turn, so the heaps may lag behind what is so, on the hopeful side only.
    """

    def __init__(self, keys: Iterable[KeyState]) -> None:
        self._keys: dict[AccountState, deque[KeyState]] = {}
        self._last_used: dict[KeyState, int] = {}
        self._number = itertools.count()
        self._believed: set[AccountState] = set()
        self._ready: list[tuple[int, int, AccountState]] = []
        self._due: dict[AccountState, float] = {}
        self._later: list[tuple[float, int, AccountState]] = []
        self._up_at: dict[AccountState, float] = {}
        self._up: list[tuple[float, int, AccountState]] = []
        for key in keys:
            self.add(key)

    def __bool__(self) -> bool:
        return bool(self._last_used)

    def __contains__(self, key: KeyState) -> bool:
        return key in self._last_used

    def has_other(self, key: KeyState) -> bool:
        """Whether another key than this one takes part."""
        return len(self._last_used) > (key in self._last_used)

    def add(self, key: KeyState) -> None:
        """Let a key take part; its turn comes last."""
        self._keys.setdefault(key.account, deque()).append(key)
        self._last_used[key] = next(self._number)
        self.look_at(key.account)

    def remove(self, key: KeyState) -> None:
        """Leave a key out."""
        self._keys[key.account].remove(key)
        del self._last_used[key]
        self._believed.discard(key.account)
        self.look_at(key.account)

    def took(self, key: KeyState) -> None:
        """Move a key that was used to the end of the turn."""
        if key not in self:
            return
        keys = self._keys[key.account]
        keys.remove(key)  # it is the first, unless somebody did not ask whose turn it is
        keys.append(key)
        self._last_used[key] = next(self._number)
        self._believed.discard(key.account)
        self.look_at(key.account)

    def look_at(self, account: AccountState) -> None:
        """Believe an account ready and up until its turn comes."""
        keys = self._keys.get(account)
        if not keys:
            return
        if account not in self._believed:
            self._believed.add(account)
            heapq.heappush(self._ready, (self._last_used[keys[0]], next(self._number), account))
        if self._up_at.get(account) != LONG_AGO:
            self._up_at[account] = LONG_AGO
            heapq.heappush(self._up, (LONG_AGO, next(self._number), account))

    def pick(self, now: float) -> KeyState | None:
        """The key whose turn it is among those that may be used now."""
        while self._later and self._later[0][0] <= now:
            self._is_due(heapq.heappop(self._later))
        while self._ready:
            last_used, _, account = self._ready[0]
            keys = self._keys[account]
            if not keys or last_used != self._last_used[keys[0]]:
                heapq.heappop(self._ready)
            elif (ready_at := account.ready_at(now)) <= now:
                return keys[0]
            else:
                heapq.heappop(self._ready)
                self._wait(account, ready_at)
        return None

    def _is_due(self, entry: tuple[float, int, AccountState]) -> None:
        at, _, account = entry
        if self._due.get(account) == at:
            del self._due[account]
            self.look_at(account)

    def _wait(self, account: AccountState, ready_at: float) -> None:
        self._believed.discard(account)
        if ready_at < math.inf and self._due.get(account) != ready_at:
            self._due[account] = ready_at
            heapq.heappush(self._later, (ready_at, next(self._number), account))

    def ready_at(self, now: float) -> float:
        """When a key may be used; `inf` where that cannot be foreseen."""
        if self.pick(now) is not None:
            return now
        return self._later[0][0] if self._later else math.inf

    def up_at(self, now: float) -> float:
        """When an account neither rests nor is out of budget; the past where one is so."""
        while self._up:
            believed, _, account = self._up[0]
            if self._up_at.get(account) != believed or not self._keys[account]:
                heapq.heappop(self._up)
                continue
            up_at = account.up_at(now)
            if up_at <= now or up_at == believed:
                return up_at
            self._up_at[account] = up_at
            heapq.heapreplace(self._up, (up_at, next(self._number), account))
        return math.inf


class KeyRing:
    """Hands out the keys of one provider in strict rotation for each model, skipping those that may not be used."""

    def __init__(self, states: Iterable[KeyState]) -> None:
        self.keys = tuple(states)
        self._rotations: dict[Wanted, _Rotation] = {}
        self._account_names = {key.key.name: key.account.name for key in self.keys}
        self._of_account: dict[AccountState, tuple[KeyState, ...]] = {}
        for key in self.keys:
            self._of_account[key.account] = (*self._of_account.get(key.account, ()), key)
            key.changed = self._key_changed
        for account in self._of_account:
            account.listeners.append(self._account_changed)

    def __iter__(self) -> Iterator[KeyState]:
        return iter(self.keys)

    def pick(self, model: Wanted, now: float) -> KeyState | None:
        """The next key in turn that may be used for `model` now."""
        return self._rotation(model).pick(now)

    def took(self, key: KeyState, model: str) -> None:
        """Move a key that was used for `model` to the end of the turn."""
        key.sent += 1
        self._rotation(model).took(key)
        if (pinned := self._rotations.get(Pinned(model, key.account.name))) is not None:
            pinned.took(key)

    def ready_at(self, model: Wanted, now: float) -> float:
        """When the first key that serves `model` may be used; `inf` where none can be foreseen."""
        return self._rotation(model).ready_at(now)

    def up_at(self, model: Wanted, now: float) -> float:
        """When the first account with a key that serves `model` neither rests nor is out of budget; `inf` for never."""
        return self._rotation(model).up_at(now)

    def serves(self, model: Wanted) -> bool:
        """Whether any key may ever be asked for `model`."""
        return bool(self._rotation(model))

    def has_other(self, key: KeyState, model: str) -> bool:
        """Whether any other key than this one may ever be asked for `model`."""
        return self._rotation(model).has_other(key)

    def account_of(self, key: str) -> str | None:
        """The account of the key with a name such as `openai#2`; None where there is no such key."""
        return self._account_names.get(key)

    @property
    def accounts(self) -> Collection[AccountState]:
        """The accounts of its keys."""
        return self._of_account.keys()

    def of_account(self, account: AccountState) -> tuple[KeyState, ...]:
        """The keys that share an account."""
        return self._of_account[account]

    def _rotation(self, model: Wanted) -> _Rotation:
        if model not in self._rotations:
            self._rotations[model] = _Rotation(key for key in self.keys if _is_meant(key, model))
        return self._rotations[model]

    def _account_changed(self, account: AccountState) -> None:
        for rotation in self._rotations.values():
            rotation.look_at(account)

    def _key_changed(self, key: KeyState) -> None:
        for model, rotation in self._rotations.items():
            if (is_meant := _is_meant(key, model)) and key not in rotation:
                rotation.add(key)
            elif not is_meant and key in rotation:
                rotation.remove(key)


def _is_meant(key: KeyState, model: Wanted) -> bool:
    if isinstance(model, Pinned):
        return key.account.name == model.account and key.serves(model.model)
    return key.serves(model)


def _nobody_is_told(_changed: object) -> None:
    """Before there is a ring."""
