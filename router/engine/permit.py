"""The right to send one call with one key, and with what it left.

Who judges what came back needs `number`, `key`, `model`, and the generations in which it left: `generation` of the
provider's health, `account_generation` of the account's.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from router.clock import Patience
from router.config.models import Provider
from router.engine.keys import KeyState
from router.engine.pace import Charge
from router.engine.selector import Selector, Wanted
from router.faults import Action, Fault
from router.types import Answer


class LaneLike(Protocol):
    """What a permit and the line need to know of a lane."""

    provider: Provider
    rank: int
    """Lower is offered work first where several lanes wait for it."""

    @property
    def looks_out(self) -> bool:
        """Whether it sleeps, and a new ticket could be one that it can serve now."""
        ...

    def look(self) -> None:
        """Look again whether there is something to do."""
        ...

    def model_of(self, selector: Selector) -> Wanted | None:
        """The model that a selector means here, maybe of one account alone; None where it means other providers."""
        ...

    def may_serve(self, model: Wanted) -> bool:
        """Whether any living key may ever serve a model."""
        ...

    def is_up(self, model: Wanted) -> bool:
        """Whether it may serve a model now or soon."""
        ...

    def serves_at(self, model: Wanted) -> float:
        """The loop time from which rests let it serve a model; `inf` where it will not in this run."""
        ...

    def reasons(self, selector: Selector) -> list[str]:
        """Why nothing here can serve a selector."""
        ...

    def action(self, permit: Permit, fault: Fault) -> Action:
        """What will be done about a fault of a call."""
        ...

    def on_wire(self, permit: Permit) -> None:
        """Count a call from when it is on the wire."""
        ...

    def heard(self, permit: Permit) -> None:
        """Hear that the answer to a call has begun to come."""
        ...

    def release(self, permit: Permit) -> None:
        """Take a permit back and report its result."""
        ...


@dataclass(slots=True, eq=False)
class Permit:
    """Leaving its context gives the slot back and reports.

    `number` counts the calls of its provider, `model` is LiteLLM's name of it, `left_at` the loop time at which it was
    paired. `charges` is what it took of the paces, tokens first.
    """

    lane: LaneLike
    number: int
    key: KeyState
    model: str
    selector: Selector
    left_at: float
    generation: int
    account_generation: int
    waited_for: str = ""
    charges: tuple[Charge, ...] = ()
    result: Answer | Fault | None = None
    patience: Patience | None = None
    is_sent: bool = False

    @property
    def provider(self) -> Provider:
        """Where it may send."""
        return self.lane.provider

    def sent(self) -> None:
        """Say that the request is on the wire."""
        if not self.is_sent:
            self.is_sent = True
            self.lane.on_wire(self)

    def heard(self) -> None:
        """Say that the answer has begun to come: from now on nobody takes the call back."""
        self.patience = None
        self.lane.heard(self)

    def take_back(self) -> None:
        """End the call: its vendor is silent, and another one could serve it."""
        if self.patience is not None:
            self.patience.end()

    def settle(self, result: Answer | Fault) -> None:
        """Say what came back; without it, leaving the context counts as cancelled."""
        self.result = result

    def action(self, fault: Fault) -> Action:
        """What will be done about a fault of this call."""
        return self.lane.action(self, fault)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.lane.release(self)
