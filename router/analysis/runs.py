"""The runs in a log: when, how long, whether simulated, what came out, and who took no part."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from router.log.event import Event
from router.log.events import AttemptFinished, ItemSettled, ProviderLeftOut, RunFinished


@dataclass(slots=True)
class Run:
    """One run, or one part of a run that was resumed.

    `asked_at` is when the first item was asked. `ended` is `finished`, `interrupted`, or `open` where the log ends
    without saying so: it goes on, or was killed. `outcomes` counts settled items.
    """

    run: str
    simulated: bool
    started_at: float
    last_at: float
    asked_at: float | None = None
    elapsed_s: float | None = None
    ended: str = "open"
    calls: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    left_out: dict[str, str] = field(default_factory=dict)

    def take(self, at: float, event: Event | None) -> None:
        """Count one event."""
        self.last_at = max(self.last_at, at)
        match event:
            case AttemptFinished():
                self.calls += 1
                asked_at = max(self.started_at, at - event.latency_s - event.waited_s)
                self.asked_at = asked_at if self.asked_at is None else min(self.asked_at, asked_at)
            case ItemSettled():
                self.outcomes[event.outcome] += 1
            case ProviderLeftOut():
                self.left_out[event.provider] = event.why
            case RunFinished():
                self.ended = "interrupted" if event.interrupted else "finished"
                self.elapsed_s = event.elapsed_s
            case _:
                pass

    def age_s(self, at: float) -> float:
        """The time since the first item was asked."""
        return max(0.0, at - (self.started_at if self.asked_at is None else self.asked_at))

    @property
    def duration_s(self) -> float:
        """From the first item's question to the end, as the run itself says where it does."""
        return self.age_s(self.last_at) if self.elapsed_s is None else self.elapsed_s

    @property
    def ended_at(self) -> float:
        """When its last item ended; what is written after that, such as the run's end, belongs to no item."""
        ended_at = (self.started_at if self.asked_at is None else self.asked_at) + self.duration_s
        return min(self.last_at, ended_at)

    @property
    def items(self) -> int:
        """Settled items."""
        return self.outcomes.total()
