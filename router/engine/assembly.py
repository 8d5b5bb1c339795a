"""Makes the lanes of a configuration, each with its keys, budgets and what earlier runs have learnt of them."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from router.clock import Clock
from router.config.models import Config, Key, Provider
from router.config.rates import Rate
from router.engine.budget import Budget
from router.engine.congestion import crowd_for
from router.engine.dispatch import Dispatcher
from router.engine.health import Health, State
from router.engine.keys import AccountState, KeyRing, KeyState
from router.engine.lane import Lane
from router.engine.pace import Pace
from router.engine.provider_state import Change, ProviderState
from router.faults import Family
from router.store import MemoryTally, StateStore, identity, scope_of


@dataclass(frozen=True, slots=True)
class Roster:
    """Everything that lanes are made from. `tell` hears of every change; without `memory` nothing is kept."""

    config: Config
    line: Dispatcher
    clock: Clock
    rng: random.Random
    tell: Callable[[Change], None]
    memory: StateStore | None = None

    def lanes(self) -> tuple[Lane, ...]:
        """One lane for each provider that takes part; the file's order is their rank."""
        accounts: dict[str, AccountState] = {}
        return tuple(self._lane(provider, rank, accounts) for rank, provider in enumerate(self.config.usable))

    def _lane(self, provider: Provider, rank: int, accounts: dict[str, AccountState]) -> Lane:
        ring = self._ring(provider, accounts)
        provider_state = ProviderState(provider, ring, clock=self.clock, rng=self.rng, on_change=self._changed)
        budgets = self._budgets(provider, provider.rates, None)
        return Lane(provider_state, rank=rank, line=self.line, clock=self.clock, budgets=budgets)

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
        congestion = None if is_paced else crowd_for(provider.concurrency, provider.max_in_flight)
        pace = Pace.of_calls(rates, min(holder.burst for holder in holders), implied=part)
        return AccountState(name, pace, self._budgets(provider, rates, name), congestion=congestion)

    def _remembered(self, key: Key, provider: Provider) -> Health:
        """How an earlier run left a key: as new, or dropped."""
        dropped = self.memory.recall(key, provider) if self.memory else None
        return Health() if dropped is None else Health(State.DROPPED, until=math.inf, cause=dropped.as_fault())

    def _budgets(self, provider: Provider, rates: Iterable[Rate], account: str | None) -> tuple[Budget, ...]:
        scope, memory = scope_of(provider, account), self.memory
        return tuple(
            Budget(rate, self.clock.wall, MemoryTally(memory, scope, rate.period_s) if memory else None)
            for rate in rates
            if not rate.is_paced
        )

    def _changed(self, change: Change) -> None:
        self.tell(change)
        if self.memory is not None and change.key is not None:
            provider = next(each for each in self.config.usable if each.name == change.provider)
            key = next(each for each in provider.keys if each.name == change.key)
            if change.after is State.DROPPED:
                self._remember(self.memory, change, key, provider)
            elif change.before is State.DROPPED:
                self.memory.forget(identity(key, provider))

    def _remember(self, memory: StateStore, change: Change, key: Key, provider: Provider) -> None:
        cause = change.health.cause
        # A right or a model that is missing is between this file and the vendor, and may be mended any time.
        if cause and cause.reaction.family is Family.DEAD and memory.recall(key, provider) is None:
            memory.drop(key, provider, cause, self.clock.wall())
