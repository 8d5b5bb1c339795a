"""What a scorer is: it reads a model's answer and says how good it is, from 0 to 1."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol, TypeAlias

from router.errors import CallError
from router.evals.items import Item
from router.types import Completion, Request

RIGHT_FROM = 0.5
"""The least score that is right, where a scorer does not say it itself."""


@dataclass(frozen=True, slots=True)
class Score:
    """How good an answer is: `value` from 0 to 1, and what was taken for the answer, None where there was none.

    `right` says whether it counts as right; None means from RIGHT_FROM on. `explanation` is for people.
    """

    value: float
    answer: str | None
    explanation: str = ""
    right: bool | None = None

    @property
    def outcome(self) -> Literal["right", "wrong", "unparsable"]:
        """The verdict that follows."""
        if self.answer is None:
            return "unparsable"
        return "right" if (self.value >= RIGHT_FROM if self.right is None else self.right) else "wrong"


UNPARSABLE = Score(0.0, None)

Ask: TypeAlias = Callable[[Request, str | None], Awaitable[Completion]]
"""Sends a request, to a model by its name under `models:`, through the router of the run; raises CallError."""


class ScorerFailed(CallError):
    """An answer could not be scored: its scorer failed, took too long, or got no grade from its judge."""

    code: ClassVar[str] = "scorer_failed"


class MarkingStopped(ScorerFailed):
    """The run was stopped before a judge was asked; the answer is kept, and is marked when the run goes on."""

    code: ClassVar[str] = "stopped"


class Scorer(Protocol):
    """Marks answers.

    `lacks` says what an answer without a mark had not, `wants` what it must be that is expected (empty where
    anything will do). `needs_gold` says that it compares with what is expected, `reads_end` that it takes the last of
    what it finds, which an answer that was cut off has not.
    """

    @property
    def name(self) -> str:
        """Its name, as `--scorer` takes it."""
        ...

    @property
    def lacks(self) -> str:
        """What an unparsable answer lacked, behind `had no`."""
        ...

    @property
    def wants(self) -> str:
        """What must be expected of an item, behind `is not`."""
        ...

    @property
    def needs_gold(self) -> bool:
        """Whether it cannot mark where nothing is expected."""
        ...

    @property
    def reads_end(self) -> bool:
        """Whether it reads the end of an answer."""
        ...

    def ideal(self, item: Item) -> str | None:
        """An answer that is right if any is, None where nobody can say."""
        ...

    async def score(self, item: Item, completion: Completion, ask: Ask) -> Score:
        """Mark an answer; raises ScorerFailed."""
        ...
