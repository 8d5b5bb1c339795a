"""How one provider stands: its health, its keys' and accounts', what was sent, and who is to blame for a failure.

What a finished call means is `ProviderState.report`; a state that has changed is noticed in one place, `announce`,
whoever changed it, the clock included.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

from router.clock import Clock
from router.config.models import Key, Provider
from router.engine.blame import DOUBTED, Suspect, Suspects, exonerate, instead, told_left_s
from router.engine.dispatch import Selector
from router.engine.health import SIGNAL_OF, Health, Observation, Signal, State, told_rest_s, transition
from router.engine.keys import AccountState, KeyRing, KeyState
from router.engine.stall import StallDetector
from router.engine.traffic import RecentTraffic
from router.faults import Blame, Fault, Kind
from router.types import Answer

DAY_S = 86400.0


Scope = Literal["key", "account", "provider"]
Because = Literal["own", "alike", "keys"]


class Change(NamedTuple):
    """A key's, an account's or the provider's state changed, or the share of its rate: what the log tells of it.

    `because` says why: `own` calls or time, several accounts failed `alike`, or a provider follows its `keys`. `keys`
    are all that it is about. `fields` are what came before; None where only the share is another.
    """

    provider: str
    scope: Scope
    because: Because
    account: str | None
    keys: tuple[Key, ...]
    before: State
    after: State
    share_before: float
    share_after: float
    health: Health
    fields: Mapping[str, object] | None


class _Told(NamedTuple):
    """What was last told of a target."""

    state: State = State.READY
    share: float = 1.0
    because: Because = "own"


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
        self._announced: dict[tuple[Scope, str], _Told] = {}

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
        return self._followed(now) or self.health.at(now)

    def _followed(self, now: float) -> Health | None:
        """The health of its keys that the provider follows; None where it stands as itself."""
        keys = [self.health_of(key, now) for key in self.ring]
        living = [health for health in keys if health.state is not State.DROPPED]
        if not living:
            return keys[-1]
        if self.health.at(now).is_open and all(health.state is State.RESTING for health in living):
            return min(living, key=lambda health: health.until)
        return None

    def state(self, now: float) -> State:
        """The state of `effective`."""
        return self.effective(now).state

    def could_serve(self, selector: Selector) -> bool:
        """Whether any key may ever serve this selector in this run."""
        if selector.only is not None and self.provider.name not in selector.only:
            return False
        model = self.provider.model_for(selector.model)
        return model is not None and not self._rests_for_good and self.ring.serves(model)

    @property
    def _rests_for_good(self) -> bool:
        return self.health.state is State.RESTING and math.isinf(self.health.until)

    def reasons(self, selector: Selector) -> list[str]:
        """Why nothing here can serve a selector, key by key."""
        name, model = self.provider.name, self.provider.model_for(selector.model)
        if model is None:
            return [f"{name}: has no model {selector.model!r} (it has {', '.join(self.provider.models)})"]
        if self._rests_for_good:
            return [f"{name}: {self.health.cause}"]
        faults = ((key.key.name, key.denied.get(model) or key.health.cause) for key in self.ring)
        return [f"{key}: {fault}" for key, fault in faults if fault]

    def left(self, leave: Leave, now: float) -> None:
        """Count a call that leaves now."""
        key = leave.key
        self._asked.add(leave.model)
        self.silence.left(leave.number, now)
        self.in_flight += 1
        self.sent += 1
        key.account.in_flight += 1
        self.ring.took(key)
        self.history.sent(now, key.key.name, key.account.name)

    def returned(self, leave: Leave, result: Answer | Fault | None) -> None:
        """Count a call that is back, and report its result; None where its caller went away."""
        self.in_flight -= 1
        leave.key.account.in_flight -= 1
        alive = isinstance(result, Answer) or (result is not None and result.status is not None)
        self.silence.back(leave.number, self._clock.now(), alive=alive)
        if result is not None:
            self.report(leave, result)

    def report(self, leave: Leave, result: Answer | Fault) -> None:
        """Move the health of whoever is to blame, or of everybody who has just proved to work."""
        now = self._clock.now()
        name = leave.key.key.name
        alike: tuple[Suspect, ...] = ()
        if isinstance(result, Answer):
            self.answered += 1
            leave.key.proven = True
            if leave.key.account.congestion is not None:
                leave.key.account.congestion = leave.key.account.congestion.answered()
            self.history.answered(name, "200")
            self._signal_both(leave, Signal.OK, now)
        else:
            self.faults += 1
            self.throttled += result.status == 429  # noqa: PLR2004 - HTTP's own number
            self.history.answered(name, str(result.status or result.kind))
            alike = self._blame(leave, result, now)
        self.announce(now, alike)

    def _blame(self, leave: Leave, fault: Fault, now: float) -> tuple[Suspect, ...]:
        """Move who is to blame; the failures for which the provider rests instead of its keys, where it does."""
        family = fault.reaction.family
        if family in DOUBTED and leave.born < self._forgiven:
            # It was out when its like were forgiven, and is one of them: only a time that the vendor names is heard.
            self._signal_provider(leave, instead(family), now, fault)
            return ()
        self._suspects.note(fault, leave.model, leave.key, self.ring.of_account(leave.key.account), now)
        match fault.reaction.blame:
            case Blame.ITEM:
                self._signal_both(leave, SIGNAL_OF[family], now)
            case Blame.PROVIDER:
                self._signal_provider(leave, SIGNAL_OF[family], now, fault)
            case Blame.ACCOUNT:
                self._thin_out(leave)
                self._signal_account(leave, SIGNAL_OF[family], now, fault)
            case Blame.KEY_AND_MODEL:
                leave.key.denied[leave.model] = fault
            case Blame.KEY:
                self._refuse(leave, fault, now)
        if alike := self._suspects.alike(family, self.ring, now):
            self._rest_instead(alike, fault, now)
        return alike

    def _rest_instead(self, alike: tuple[Suspect, ...], fault: Fault, now: float) -> None:
        """Rest the provider in the place of its keys, for as long as any of the failures asked for."""
        exonerate(alike)
        self._suspects.cleared()
        born = self.health.at(now).generation
        news = Observation(
            instead(fault.reaction.family), now, born, self._rng.random(), fault, told_left_s(alike, now)
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
        return Observation(signal, now, born, self._rng.random(), fault, told_s)

    def announce(self, now: float, alike: tuple[Suspect, ...] = ()) -> None:
        """Tell of every state or share that is not what it was when last told.

        `alike` are the failures for which the provider rests in the place of those who had them.
        """
        for key in self.ring:
            self._tell_key(key, self.health_of(key, now), now, "alike" if alike else "own")
        follows = self._followed(now)
        because: Because = "keys" if follows else "alike" if alike else "own"
        blamed = {suspect.key.key.name for suspect in alike}
        keys = tuple(key for key in self.ring if follows or key.key.name in blamed)
        self._tell("provider", self.provider.name, follows or self.health.at(now), because, keys, now)

    def _tell_key(self, key: KeyState, health: Health, now: float, because: Because) -> None:
        """A key dies alone, all else is its account's: a rest, and a ban."""
        banned = health.cause is not None and health.cause.kind is Kind.ACCOUNT_BANNED
        alone = health.state is State.DROPPED and not banned
        self._tell("key", key.key.name, health if alone else Health(), because, (key,), now)
        if not alone:
            account = self.ring.of_account(key.account)
            self._tell("account", key.account.name, health, because, account, now)

    def _tell(
        self, scope: Scope, name: str, health: Health, because: Because, keys: tuple[KeyState, ...], now: float
    ) -> None:
        before = self._announced.get((scope, name), _Told())
        state, share = health.state, health.share if health.is_open else before.share
        begins = before.because == "keys" and because != "keys" and state is State.RESTING
        if (state, share) == before[:2] and not begins:
            return
        if before.because == "keys" and health.is_open:
            because = "keys"
        self._announced[scope, name] = _Told(state, share, because)
        account = keys[0].account if scope != "provider" else None
        fields = self._before(scope, keys, account, now) if state is not before.state or begins else None
        self._on_change(
            Change(
                self.provider.name,
                scope,
                because,
                account.name if account else None,
                tuple(key.key for key in keys),
                before.state,
                state,
                before.share,
                share,
                health,
                fields,
            )
        )

    def _before(
        self, scope: Scope, keys: tuple[KeyState, ...], account: AccountState | None, now: float
    ) -> dict[str, object]:
        """What came before a change of state, for the log."""
        key = keys[0].key.name if scope == "key" else None
        before = self.history.before(now, key=key, account=account.name if account else None)
        in_flight = account.in_flight if account else self.in_flight
        return {**before, "in_flight": in_flight, "declared_rate": self.declared_rate(account)}

    def declared_rate(self, account: AccountState | None = None) -> str | None:
        """The limits declared for the provider, or for each account where the file has them."""
        rates = self.provider.key_rates if account and self.provider.key_rates else self.provider.rates
        return ", ".join(str(rate) for rate in rates) or None
