"""A lane is one provider: its pace, its ring of keys, its health. It offers permits and never sees a job.

A lane waits until somebody wants a permit that it may serve, until nothing but its pace stands in the way, and until
its pace allows one more call; then it offers one permit. What stands in the way is one synchronous function,
`Lane.obstacle`, which the screen shows too.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field
from types import TracebackType
from typing import NamedTuple, Self

from router.clock import Clock
from router.config.models import Provider
from router.engine.budget import Budget
from router.engine.dispatch import Dispatcher, Selector, Ticket
from router.engine.health import State
from router.engine.keys import KeyState
from router.engine.pace import Charge, Pace
from router.engine.provider_state import Leave, ProviderState
from router.faults import Action, Blame, Fault
from router.types import Answer


class Obstacle(NamedTuple):
    """What a lane waits for, in words, and the loop time when that is over: `inf` where it depends on others."""

    what: str
    until: float = math.inf


IDLE = Obstacle("idle")
NOTHING = Obstacle("nothing")


@dataclass(slots=True)
class Permit:
    """The right to send one call with one key; leaving its context gives the slot back and reports.

    `left_at` is the loop time at which it was paired. `charges` is what it took of the paces.
    """

    lane: Lane
    leave: Leave
    waited_for: str
    left_at: float
    tokens: int = 0
    charges: tuple[Charge, ...] = ()
    result: Answer | Fault | None = None
    selector: Selector = field(default_factory=Selector)
    patience: asyncio.Timeout | None = None
    is_sent: bool = False

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
        if not self.is_sent:
            self.is_sent = True
            self.lane.on_wire(self)

    def take_back(self) -> None:
        """End the call: its vendor is silent, and another one could serve it."""
        if self.patience is not None and not self.patience.expired():
            self.patience.reschedule(self.left_at)

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
        self._pace = Pace.of_calls(self.provider.rates, self.provider.burst, implied=self.provider.paced_rate)
        self._tokens = Pace.of_tokens(self.provider.tokens)
        self._budgets = budgets
        self._unseen: set[str] = set()
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
        """What stands between this lane and the next call, or the key for it."""
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
        self._pace.share = health.share
        if (ready_at := self._pace.ready_at()) > now:
            return Obstacle("pace" if health.share >= 1.0 else "ramp", ready_at)
        if resets := [budget.seconds_to_reset for budget in self._budgets if not budget.left]:
            return Obstacle("budget used up", now + max(resets))
        if (ready_at := self._tokens.ready_at(max(1, ticket.tokens))) > now:
            return Obstacle("tokens", ready_at)
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
        """Offer permits for ever."""
        while True:
            self._offer(await self._opening())

    async def _opening(self) -> KeyState:
        """Wait until nothing stands in the way of a call; the key whose turn it is."""
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

    def _offer(self, key: KeyState) -> None:
        """Make a permit and have it paired in this same turn of the loop."""
        now = self._clock.now()
        ticket = self._line.head(self)
        if ticket is None or not key.serves(self._model(ticket.selector)):
            return
        born = self.provider_state.health.at(now).generation
        account_born = key.account.health.at(now).generation
        leave = Leave(self.provider_state.sent + 1, key, self._model(ticket.selector), born, account_born)
        permit = Permit(self, leave, self.waiting.what, now, max(1, ticket.tokens))
        self.waiting = NOTHING
        self._line.match(self, permit)

    def paired(self, permit: Permit, ticket: Ticket[Permit]) -> None:
        """Count a permit as out; called in the moment of pairing."""
        now, account = permit.left_at, permit.key.account
        permit.selector = ticket.selector
        self._out[permit.leave.number] = permit
        self.provider_state.left(permit.leave, now)
        for budget in (*self._budgets, *account.budgets):
            budget.take()
        permit.charges = (self._tokens.take(now, permit.tokens), self._pace.take(now), account.pace.take(now))
        if permit.model in self._unseen:
            permit.sent()

    def on_wire(self, permit: Permit) -> None:
        """Count a call from when it is on the wire: that is when the vendor will count it."""
        now = self._clock.now()
        for charge in permit.charges:
            charge.arrive(now)
        if math.isinf(self.waiting.until):
            self._look.set()

    def release(self, permit: Permit) -> None:
        """Take a permit back and report its result."""
        del self._out[permit.leave.number]
        if not permit.is_sent:
            self._was_not_seen(permit)
        if isinstance(permit.result, Answer) and (used := permit.result.usage.total) is not None:
            permit.charges[0].correct(self._clock.now(), used)
        self.provider_state.returned(permit.leave, permit.result)
        self._look.set()
        self._line.changed()

    def _was_not_seen(self, permit: Permit) -> None:
        """Count a call that nobody saw on the wire as late as can be.

        Where it was answered all the same, the vendor's client is one that cannot be watched: its calls count from when
        they leave, since else each would hold up the next for as long as it takes.
        """
        if isinstance(permit.result, Answer) or (permit.result and permit.result.status is not None):
            self._unseen.add(permit.model)
        permit.sent()
