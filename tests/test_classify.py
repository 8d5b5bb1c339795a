"""Every recorded reply is told; nothing makes the classification stumble; healthy replies pass."""

import json
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recorded import INVENTED, READ_OTHERWISE, RECORDED, Case, readings

from router.classify import classify, examine, is_fault
from router.classify.codes import read as read_table
from router.classify.codes import table
from router.faults import Fault, Kind
from router.types import Reply

NOW = 1_794_000_000.0
TOLD_A_LIE = frozenset({"gemini-429-free-per-day-36s"})
"""A daily quota that comes with a delay of half a minute."""
BY_ID = {case.id: case for case in (*RECORDED, *INVENTED)}


def told(case: Case) -> Fault | None:
    return examine(case.reply, provider=case.provider, now=NOW)


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in BY_ID.items()])
def test_a_recorded_reply_is_told(case: Case) -> None:
    fault = told(case)

    assert fault is not None, "a failure was taken for an answer"
    assert fault.kind in readings(case), fault
    if case.retry_after_s is not None and case.id not in TOLD_A_LIE:
        assert fault.retry_after_s == pytest.approx(case.retry_after_s, abs=1e-6)


def test_each_case_has_an_id_of_its_own() -> None:
    assert len(BY_ID) == len(RECORDED) + len(INVENTED) > 600


def test_what_is_read_otherwise_is_little_and_really_is_otherwise() -> None:
    labels = {name: BY_ID[name].also_ok | {BY_ID[name].category} for name in READ_OTHERWISE}

    assert len(READ_OTHERWISE) <= 0.01 * len(RECORDED)
    assert all(kind not in labels[name] for name, kind in READ_OTHERWISE.items())


@pytest.mark.parametrize("case_id", sorted(TOLD_A_LIE))
def test_a_wait_that_lies_is_not_believed(case_id: str) -> None:
    fault = told(BY_ID[case_id])

    assert fault is not None
    assert fault.retry_after_s is None


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        pytest.param("connect", Kind.CONNECTION, id="refused"),
        pytest.param("dns", Kind.CONNECTION, id="no-such-host"),
        pytest.param("tls", Kind.CONNECTION, id="certificate"),
        pytest.param("cut", Kind.CONNECTION, id="cut"),
        pytest.param("timeout", Kind.TIMEOUT, id="timeout"),
        pytest.param("", Kind.UNKNOWN, id="nothing-known"),
    ],
)
def test_a_failure_without_an_answer_is_told_by_its_name(error: str, kind: Kind) -> None:
    assert classify(Reply(None, error=error), now=NOW).kind is kind


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Kind.BAD_REQUEST),
        (401, Kind.INVALID_KEY),
        (402, Kind.NO_CREDIT),
        (403, Kind.PERMISSION),
        (404, Kind.MODEL_NOT_FOUND),
        (408, Kind.TIMEOUT),
        (413, Kind.CONTEXT_LENGTH),
        (422, Kind.BAD_REQUEST),
        (429, Kind.RATE_LIMIT),
        (451, Kind.REGION_BLOCKED),
        (500, Kind.SERVER_ERROR),
        (503, Kind.SERVER_ERROR),
        (504, Kind.TIMEOUT),
        (524, Kind.TIMEOUT),
        (529, Kind.OVERLOADED),
        (599, Kind.SERVER_ERROR),
    ],
    ids=str,
)
def test_a_status_without_words_is_the_last_resort(status: int, kind: Kind) -> None:
    assert classify(Reply(status, body='{"x": 1}'), now=NOW).kind is kind


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("{'error': {'message': 'Your credit balance is too low'}}", id="python-repr"),
        pytest.param('"{\\"error\\": {\\"message\\": \\"Your credit balance is too low\\"}}"', id="json-string"),
        pytest.param('[{"error": {"message": "Your credit balance is too low"}}]', id="array"),
        pytest.param('event: error\ndata: {"error": {"message": "Your credit balance is too low"}}\n', id="stream"),
        pytest.param('{"a": 1}\n{"error": {"message": "Your credit balance is too low"}}', id="json-lines"),
        pytest.param("Error code: 400 - {'message': 'Your credit balance is too low'}", id="in-a-sentence"),
        pytest.param('b\'{\\n "message": "Your credit balance is too low"\\n}\'', id="bytes-repr"),
        pytest.param('\ufeff{"message": "Your credit balance is too low"}', id="byte-order-mark"),
        pytest.param('{"error": {"message": "{\\"msg\\": \\"Your credit balance is too low\\"}"}}', id="wrapped"),
        pytest.param("Your credit balance is too low", id="prose"),
    ],
)
def test_words_are_found_wherever_they_stand(body: str) -> None:
    fault = classify(Reply(400, body=body), now=NOW)

    assert (fault.kind, fault.message) == (Kind.NO_CREDIT, "Your credit balance is too low")


