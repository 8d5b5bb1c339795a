"""The errors that reach a caller.

RouterError
├── ConfigError        a file or an option is wrong; nothing was sent
└── CallError          a request got no answer; carries its attempts and the last fault
    ├── ItemRefused        the request itself is at fault
    ├── AttemptsExhausted  its charged attempts are used up
    ├── DeadlineExceeded   its time is over
    ├── NothingServes      no living key may serve it
    └── Stopped            the run is being stopped; it was not sent, or not again
"""

from __future__ import annotations

from dataclasses import dataclass

from router.faults import Fault
from router.types import Attempt, Completion, Request


class RouterError(Exception):
    """The root of everything that router raises on purpose."""

    fault: Fault | None = None
    attempts: tuple[Attempt, ...] = ()


class ConfigError(RouterError):
    """A file or option is wrong; the text names the place, the value and what to do."""


class CallError(RouterError):
    """A request got no answer."""

    def __init__(self, why: str, attempts: tuple[Attempt, ...] = (), fault: Fault | None = None) -> None:
        super().__init__(why)
        self.attempts = attempts
        self.fault = fault or next((a.fault for a in reversed(attempts) if a.fault), None)


class ItemRefused(CallError):
    """The request itself is at fault: no vendor will take it as it is."""


class AttemptsExhausted(CallError):
    """All charged attempts of the request failed."""


class DeadlineExceeded(CallError):
    """The request's time was over before an answer came."""


class NothingServes(CallError):
    """No living key may serve the request; the text says why for each."""


class Stopped(CallError):
    """The run is being stopped: the request was not sent, or not again."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one request of `Router.map` ended: a completion, or the error that `complete` would raise."""

    request: Request
    completion: Completion | None = None
    error: RouterError | None = None

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
