"""Every sentence of `router logs`: the smallest log in which it must stand, and logs in which it must not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_logs import Line, call, line, state

from router.analysis import Analysis, analyse_rows
from router.analysis.suggestions import Advice, rate_line, tidy, timeout_line
from router.faults import Kind
from router.rates import parse_rate
from router.reports.logs_text import render

START = line("run.started", 0, rates={"a": ["60/min"]}, keys={"a#1": "0123abcd", "a#2": "4567cdef"})
FIRST = call(0.5, "z#1", item="z")
"""Asked when the run begins, so that what comes after 60 s is judged by a minute."""
END = line("run.finished", 200)
BEFORE: dict[str, object] = {
    "sent_1s": 2,
    "sent_10s": 11,
    "sent_60s": 61,
    "sent_1h": 300,
    "in_flight": 9,
    "declared_rate": "60/min",
}
BOTH = ("a#1", "a#2")


def analysed(*lines: Line, simulated: bool = False) -> Analysis:
    return analyse_rows([{**START, "simulated": simulated}, FIRST, *lines, END])


def advice(*lines: Line) -> Sequence[Advice]:
    return analysed(*lines).advice


def throttle(fault: str = "rate_limit", *, key: str = "a#1", **more: object) -> list[Line]:
    told: dict[str, object] = {name: more.pop(name) for name in ("limits", "retry_after_s", "model") if name in more}
    before = {**BEFORE, **more}
    return [
        call(100, key, fault, status=429, **told),
        state(100, key, "ready>resting", fault, 110, **before),
    ]


def dropped(fault: str, *keys: str, at: float = 2) -> list[Line]:
    return [
        each
        for key in keys
        for each in (call(at, key, fault, status=401), state(at, key, "ready>dropped", fault, status=401))
    ]


def alike(fault: str, *keys: str, status: int = 401) -> list[Line]:
    calls = [call(100, key, fault, status=status, item=key) for key in keys]
    told = {**BEFORE, "because": "alike", "keys": list(keys), "status": status}
    return [*calls, {**state(100, "a", "ready>resting", fault, 130), **told}]


def failed(number: int, fault: str, *, of: int, key: str = "a#1", **more: object) -> list[Line]:
    """So many of an item's calls fail; each is answered elsewhere."""
    calls = [call(10 + n, key, fault, item=f"q{n}", **more) for n in range(number)]
    good = [call(50 + n, key, item=f"g{n}") for n in range(of - number)]
    return [*calls, *good, *(call(90, "b#1", item=f"q{n}") for n in range(number))]


def hung(took_s: float, answered_s: float) -> list[Line]:
    calls = [call(at, "a#1", "timeout", latency_s=took_s) for at in (100, 101, 102)]
    return [call(1, "a#1", latency_s=answered_s), *calls, state(102, "a", "ready>resting", "timeout", 104)]


OUT_OF_CREDIT = [
    call(1, "a#1", "no_credit", status=402),
    state(1, "a#1", "ready>resting", "no_credit", 21600, status=402),
]
BLOCKED = [
    call(100, "a#1", "ip_blocked", status=403),
    state(100, "a", "ready>resting", "ip_blocked", 130, status=403, **BEFORE),
]
BANNED = [state(100, "a#1", "ready>dropped", "account_banned", None, keys=list(BOTH), **BEFORE)]
DAILY = [*(call(1, "a#1") for _ in range(130)), state(2, "a#1", "ready>resting", "daily_quota", 25_200, **BEFORE)]
"""Midnight UTC is seven hours after these logs begin."""
HOURLY = [call(1, "a#1"), state(2, "a#1", "ready>resting", "daily_quota", 3602, **BEFORE)]

