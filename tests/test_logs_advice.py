"""Advice: what is said of each trouble, and the exact line to set."""

from collections.abc import Sequence

import pytest
from test_logs import Line, call, line, state

from router.analysis import analyse_rows
from router.analysis.advice import Advice
from router.analysis.suggestions import rate_line, tidy, timeout_line
from router.rates import parse_rate

START = line("run.started", 0, rates={"a": ["60/min"]})
END = line("run.finished", 200)
BEFORE = {"sent_1s": 2, "sent_10s": 11, "sent_60s": 61, "sent_1h": 300, "in_flight": 9, "declared_rate": "60/min"}


def advice(*lines: Line) -> Sequence[Advice]:
    return analyse_rows([START, *lines, END]).advice


def throttle(fault: str, **more: object) -> list[Line]:
    limits = more.pop("limits", {})
    before = {**BEFORE, **more}
    return [
        call(100, "a#1", fault, status=429, limits=limits),
        state(100, "a#1", "ready>resting", fault, 110, **before),
    ]


def blocked(fault: str, **more: object) -> list[Line]:
    return [call(100, "a#1", fault, status=403), state(100, "a", "ready>resting", fault, 130, **{**BEFORE, **more})]


def hung(took_s: float, answered_s: float) -> list[Line]:
    calls = [call(at, "a#1", "timeout", latency_s=took_s) for at in (100, 101, 102)]
    rest = state(102, "a", "ready>resting", "timeout", 104)
    return [call(1, "a#1", latency_s=answered_s), *calls, rest]


