from __future__ import annotations

import hashlib

import pytest
from conftest import make_attempt
from hypothesis import given
from hypothesis import strategies as st

from router.config.models import Secret
from router.errors import AttemptsExhausted, Outcome
from router.faults import Kind
from router.types import Completion, Json, Request, Usage


@given(st.text(min_size=9))
def test_a_secret_never_shows_itself(value: str) -> None:
    secret = Secret(value)
    assert repr(secret) == str(secret) == f"{secret}" == f"Secret({secret.fingerprint})"
    assert secret.reveal() == value


def test_a_fingerprint_is_the_start_of_the_sha256() -> None:
    assert Secret("sk-1").fingerprint == hashlib.sha256(b"sk-1").hexdigest()[:8]


def test_secrets_are_equal_by_value() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert len({Secret("a"), Secret("a")}) == 1


@pytest.mark.parametrize(
    "prompt",
    [
        pytest.param("hi", id="text"),
        pytest.param([{"role": "user", "content": "hi"}], id="messages"),
        pytest.param(Request(({"role": "user", "content": "hi"},)), id="request"),
    ],
)
def test_a_request_is_made_of_what_is_at_hand(prompt: str | list[dict[str, Json]] | Request) -> None:
    assert Request.of(prompt).messages == ({"role": "user", "content": "hi"},)


@pytest.mark.parametrize(
    ("usage", "total"),
    [
        pytest.param(Usage(3, 4), 7, id="both"),
        pytest.param(Usage(3, None), None, id="out missing"),
        pytest.param(Usage(None, 4), None, id="in missing"),
        pytest.param(Usage(), None, id="nothing"),
    ],
)
def test_usage_is_whole_or_unknown(usage: Usage, total: int | None) -> None:
    assert usage.total == total


def test_an_outcome_shows_attempts_and_fault_however_it_ended() -> None:
    good, bad = make_attempt(), make_attempt(kind=Kind.TIMEOUT)
    completion = Completion("7", "acme", "acme#1", "0" * 8, "m", Usage(), "stop", 0.1, 0.0, (bad, good))
    failed = Outcome(Request(()), error=AttemptsExhausted("no", (bad,)))
    assert Outcome(Request(()), completion).attempts == (bad, good)
    assert Outcome(Request(()), completion).fault is None
    assert failed.attempts == (bad,)
    assert failed.fault is bad.fault
    assert Outcome(Request(())).attempts == ()
    assert good.ok
    assert not bad.ok
