import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.jsonl import decode, encode
from router.rates import Rate
from router.simulator.dialects import DialectName
from router.simulator.dialects.base import Call
from router.simulator.spec import VendorSpec
from router.simulator.troubles import parse_trouble
from router.simulator.vendor import Decision, Vendor

KEYS = (("sk-a", "one"), ("sk-b", "one"), ("sk-c", "two"))
SPEC = VendorSpec("v", keys=KEYS, latency_median_s=0)


def chat(key: str = "sk-a", model: str = "m", *, stream: bool = False) -> Call:
    return Call("chat", key, model, stream=stream, question="2 + 3", prompt="2 + 3", messages=1)


def statuses(vendor: Vendor, *calls: tuple[str, float]) -> list[int]:
    return [vendor.decide(chat(key), now).status for key, now in calls]


def troubled(*texts: str, dialect: DialectName = "openai", **changes: object) -> Vendor:
    spec = replace(SPEC, dialect=dialect, troubles=tuple(parse_trouble(text) for text in texts))
    return Vendor(replace(spec, **changes))  # type: ignore[arg-type]


def test_a_known_key_gets_an_answer() -> None:
    decision = Vendor(SPEC).decide(chat(), 0)
    assert decision.status == 200
    assert json.loads(decision.body)["choices"][0]["message"]["content"] == "The result of 2 + 3 is 5."


@pytest.mark.parametrize(
    ("dialect", "status"),
    [pytest.param("openai", 401, id="o"), pytest.param("anthropic", 401, id="a"), pytest.param("gemini", 400, id="g")],
)
def test_an_unknown_key_is_refused(dialect: DialectName, status: int) -> None:
    vendor = Vendor(replace(SPEC, dialect=dialect))
    assert vendor.decide(chat("sk-wrong"), 0).status == status
    assert vendor.stats()["keys"] == {"unknown": {"arrivals": 1, "ok": 0, "throttled": 0, "other": 1}}


def test_a_vendor_without_keys_takes_anybody() -> None:
    vendor = Vendor(replace(SPEC, keys=(), account_limits=(Rate(2, 60),)))
    assert statuses(vendor, ("x", 0), ("", 1), ("y", 2)) == [200, 200, 429]


def test_the_address_limit_holds_over_all_keys() -> None:
    vendor = Vendor(replace(SPEC, address_limits=(Rate(2, 10),)))
    assert statuses(vendor, ("sk-a", 0), ("sk-c", 1), ("sk-b", 2), ("sk-a", 10)) == [200, 200, 429, 200]


def test_the_account_limit_holds_over_its_keys() -> None:
    vendor = Vendor(replace(SPEC, account_limits=(Rate(1, 10),)))
    assert statuses(vendor, ("sk-a", 0), ("sk-b", 1), ("sk-c", 2)) == [200, 429, 200]


def test_a_call_refused_by_one_limit_counts_in_none() -> None:
    vendor = Vendor(replace(SPEC, address_limits=(Rate(2, 100),), account_limits=(Rate(1, 100),)))
    assert statuses(vendor, ("sk-a", 0), ("sk-a", 1), ("sk-c", 2)) == [200, 429, 200]


def test_budgets_longer_than_a_minute_are_enforced() -> None:
    vendor = Vendor(replace(SPEC, address_limits=(Rate(2, 86400),)))
    decision = [vendor.decide(chat(), now) for now in (0, 100, 5000)][-1]
    assert decision.status == 429
    assert "requests per day (RPD)" in decision.body.decode()
    assert decision.headers["retry-after"] == "81400"


def test_tokens_are_limited() -> None:
    vendor = Vendor(replace(SPEC, token_limits=(Rate(20, 60),)))
    first, second = vendor.decide(chat(), 0), vendor.decide(chat(), 1)
    assert (first.status, second.status) == (200, 429)
    assert "tokens per min (TPM)" in second.body.decode()
    assert json.loads(first.body)["usage"]["total_tokens"] == 14
    assert first.headers["x-ratelimit-remaining-tokens"] == "6"


@pytest.mark.parametrize("limit", [1, 3])
def test_limit_headers_tell_the_tightest_limit(limit: int) -> None:
    vendor = Vendor(replace(SPEC, address_limits=(Rate(100, 60), Rate(limit, 1))))
    headers = vendor.decide(chat(), 0).headers
    assert headers["x-ratelimit-limit-requests"] == str(limit)
    assert headers["x-ratelimit-remaining-requests"] == str(limit - 1)
    assert headers["x-ratelimit-reset-requests"] == "1s"


