"""The runs in a log: when, how long, whether simulated, what came out, and who took no part."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from router.analysis.rows import Call, Note, Settled


@dataclass(frozen=True, slots=True)
class Run:
    """One run, or one part of a run that was resumed.

    `ended` is `finished`, `interrupted`, or `open` where the log ends without saying so: it goes on, or was killed.
    `outcomes` counts settled items.
    """

    run: str
    simulated: bool
    started_at: float
    last_at: float
    ended: str
    calls: int
    outcomes: dict[str, int]
    left_out: dict[str, str]

    @property
    def duration_s(self) -> float:
        """From the first line to the last."""
        return self.last_at - self.started_at

    @property
    def items(self) -> int:
        """Settled items."""
        return sum(self.outcomes.values())


@dataclass(slots=True)
class OpenRun:
    """A run while its log is read."""

    run: str
    simulated: bool
    started_at: float
    last_at: float
    ended: str = "open"
    calls: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    left_out: dict[str, str] = field(default_factory=dict)

    def take(self, event: object) -> None:
        """Count one event."""
        match event:
            case Call():
                self.calls += 1
            case Settled():
                self.outcomes[event.outcome] += 1
            case Note(event="provider.left_out", row=row):
                self.left_out[str(row.get("provider"))] = str(row.get("why"))
            case Note(event="run.finished", row=row):
                self.ended = "interrupted" if row.get("interrupted") else "finished"
            case _:
                pass

    def frozen(self) -> Run:
        """The run as far as it was read."""
        return Run(
            self.run,
            self.simulated,
            self.started_at,
            self.last_at,
            self.ended,
            self.calls,
            dict(self.outcomes.most_common()),
            self.left_out,
        )
