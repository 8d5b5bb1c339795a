from __future__ import annotations

import pytest
from conftest import make_attempt

from router import errors
from router.errors import (
    AttemptsExhausted,
    CallError,
    DeadlineExceeded,
    InternalError,
    ItemRefused,
    NothingServes,
    RouterError,
    Stopped,
)
from router.faults import Fault, Kind


def test_a_call_error_shows_the_last_fault_of_its_attempts() -> None:
    first, last = make_attempt(kind=Kind.TIMEOUT), make_attempt(kind=Kind.UNKNOWN)
    error = CallError("no", (first, last, make_attempt()))
    assert error.fault is last.fault
    assert CallError("no", (first,), last.fault).fault is last.fault
    assert CallError("no").fault is None


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ItemRefused("no", fault=Fault(Kind.CONTENT_FILTER)), "content_filter"),
        (ItemRefused("no"), "item_refused"),
        (AttemptsExhausted("no", (make_attempt(kind=Kind.TIMEOUT),)), "attempts_exhausted"),
        (DeadlineExceeded("no"), "deadline"),
        (NothingServes("no"), "nothing_serves"),
        (Stopped("no"), "stopped"),
        (InternalError("no"), "internal_error"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, CallError) else value,
)
def test_every_end_has_a_word_for_results(error: CallError, reason: str) -> None:
    assert error.reason == reason


def test_all_errors_have_one_root() -> None:
    found = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, Exception)]
    assert len(found) == 10
    assert all(issubclass(each, RouterError) for each in found)