CASES = [
    pytest.param(
        [call(1, "a#1"), call(2, "a#1", "revoked_key"), state(2, "a#1", "ready>dropped", "revoked_key", status=401)],
        "a#1 (key_hash 0123abcd) was refused at 17:00:02 (HTTP 401 «no revoked_key») after 1 good answer in this run: "
        "it was revoked or has run out. Replace it, or take it out of `keys:` under `a:`.",
        None,
        id="revoked",
    ),
    pytest.param(
        [call(2, "a#1", "invalid_key"), state(2, "a#1", "ready>dropped", "invalid_key", status=401)],
        "a#1 (key_hash 0123abcd) was refused at 17:00:02 (HTTP 401 «no invalid_key») and has not worked once in this "
        "run: it is mistyped, dead, or for another address of the vendor. Replace it, take it out of `keys:`, or check "
        "`base_url:`.",
        None,
        id="mistyped",
    ),
    pytest.param(
        [state(100, "a#1", "ready>dropped", "account_banned", None, **BEFORE)],
        "a#1 (key_hash 0123abcd) was refused at 17:01:40 («no account_banned»): the vendor has closed the "
        "account. Write "
        "to the vendor, and lower the rate before another key goes there. It had sent 61 calls in 60 s, 2 of "
        "them in the "
        "last second; it declares 60/min.",
        "rate: 45/min",
        id="banned",
    ),
    pytest.param(
        [state(1, "a#1", "ready>resting", "no_credit", 21600), state(1, "a#2", "ready>resting", "no_credit", 21600)],
        "Top up the account of a#1 (key_hash 0123abcd) and a#2 (key_hash 0123abcd), or take them out of `keys:` under "
        "`a:`: it is out of credit («no no_credit»).",
        None,
        id="no-credit",
    ),
    pytest.param(
        [*(call(1, "a#1") for _ in range(130)), state(2, "a#1", "ready>resting", "daily_quota", 3600, **BEFORE)],
        "The daily quota of the account of a#1 (key_hash 0123abcd) is used up until 18:00:00 UTC, after 130 answers in "
        "this run («no daily_quota»). If nothing else used it today, declare that.",
        "rate: [60/min, 100/day]",
        id="daily-quota",
    ),
    pytest.param(
        [state(2, "a#1", "ready>resting", "daily_quota", 3600, declared_rate="60/min, 500/day")],
        "The daily quota of the account of a#1 (key_hash 0123abcd) is used up until 18:00:00 UTC, after 0 answers in "
        "this run («no daily_quota»). Lower the daily limit that it declares, or wait.",
        None,
        id="daily-quota-declared",
    ),
    pytest.param(
        blocked("ip_blocked"),
        "a refused this address at 17:01:40, with all its keys alike («no ip_blocked»). It had sent 61 calls "
        "in 60 s, 2 of "
        "them in the last second; it declares 60/min.",
        "rate: 45/min",
        id="ip",
    ),
    pytest.param(
        blocked("invalid_key"),
        "Several keys of a were refused alike at 17:01:40: the address or the vendor, not the keys («no "
        "invalid_key»). It "
        "had sent 61 calls in 60 s, 2 of them in the last second; it declares 60/min.",
        "rate: 45/min",
        id="alike",
    ),
    pytest.param(
        blocked("rate_limit"),
        "Several keys of a were refused alike at 17:01:40: the address or the vendor, not the keys («no "
        "rate_limit»). It "
        "had sent 61 calls in 60 s, 2 of them in the last second; it declares 60/min.",
        "rate: 45/min",
        id="throttled-alike-is-said-once",
    ),
    pytest.param(
        [call(3, "a#1", "region_blocked"), state(3, "a", "ready>resting", "region_blocked", status=403)],
        "a does not serve this address's region (HTTP 403 «no region_blocked»). Leave it out, or go there another way.",
        "enabled: false",
        id="region",
    ),
    pytest.param(
        [call(3, "a#1", "permission", status=403, model="openai/gpt-9"), state(3, "a", "ready>dropped")],
        "a#1 may not use openai/gpt-9 (HTTP 403 «no permission»), said once. Ask the vendor for access to it, "
        "name another "
        "`model:` under `a:`, or take the key out of `keys:`.",
        None,
        id="permission",
    ),
    pytest.param(
        throttle("rate_limit"),
        "a#1 was throttled once (rate_limit) in 1 call, mostly after 61 calls in 60 s; it declares 60/min.",
        "rate: 45/min",
        id="throttled-beyond-the-declared-rate",
    ),
    pytest.param(
        throttle("rate_limit", sent_60s=40, limits={"x-ratelimit-limit-requests": "30", "x-remaining": "0"}),
        "a#1 was throttled once (rate_limit) in 1 call, mostly after 40 calls in 60 s; it declares 60/min; "
        "the vendor's own "
        "headers say x-ratelimit-limit-requests: 30.",
        "rate: 30/min",
        id="throttled-below-the-declared-rate",
    ),
    pytest.param(
        throttle("rate_limit", declared_rate="20/min", account_sent_60s=21),
        "a#1 was throttled once (rate_limit) in 1 call, mostly after 21 calls in 60 s; it declares 20/min.",
        "key_rate: 15/min",
        id="throttled-by-account",
    ),
    pytest.param(
        throttle("rate_limit", sent_60s=4),
        "a#1 was throttled once (rate_limit) in 1 call, mostly after 4 calls in 60 s; it declares 60/min; so few say "
        "nothing about the rate, perhaps something else uses this account.",
        None,
        id="throttled-after-nothing",
    ),
    pytest.param(
        throttle("token_limit", limits={"x-ratelimit-limit-tokens": "150000"}),
        "a#1 was throttled once (token_limit) in 1 call; the vendor's own headers say "
        "x-ratelimit-limit-tokens: 150000; it "
        "is the tokens that are limited, so declare `tokens:`.",
        "tokens: 120000/min",
        id="tokens",
    ),
    pytest.param(
        throttle("concurrency"),
        "a#1 was throttled once (concurrency) in 1 call with up to 10 calls in flight.",
        "concurrency: 8",
        id="concurrency",
    ),
    pytest.param(
        [call(3, "a#1"), call(3, "a#1", "unknown", status=418, message="I'm a teapot")],
        "a#1 answered once with what is not recognised: please report, message HTTP 418 «I'm a teapot».",
        None,
        id="unknown",
    ),
    pytest.param(
        [call(3, "a#1", "connection"), call(3, "a#1", "connection")],
        "a has not answered one call (connection: «no connection»). Check its `base_url:` and `model:`.",
        None,
        id="silent",
    ),
    pytest.param(
        hung(took_s=60, answered_s=2.6),
        "a was in trouble (timeout): 1 min 38 s resting, 49 % of the time; 3 calls in vain, 1 item without an "
        "answer. A "
        "shorter timeout loses less.",
        "timeout: 15s",
        id="timeout",
    ),
    pytest.param(
        hung(took_s=20, answered_s=2.6),
        "a was in trouble (timeout): 1 min 38 s resting, 49 % of the time; 3 calls in vain, 1 item without an answer. "
        "Nothing to change: it is the vendor's trouble.",
        None,
        id="timeout-is-short-enough",
    ),
    pytest.param(
        [call(1, "a#1", "bad_request", item="x/7"), call(2, "b#1", "bad_request", item="x/8")],
        "2 calls to a and b failed for the item's own sake (bad_request: «no bad_request»). See `router logs "
        "--item x/7`.",
        None,
        id="item",
    ),
]


