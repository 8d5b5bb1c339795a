from __future__ import annotations

from conftest import make_attempt

from router import errors
from router.errors import CallError, RouterError
from router.faults import Kind


def test_a_call_error_shows_the_last_fault_of_its_attempts() -> None:
    first, last = make_attempt(kind=Kind.TIMEOUT), make_attempt(kind=Kind.UNKNOWN)
    error = CallError("no", (first, last, make_attempt()))
    assert error.fault is last.fault
    assert CallError("no", (first,), last.fault).fault is last.fault
    assert CallError("no").fault is None


def test_all_errors_have_one_root() -> None:
    found = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, Exception)]
    assert len(found) == 9
    assert all(issubclass(each, RouterError) for each in found)