def _chat(reason: str = "stop", **message: object) -> str:
    return json.dumps({"choices": [{"message": {"role": "assistant", **message}, "finish_reason": reason}]})


def _claude(*blocks: object, reason: str = "end_turn") -> str:
    return json.dumps({"type": "message", "role": "assistant", "content": blocks, "stop_reason": reason})


def _gemini(reason: str = "STOP", **content: object) -> str:
    return json.dumps({"candidates": [{"content": content, "finishReason": reason}]})


STREAM = (
    'data: {"choices":[{"delta":{"role":"assistant"}}]}\n\ndata: {"choices":[{"delta":{"content":"7"}}]}\n\n'
    'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
)
CLAUDE_STREAM = (
    'event: content_block_delta\ndata: {"type":"content_block_delta","delta":{"type":"text_delta","text":"7"}}\n\n'
    'event: message_stop\ndata: {"type":"message_stop"}\n\n'
)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(_chat(content="7"), id="openai"),
        pytest.param(_chat(content="The error: rate limit exceeded, insufficient_quota"), id="speaks-of-errors"),
        pytest.param(_chat("tool_calls", content=None, tool_calls=[{"id": "1"}]), id="openai-tool-call"),
        pytest.param(_chat("length", content=""), id="openai-empty-at-the-ceiling"),
        pytest.param(_chat("content_filter", content="half a sentence"), id="openai-filtered-late"),
        pytest.param(_chat("model_context_window_exceeded", content="half a sentence"), id="window-full-late"),
        pytest.param(_chat("eos", content="7"), id="an-end-of-their-own"),
        pytest.param('{"status": "success", "code": 0, "text": "7"}', id="says-success"),
        pytest.param('{"error": null, "choices": [{"message": {"content": "7"}}]}', id="error-is-null"),
        pytest.param('{"choices": [{"text": "7", "finish_reason": "stop"}]}', id="completion"),
        pytest.param(_claude({"type": "text", "text": "7"}), id="anthropic"),
        pytest.param(_claude({"type": "tool_use", "id": "1"}, reason="tool_use"), id="anthropic-tool-call"),
        pytest.param(_claude(reason="max_tokens"), id="anthropic-empty-at-the-ceiling"),
        pytest.param(_gemini(parts=[{"text": "7"}]), id="gemini"),
        pytest.param(_gemini(parts=[{"functionCall": {"name": "f"}}]), id="gemini-tool-call"),
        pytest.param(_gemini("MAX_TOKENS"), id="gemini-empty-at-the-ceiling"),
        pytest.param('{"model": "m", "message": {"content": "7"}, "done": true}', id="ollama"),
        pytest.param(STREAM, id="openai-stream"),
        pytest.param(": keep-alive\n\n" + STREAM, id="stream-after-keep-alive"),
        pytest.param(CLAUDE_STREAM, id="anthropic-stream"),
    ],
)
def test_a_healthy_reply_is_no_fault(body: str) -> None:
    assert examine(Reply(200, {"retry-after": "9"}, body), now=NOW) is None


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        pytest.param("", Kind.MALFORMED_REPLY, id="empty"),
        pytest.param("   \n\n", Kind.MALFORMED_REPLY, id="keep-alive-alone"),
        pytest.param("{}", Kind.MALFORMED_REPLY, id="empty-object"),
        pytest.param("null", Kind.MALFORMED_REPLY, id="null"),
        pytest.param('{"choices": [{"mess', Kind.MALFORMED_REPLY, id="torn"),
        pytest.param('{"choices": []}', Kind.MALFORMED_REPLY, id="no-choices"),
        pytest.param(_chat(content=""), Kind.MALFORMED_REPLY, id="no-words"),
        pytest.param(_chat(content=None), Kind.MALFORMED_REPLY, id="null-words"),
        pytest.param(_chat("content_filter", content=""), Kind.CONTENT_FILTER, id="filtered-whole"),
        pytest.param(_claude(), Kind.MALFORMED_REPLY, id="anthropic-no-blocks"),
        pytest.param(_claude(reason="refusal"), Kind.CONTENT_FILTER, id="anthropic-refusal"),
        pytest.param(_gemini("SAFETY"), Kind.CONTENT_FILTER, id="gemini-safety"),
        pytest.param(_gemini("STOP"), Kind.MALFORMED_REPLY, id="gemini-no-parts"),
        pytest.param('{"candidates": []}', Kind.MALFORMED_REPLY, id="gemini-no-candidates"),
        pytest.param('{"promptFeedback": {"blockReason": "OTHER"}}', Kind.CONTENT_FILTER, id="gemini-blocked"),
        pytest.param(_chat("error", content="half"), Kind.MALFORMED_REPLY, id="finish-error"),
        pytest.param(_chat("network_error", content="half"), Kind.SERVER_ERROR, id="finish-network-error"),
        pytest.param(_chat("insufficient_system_resource", content="half"), Kind.OVERLOADED, id="finish-resource"),
        pytest.param(_chat("sensitive", content="half"), Kind.CONTENT_FILTER, id="finish-sensitive"),
        pytest.param(_chat("model_context_window_exceeded", content=""), Kind.CONTEXT_LENGTH, id="finish-window"),
        pytest.param(STREAM.replace('"stop"', '"abort"'), Kind.SERVER_ERROR, id="stream-finish-abort"),
        pytest.param('{"success": false, "text": "x", "message": "Requests too frequent"}', Kind.RATE_LIMIT, id="no"),
        pytest.param('{"status": "error", "output": "x", "msg": "insufficient balance"}', Kind.NO_CREDIT, id="status"),
        pytest.param(
            '{"header": {"code": 10013, "message": "x"}, "payload": {"a": 1}}', Kind.CONTENT_FILTER, id="spark"
        ),
        pytest.param("<html><title>Welcome</title></html>", Kind.MALFORMED_REPLY, id="page"),
        pytest.param(STREAM.replace("data: [DONE]", "").replace('"stop"', "null"), Kind.MALFORMED_REPLY, id="cut"),
        pytest.param("data: [DONE]\n\n", Kind.MALFORMED_REPLY, id="stream-of-nothing"),
        pytest.param('{"error": {"message": "boom"}}', Kind.MALFORMED_REPLY, id="unknown-error"),
        pytest.param('{"error": {"message": "boom", "code": 503}}', Kind.SERVER_ERROR, id="status-in-the-body"),
    ],
)
def test_a_200_without_an_answer_is_a_fault(body: str, kind: Kind) -> None:
    fault = examine(Reply(200, body=body), now=NOW)

    assert fault is not None
    assert fault.kind is kind