SENTENCES = [
    pytest.param(
        [call(1, "a#1"), *dropped("revoked_key", "a#1")],
        'a#1 (key_hash 0123abcd) was refused at 17:00:02 (HTTP 401 "no revoked_key") after 1 good answer in this run: '
        "revoked or expired. Replace it, or take it out of `keys:` under `a:`.",
        None,
        id="revoked",
    ),
    pytest.param(
        dropped("invalid_key", "a#1"),
        'a#1 (key_hash 0123abcd) was refused at 17:00:02 (HTTP 401 "no invalid_key") without one good answer in this '
        "run: mistyped, dead, or for another address of the vendor. Replace it, take it out of `keys:`, or check "
        "`base_url:`.",
        None,
        id="mistyped",
    ),
    pytest.param(
        dropped("invalid_key", *BOTH),
        "a#1 (key_hash 0123abcd) and a#2 (key_hash 4567cdef) were refused at 17:00:02 (",
        None,
        id="two-are-mistyped",
    ),
    pytest.param(
        BANNED,
        'a#1 (key_hash 0123abcd) and a#2 (key_hash 4567cdef) were refused at 17:01:40 ("no account_banned"): the '
        "vendor has closed the account. Write to the vendor before another key is lost.",
        None,
        id="banned",
    ),
    pytest.param(
        OUT_OF_CREDIT,
        "Top up the account of a#1 (key_hash 0123abcd), or take it out of `keys:` under `a:`: out of credit "
        '(HTTP 402 "no no_credit").',
        None,
        id="no-credit",
    ),
    pytest.param(
        alike("no_credit", *BOTH, status=402),
        "Top up the accounts of a#1 (key_hash 0123abcd) and a#2 (key_hash 4567cdef), or take them out of `keys:`",
        None,
        id="two-accounts-without-credit",
    ),
    pytest.param(
        DAILY,
        "The daily quota of the account of a#1 (key_hash 0123abcd) is used up until 00:00:00 UTC, after 130 answers in "
        'this run ("no daily_quota"). If nothing else used it today, declare that.',
        "rate: [60/min, 100/day]",
        id="daily-quota",
    ),
    pytest.param(
        [*DAILY[:-1], {**DAILY[-1], "account_sent_1h": 130}],
        "declare that.",
        "key_rate: 100/day",
        id="daily-quota-of-one-account-among-others",
    ),
    pytest.param(
        [state(2, "a#1", "ready>resting", "daily_quota", 25_200, declared_rate="60/min, 500/day")],
        'after 0 answers in this run ("no daily_quota"). Wait, or lower the daily limit that it declares.',
        None,
        id="daily-quota-declared",
    ),
    pytest.param(
        HOURLY,
        "A quota of the account of a#1 (key_hash 0123abcd) is used up until 18:00:02 UTC, after 1 answer in this run "
        '("no daily_quota"): it comes back within hours, so it is no daily quota.',
        None,
        id="an-hour-is-no-day",
    ),
    pytest.param(
        BLOCKED,
        'a refused this address at 17:01:40 (HTTP 403 "no ip_blocked"). Call from another address (no VPN, no shared '
        "proxy or cloud host), or ask the vendor why.",
        None,
        id="ip",
    ),
    pytest.param(
        alike("invalid_key", *BOTH),
        "a#1 (key_hash 0123abcd) and a#2 (key_hash 4567cdef) were refused alike within seconds at 17:01:40 (HTTP 401 "
        '"no invalid_key"): the address or the vendor rather than the keys.',
        None,
        id="alike",
    ),
    pytest.param(
        [call(3, "a#1", "region_blocked"), state(3, "a", "ready>resting", "region_blocked", status=403)],
        'a does not serve this address\'s region (HTTP 403 "no region_blocked"). Leave it out, or reach it another '
        "way.",
        "enabled: false",
        id="region",
    ),
    pytest.param(
        [call(3, key, "permission", status=403, model="openai/gpt-9") for key in BOTH],
        'a#1 and a#2 may not use openai/gpt-9 (HTTP 403 "no permission"), twice. Ask the vendor for access, name '
        "another `model:` under `a:`, or leave the key out.",
        None,
        id="permission",
    ),
    pytest.param(
        throttle(),
        "a#1 was throttled once (rate_limit) in 1 call, mostly after 61 calls in 60 s; it declares 60/min.",
        "rate: 45/min",
        id="throttled-beyond-the-declared-rate",
    ),
    pytest.param(
        throttle(sent_60s=40, limits={"x-ratelimit-limit-requests": "30", "x-remaining": "0"}),
        "a#1 was throttled once (rate_limit) in 1 call, mostly after 40 calls in 60 s; it declares 60/min; the "
        "vendor's own headers say x-ratelimit-limit-requests: 30.",
        "rate: 30/min",
        id="throttled-below-the-declared-rate",
    ),
    pytest.param(
        throttle(declared_rate="20/min", account_sent_60s=21),
        "a#1 was throttled once (rate_limit) in 1 call, mostly after 21 calls in 60 s; it declares 20/min.",
        "key_rate: 15/min",
        id="throttled-by-account",
    ),
    pytest.param(
        [*throttle(), *throttle(key="a#2")],
        "a#1 and a#2 were throttled twice (rate_limit) in 2 calls",
        "rate: 45/min",
        id="keys-of-one-provider-together",
    ),
    pytest.param(
        alike("rate_limit", *BOTH, status=429),
        "a#1 and a#2 were throttled twice (rate_limit) in 2 calls, mostly after 61 calls in 60 s; it declares 60/min.",
        "rate: 45/min",
        id="throttled-alike",
    ),
    pytest.param(
        throttle(sent_60s=4),
        "so few calls say nothing about the rate; perhaps something else uses this account.",
        None,
        id="throttled-after-nothing",
    ),
    pytest.param(
        throttle(retry_after_s=3600.0),
        "a#1 was throttled once (rate_limit) in 1 call and asked to wait 1 h 00 min: that is not a limit per "
        "minute, so ask the vendor what it limits.",
        None,
        id="an-hour-is-no-limit-of-a-minute",
    ),
    pytest.param(
        [*(call(2, "a#1", item=f"q{n}") for n in range(30)), *throttle()],
        "a#1 was throttled once (rate_limit) in 31 calls: nothing to change unless it happens again.",
        None,
        id="a-stray-429",
    ),
    pytest.param(
        throttle("token_limit", limits={"x-ratelimit-limit-tokens": "150000"}, model="openai/gpt-4o"),
        "headers say 150,000 tokens/min; it is the tokens that are limited, so declare `tokens:`.",
        "tokens: 120000/min",
        id="tokens",
    ),
    pytest.param(
        throttle("token_limit", limits={"x-ratelimit-limit-tokens": "150000"}, model="nobody/knows"),
        "headers say x-ratelimit-limit-tokens: 150000; it is the tokens that are limited, so declare `tokens:`.",
        None,
        id="tokens-in-a-window-that-nobody-knows",
    ),
    pytest.param(
        throttle("concurrency"),
        "a#1 was throttled once (concurrency) in 1 call with up to 10 calls in flight.",
        "concurrency: 8",
        id="concurrency",
    ),
    pytest.param(
        throttle("concurrency", in_flight=0),
        " with no other call in flight: perhaps something else uses this account.",
        None,
        id="concurrency-of-one",
    ),
    pytest.param(
        [call(3, "a#1"), call(3, "a#1", "unknown", status=418, message="I'm a teapot")],
        'a#1 gave 1 answer that the router does not recognise; please report HTTP 418 "I\'m a teapot".',
        None,
        id="unknown",
    ),
    pytest.param(
        [call(3, "a#1", "connection"), call(3, "a#1", "connection")],
        'a has not answered one of its 2 calls (connection: "no connection"). Check its `base_url:` and `model:`.',
        None,
        id="never-answered",
    ),
    pytest.param(
        failed(18, "server_error", of=54, status=200),
        'a failed 18 of 54 calls (33 %) (server_error: HTTP 200 "no server_error"); no item was lost. Nothing to '
        "change: it is the vendor's problem.",
        None,
        id="a-third-fails",
    ),
    pytest.param(
        [*failed(2, "malformed_reply", of=8), call(95, "a#1", "connection", item="lost")],
        'a failed 3 of 9 calls (33 %) (malformed_reply 2, connection 1: "no malformed_reply"); 1 item has no answer.',
        None,
        id="kinds-of-one-provider-together",
    ),
    pytest.param(
        hung(took_s=60, answered_s=2.6),
        'a failed 3 of 4 calls (75 %) (timeout: "no timeout"); rested or was slow 1 min 38 s, 49 % of the time; 1 item '
        "has no answer. A shorter timeout loses less.",
        "timeout: 15s",
        id="timeout",
    ),
    pytest.param(
        hung(took_s=20, answered_s=2.6),
        "1 item has no answer. Nothing to change: it is the vendor's problem.",
        None,
        id="timeout-is-short-enough",
    ),
    pytest.param(
        [*failed(2, "content_filter", of=5), call(60, "a#1", "bad_request", item="odd")],
        'a refused 3 of 6 calls (50 %) for what was asked (content_filter 2, bad_request 1: "no content_filter"); 1 '
        "item has no answer. See `router logs --item q0`.",
        None,
        id="item",
    ),
    pytest.param(
        [call(n, "a#1", "bad_request", item=f"q{n}", status=400) for n in (1, 2)],
        'a refused every call (bad_request: HTTP 400 "no bad_request"), so it is not the items. Look at `params:` and '
        "`model:` under `a:`, and at the prompt.",
        None,
        id="a-parameter",
    ),
    pytest.param(
        failed(3, "no_credit", of=10, status=402),
        'a failed 3 of 10 calls (30 %) (no_credit: HTTP 402 "no no_credit"); no item was lost.',
        None,
        id="a-rest-that-the-log-does-not-tell-of",
    ),
]


