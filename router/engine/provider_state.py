"""How one provider stands: its health, its keys' and accounts', and what was sent.

Facts and accounts; who is to blame for a failure is `blame.Judge`'s decision. Every health is written by `move`, which
notes whose state may have changed. So `announce`, which tells of each change, visits those keys alone, and those whose
rest is over by the clock: what it costs does not depend on how many keys there are.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections import Counter
from collections.abc import Callable

from router.clock import Clock
from router.config.models import Provider
from router.engine.announcer import Announcer, Because, Change
from router.engine.blame import Judge, Move, Rest, Step, Target
from router.engine.health import Health, State
from router.engine.keys import AccountState, KeyRing, KeyState
from router.engine.permit import Permit
from router.engine.selector import Selector, Wanted
from router.engine.stall import StallDetector
from router.engine.traffic import RecentTraffic
from router.faults import Blame, Fault, Kind
from router.types import Answer

UNREACHABLE_STRIKES = 4
"""Rests in a row, half a minute in all, after which a server that never accepted a connection is not there."""


class KeyStates:
    """How the keys of one provider stand, counted: kept up to date by what is told, and by the clock."""

    def __init__(self, ring: KeyRing, health_of: Callable[[KeyState, float], Health]) -> None:
        self._health_of = health_of
        self._healths = dict.fromkeys(ring, Health())
        self._count = Counter({State.READY: len(self._healths)})
        self._moved = {key: None for key in ring if key.health.state is not State.READY}
        self._back: list[tuple[float, int, KeyState]] = []
        self._number = itertools.count()
        self._last_dropped: Health | None = None

    def moved(self, *keys: KeyState) -> None:
        """Note that these keys may stand otherwise than before."""
        self._moved.update(dict.fromkeys(keys))

    def look(self, now: float) -> tuple[KeyState, ...]:
        """Look at those that may have changed since the last look, and return them."""
        while self._back and self._back[0][0] <= now:
            self.moved(heapq.heappop(self._back)[2])
        moved, self._moved = tuple(self._moved), {}
        for key in moved:
            self._look_at(key, now)
        return moved

    def _look_at(self, key: KeyState, now: float) -> None:
        health = self._health_of(key, now)
        self._count[self._healths[key].state] -= 1
        self._count[health.state] += 1
        self._healths[key] = health
        if health.state is State.RESTING:
            heapq.heappush(self._back, (health.until, next(self._number), key))
        elif health.state is State.DROPPED:
            self._last_dropped = health

    def __getitem__(self, key: KeyState) -> Health:
        return self._healths[key]

    @property
    def all_dropped(self) -> Health | None:
        """How the last key was dropped, where none is left."""
        return self._last_dropped if self._count[State.DROPPED] == len(self._healths) else None

    @property
    def all_resting(self) -> Health | None:
        """The rest that is over first, where all that are left rest."""
        if self._count[State.RESTING] + self._count[State.DROPPED] < len(self._healths):
            return None
        while self._back:
            until, _, key = self._back[0]
            health = self._healths[key]
            if health.state is State.RESTING and health.until == until:
                return health
            heapq.heappop(self._back)
        return None


class ProviderState:
    """One provider as it stands. Its mutable state: `health`, the ring, the counts, and what it announced last."""

    def __init__(
        self,
        provider: Provider,
        ring: KeyRing,
        *,
        clock: Clock,
        rng: random.Random,
        on_change: Callable[[Change], None],
    ) -> None:
        self.provider = provider
        self.ring = ring
        self.health = Health()
        self.traffic = RecentTraffic()
        self.stall = StallDetector()
        self.in_flight = 0
        self.sent = 0
        self.answered = 0
        self.faults = 0
        self.throttled = 0
        self._clock = clock
        self._judge = Judge(self, rng, clock.wall)
        self._was_heard = False
        self._asked: set[str] = set()
        self._denied: set[KeyState] = set()
        self._keys = KeyStates(ring, self.health_of)
        self._account_healths = {account: account.health for account in ring.accounts}
        for account in ring.accounts:
            account.listeners.append(self._account_changed)
        self._announcer = Announcer(provider, ring, self.traffic, on_change)
        self._announced: Health | None = None

    @property
    def default_model(self) -> str:
        """The model of a call that names none."""
        return next(iter(self.provider.models.values()))

    def health_of(self, key: KeyState, now: float) -> Health:
        """How a key stands: dropped itself, dropped for every model that was asked for, else as its account."""
        own = key.health.at(now)
        if own.state is State.DROPPED:
            return own
        denied = [key.denied.get(model) for model in self._asked or {self.default_model}]
        if all(denied):
            return Health(State.DROPPED, until=math.inf, cause=denied[0])
        return key.account.health.at(now)

    def effective(self, now: float) -> Health:
        """How the provider stands: dropped without a living key, resting while all living keys rest, else itself."""
        self.announce(now)
        own = self.health.at(now)
        return self._followed(own) or own

    def _followed(self, own: Health) -> Health | None:
        """The health of its keys that the provider follows; None where it stands as itself."""
        return self._keys.all_dropped or (self._keys.all_resting if own.is_open else None)

    def state(self, now: float) -> State:
        """The state of `effective`."""
        return self.effective(now).state

    @property
    def rests_for_good(self) -> bool:
        """Whether it rests for the whole run, as for a region that is blocked."""
        return self.health.state is State.RESTING and math.isinf(self.health.until)

    def may_serve(self, model: Wanted) -> bool:
        """Whether any key may ever be asked for a model in this run."""
        return not self.rests_for_good and self.ring.serves(model)

    def rested_at(self, model: Wanted, now: float) -> float:
        """The loop time at which rests, and the budgets of accounts, let it serve a model; the past where they do."""
        own = self.health.at(now)
        return max(own.until if own.state is State.RESTING else 0.0, self.ring.up_at(model, now))

    def is_unreachable(self, now: float) -> bool:
        """Whether nobody is there: no connection has come about in UNREACHABLE_STRIKES tries in a row, far apart."""
        own = self.health.at(now)
        refused = own.cause is not None and own.cause.kind is Kind.CONNECTION
        return refused and not self._was_heard and own.state is State.RESTING and own.strikes >= UNREACHABLE_STRIKES

    def reasons(self, selector: Selector, now: float) -> list[str]:
        """Why nothing here can serve a selector now, key by key, in the vendor's words."""
        name, model = self.provider.name, self.provider.model_for(selector.model)
        if model is None:
            return [f"{name}: has no model {selector.model!r} (it has {', '.join(self.provider.models)})"]
        own = self.health.at(now)
        if own.state is State.RESTING:
            return [f"{name}: {own.cause}"]
        return [f"{key.key.name}: {why}" for key in self.ring if (why := self._why_not(key, model, now))]

    def _why_not(self, key: KeyState, model: str, now: float) -> Fault | str | None:
        account = key.account.health.at(now)
        if (fault := key.denied.get(model) or key.health.cause) is not None:
            return fault
        if account.state is State.RESTING:
            return account.cause
        return next((f"{budget.rate} is used up" for budget in key.account.budgets if not budget.left), None)

    def left(self, permit: Permit, now: float) -> None:
        """Count a call that leaves now."""
        key = permit.key
        if permit.model not in self._asked:
            self._asked.add(permit.model)
            self._keys.moved(*self._denied)
        self.stall.left(permit.number, now)
        self.in_flight += 1
        self.sent += 1
        key.account.in_flight += 1
        self.ring.took(key, permit.model)
        self.traffic.sent(now, key.key.name, key.account.name)

    def heard(self, permit: Permit) -> None:
        """The answer to a call has begun to come: the vendor is not silent, however long the rest of it takes."""
        self._was_heard = True
        self.stall.back(permit.number, self._clock.now(), alive=True)

    def returned(self, permit: Permit, result: Answer | Fault | None) -> None:
        """Count a call that is back, and report its result; None where its caller went away."""
        self.in_flight -= 1
        permit.key.account.in_flight -= 1
        alive = isinstance(result, Answer) or (result is not None and result.status is not None)
        self._was_heard |= alive
        self.stall.back(permit.number, self._clock.now(), alive=alive)
        if result is not None:
            self.report(permit, result)

    def report(self, permit: Permit, result: Answer | Fault) -> None:
        """Move the health of whoever is to blame, or of everybody who has just proved to work."""
        now = self._clock.now()
        if isinstance(result, Answer):
            self._count_answer(permit)
        else:
            self._count_fault(permit, result, now)
        alike: tuple[KeyState, ...] = ()
        for step in self._judge.judge(permit, result, now):
            self._do(step)
            alike = step.alike if isinstance(step, Rest) else alike
        self.announce(now, alike, by_own_call=True)

    def _count_answer(self, permit: Permit) -> None:
        self.answered += 1
        self.traffic.answered(permit.key.key.name, "200")
        account = permit.key.account
        if account.congestion is not None:
            account.congestion = account.congestion.answered()

    def _count_fault(self, permit: Permit, fault: Fault, now: float) -> None:
        self.faults += 1
        self.throttled += fault.status == 429  # noqa: PLR2004 - HTTP's own number
        self.traffic.answered(permit.key.key.name, str(fault.status or fault.kind))
        if fault.reaction.blame is Blame.ACCOUNT:
            self._thin_out(permit, now)

    def _do(self, step: Step) -> None:
        if isinstance(step, Move | Rest):
            self.move(step.target, step.health)
        elif step.fault is not None:
            self._denied.add(step.key)
            self._keys.moved(step.key)
            step.key.deny(step.model, step.fault)
        else:
            self._keys.moved(step.key)
            step.key.allow(step.model)

    def move(self, target: Target, health: Health) -> None:
        """Let somebody's health be another: the one place that writes it."""
        if health is target.health:
            return
        target.health = health
        if isinstance(target, KeyState):
            self._keys.moved(target)

    def _account_changed(self, account: AccountState) -> None:
        if account.health is not self._account_healths[account]:
            self._account_healths[account] = account.health
            self._keys.moved(*self.ring.of_account(account))

    def _thin_out(self, permit: Permit, now: float) -> None:
        """Where no rate is declared, send fewer calls at once to an account that objects; one cut a burst."""
        account = permit.key.account
        is_news = permit.account_generation == account.health.at(now).generation
        if account.congestion is not None and is_news:
            account.congestion = account.congestion.throttled(account.in_flight + 1)

    def announce(self, now: float, alike: tuple[KeyState, ...] = (), *, by_own_call: bool = False) -> None:
        """Tell of every state or share that is not what it was when last told.

        `alike` are the keys that have failed alike just now, so that the provider rests in their place. Without a call
        of its own that has come back, an account can only have begun to rest by another provider's call.
        """
        because: Because = "alike" if alike else "own" if by_own_call else "account"
        moved, own = self._keys.look(now), self.health.at(now)
        if not moved and own is self._announced:
            return
        self._announced = own
        for key in moved:
            self._announcer.key(key, self._keys[key], now, because)
        followed = self._followed(own)
        because = "keys" if followed else "alike" if alike else "own"
        self._announcer.provider(followed or own, now, because, self.in_flight, alike)