@pytest.mark.parametrize(
    ("status", "headers", "kind"),
    [
        pytest.param(202, {"x-amzn-waf-action": "challenge"}, Kind.IP_BLOCKED, id="aws-waf"),
        pytest.param(200, {"cf-mitigated": "challenge"}, Kind.IP_BLOCKED, id="cloudflare"),
        pytest.param(503, {"x-squid-error": "ERR_CONNECT_FAIL 111"}, Kind.CONNECTION, id="squid-connect"),
        pytest.param(403, {"x-squid-error": "ERR_ACCESS_DENIED 0"}, Kind.IP_BLOCKED, id="squid-denied"),
        pytest.param(504, {"x-squid-error": "ERR_READ_TIMEOUT 0"}, Kind.TIMEOUT, id="squid-timeout"),
    ],
)
def test_headers_of_a_wall_outrank_what_looks_like_an_answer(status: int, headers: dict[str, str], kind: Kind) -> None:
    fault = examine(Reply(status, headers, _chat(content="7")), now=NOW)

    assert fault is not None
    assert fault.kind is kind


def test_a_202_with_an_answer_is_an_answer() -> None:
    assert examine(Reply(202, body=_chat(content="7")), now=NOW) is None


@pytest.mark.parametrize(
    ("status", "raw", "kind"),
    [
        pytest.param(429, '{"error": {"message": "The model x does not exist"}}', Kind.MODEL_NOT_FOUND, id="json"),
        pytest.param(429, "maximum context length is 8192 tokens", Kind.CONTEXT_LENGTH, id="prose"),
        pytest.param(429, {"error": {"message": "content policy violation"}}, Kind.CONTENT_FILTER, id="object"),
        pytest.param(500, '{"error": {"message": "bad argument", "code": 400}}', Kind.BAD_REQUEST, id="its-own-status"),
        pytest.param(429, '{"error": {"message": "internal error"}}', Kind.RATE_LIMIT, id="says-nothing"),
        pytest.param(429, '{"error": {"message": "Insufficient credits"}}', Kind.OVERLOADED, id="the-relays-own-money"),
    ],
)
def test_what_a_relay_wraps_outranks_the_wrapper(status: int, raw: object, kind: Kind) -> None:
    wrapper = {"error": {"message": "Provider returned error: rate limited", "metadata": {"raw": raw}}}

    assert classify(Reply(status, body=json.dumps(wrapper)), now=NOW).kind is kind