@pytest.mark.parametrize(("lines", "text", "line"), SENTENCES)
def test_each_sentence_stands_in_its_log(lines: Sequence[Line], text: str, line: str | None) -> None:
    (found,) = (each for each in advice(*lines) if each.provider == "a")
    assert text in found.text
    assert found.set == line


SEVERAL, RATE, DAY, ADDRESS, NEVER = "alike", "rate:", "/day", "address", "has not answered"

NOT_SAID = [
    pytest.param(dropped("invalid_key", "a#1"), [SEVERAL, RATE], id="one-dead-key"),
    pytest.param(dropped("invalid_key", *BOTH), [SEVERAL, RATE], id="two-dead-keys-without-correlation"),
    pytest.param(alike("invalid_key", "a#1"), [SEVERAL], id="correlation-of-one-key"),
    pytest.param(OUT_OF_CREDIT, [SEVERAL, RATE, ADDRESS], id="no-credit"),
    pytest.param(alike("no_credit", *BOTH, status=402), [RATE, ADDRESS], id="no-credit-alike"),
    pytest.param(BANNED, [SEVERAL, RATE, "lower", ADDRESS], id="a-closed-account"),
    pytest.param(BLOCKED, [SEVERAL, RATE, "all its keys"], id="a-firewall"),
    pytest.param(HOURLY, [DAY, "The daily quota", RATE], id="a-rest-of-an-hour"),
    pytest.param(throttle(retry_after_s=3600.0), [DAY, RATE], id="a-429-of-an-hour"),
    pytest.param(failed(18, "server_error", of=54), [RATE, NEVER], id="a-vendor-in-trouble"),
    pytest.param([call(3, "a#1", "connection")], ["Nothing to change"], id="a-vendor-that-is-not-there"),
    pytest.param(failed(8, "content_filter", of=40), ["has no answer", RATE], id="a-filter"),
]


