"""The errors that reach a caller.

RouterError
├── ConfigError        a file or an option is wrong; nothing was sent
├── CannotWrite        results have no place to go; what was answered is kept where it can be
└── CallError          a request got no answer; carries its attempts and the last fault
    ├── ItemRefused        the request itself is at fault
    ├── AttemptsExhausted  its charged attempts are used up
    ├── DeadlineExceeded   its time is over
    ├── NothingServes      no living key may serve it
    ├── Stopped            the run is being stopped; it was not sent, or not again
    └── InternalError      a defect of this program met it
"""

from __future__ import annotations

import traceback
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

from router.faults import Fault
from router.types import Attempt, Completion, Request


class RouterError(Exception):
    """The root of everything that router raises on purpose."""

    fault: Fault | None = None
    attempts: tuple[Attempt, ...] = ()


class ConfigError(RouterError):
    """A file or option is wrong; the text names the place, the value and what to do."""


class CannotWrite(RouterError):
    """Results have no place to go any more; the text names the file, the reason, and where the rest is."""


class CallError(RouterError):
    """A request got no answer; `code` names this kind of end."""

    code: ClassVar[str] = "error"

    def __init__(self, why: str, attempts: tuple[Attempt, ...] = (), fault: Fault | None = None) -> None:
        super().__init__(why)
        self.attempts = attempts
        self.fault = fault or next((a.fault for a in reversed(attempts) if a.fault), None)

    @property
    def reason(self) -> str:
        """Why there is no answer, in a word for results: the code."""
        return self.code

    def after(self, attempts: tuple[Attempt, ...]) -> Self:
        """The same error for a request that has had these attempts; each that waits gets its own."""
        error = copy(self)
        error.attempts = attempts
        error.fault = next((a.fault for a in reversed(attempts) if a.fault), self.fault)
        return error


class ItemRefused(CallError):
    """The request itself is at fault: no vendor will take it as it is."""

    code = "item_refused"

    @property
    def reason(self) -> str:
        """What the refusal said: the kind of the fault, such as `bad_request`."""
        return self.fault.kind if self.fault else self.code


class AttemptsExhausted(CallError):
    """All charged attempts of the request failed."""

    code = "attempts_exhausted"


class DeadlineExceeded(CallError):
    """The request's time was over before an answer came."""

    code = "deadline"


class NothingServes(CallError):
    """Nothing may serve the request, or nothing soon; the text says why for each provider and key.

    `until` is when the earliest could serve it, in seconds since the epoch; None where none will in this run.
    """

    code = "nothing_serves"

    def __init__(
        self,
        why: str,
        attempts: tuple[Attempt, ...] = (),
        fault: Fault | None = None,
        *,
        until: float | None = None,
    ) -> None:
        super().__init__(why, attempts, fault)
        self.until = until


class Stopped(CallError):
    """The run is being stopped: the request was not sent, or not again."""

    code = "stopped"


class InternalError(CallError):
    """Something broke that should not: a defect of this program, for which one request pays and no other."""

    code = "internal_error"

    @classmethod
    def of(cls, error: Exception) -> Self:
        """Name the defect and the line where it shows; the cause is kept."""
        *_, place = traceback.extract_tb(error.__traceback__)
        met = cls(f"a defect of router: {type(error).__name__}: {error} ({Path(place.filename).name}:{place.lineno})")
        met.__cause__ = error
        return met


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one request of `Router.map` ended: a completion, or the error that `complete` would raise."""

    request: Request
    completion: Completion | None = None
    error: CallError | None = None

    @property
    def fault(self) -> Fault | None:
        """The last fault of a request that got no answer."""
        return self.error.fault if self.error else None

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """Every call that was sent for it, in order."""
        if self.completion is not None:
            return self.completion.attempts
        return self.error.attempts if self.error else ()
