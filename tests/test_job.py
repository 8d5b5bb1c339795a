from __future__ import annotations

from dataclasses import replace

import pytest
from conftest import make_attempt

from router.engine.job import MAX_SENT, Job, give_up
from router.engine.selector import Selector
from router.errors import AttemptsExhausted, CallError, ItemRefused
from router.faults import Fault, Kind
from router.types import Attempt, Request

A, B = "acme", "bolt"


def attempts(*tries: tuple[str, Kind] | tuple[str, Kind, int]) -> list[Attempt]:
    return [make_attempt(each[0], each[1], status=each[2] if len(each) == 3 else None) for each in tries]


def unsent(provider: str) -> Attempt:
    """One for which nothing was sent: the item cannot be put into a request to this vendor."""
    return replace(make_attempt(provider), fault=Fault(Kind.BAD_REQUEST, "not sent: inline only", was_sent=False))


@pytest.mark.parametrize(
    ("tried", "error"),
    [
        pytest.param([unsent(A)], None, id="never sent: another vendor may take it"),
        pytest.param([unsent(A), unsent(B)], None, id="never sent to two"),
        pytest.param([], None, id="nothing yet"),
        pytest.param([make_attempt(A)], None, id="answered"),
        pytest.param(attempts((A, Kind.BAD_REQUEST)), ItemRefused, id="bad request: at once"),
        pytest.param(attempts((A, Kind.CONTEXT_LENGTH)), None, id="too long: one more vendor"),
        pytest.param(attempts((A, Kind.CONTEXT_LENGTH), (B, Kind.CONTEXT_LENGTH)), ItemRefused, id="too long twice"),
        pytest.param(attempts((A, Kind.CONTENT_FILTER), (B, Kind.BAD_REQUEST)), ItemRefused, id="filter, then bad"),
        pytest.param(attempts((A, Kind.CONTENT_FILTER), (B, Kind.TIMEOUT)), None, id="filter, then a vendor's fault"),
        pytest.param(attempts((A, Kind.TIMEOUT)) * 3, None, id="three of four charged"),
        pytest.param(attempts((A, Kind.TIMEOUT)) * 4, AttemptsExhausted, id="four of four charged"),
        pytest.param(attempts((A, Kind.RATE_LIMIT)) * 20, None, id="denied calls are free"),
        pytest.param(attempts((A, Kind.RATE_LIMIT)) * MAX_SENT, AttemptsExhausted, id="but not without end"),
        pytest.param(attempts((A, Kind.INVALID_KEY), (A, Kind.NO_CREDIT)), None, id="dead keys are free"),
        pytest.param(attempts((A, Kind.UNKNOWN, 418), (B, Kind.UNKNOWN, 418)), ItemRefused, id="alike at two vendors"),
        pytest.param(attempts((A, Kind.UNKNOWN, 418), (A, Kind.UNKNOWN, 418)), None, id="alike at one vendor"),
        pytest.param(attempts((A, Kind.UNKNOWN, 418), (B, Kind.UNKNOWN, 420)), None, id="not alike"),
        pytest.param(attempts((A, Kind.SERVER_ERROR, 500), (B, Kind.SERVER_ERROR, 500)), None, id="two vendors down"),
    ],
)
def test_when_a_job_is_given_up(tried: list[Attempt], error: type[CallError] | None) -> None:
    assert give_up(tried, 4, proven={A, B}) is error


@pytest.mark.parametrize("kind", [Kind.MALFORMED_REPLY, Kind.UNKNOWN])
@pytest.mark.parametrize(
    ("proven", "error"),
    [
        pytest.param(set(), None, id="none has answered anybody"),
        pytest.param({A}, None, id="one"),
        pytest.param({A, B}, ItemRefused, id="both"),
    ],
)
def test_two_vendors_convict_an_item_only_where_both_have_answered_others(
    kind: Kind, proven: set[str], error: type[CallError] | None
) -> None:
    assert give_up(attempts((A, kind), (B, kind)), 4, proven=proven) is error


@pytest.mark.parametrize(
    ("tried", "is_last", "error"),
    [
        pytest.param([A], False, None, id="one more vendor"),
        pytest.param([A], True, ItemRefused, id="there is none"),
        pytest.param([A, B], False, ItemRefused, id="confirmed"),
    ],
)
def test_a_bad_request_without_the_vendors_words_is_asked_of_another(
    tried: list[str], error: type[CallError] | None, *, is_last: bool
) -> None:
    wordless = [make_attempt(name, Kind.BAD_REQUEST, status=400, message="") for name in tried]
    assert give_up(wordless, 4, is_last=is_last) is error


ELSEWHERE = set(Kind) - {
    Kind.RATE_LIMIT,
    Kind.TOKEN_LIMIT,
    Kind.CONCURRENCY,
    Kind.DAILY_QUOTA,
    Kind.NO_CREDIT,
    Kind.INVALID_KEY,
    Kind.REVOKED_KEY,
    Kind.ACCOUNT_BANNED,
}


@pytest.mark.parametrize("kind", [pytest.param(kind, id=kind) for kind in Kind])
def test_a_failed_job_avoids_where_it_failed_unless_the_key_was_the_cause(kind: Kind) -> None:
    job = Job(Request(()), Selector("m", frozenset({A, B}), frozenset({"c"})), 0, 1, 4, 0, (make_attempt(A, kind),))
    assert job.next_selector == Selector("m", frozenset({A, B}), frozenset({"c", A} if kind in ELSEWHERE else {"c"}))