@pytest.mark.parametrize(("lines", "phrases"), NOT_SAID)
def test_what_the_log_does_not_show_is_not_said(lines: Sequence[Line], phrases: Sequence[str]) -> None:
    told = "\n".join(f"{each.text} {each.set or ''}" for each in advice(*lines))
    assert told
    assert [phrase for phrase in phrases if phrase in told] == []


def test_after_a_rehearsal_nothing_is_to_be_set() -> None:
    lines = [*throttle(), *throttle(key="a#2"), *DAILY, call(3, "r#1", "region_blocked")]
    assert any(each.set for each in advice(*lines))
    rehearsed = analysed(*lines, simulated=True)
    assert [each.set for each in rehearsed.advice if each.set] == []
    assert "set `" not in render(rehearsed, 100)
    assert "What to do if these were real vendors" in render(rehearsed, 100)


def test_a_cleared_key_needs_no_advice() -> None:
    cleared = state(2, "a#1", "dropped>ready", because="alike")
    assert not advice(state(1, "a#1", "ready>dropped", "revoked_key"), cleared)


# The page as a whole.


def page(*lines: Line) -> str:
    return render(analysed(*lines), 200)


def test_what_to_do_comes_first() -> None:
    titles = ["What to do", "Bans and rests", "Errors", "429s against the declared rates", "Calls"]
    rows = page(*throttle(), *dropped("revoked_key", "a#2")).splitlines()
    assert [row for row in rows if row in titles] == titles


