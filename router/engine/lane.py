"""A lane is one provider: its pace, its ring of keys, its health. It offers permits and never sees a job.

A lane waits until somebody wants a permit that it may serve, until nothing but its pace stands in the way, and until
its pace allows one more call; then it offers one permit. What stands in the way is one synchronous function,
`Lane.obstacle`, which the screen shows too.
"""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import NamedTuple, Self

from router.clock import Clock, Patience
from router.config.models import Provider
from router.engine.dispatch import Dispatcher, Selector, Ticket
from router.engine.health import State
from router.engine.keys import AccountState, KeyState
from router.engine.pace import Budget, Pace, TokenPace
from router.engine.provider_state import Leave, ProviderState
from router.faults import Action, Blame, Fault
from router.types import Answer


class Obstacle(NamedTuple):
    """What a lane waits for, in words, and the loop time when that is over: `inf` where it depends on others."""

    what: str
    until: float = math.inf


IDLE = Obstacle("idle")
NOTHING = Obstacle("nothing")
FOLLOWED_S = 1.0
"""A call that is not on the wire by then is not waited for any longer."""


@dataclass(slots=True)
class Permit:
    """The right to send one call with one key; leaving its context gives the slot back and reports.

    `left_at` is the loop time at which it was paired.
    """

    lane: Lane
    leave: Leave
    waited_for: str
    left_at: float
    tokens: float = 0.0
    result: Answer | Fault | None = None
    selector: Selector = field(default_factory=Selector)
    patience: Patience | None = None
    is_sent: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def provider(self) -> Provider:
        """Where it may send."""
        return self.lane.provider

    @property
    def key(self) -> KeyState:
        """With which key."""
        return self.leave.key

    @property
    def model(self) -> str:
        """LiteLLM's name of the model to ask."""
        return self.leave.model

    def serves(self, selector: Selector) -> bool:
        """Whether its key may be asked for the model of a selector."""
        model = self.provider.model_for(selector.model)
        return model is not None and self.key.serves(model)

    def sent(self) -> None:
        """Say that the request is on the wire."""
        if not self.is_sent.is_set():
            self.is_sent.set()
            self.lane.on_wire(self)

    def take_back(self) -> None:
        """End the call: its vendor is silent, and another one could serve it."""
        if self.patience is not None:
            self.patience.end()

    def settle(self, result: Answer | Fault) -> None:
        """Say what came back; without it, leaving the context counts as cancelled."""
        self.result = result

    def action(self, fault: Fault) -> Action:
        """What will be done about a fault of this call: a model that no other key serves drops the provider."""
        others = (key for key in self.lane.provider_state.ring if key is not self.key)
        if fault.reaction.blame is Blame.KEY_AND_MODEL and not any(key.serves(self.model) for key in others):
            return Action.DROP_PROVIDER
        return fault.reaction.action

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.lane.release(self)


Line = Dispatcher["Lane", Permit]


