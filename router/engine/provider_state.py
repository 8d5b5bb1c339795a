"""How one provider stands: its health, its keys' and accounts', what was sent, and who is to blame for a failure.

What a finished call means is `ProviderState.report`; a state that has changed is noticed in one place, `announce`,
whoever changed it, the clock included.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import NamedTuple

from router.clock import Clock
from router.config.models import Provider
from router.engine.blame import Suspect, Suspects, exonerate, instead, told_left_s
from router.engine.health import Health, Observation, State, told_rest_s, transition
from router.engine.keys import KeyRing, KeyState
from router.engine.selector import Selector
from router.engine.stall import StallDetector
from router.engine.traffic import RecentTraffic
from router.faults import Blame, Doubt, Fault, Kind, Signal
from router.types import Answer

DAY_S = 86400.0
UNREACHABLE_STRIKES = 4
"""After the tries of so many rests, half a minute in all, a server that never took a connection is not there."""
REFUSED_ALIKE = 5


class Change(NamedTuple):
    """A key's or the provider's state changed, or the share of its rate: what the log tells of it."""

    provider: str
    key: str | None
    key_hash: str | None
    before: State
    after: State
    share_before: float
    share_after: float
    health: Health
    fields: dict[str, object]
    account: str | None = None


class Leave(NamedTuple):
    """With what a call left: its number here, its key and model, and the generations of the healths that let it go."""

    number: int
    key: KeyState
    model: str
    born: int
    account_born: int


class ProviderState:
    """One provider's provider_state. Its mutable state: `health`, the ring, the counts, and what it announced last."""

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
        self.history = RecentTraffic()
        self.silence = StallDetector()
        self.in_flight = 0
        self.sent = 0
        self.answered = 0
        self.faults = 0
        self.throttled = 0
        self._clock = clock
        self._rng = rng
        self._on_change = on_change
        self._suspects = Suspects()
        self._asked: set[str] = set()
        self._forgiven = 0
        self._was_heard = False
        self._answering: set[str] = set()
        self._refusals: dict[str, tuple[str, int]] = {}
        self._announced: dict[str | None, tuple[State, float]] = {}

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
        own = self.health.at(now)
        keys = [self.health_of(key, now) for key in self.ring]
        living = [health for health in keys if health.state is not State.DROPPED]
        if not living:
            return keys[-1]
        if own.is_open and all(health.state is State.RESTING for health in living):
            return min(living, key=lambda health: health.until)
        return own

    def state(self, now: float) -> State:
        """The state of `effective`."""
        return self.effective(now).state

    @property
    def rests_for_good(self) -> bool:
        """Whether it rests for the whole run, as for a region that is blocked."""
        return self.health.state is State.RESTING and math.isinf(self.health.until)

    def may_serve(self, model: str) -> bool:
        """Whether any key may ever be asked for a model in this run."""
        return not self.rests_for_good and self.ring.serves(model)

    def rested_at(self, model: str, now: float) -> float:
        """The loop time at which rests, and the budgets of accounts, let it serve a model; the past where they do."""
        own = self.health.at(now)
        return max(own.until if own.state is State.RESTING else 0.0, self.ring.up_at(model, now))

    def is_unreachable(self, now: float) -> bool:
        """Whether nobody is there: so many tries in a row, far apart, of which no connection has come about."""
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

    def left(self, leave: Leave, now: float) -> None:
        """Count a call that leaves now."""
        key = leave.key
        self._asked.add(leave.model)
        self.silence.left(leave.number, now)
        self.in_flight += 1
        self.sent += 1
        key.account.in_flight += 1
        self.ring.took(key, leave.model)
        self.history.sent(now, key.key.name, key.account.name)

    def returned(self, leave: Leave, result: Answer | Fault | None) -> None:
        """Count a call that is back, and report its result; None where its caller went away."""
        self.in_flight -= 1
        leave.key.account.in_flight -= 1
        alive = isinstance(result, Answer) or (result is not None and result.status is not None)
        self._was_heard |= alive
        self.silence.back(leave.number, self._clock.now(), alive=alive)
        if result is not None:
            self.report(leave, result)

    def report(self, leave: Leave, result: Answer | Fault) -> None:
        """Move the health of whoever is to blame, or of everybody who has just proved to work."""
        now = self._clock.now()
        name = leave.key.key.name
        if isinstance(result, Answer):
            self.answered += 1
            leave.key.proven = True
            self._answering.add(leave.model)
            if leave.key.account.congestion is not None:
                leave.key.account.congestion = leave.key.account.congestion.answered()
            self.history.answered(name, "200")
            self._signal_both(leave, Signal.OK, now)
        else:
            self.faults += 1
            self.throttled += result.status == 429  # noqa: PLR2004 - HTTP's own number
            self.history.answered(name, str(result.status or result.kind))
            self._blame(leave, result, now)
        self.announce(now)

    def _blame(self, leave: Leave, fault: Fault, now: float) -> None:
        family, signal = fault.reaction.family, fault.reaction.signal
        if fault.reaction.doubted is not Doubt.NEVER and leave.born < self._forgiven:
            # It was out when its like were forgiven, and is one of them: only a time that the vendor names is heard.
            self._signal_provider(leave, instead(family), now, fault)
            return
        self._suspects.note(fault, leave.model, leave.key, self.ring.of_account(leave.key.account), now)
        match fault.reaction.blame:
            case Blame.ITEM:
                self._signal_both(leave, signal, now)
                self._doubt_parameters(leave.model, fault)
            case Blame.PROVIDER:
                self._signal_provider(leave, signal, now, fault)
            case Blame.ACCOUNT:
                self._thin_out(leave)
                self._signal_account(leave, signal, now, fault)
            case Blame.KEY_AND_MODEL:
                leave.key.deny(leave.model, fault)
            case Blame.KEY:
                self._refuse(leave, fault, now)
        if alike := self._suspects.alike(family, self.ring, now):
            self._rest_instead(alike, fault, now)

    def _doubt_parameters(self, model: str, fault: Fault) -> None:
        """Where a model refuses one request after the other in the same words, it is not the items that it refuses."""
        if fault.kind is not Kind.BAD_REQUEST or model in self._answering:
            return
        words = _gist(fault)
        before, times = self._refusals.get(model, ("", 0))
        self._refusals[model] = words, times + 1 if words == before else 1
        if self._refusals[model][1] >= REFUSED_ALIKE:
            for key in self.ring:
                key.deny(model, fault)

    def _rest_instead(self, alike: tuple[Suspect, ...], fault: Fault, now: float) -> None:
        """Rest the provider in the place of its keys, for as long as any of the failures asked for."""
        exonerate(alike)
        self._suspects.cleared()
        born = self.health.at(now).generation
        news = Observation(
            instead(fault.reaction.family),
            now,
            born,
            self._rng.random(),
            fault,
            told_left_s(alike, now),
            self._window_s,
        )
        self.health = transition(self.health, news)
        self._forgiven = self.health.generation

    def _thin_out(self, leave: Leave) -> None:
        """Where no rate is declared, send fewer calls at once to an account that objects; one cut a burst."""
        account = leave.key.account
        is_news = leave.account_born == account.health.at(self._clock.now()).generation
        if account.congestion is not None and is_news:
            account.congestion = account.congestion.throttled(account.in_flight + 1)

    def _refuse(self, leave: Leave, fault: Fault, now: float) -> None:
        banned = fault.kind is Kind.ACCOUNT_BANNED
        dead = self.ring.of_account(leave.key.account) if banned else (leave.key,)
        for key in dead:
            key.health = transition(key.health, Observation(Signal.REFUSED, now, born=0, fault=fault))

    def _signal_both(self, leave: Leave, signal: Signal, now: float) -> None:
        self._signal_provider(leave, signal, now, None)
        self._signal_account(leave, signal, now, None)
        self._suspects.cleared()

    def _signal_provider(self, leave: Leave, signal: Signal, now: float, fault: Fault | None) -> None:
        self.health = transition(self.health, self._news(signal, now, leave.born, fault))

    def _signal_account(self, leave: Leave, signal: Signal, now: float, fault: Fault | None) -> None:
        account = leave.key.account
        account.health = transition(account.health, self._news(signal, now, leave.account_born, fault))

    def _news(self, signal: Signal, now: float, born: int, fault: Fault | None) -> Observation:
        told_s = told_rest_s(fault, DAY_S - self._clock.wall() % DAY_S) if fault else None
        return Observation(signal, now, born, self._rng.random(), fault, told_s, self._window_s)

    @property
    def _window_s(self) -> float:
        rate = self.provider.paced_rate
        return math.inf if rate is None else max(1.0, rate.period_s)

    def announce(self, now: float) -> None:
        """Tell of every state or share that is not what it was when last told."""
        for key in self.ring:
            self._tell(key, self.health_of(key, now), now)
        self._tell(None, self.effective(now), now)

    def _tell(self, key: KeyState | None, health: Health, now: float) -> None:
        name, state = key.key.name if key else None, health.state
        before, share = self._announced.get(name, (State.READY, 1.0))
        used = health.share if health.is_open else share
        if (state, used) == (before, share):
            return
        self._announced[name] = (state, used)
        fields = self._before(key, now) if state is not before else {}
        hash_ = key.key.fingerprint if key else None
        account = key.account.name if key else None
        self._on_change(Change(self.provider.name, name, hash_, before, state, share, used, health, fields, account))

    def _before(self, key: KeyState | None, now: float) -> dict[str, object]:
        """What came before a change of state, for the log."""
        account = key.account if key else None
        before = self.history.before(now, key=key.key.name if key else None, account=account.name if account else None)
        in_flight = account.in_flight if account else self.in_flight
        return {**before, "in_flight": in_flight, "declared_rate": self.declared_rate(key)}

    def declared_rate(self, key: KeyState | None = None) -> str | None:
        """The limits declared for the provider, or for each account where the file has them."""
        rates = self.provider.key_rates if key and self.provider.key_rates else self.provider.rates
        return ", ".join(str(rate) for rate in rates) or None


def _gist(fault: Fault) -> str:
    """What a vendor said, without the words that differ from call to call: numbers and identifiers."""
    return " ".join(word for word in fault.message.split() if not any(letter.isdigit() for letter in word))
