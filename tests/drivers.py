"""The engine's parts by themselves: a lane that does as it is told, and a provider's state driven by hand."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from conftest import make_provider

from router.config.models import Provider
from router.engine.announcer import Change
from router.engine.health import Health
from router.engine.keys import AccountState, KeyRing, KeyState
from router.engine.pace import Pace
from router.engine.permit import Permit
from router.engine.provider_state import ProviderState
from router.engine.selector import Selector, Wanted
from router.faults import Action, Fault
from router.types import Answer

SMALL, BIG = "openai/acme-small", "openai/acme-big"
NOON = 1_763_985_600.0


class FakeLane:
    """A lane that takes no notice of time. `told` says how often it was woken."""

    def __init__(self, provider: Provider, rank: int = 0) -> None:
        self.provider = provider
        self.rank = rank
        self.up = self.alive = self.looks_out = True
        self.told = 0
        self.back_at = 0.0

    @property
    def name(self) -> str:
        return self.provider.name

    def look(self) -> None:
        self.told += 1
        self.looks_out = False

    def model_of(self, selector: Selector) -> str | None:
        named = selector.only is None or self.name in selector.only
        return self.provider.model_for(selector.model) if named else None

    def may_serve(self, _model: Wanted) -> bool:
        return self.alive

    def is_up(self, _model: Wanted) -> bool:
        return self.up

    def serves_at(self, _model: Wanted) -> float:
        return self.back_at if self.alive else math.inf

    def reasons(self, _selector: Selector) -> list[str]:
        return [f"{self.name}: no more"]

    def action(self, _permit: Permit, fault: Fault) -> Action:
        return fault.reaction.action

    def on_wire(self, permit: Permit) -> None: ...

    def heard(self, permit: Permit) -> None: ...

    def release(self, permit: Permit) -> None: ...


class Driver:
    """A ProviderState and a clock that is set by hand: calls leave, time passes, results come."""

    def __init__(
        self, keys: int = 2, accounts: Sequence[str] = (), rates: Sequence[str] = (), time: float = 0.0
    ) -> None:
        provider = make_provider(keys=keys, accounts=accounts, models=["small", "big"], rates=rates)
        states = {name: AccountState(name, Pace()) for name in {key.account for key in provider.keys}}
        self.time = time
        self.changes: list[Change] = []
        self.ring = KeyRing(KeyState(key, states[key.account]) for key in provider.keys)
        self.provider_state = ProviderState(
            provider, self.ring, clock=self, rng=random.Random(0), on_change=self.changes.append
        )

    def now(self) -> float:
        return self.time

    def wall(self) -> float:
        return NOON + self.time

    def leaves(self, key: int = 1, model: str = SMALL) -> Permit:
        state = self.ring.keys[key - 1]
        permit = Permit(
            lane=FakeLane(self.provider_state.provider),
            number=self.provider_state.sent + 1,
            key=state,
            model=model,
            selector=Selector(),
            left_at=self.time,
            generation=self.provider_state.health.at(self.time).generation,
            account_generation=state.account.health.at(self.time).generation,
        )
        self.provider_state.left(permit, self.time)
        return permit

    def call(self, result: Answer | Fault | None, key: int = 1, model: str = SMALL, *, after_s: float = 0.0) -> None:
        self.time += after_s
        self.provider_state.returned(self.leaves(key, model), result)

    @property
    def healths(self) -> tuple[Health, Health, Health]:
        key = self.ring.keys[0]
        return (key.health, key.account.health, self.provider_state.health)