def test_a_parsed_body_need_not_be_parsed_again() -> None:
    assert not is_fault(Reply(200, body="not read"), {"choices": [{"message": {"content": "7"}}]})


def test_a_fault_carries_the_vendors_words_code_and_limits() -> None:
    body = '{"error": {"message": "Rate  limit\\nreached", "type": "requests", "code": "rate_limit_exceeded"}}'
    headers = {"x-ratelimit-limit-requests": "3", "retry-after": "20", "server": "cloudflare"}

    fault = classify(Reply(429, headers, body), provider="openai", now=NOW)

    assert (fault.status, fault.message, fault.vendor_code) == (429, "Rate limit reached", "rate_limit_exceeded")
    assert fault.limits == {"x-ratelimit-limit-requests": "3", "retry-after": "20"}
    assert fault.retry_after_s == 20


@pytest.mark.parametrize(
    ("wait_s", "kind"),
    [
        pytest.param(60, Kind.RATE_LIMIT, id="a minute"),
        pytest.param(3600, Kind.RATE_LIMIT, id="an hour"),
        pytest.param(21_600, Kind.RATE_LIMIT, id="six hours"),
        pytest.param(90_000, Kind.DAILY_QUOTA, id="more than a day"),
    ],
)
def test_only_a_wait_of_days_makes_a_throttle_a_quota(wait_s: int, kind: Kind) -> None:
    fault = classify(Reply(429, {"retry-after": str(wait_s)}, '{"error": "Rate limit exceeded"}'), now=NOW)

    assert (fault.kind, fault.retry_after_s) == (kind, wait_s)


@pytest.mark.parametrize(
    ("status", "words", "kind"),
    [
        pytest.param(400, "Unexpected token '<' is not valid JSON", Kind.BAD_REQUEST, id="a-token-of-json"),
        pytest.param(400, "Invalid stop token", Kind.BAD_REQUEST, id="a-token-of-text"),
        pytest.param(400, "The 'location' parameter is not supported", Kind.BAD_REQUEST, id="a-location-field"),
        pytest.param(400, "User input is blocked by content policy", Kind.CONTENT_FILTER, id="blocked-words"),
        pytest.param(
            429, "Too many requests: your API key is temporarily blocked", Kind.RATE_LIMIT, id="blocked-for-a-while"
        ),
        pytest.param(
            429,
            "Rate limit exceeded. Buy more credits to raise it: 5 requests per minute",
            Kind.RATE_LIMIT,
            id="an-offer",
        ),
        pytest.param(
            429, "Limit of 1000 requests per day reached, add credits", Kind.DAILY_QUOTA, id="a-day-and-money"
        ),
        pytest.param(
            403, "Your account is suspended because of an overdue balance", Kind.NO_CREDIT, id="suspended-for-money"
        ),
        pytest.param(400, "thinking budget limit exceeded: field must be lower", Kind.BAD_REQUEST, id="another-budget"),
        pytest.param(402, "Rate limited", Kind.NO_CREDIT, id="money-by-status"),
        pytest.param(503, "Invalid API key for upstream", Kind.SERVER_ERROR, id="a-relays-own-key"),
        pytest.param(500, "missing required parameter", Kind.SERVER_ERROR, id="a-relays-own-request"),
        pytest.param(400, "The model has crashed. (Exit code: 1)", Kind.SERVER_ERROR, id="a-crash"),
        pytest.param(400, "DEGRADED function cannot be invoked", Kind.SERVER_ERROR, id="degraded"),
        pytest.param(404, "Model x isn't available on your plan", Kind.PERMISSION, id="a-plan"),
        pytest.param(400, "Your organization must be verified to use it", Kind.PERMISSION, id="verified"),
        pytest.param(403, "The model x is blocked for this project", Kind.PERMISSION, id="a-blocked-model"),
        pytest.param(403, "Your account is blocked", Kind.ACCOUNT_BANNED, id="a-blocked-account"),
        pytest.param(404, "The model x is inactive", Kind.MODEL_NOT_FOUND, id="an-inactive-model"),
        pytest.param(403, "This key has reached its spending limit of $5", Kind.NO_CREDIT, id="a-sum"),
        pytest.param(403, "Key's weekly spending limit reached", Kind.DAILY_QUOTA, id="a-sum-a-week"),
        pytest.param(429, "Spend limit exceeded in a rolling 24 hour window", Kind.DAILY_QUOTA, id="rolling"),
        pytest.param(429, "You have 5 active requests", Kind.CONCURRENCY, id="active"),
        pytest.param(503, "server busy, maximum pending requests exceeded", Kind.OVERLOADED, id="everybodys-pending"),
        pytest.param(502, "connect ECONNREFUSED 10.0.0.1:80", Kind.CONNECTION, id="refused-behind-a-proxy"),
        pytest.param(
            400, "The prompt has 9000 tokens, more than the maximum of 8192", Kind.CONTEXT_LENGTH, id="tokens"
        ),
        pytest.param(400, "max_tokens (9000) cannot exceed 8192", Kind.BAD_REQUEST, id="a-ceiling"),
        pytest.param(429, "Resource unavailable for the flex service tier", Kind.OVERLOADED, id="flex"),
        pytest.param(400, "Guardrail found a credit card number", Kind.CONTENT_FILTER, id="a-card-in-the-prompt"),
    ],
)
def test_words_that_mislead(status: int, words: str, kind: Kind) -> None:
    assert classify(Reply(status, body=json.dumps({"error": {"message": words}})), now=NOW).kind is kind