def test_a_key_that_pushes_on_is_suspended() -> None:
    vendor = Vendor(replace(SPEC, address_limits=(Rate(1, 1000),), suspend_after=3))
    calls = [("sk-a", float(now)) for now in range(5)]
    assert statuses(vendor, *calls, ("sk-b", 5)) == [200, 429, 429, 429, 401, 429]
    assert vendor.stats()["suspended"] == ["v#1"]


def test_a_key_that_waits_or_succeeds_between_is_not_suspended() -> None:
    vendor = Vendor(replace(SPEC, address_limits=(Rate(1, 50),), suspend_after=3))
    rounds = [("sk-a", 50.0 * n + late) for n in range(4) for late in (0, 1, 2)]
    assert statuses(vendor, *rounds) == [200, 429, 429] * 4
    slow = Vendor(replace(SPEC, address_limits=(Rate(1, 86400),), suspend_after=3))
    assert statuses(slow, *[("sk-a", 40.0 * n) for n in range(6)]) == [200, 429, 429, 429, 429, 429]


def test_unknown_models_are_refused_where_the_models_are_known() -> None:
    vendor = Vendor(replace(SPEC, models=("m",)))
    assert vendor.decide(chat(), 0).status == 200
    assert vendor.decide(chat(model="n"), 0).status == 404
    listed = vendor.decide(Call("models", "sk-a"), 0)
    assert [model["id"] for model in json.loads(listed.body)["data"]] == ["m"]


@pytest.mark.parametrize(
    ("text", "dialect", "status", "words"),
    [
        pytest.param("server_error", "openai", 500, "server_error", id="server_error"),
        pytest.param("unavailable", "openai", 503, "capacity", id="unavailable"),
        pytest.param("overloaded", "anthropic", 529, "overloaded_error", id="overloaded"),
        pytest.param("ip_block", "openai", 403, "you have been blocked", id="ip_block"),
        pytest.param("region_block", "gemini", 400, "FAILED_PRECONDITION", id="region_block"),
        pytest.param("revoked_key", "openai", 401, "invalid_api_key", id="revoked_key"),
        pytest.param("revoked_key", "gemini", 403, "reported as leaked", id="leaked key"),
        pytest.param("no_credit", "openai", 429, "insufficient_quota", id="no_credit"),
        pytest.param("no_credit", "anthropic", 400, "credit balance", id="no_credit of Anthropic"),
        pytest.param("no_credit", "gemini", 403, "billing", id="no_credit of Gemini"),
        pytest.param("empty", "openai", 200, "", id="empty"),
    ],
)
def test_troubles_answer_as_the_vendor_does(text: str, dialect: DialectName, status: int, words: str) -> None:
    decision = troubled(text, dialect=dialect).decide(chat(), 0)
    assert decision.status == status
    assert words in decision.body.decode()
    assert bool(decision.body) == bool(words)


def test_non_json_comes_with_either_status() -> None:
    vendor = troubled("non_json")
    decisions = [vendor.decide(chat(), 0) for _ in range(30)]
    assert {decision.status for decision in decisions} == {200, 502}
    assert all(decision.body.startswith(b"<!DOCTYPE html>") for decision in decisions)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("hang", lambda d: d.hangs, id="hang"),
        pytest.param("cut", lambda d: d.cuts, id="cut"),
        pytest.param("trickle", lambda d: d.pause_s > 0 and len(d.pieces) == len(d.body), id="trickle"),
        pytest.param("slow_stream", lambda d: d.pause_s > 0 and 1 < len(d.pieces) < len(d.body), id="slow"),
    ],
)
def test_troubles_of_the_connection(text: str, expected: "object") -> None:
    assert callable(expected)
    for stream in (False, True):
        decision = troubled(text).decide(chat(stream=stream), 0)
        assert decision.status == 200
        assert expected(decision)


def test_a_trouble_comes_and_goes() -> None:
    vendor = troubled("server_error@5s+20s")
    assert statuses(vendor, *[("sk-a", now) for now in (4.9, 5, 24.9, 25)]) == [200, 500, 500, 200]


def test_a_trouble_may_strike_a_share() -> None:
    vendor = troubled("server_error*0.3")
    failed = statuses(vendor, *[("sk-a", 0.0)] * 1000).count(500)
    assert 250 <= failed <= 350


def test_a_revoked_key_is_one_key_and_no_credit_one_account() -> None:
    calls = [(key, 0.0) for key, _ in KEYS]
    assert statuses(troubled("revoked_key#2"), *calls) == [200, 401, 200]
    assert statuses(troubled("no_credit#2"), *calls) == [429, 429, 200]
    assert statuses(troubled("revoked_key#9"), *calls) == [200, 200, 200]