class Lane:
    """One provider at work. Its mutable state: the provider_state, the paces, and what it waits for."""

    def __init__(
        self, provider_state: ProviderState, *, rank: int, line: Line, clock: Clock, budgets: tuple[Budget, ...] = ()
    ) -> None:
        self.provider_state = provider_state
        self.provider = provider_state.provider
        self.rank = rank
        self.waiting = IDLE
        self._spaced_until = 0.0
        self._pace = Pace(self.provider.rates, self.provider.burst)
        self._tokens = TokenPace(self.provider.tokens)
        self._budgets = budgets
        self._line = line
        self._clock = clock
        self._look = asyncio.Event()
        self._out: dict[int, Permit] = {}

    def __repr__(self) -> str:
        state = self.provider_state.state(self._clock.now())
        return f"<Lane {self.name} {state} in_flight={self.provider_state.in_flight} waiting for {self.waiting.what}>"

    # What others may ask.

    @property
    def name(self) -> str:
        """The provider's name."""
        return self.provider.name

    @property
    def is_up(self) -> bool:
        """Whether it may send now or soon: it and one of its keys neither rest nor are dropped nor out of budget."""
        now = self._clock.now()
        is_open = self.provider_state.state(now) not in {State.RESTING, State.DROPPED}
        return (
            is_open
            and not self.provider_state.silence.lasts(now)
            and all(budget.left for budget in self._budgets)
            and self.provider_state.ring.has_budget
        )

    def could_serve(self, selector: Selector) -> bool:
        """Whether any key of it may ever serve this selector in this run."""
        return self.provider_state.could_serve(selector)

    def serves_at(self, selector: Selector, now: float) -> float:
        """The loop time from which it may serve a selector, its pace left aside; `inf` where never in this run."""
        over = [now + budget.seconds_to_reset for budget in self._budgets if not budget.left]
        return max(now, self.provider_state.serves_at(selector, now), *over)

    def reasons(self, selector: Selector, now: float) -> list[str]:
        """Why it cannot serve a selector now, provider and keys."""
        used = [f"{self.name}: {budget.rate} is used up" for budget in self._budgets if not budget.left]
        return used + self.provider_state.reasons(selector, now)

    def demand_changed(self) -> None:
        """Look again whether somebody wants a permit."""
        self._look.set()

    def max_in_flight(self, now: float) -> int:
        """How many calls may be out: all of `concurrency`, one on trial, a share while ramping.

        Calls that hang do not keep a trial from leaving: a vendor is tried again when it is well, and not when they
        have timed out.
        """
        health = self.provider_state.health.at(now)
        if health.state is State.TRIAL:
            return 1 if now < self.provider_state.silence.probe_at() else self.provider_state.in_flight + 1
        return max(1, math.ceil(self.provider.max_in_flight * health.share))

    def obstacle(self, now: float) -> Obstacle | KeyState:
        """What stands between this lane and the next call, the pace left aside; or the key for it."""
        ticket = self._line.head(self)
        if ticket is None:
            return IDLE
        health, silence = self.provider_state.health.at(now), self.provider_state.silence
        if health.state in {State.RESTING, State.DROPPED}:
            return Obstacle("provider rests", health.until)
        if self.provider_state.in_flight >= self.max_in_flight(now):
            is_trial = health.state is State.TRIAL
            return Obstacle("one trial", silence.probe_at()) if is_trial else Obstacle("in flight full")
        if now < silence.probe_at() and self._is_stalled(ticket.selector, now):
            return Obstacle("vendor is silent", silence.probe_at())
        if self._spaced_until > now:
            return Obstacle("ramp", self._spaced_until)
        if resets := [budget.seconds_to_reset for budget in self._budgets if not budget.left]:
            return Obstacle("budget used up", now + max(resets))
        model = self._model(ticket.selector)
        return self.provider_state.ring.pick(model, now) or self._key_obstacle(model, now)

    def _is_stalled(self, selector: Selector, now: float) -> bool:
        silence = self.provider_state.silence
        return silence.lasts(now) and (silence.is_proven or self._line.has_other(self, selector))

    def _take_back(self) -> None:
        """Give up the calls of a silent vendor that others could serve now."""
        for permit in tuple(self._out.values()):
            if self._line.has_other(self, permit.selector):
                permit.take_back()

    def _key_obstacle(self, model: str, now: float) -> Obstacle:
        ring = self.provider_state.ring
        resting = any(key.state(now) is State.RESTING for key in ring if key.serves(model))
        return Obstacle("key rests" if resting else "key pace", ring.ready_at(model, now))

    def _model(self, selector: Selector) -> str:
        return self.provider.model_for(selector.model) or self.provider_state.default_model

    # The lane's own task.

    async def run(self) -> None:
        """Offer permits for ever.

        A turn of the loop does one thing that may take time and then looks again, since anything may have changed.
        What was bought for a call that is not wanted any more is kept, and renewed before it is used.
        """
        bought_at: float | None = None
        tokens = 0.0
        last: Permit | None = None
        while True:
            key = await self._opening()
            ticket = self._line.head(self)
            if self._tokens.is_limited and ticket is not None and tokens < max(1, ticket.tokens):
                more = max(1, ticket.tokens) - tokens  # the first to come may not be who it was charged for
                self.waiting = Obstacle("tokens")
                await self._tokens.charge(more)
                tokens += more
            elif bought_at is None:
                await self._buy()
                bought_at = self._clock.now()
            elif last is not None and not last.is_sent.is_set():
                await self._follow(last)
                last = None
            else:
                await self._pace.renew(self._clock.now() - bought_at)
                self._tokens.renew()
                await key.account.pace.acquire()
                bought_at = self._clock.now()
                if (permit := self._offer(key, tokens)) is not None:
                    last, bought_at, tokens = permit, None, 0.0

    async def _opening(self) -> KeyState:
        """Wait until nothing but the pace stands in the way; the key whose turn it is."""
        while True:
            self._look.clear()
            now = self._clock.now()
            self.provider_state.announce(now)
            found = self.obstacle(now)
            if isinstance(found, KeyState):
                return found
            self.waiting = found
            await self._wake(min(found.until, self._overdue_at(now)))

    def _overdue_at(self, now: float) -> float:
        """When the calls that are out must be looked after; those that are overdue are taken back at once."""
        overdue_at = self.provider_state.silence.overdue_at()
        if overdue_at > now:
            return overdue_at
        self._take_back()
        return math.inf

    async def _wake(self, until: float) -> None:
        """Wait for a change or for a moment. A timer only says «look again»; the state is read from the clock."""
        timer = None if math.isinf(until) else asyncio.get_running_loop().call_at(until + 1e-6, self._look.set)
        try:
            await self._look.wait()
        finally:
            if timer is not None:
                timer.cancel()

    async def _buy(self) -> None:
        ready_at = self._pace.ready_at()
        if ready_at > self._clock.now():
            self.waiting = Obstacle("pace", ready_at)
        await self._pace.acquire()

    async def _follow(self, permit: Permit) -> None:
        """Wait until a call is on the wire, where a limit's window is so short that a late one matters.

        The vendor counts arrivals. A call that has to connect first arrives late, and the next one, over a ready
        connection, would arrive too close behind it.
        """
        if self._pace.is_short or permit.key.account.pace.is_short:
            with suppress(TimeoutError):  # wait_for would swallow a cancellation that comes together with the call
                async with asyncio.timeout(FOLLOWED_S):
                    await permit.is_sent.wait()

    def on_wire(self, permit: Permit) -> None:
        """Count a call from when it is on the wire, not from when it left."""
        late_s = self._clock.now() - permit.left_at
        self._pace.owe(late_s)
        permit.key.account.pace.owe(late_s)

    def _offer(self, key: KeyState, tokens: float) -> Permit | None:
        """Make a permit and have it paired in this same turn of the loop."""
        ticket = self._line.head(self)
        if ticket is None or not key.serves(self._model(ticket.selector)):
            return None
        now = self._clock.now()
        born = self.provider_state.health.at(now).generation
        account_born = key.account.health.at(now).generation
        leave = Leave(self.provider_state.sent + 1, key, self._model(ticket.selector), born, account_born)
        permit = Permit(self, leave, self.waiting.what, now, tokens)
        self.waiting = NOTHING
        return permit if self._line.match(self, permit) is not None else None

    def paired(self, permit: Permit, ticket: Ticket[Permit]) -> None:
        """Count a permit as out; called in the moment of pairing."""
        permit.selector = ticket.selector
        self._out[permit.leave.number] = permit
        now = self._clock.now()
        account = permit.key.account
        self.provider_state.left(permit.leave, now)
        for budget in (*self._budgets, *account.budgets):
            budget.take()
        self._space(account, now)

    def release(self, permit: Permit) -> None:
        """Take a permit back and report its result."""
        permit.is_sent.set()
        del self._out[permit.leave.number]
        usage = permit.result.usage.total if isinstance(permit.result, Answer) else None
        self._tokens.correct(permit.tokens, usage)
        self.provider_state.returned(permit.leave, permit.result)
        self._look.set()
        self._line.changed()

    def _space(self, account: AccountState, now: float) -> None:
        """While ramping, keep calls apart by the share of the declared rate in use."""
        rate = self.provider.paced_rate
        if rate is None:
            return
        accounts = len({key.account.name for key in self.provider_state.ring})
        self._spaced_until = _spaced(now, rate.per_second, self.provider_state.health.at(now).share)
        account.spaced_until = _spaced(now, rate.per_second / accounts, account.health.at(now).share)


def _spaced(now: float, per_second: float, share: float) -> float:
    return now + 1 / (per_second * share) if share < 1.0 else 0.0