@pytest.mark.parametrize("provider", ["", "openai", "anthropic", "no-such-vendor"])
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        pytest.param('{"base_resp":{"status_code":1008,"status_msg":"x"}}', Kind.NO_CREDIT, id="minimax"),
        pytest.param('{"header":{"code":11202,"message":"x","sid":"s"}}', Kind.RATE_LIMIT, id="spark"),
        pytest.param('{"error":{"code":"1113","message":"x"}}', Kind.NO_CREDIT, id="zhipu"),
        pytest.param('{"error_code":17,"error_msg":"x"}', Kind.DAILY_QUOTA, id="qianfan"),
        pytest.param('{"code":20012,"message":"x","data":null}', Kind.MODEL_NOT_FOUND, id="siliconflow"),
    ],
)
def test_a_number_is_known_by_its_place_whatever_the_prefix(provider: str, body: str, kind: Kind) -> None:
    assert classify(Reply(200, body=body), provider=provider, now=NOW).kind is kind


def test_the_table_of_codes_names_its_sources() -> None:
    entries = [entry for entries in table().codes.values() for entry in entries]

    assert len(entries) > 200
    assert all(entry.source.startswith("https://") for entry in entries)


def test_a_kind_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="no_such_kind"):
        read_table('[x]\nsource = "https://x"\n[x.sure]\nno_such_kind = ["a"]')


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["error", "code", "message", "type", "details", "retry_after", "header", "choices"]), inner
        )
    ),
    max_leaves=20,
)
bodies = st.text(max_size=400) | json_values.map(json.dumps) | json_values.map(str)
header_names = st.sampled_from(["retry-after", "retry-after-ms", "x-ratelimit-reset", "x-ratelimit-reset-tokens", "a"])


@settings(max_examples=300, deadline=None)
@given(
    status=st.none() | st.integers(100, 599),
    headers=st.dictionaries(header_names, st.text(max_size=30) | st.floats().map(str), max_size=4),
    body=bodies,
    provider=st.text(max_size=10) | st.sampled_from(["zai", "minimax", "gemini"]),
)
def test_nothing_makes_it_stumble(status: int | None, headers: dict[str, str], body: str, provider: str) -> None:
    reply = Reply(status, headers, body, "" if status else "cut")

    fault = classify(reply, provider=provider, now=NOW)

    is_fault(reply)
    assert len(fault.message) <= 500
    assert fault.retry_after_s is None or 0 <= fault.retry_after_s <= 31 * 86400


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("[" * 65536, id="brackets"),
        pytest.param('{"a":' * 13000, id="objects"),
        pytest.param("<html>" + "<script" * 9000, id="scripts"),
        pytest.param("<html>" + "<!--" * 16000, id="comments"),
        pytest.param("<html>" + "<" * 65000, id="angles"),
        pytest.param("{" + "'\\" * 32000, id="quotes"),
        pytest.param("ip " * 21000, id="addresses"),
        pytest.param("model account token limit " * 2600, id="subjects"),
        pytest.param("1s" * 32000, id="durations"),
        pytest.param("in 1 2 3 4 5 6 " * 4400, id="numbers"),
        pytest.param(json.dumps({"error": [{"message": "rate " * 40}] * 300}), id="many-words"),
        pytest.param("令牌" * 32000, id="chinese"),
        pytest.param(" " * 65536, id="spaces"),
        pytest.param(json.dumps({"message": "token limit of model " * 3000}), id="one-long-word"),
    ],
)
def test_hostile_bodies_cost_linear_time(body: str) -> None:
    started = process_time()
    classify(Reply(400, {}, body), now=NOW)

    assert process_time() - started < 2.0  # of CPU: a square of the length would take minutes