def test_a_provider_with_one_key_has_one_row_and_one_chapter_for_one_event() -> None:
    follows = state(1, "a", "ready>resting", "no_credit", 21600, because="keys", keys=["a#1"], status=402)
    text = page(*OUT_OF_CREDIT, follows)
    assert text.count("had to rest for") == text.count("  cost  ") == text.count(" resting until") == 1
    assert "a had no usable key then" in text


def test_a_vendors_sentence_is_told_once() -> None:
    words = "Your balance is not enough"
    lines = [{**each, "message": words} for each in OUT_OF_CREDIT]
    assert page(*lines).count(words) == 1
    apart = [call(9, "a#1", "timeout", message="gone"), call(9, "a#2", "timeout", message="gone"), call(9, "a#1")]
    assert page(*lines, *apart).count("gone") == 1


def test_what_came_before_is_told_in_words() -> None:
    before = {"sent_1s": 8, "sent_10s": 37, "sent_60s": 37, "sent_1h": 37, "peak_1s": 9, "in_flight": 4}
    mine = {"account_sent_1s": 1, "account_sent_10s": 19, "account_sent_60s": 19, "account_sent_1h": 19}
    text = page(state(100, "a#1", "ready>resting", "rate_limit", 110, **before, **mine, declared_rate="5/s"))
    assert (
        "provider: 8 calls in 1 s, 37 in 10 s, no more in an hour; account: 1 call in 1 s, 19 in 10 s, no more in an "
        "hour; 9 in the busiest second of the minute; 4 in flight; declared 5/s; 0 good answers so far"
    ) in " ".join(text.split())


@pytest.mark.parametrize(
    ("lines", "bound"),
    [
        pytest.param(
            [
                call(10, "a#1", waited_s=153.0, waited_for="pace"),
                call(11, "b#1", waited_s=20.0, waited_for="key rests"),
                call(11, "b#1", waited_s=7.0, waited_for="idle"),
            ],
            "What calls waited for: a's rate 85 %, b's keys' rests 11 % of all waiting.",
            id="two",
        ),
        pytest.param([call(10, "a#1", waited_s=0.3, waited_for="pace")], "", id="hardly at all"),
        pytest.param([call(10, "a#1", waited_s=60.0, waited_for="idle")], "", id="nothing in the way"),
        pytest.param([], "", id="no wait"),
    ],
)
def test_why_it_was_slow_is_one_line(lines: Sequence[Line], bound: str) -> None:
    assert [row for row in page(*lines).splitlines() if row.startswith("What calls waited for")] == (
        [bound] if bound else []
    )


KINDS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([*Kind, None])), min_size=1, max_size=8)


@given(KINDS)
@settings(max_examples=60)
def test_every_provider_with_failing_calls_is_named(calls: Sequence[tuple[str, Kind | None]]) -> None:
    lines = [call(n, f"{provider}#1", kind, item=f"q{n}") for n, (provider, kind) in enumerate(calls)]
    failing = {provider for provider, kind in calls if kind is not None}
    assert {each.provider for each in analysed(*lines).advice} == failing


@given(KINDS)
@settings(max_examples=60)
def test_a_rate_is_advised_after_throttled_calls_alone(calls: Sequence[tuple[str, Kind | None]]) -> None:
    lines = [
        each
        for n, (provider, kind) in enumerate(calls)
        for each in (
            call(100 + n, f"{provider}#1", kind, item=f"q{n}"),
            state(100 + n, f"{provider}#1", "ready>resting", kind, 130.0, **BEFORE),
            state(101 + n, f"{provider}#1", "resting>ready"),
        )
    ]
    throttled = {provider for provider, kind in calls if kind in {Kind.RATE_LIMIT, Kind.TOKEN_LIMIT, Kind.CONCURRENCY}}
    advised: Mapping[str, str] = {each.provider: each.set for each in analysed(*lines).advice if each.set}
    assert {provider for provider, line in advised.items() if "/min" in line and "/day" not in line} <= throttled


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
