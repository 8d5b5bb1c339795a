"""A lane is one provider: its pace, its ring of keys, its health. It offers permits and never sees a job.

A lane waits until somebody wants a permit that it may serve and until nothing stands in the way of one more call; then
it gives one permit. What stands in the way is one synchronous function, `Lane.obstacle`, which the screen shows too.
One decision, one clock: it and everything below take the time as an argument.
"""

from __future__ import annotations

import asyncio
import math
from typing import NamedTuple

from router.clock import Clock
from router.config.models import Provider
from router.engine.availability import Availability
from router.engine.budget import Budget, take_all
from router.engine.dispatch import Dispatcher, Ticket
from router.engine.health import State
from router.engine.keys import AccountState, KeyState
from router.engine.obstacle import IDLE, NOTHING, PACED, Obstacle
from router.engine.pace import Pace
from router.engine.permit import Permit
from router.engine.provider_state import ProviderState
from router.engine.selector import Pinned, Selector, Wanted
from router.engine.token_limits import TokenLimits
from router.faults import Action, Blame, Fault
from router.types import Answer


class Opening(NamedTuple):
    """Nothing stands between a ticket and its call, with this key and model, at `now`."""

    ticket: Ticket
    key: KeyState
    model: str
    now: float


class Lane:
    """One provider at work. Its mutable state: the provider_state, the paces, and what it waits for."""

    def __init__(
        self,
        provider_state: ProviderState,
        *,
        rank: int,
        line: Dispatcher,
        clock: Clock,
        budgets: tuple[Budget, ...] = (),
        token_budgets: tuple[Budget, ...] = (),
    ) -> None:
        self.provider_state = provider_state
        self.provider: Provider = provider_state.provider
        self.rank = rank
        self._max_in_flight = self.provider.max_in_flight
        self.waiting = IDLE
        self._pace = Pace.of_calls(self.provider.rates, self.provider.burst, implied=self.provider.paced_rate)
        self._tokens = TokenLimits(Pace.of_tokens(self.provider.tokens), token_budgets)
        self.budgets = budgets
        self._line = line
        self._clock = clock
        self._look = asyncio.Event()
        self._out: dict[int, Permit] = {}
        self._unseen: set[str] = set()
        self._availability = Availability(provider_state, (*budgets, *token_budgets), clock)

    def __repr__(self) -> str:
        state = self.provider_state.state(self._clock.now())
        return f"<Lane {self.name} {state} in_flight={self.provider_state.in_flight} waiting for {self.waiting.what}>"

    # What others may ask.

    @property
    def name(self) -> str:
        """The provider's name."""
        return self.provider.name

    @property
    def looks_out(self) -> bool:
        """Whether it sleeps, and a new ticket could be one that it can serve now."""
        return not self.waiting.for_all and not self._look.is_set()

    def look(self) -> None:
        """Look again whether there is something to do."""
        self._look.set()

    def stood_still(self, seconds: float) -> None:
        """Heed that this process stood still, or its machine slept: nothing could come back, and a day may be over."""
        self.provider_state.stall.stood_still(seconds)
        self._renew(self._clock.now())
        self._look.set()

    def account_changed(self, _account: AccountState) -> None:
        """Look again how it stands: another lane has changed an account that both use."""
        self._availability.expire()
        self._look.set()

    def model_of(self, selector: Selector) -> Wanted | None:
        """The model that a selector means here, maybe of one account alone; None where it means other providers."""
        if selector.only is not None and self.name not in selector.only:
            return None
        model = self.provider.model_for(selector.model)
        if selector.key is None or model is None:
            return model
        account = self.provider_state.ring.account_of(selector.key)
        return None if account is None else Pinned(model, account)

    def may_serve(self, model: Wanted) -> bool:
        """Whether any living key may ever serve a model in this run."""
        return self._availability[model].may_serve

    def is_up(self, model: Wanted) -> bool:
        """Whether it may serve a model now or soon."""
        return self._availability[model].is_up

    def could_serve(self, selector: Selector) -> bool:
        """Whether any key may ever serve a selector in this run, `avoid` left aside."""
        model = self.model_of(selector)
        return model is not None and self.may_serve(model)

    def serves_at(self, model: Wanted) -> float:
        """The loop time from which rests and budgets let it serve a model; `inf` where they do not in this run."""
        return self._availability[model].serves_at

    def reasons(self, selector: Selector) -> list[str]:
        """Why nothing here can serve a selector now, in the vendor's words."""
        used_up = [f"{self.name}: {budget.rate} is used up" for budget in self.budgets if not budget.left]
        used_up += [f"{self.name}: {rate} tokens is used up" for rate in self._tokens.used_up]
        return used_up + self.provider_state.reasons(selector, self._clock.now())

    def action(self, permit: Permit, fault: Fault) -> Action:
        """What will be done about a fault of a call: a model that no other key serves drops the provider."""
        if fault.reaction.blame is not Blame.KEY_AND_MODEL or self.provider_state.ring.has_other(
            permit.key, permit.model
        ):
            return fault.reaction.action
        return Action.DROP_PROVIDER

    def max_in_flight(self, now: float) -> int:
        """How many calls may be out: all of `concurrency`, one on trial, a share while ramping.

        Calls that hang do not keep a trial from leaving: a vendor is tried again when it is well, and not when they
        have timed out.
        """
        health = self.provider_state.health.at(now)
        if health.state is State.TRIAL:
            may_probe = now >= self.provider_state.stall.probe_at()
            return min(self._max_in_flight, self.provider_state.in_flight + 1) if may_probe else 1
        return max(1, math.ceil(self._max_in_flight * health.share))

    # What stands in the way.

    def obstacle(self, now: float) -> Obstacle | Opening:
        """What stands between this lane and the next call, or the next call.

        The oldest ticket for each model is looked at in its turn, so none waits for a key of another model.
        """
        tickets = self._line.heads(self)
        if not tickets:
            return IDLE
        if (for_all := self._obstacle_for_all(now)) is not None:
            return for_all
        obstacles: list[Obstacle] = []
        for ticket in tickets:
            found = self._obstacle_for(ticket, now)
            if isinstance(found, Opening):
                lack = self._tokens.obstacle(max(1, ticket.tokens), now)
                return lack._replace(ahead=ticket) if lack else found
            obstacles.append(found)
        return min(obstacles, key=lambda obstacle: obstacle.until)

    def _obstacle_for_all(self, now: float) -> Obstacle | None:
        health, stall = self.provider_state.health.at(now), self.provider_state.stall
        if not health.is_open:
            return Obstacle("provider rests", health.until)
        if self.provider_state.in_flight >= self.max_in_flight(now):
            is_trial = health.state is State.TRIAL and now < stall.probe_at()
            return Obstacle("one trial", stall.probe_at()) if is_trial else Obstacle("in flight full")
        if now < stall.probe_at() and stall.is_proven and stall.lasts(now):
            return Obstacle("vendor is silent", stall.probe_at())
        self._pace.share = health.share
        if (ready_at := self._pace.ready_at()) > now:
            is_slowed = health.share < 1.0
            return Obstacle("ramp" if is_slowed else "pace", ready_at)
        if resets := [budget.seconds_to_reset for budget in self.budgets if not budget.left]:
            return Obstacle("budget used up", now + max(resets))
        return None

    def _obstacle_for(self, ticket: Ticket, now: float) -> Obstacle | Opening:
        stall, ring = self.provider_state.stall, self.provider_state.ring
        if now < stall.probe_at() and stall.lasts(now) and self._line.has_other(self, ticket.selector):
            return Obstacle("vendor is silent", stall.probe_at(), for_all=False)
        model = self.model_of(ticket.selector) or self.provider_state.default_model
        if (key := ring.pick(model, now)) is not None:
            return Opening(ticket, key, model.model if isinstance(model, Pinned) else model, now)
        resting = ring.up_at(model, now) > now
        return Obstacle("key rests" if resting else "key pace", ring.ready_at(model, now), for_all=False)

    # The lane's own task.

    async def run(self) -> None:
        """Give permits, until it is cancelled."""
        while True:
            self._give(await self._opening())

    async def _opening(self) -> Opening:
        """Wait until nothing stands in the way of a call."""
        while True:
            self._look.clear()
            now = self._clock.now()
            self.provider_state.announce(now)
            if self._availability.is_due(now):
                self._renew(now)
            found = self.obstacle(now)
            if isinstance(found, Opening):
                return found
            self._wait_behind(found.ahead)
            self.waiting = found
            self._line.looked(self)
            await self._wake(min(found.until, self._availability.changes_at(now), self._overdue_at(now)))

    def _wait_behind(self, ticket: Ticket | None) -> None:
        """Look again when a ticket is gone, whether another lane serves it or its caller goes away."""
        if ticket is not None and ticket is not self.waiting.ahead:
            ticket.paired.add_done_callback(lambda _paired: self._look.set())

    def _overdue_at(self, now: float) -> float:
        """When the calls that are out must be looked after; those that are overdue are taken back at once."""
        overdue_at = self.provider_state.stall.overdue_at()
        if overdue_at > now:
            return overdue_at
        for permit in tuple(self._out.values()):
            if self._line.has_other(self, permit.selector):
                permit.take_back()
        return math.inf

    async def _wake(self, until: float) -> None:
        """Wait for a change or for a moment. A timer only says "look again"; the state is read from the clock."""
        timer = None if math.isinf(until) else asyncio.get_running_loop().call_at(until + 1e-6, self._look.set)
        try:
            await self._look.wait()
        finally:
            if timer is not None:
                timer.cancel()

    def _give(self, opening: Opening) -> None:
        """Give a ticket its permit in this same turn of the loop, unless another run has used up a budget."""
        ticket, key, model, now = opening
        if not take_all((*self.budgets, *key.account.budgets)):
            return
        permit = Permit(
            lane=self,
            number=self.provider_state.sent + 1,
            key=key,
            model=model,
            selector=ticket.selector,
            left_at=now,
            generation=self.provider_state.health.at(now).generation,
            account_generation=key.account.health.at(now).generation,
            waited_for=self.waiting.what,
        )
        self.waiting = NOTHING
        self._line.match(ticket, permit)
        self._left(permit, max(1, ticket.tokens))

    def _left(self, permit: Permit, tokens: int) -> None:
        """Count a permit as out."""
        now = permit.left_at
        self._out[permit.number] = permit
        self.provider_state.left(permit, now)
        permit.charges = (self._tokens.take(now, tokens), self._pace.take(now), permit.key.account.pace.take(now))
        if permit.model in self._unseen:
            permit.sent()

    # What becomes of a permit.

    def on_wire(self, permit: Permit) -> None:
        """Count a call from when it is on the wire: that is when the vendor will count it."""
        now, account = self._clock.now(), permit.key.account
        is_waited_for = self.waiting.what in PACED and math.isinf(self.waiting.until)
        holds_up_account = math.isinf(account.pace.ready_at())
        for charge in permit.charges:
            charge.arrive(now)
        if is_waited_for or holds_up_account:
            account.changed()
            self._look.set()

    def heard(self, permit: Permit) -> None:
        """Count a vendor whose answer has begun to come as one that is not silent."""
        self.provider_state.heard(permit)
        self._look.set()

    def release(self, permit: Permit) -> None:
        """Take a permit back and report its result."""
        del self._out[permit.number]
        now = self._clock.now()
        if not permit.is_sent:
            self._was_not_seen(permit)
        self._tokens.settle(permit.charges[0], now, permit.result)
        self._look.set()
        self.provider_state.returned(permit, permit.result)
        permit.key.account.changed()
        self._renew(now)

    def _renew(self, now: float) -> None:
        """Tell the line where this lane may now serve what it could not, or the other way round."""
        if self._availability.renew(now):
            self._line.changed(self)

    def _was_not_seen(self, permit: Permit) -> None:
        """Count a call that nobody saw on the wire as late as can be.

        Where it was answered all the same, the vendor's client is one that cannot be watched: its calls count from when
        they leave, since else each would hold up the next for as long as it takes.
        """
        if isinstance(permit.result, Answer) or (permit.result and permit.result.status is not None):
            self._unseen.add(permit.model)
        permit.sent()
