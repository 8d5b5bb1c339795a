from __future__ import annotations

import pytest

from router.faults import REACTIONS, Doubt, Fault, Kind, Proof

TABLE = {
    ("throttle", "account", "slow_down", False): "rate_limit token_limit concurrency",
    ("quota", "account", "rest_key", False): "daily_quota no_credit",
    ("dead", "key", "drop_key", False): "invalid_key revoked_key account_banned",
    ("access", "key and model", "retry_elsewhere", False): "permission model_not_found",
    ("path", "provider", "rest_provider", False): "ip_blocked region_blocked",
    ("vendor", "provider", "retry_elsewhere", True): "overloaded server_error connection timeout malformed_reply",
    ("item", "item", "give_up_item", True): "bad_request context_length content_filter",
    ("unknown", "provider", "retry_elsewhere", True): "unknown",
}
ROWS = [pytest.param(kind, row, id=kind) for row, kinds in TABLE.items() for kind in kinds.split()]


@pytest.mark.parametrize(("kind", "row"), ROWS)
def test_what_follows_from_a_fault(kind: str, row: tuple[str, str, str, bool]) -> None:
    reaction = REACTIONS[Kind(kind)]
    assert (reaction.family, reaction.blame, reaction.action, reaction.charged) == row


def test_every_kind_has_its_row() -> None:
    assert set(REACTIONS) == set(Kind) == {Kind(kind) for kinds in TABLE.values() for kind in kinds.split()}


BESIDE = {
    ("throttled", False, "always", "none"): "rate_limit token_limit concurrency",
    ("exhausted", False, "never", "none"): "daily_quota no_credit",
    ("refused", False, "if proven", "none"): "invalid_key revoked_key account_banned",
    ("neutral", True, "if proven", "none"): "permission model_not_found",
    ("blocked", True, "never", "none"): "ip_blocked region_blocked",
    ("failed", True, "never", "none"): "overloaded server_error connection timeout",
    ("failed", True, "never", "alike elsewhere"): "malformed_reply unknown",
    ("ok", True, "never", "its words"): "bad_request",
    ("ok", True, "never", "another vendor"): "context_length content_filter",
}


@pytest.mark.parametrize(
    ("kind", "row"), [pytest.param(kind, row, id=kind) for row, kinds in BESIDE.items() for kind in kinds.split()]
)
def test_what_a_fault_says_and_who_else_may_be_the_cause(kind: str, row: tuple[str, bool, Doubt, Proof]) -> None:
    reaction = REACTIONS[Kind(kind)]
    assert (reaction.signal, reaction.elsewhere, reaction.doubted, reaction.proof) == row


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        pytest.param(Fault(Kind.TIMEOUT), "timeout", id="bare"),
        pytest.param(Fault(Kind.RATE_LIMIT, "slow down", 429), "rate_limit (HTTP 429): slow down", id="whole"),
    ],
)
def test_a_fault_reads_as_a_sentence(fault: Fault, text: str) -> None:
    assert str(fault) == text


@pytest.mark.parametrize("kind", [Kind.TIMEOUT, Kind.CONNECTION])
def test_what_is_excused_is_charged_to_nobody(kind: Kind) -> None:
    reaction = Fault(kind, excused=True).reaction
    assert (reaction.blame, reaction.charged, reaction.signal) == ("nobody", False, "neutral")
    assert Fault(kind).reaction.charged