def test_troubles_added_later_count_from_then() -> None:
    vendor = Vendor(SPEC)
    vendor.add_troubles([parse_trouble("server_error@1s+1s")], now=10)
    assert statuses(vendor, *[("sk-a", now) for now in (1.5, 10.5, 11.5, 12.5)]) == [200, 200, 500, 200]


def test_downtimes_are_planned() -> None:
    vendor = troubled("down@5s+2s", "down@6s+3s")
    assert [vendor.is_down(now) for now in (4, 5, 8.9, 9)] == [False, True, True, False]
    assert [vendor.next_change(now) for now in (0, 5, 6, 7, 9)] == [5, 6, 7, 9, float("inf")]


def test_an_echoing_vendor_shows_the_whole_key() -> None:
    long_key = "sk-planted-0123456789abcdef"
    silent = Vendor(SPEC).decide(chat(long_key), 0).body.decode()
    echoing = Vendor(replace(SPEC, echo_keys=True)).decide(chat(long_key), 0).body.decode()
    assert long_key not in silent
    assert long_key in echoing


def delays(spec: VendorSpec) -> list[float]:
    vendor = Vendor(spec)
    return [vendor.decide(chat(), 0).delay_s for _ in range(500)]


def test_latencies_are_log_normal_and_repeat() -> None:
    spec = replace(SPEC, latency_median_s=0.4)
    measured = sorted(delays(spec))
    assert delays(spec) == delays(spec)
    assert delays(spec) != delays(replace(spec, seed=1))
    assert measured[250] == pytest.approx(0.4, rel=0.1)
    assert measured[420] == pytest.approx(0.4 * 2.718**0.35, rel=0.1)
    assert set(delays(SPEC)) == {0.0}


def test_stats_tell_peaks_of_what_came_and_the_first_refusals() -> None:
    vendor = Vendor(replace(SPEC, address_limits=(Rate(2, 10),), account_limits=(Rate(9, 60),), suspend_after=0))
    for now in range(30):
        vendor.decide(chat(), now / 10)
    stats = vendor.stats()
    assert stats["keys"] == {"v#1": {"arrivals": 30, "ok": 2, "throttled": 28, "other": 0}}
    assert stats["peaks"] == {"address 2/10s": 30, "account one 9/min": 30, "account two 9/min": 0}
    refusals = stats["refusals"]
    assert isinstance(refusals, list)
    assert len(refusals) == 20
    assert refusals[0] == {"at_s": 0.2, "key": "v#1", "status": 429, "why": "address 2/10s"}


def test_peaks_count_what_a_firewall_turned_away() -> None:
    vendor = troubled("ip_block", address_limits=(Rate(2, 10),))
    assert statuses(vendor, *[("sk-a", 0.0)] * 5) == [403] * 5
    assert vendor.stats()["peaks"] == {"address 2/10s": 5}


def test_a_call_without_an_answer_counts_as_other() -> None:
    vendor = troubled("hang")
    vendor.decide(chat(), 0)
    assert vendor.stats()["keys"] == {"v#1": {"arrivals": 1, "ok": 0, "throttled": 0, "other": 1}}


calls = st.lists(st.tuples(st.sampled_from([key for key, _ in KEYS]), st.floats(0, 1)), max_size=80)


@given(calls)
def test_no_window_of_any_limit_holds_more_than_it_may(steps: list[tuple[str, float]]) -> None:
    spec = replace(SPEC, address_limits=(Rate(4, 1),), account_limits=(Rate(3, 1.5),))
    vendor, now, accepted = Vendor(spec), 0.0, list[tuple[str, float]]()
    for key, gap in steps:
        now += gap
        if vendor.decide(chat(key), now).status == 200:
            accepted.append((key, now))
    account = dict(KEYS)
    for key, start in accepted:
        assert sum(start <= at < start + 1 for _, at in accepted) <= 4
        assert sum(account[k] == account[key] and start <= at < start + 1.5 for k, at in accepted) <= 3


def test_a_spec_survives_json() -> None:
    spec = VendorSpec(
        "v",
        "anthropic",
        keys=KEYS,
        address_limits=(Rate(5, 1), Rate(100, 86400)),
        token_limits=(Rate(150_000, 60),),
        models=("m",),
        seed=3,
        echo_keys=True,
        troubles=(parse_trouble("hang#1@5s+20s*0.5"), parse_trouble("down")),
    )
    assert VendorSpec.from_json(spec.to_json()) == spec
    assert VendorSpec.from_json(decode(encode(spec.to_json()))) == spec  # type: ignore[arg-type]


def test_a_decision_knows_its_body() -> None:
    assert Decision(200, {}, (b"a", b"b")).body == b"ab"
