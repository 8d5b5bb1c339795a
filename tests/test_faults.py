from __future__ import annotations

import pytest

from router.faults import OTHER_VENDORS_MAY_TAKE_IT, REACTIONS, Fault, Kind

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


def test_other_vendors_may_take_what_depends_on_the_vendor() -> None:
    assert {Kind.CONTEXT_LENGTH, Kind.CONTENT_FILTER} == OTHER_VENDORS_MAY_TAKE_IT


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        pytest.param(Fault(Kind.TIMEOUT), "timeout", id="bare"),
        pytest.param(Fault(Kind.RATE_LIMIT, "slow down", 429), "rate_limit (HTTP 429): slow down", id="whole"),
    ],
)
def test_a_fault_reads_as_a_sentence(fault: Fault, text: str) -> None:
    assert str(fault) == text
