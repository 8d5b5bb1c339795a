"""Makes the lanes of a configuration, each with its keys, budgets and what earlier runs have learnt of them."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from router.clock import Clock
from router.config.models import Config, Key, Provider
from router.engine.announcer import Change
from router.engine.budget import Budget
from router.engine.congestion import window_for
from router.engine.dispatch import Dispatcher
from router.engine.health import Health, State
from router.engine.keys import AccountState, KeyRing, KeyState
from router.engine.lane import Lane
from router.engine.pace import Pace
from router.engine.provider_state import ProviderState
from router.faults import Family
from router.rates import Rate
from router.store import MemoryTally, StateStore, identity, scope_of


def lanes_of(
    config: Config,
    line: Dispatcher,
    *,
    clock: Clock,
    rng: random.Random,
    on_change: Callable[[Change], None],
    memory: StateStore | None = None,
) -> tuple[Lane, ...]:
    """One lane for each provider that takes part; the file's order is their rank. Without `memory` nothing is kept."""
    parts = _Parts(config, line, clock, rng, on_change, memory)
    accounts: dict[str, AccountState] = {}
    lanes = tuple(parts.lane(provider, rank, accounts) for rank, provider in enumerate(config.usable))
    for account in accounts.values():
        sharers = [lane for lane in lanes if account in lane.provider_state.ring.accounts]
        if len(sharers) > 1:
            account.listeners += [lane.account_changed for lane in sharers]
    return lanes


def remember(memory: StateStore, change: Change, wall: float) -> None:
    """Keep what a change means for later runs: a key that is dead, or is not after all."""
    provider, cause = change.provider, change.health.cause
    for key in change.keys if change.scope != "provider" else ():
        # A right or a model that is missing is between this file and the vendor, and may be mended any time.
        if change.after is State.DROPPED and cause and cause.reaction.family is Family.DEAD:
            if memory.recall(key, provider) is None:
                memory.drop(key, provider, cause, wall)
        elif change.before is State.DROPPED:
            memory.forget(identity(key, provider))


@dataclass(frozen=True, slots=True)
class _Parts:
    """Everything that lanes are made from."""

    config: Config
    line: Dispatcher
    clock: Clock
    rng: random.Random
    on_change: Callable[[Change], None]
    memory: StateStore | None

    def lane(self, provider: Provider, rank: int, accounts: dict[str, AccountState]) -> Lane:
        ring = self._ring(provider, accounts)
        provider_state = ProviderState(provider, ring, clock=self.clock, rng=self.rng, on_change=self.on_change)
        return Lane(
            provider_state,
            rank=rank,
            line=self.line,
            clock=self.clock,
            budgets=self._budgets(provider.rates, scope_of(provider)),
            token_budgets=self._budgets(provider.tokens, f"{scope_of(provider)} tokens"),
        )

    def _ring(self, provider: Provider, accounts: dict[str, AccountState]) -> KeyRing:
        """The provider's keys, with the accounts that providers before it may have brought."""
        for name in dict.fromkeys(key.account for key in provider.keys):
            if provider.account_id(name) not in accounts:
                accounts[provider.account_id(name)] = self._account(provider, name)
        return KeyRing(
            KeyState(key, accounts[provider.account_id(key.account)], self._remembered(key, provider))
            for key in provider.keys
        )

    def _account(self, provider: Provider, name: str) -> AccountState:
        """One account, under the limits of every provider that it stands under."""
        id_ = provider.account_id(name)
        holders = [each for each in self.config.usable if any(each.account_id(key.account) == id_ for key in each.keys)]
        rates = tuple(dict.fromkeys(rate for holder in holders for rate in holder.key_rates))
        whole = provider.paced_rate
        part = (
            None if whole is None else Rate(whole.amount / len({key.account for key in provider.keys}), whole.period_s)
        )
        is_paced = all(holder.paced_rate is not None for holder in holders)
        congestion = None if is_paced else window_for(provider.concurrency, provider.max_in_flight)
        pace = Pace.of_calls(rates, min(holder.burst for holder in holders), implied=part)
        return AccountState(name, pace, self._budgets(rates, scope_of(provider, name)), congestion=congestion)

    def _remembered(self, key: Key, provider: Provider) -> Health:
        """How an earlier run left a key: as new, or dropped."""
        dropped = self.memory.recall(key, provider) if self.memory else None
        return Health() if dropped is None else Health(State.DROPPED, until=math.inf, cause=dropped.as_fault())

    def _budgets(self, rates: Iterable[Rate], scope: str) -> tuple[Budget, ...]:
        memory = self.memory
        return tuple(
            Budget(rate, self.clock.wall, MemoryTally(memory, scope, rate.period_s) if memory else None)
            for rate in rates
            if not rate.is_paced
        )