@pytest.mark.parametrize(("lines", "text", "line"), CASES)
def test_advice_is_said_with_the_line_to_set(lines: Sequence[Line], text: str, line: str | None) -> None:
    (found,) = advice(*lines)
    assert found.text == text
    assert found.set == line


def test_a_cleared_key_needs_no_advice() -> None:
    assert not advice(state(1, "a#1", "ready>dropped", "revoked_key"), state(2, "a#1", "dropped>ready"))


def test_keys_of_one_provider_are_advised_together() -> None:
    second = [{**each, "key": "a#2"} for each in throttle("rate_limit")]
    (found,) = advice(*throttle("rate_limit"), *second)
    assert (found.about, found.set) == ("a#1 and a#2", "rate: 45/min")
    assert found.text.startswith("a#1 and a#2 were throttled twice (rate_limit) in 2 calls")


@pytest.mark.parametrize(
    ("amount", "tidied"),
    [(0.9, 0), (1, 1), (7.9, 7), (10, 10), (48, 45), (99, 95), (100, 100), (192, 190), (0.8 * 300, 240), (4800, 4800)],
)
def test_tidy_numbers_are_rounded_down(amount: float, tidied: int) -> None:
    assert tidy(amount) == tidied


@pytest.mark.parametrize(
    ("declared", "found", "window", "line"),
    [
        pytest.param("300/min", 301, "60s", "rate: 240/min", id="minute"),
        pytest.param("5/s", 5, "1s", "rate: 240/min", id="coarse-seconds-become-minutes"),
        pytest.param("50/s", 50, "1s", "rate: 40/s", id="seconds"),
        pytest.param("300/min, 9000/day", 301, "60s", "rate: [240/min, 9000/day]", id="the-daily-limit-stays"),
        pytest.param("300/min", 20, "10s", "rate: 95/min", id="less-was-sent"),
        pytest.param(None, 30, "60s", "rate: 20/min", id="undeclared"),
        pytest.param(None, 3, "60s", None, id="undeclared-and-too-few"),
        pytest.param("300/min", 20, "60s", None, id="too-few"),
    ],
)
def test_a_suggested_rate_can_be_read_and_is_lower(
    declared: str | None, found: int, window: str, line: str | None
) -> None:
    assert rate_line(declared, found, window) == line
    if line is not None and "[" not in line:
        assert parse_rate(line.partition(": ")[2]).per_second > 0


@pytest.mark.parametrize(
    ("slowest_s", "hung_s", "line"),
    [(0.5, 60, "timeout: 15s"), (0.5, 30, None), (4, 60, "timeout: 20s"), (None, 60, None)],
)
def test_a_timeout_is_only_shortened_far_above_the_slowest_answer(
    slowest_s: float | None, hung_s: float, line: str | None
) -> None:
    assert timeout_line(slowest_s, hung_s) == line
