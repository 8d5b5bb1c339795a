import json
from collections.abc import Mapping

import pytest

from router.jsonl import encode
from router.simulator.dialects import DIALECTS, DialectName
from router.simulator.dialects.base import (
    Call,
    Cause,
    Denial,
    Gauge,
    Said,
    Standing,
    Wire,
    go_duration,
    masked,
    rfc3339,
)

KEY = "sk-planted-0123456789abcdef"
SAID = Said("The result of 2 + 3 x 4 is 14.", 12, 5, 7, 1_795_452_019.5)
OPENAI_BODY = {"model": "m", "messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "Q"}]}
ANTHROPIC_BODY = {"model": "m", "max_tokens": 9, "system": "S", "messages": [{"role": "user", "content": "Q"}]}
GEMINI_BODY = {
    "systemInstruction": {"parts": [{"text": "S"}]},
    "contents": [{"role": "user", "parts": [{"text": "Q"}]}],
}


def post(path: str, body: object, headers: Mapping[str, str], **query: str) -> Wire:
    return Wire("POST", path, headers, query, encode(body))


@pytest.mark.parametrize(
    ("dialect", "wire"),
    [
        pytest.param(
            "openai",
            post("/v1/chat/completions", OPENAI_BODY, {"authorization": f"Bearer {KEY}"}),
            id="openai",
        ),
        pytest.param(
            "openai",
            post("/api/v3/chat/completions", OPENAI_BODY, {"authorization": f"Bearer {KEY}"}),
            id="openai at another path",
        ),
        pytest.param("anthropic", post("/v1/messages", ANTHROPIC_BODY, {"x-api-key": KEY}), id="anthropic"),
        pytest.param(
            "gemini",
            post("/v1beta/models/m:generateContent", GEMINI_BODY, {"x-goog-api-key": KEY}),
            id="gemini",
        ),
        pytest.param(
            "gemini", post("/v1beta/models/m:generateContent", GEMINI_BODY, {}, key=KEY), id="key in the query"
        ),
    ],
)
def test_a_question_is_understood(dialect: DialectName, wire: Wire) -> None:
    call = DIALECTS[dialect].read(wire)
    assert (call.action, call.key, call.model, call.question, call.problem) == ("chat", KEY, "m", "Q", "")
    assert call.prompt.split("\n") == ["S", "Q"]
    assert not call.stream


@pytest.mark.parametrize(
    ("dialect", "wire"),
    [
        pytest.param("openai", post("/v1/chat/completions", OPENAI_BODY | {"stream": True}, {}), id="openai"),
        pytest.param("anthropic", post("/v1/messages", ANTHROPIC_BODY | {"stream": True}, {}), id="anthropic"),
        pytest.param("gemini", post("/models/m:streamGenerateContent", GEMINI_BODY, {}, alt="sse"), id="gemini"),
    ],
)
def test_a_stream_is_asked_for(dialect: DialectName, wire: Wire) -> None:
    assert DIALECTS[dialect].read(wire).stream


@pytest.mark.parametrize(
    ("dialect", "path", "body", "problem"),
    [
        pytest.param("openai", "/v1/chat/completions", {"messages": []}, "model", id="openai, no model"),
        pytest.param("openai", "/v1/chat/completions", {"model": "m"}, "messages", id="openai, no messages"),
        pytest.param("openai", "/v1/chat/completions", [], "JSON", id="openai, no object"),
        pytest.param(
            "anthropic",
            "/v1/messages",
            {"model": "m", "messages": [{}]},
            "max_tokens",
            id="anthropic, no max_tokens",
        ),
        pytest.param("gemini", "/models/m:generateContent", {}, "contents", id="gemini, no contents"),
        pytest.param("openai", "/v1/embeddings", {}, "/v1/embeddings", id="another path"),
    ],
)
def test_a_bad_body_is_named(dialect: DialectName, path: str, body: object, problem: str) -> None:
    assert problem in DIALECTS[dialect].read(post(path, body, {})).problem


def test_parts_of_a_content_are_joined() -> None:
    content = [{"type": "text", "text": "3 +"}, {"type": "image_url"}, {"type": "text", "text": "4"}]
    body = {"model": "m", "messages": [{"role": "user", "content": content}]}
    assert DIALECTS["openai"].read(post("/chat/completions", body, {})).question == "3 +\n\n4"


def events(pieces: tuple[bytes, ...]) -> list[dict[str, object]]:
    lines = b"".join(pieces).decode().splitlines()
    data = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
    return [json.loads(line) for line in data if line != "[DONE]"]


def test_streams_say_what_answers_say() -> None:
    call = Call("chat", model="m", wants_usage=True)
    openai = events(DIALECTS["openai"].stream(call, SAID))
    assert "".join(c["choices"][0]["delta"].get("content", "") for c in openai if c["choices"]) == SAID.text  # type: ignore[index]
    assert openai[-1]["usage"] == {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17}
    anthropic = events(DIALECTS["anthropic"].stream(call, SAID))
    deltas = [event["delta"] for event in anthropic if event["type"] == "content_block_delta"]
    assert "".join(delta["text"] for delta in deltas) == SAID.text  # type: ignore[index]
    gemini = events(DIALECTS["gemini"].stream(call, SAID))
    texts = [event["candidates"][0]["content"]["parts"][0]["text"] for event in gemini]  # type: ignore[index]
    assert "".join(texts) == SAID.text


def test_gemini_streams_an_array_without_sse() -> None:
    pieces = DIALECTS["gemini"].stream(Call("chat", model="m", is_sse=False), SAID)
    assert len(json.loads(b"".join(pieces))) == 3


def test_answers_carry_text_and_usage() -> None:
    call = Call("chat", model="m")
    openai = json.loads(DIALECTS["openai"].answer(call, SAID))
    assert openai["choices"][0]["message"]["content"] == SAID.text
    assert openai["usage"]["total_tokens"] == 17
    anthropic = json.loads(DIALECTS["anthropic"].answer(call, SAID))
    assert anthropic["content"] == [{"type": "text", "text": SAID.text}]
    assert anthropic["usage"] == {"input_tokens": 12, "output_tokens": 5}
    gemini = json.loads(DIALECTS["gemini"].answer(call, SAID))
    assert gemini["candidates"][0]["content"]["parts"] == [{"text": SAID.text}]
    assert gemini["usageMetadata"]["totalTokenCount"] == 17


@pytest.mark.parametrize(
    ("dialect", "cause", "status", "words"),
    [
        pytest.param("openai", Cause.INVALID_KEY, 401, '"code":"invalid_api_key"', id="openai key"),
        pytest.param("openai", Cause.SUSPENDED, 401, '"code":"account_deactivated"', id="openai suspended"),
        pytest.param("openai", Cause.NO_CREDIT, 429, '"type":"insufficient_quota"', id="openai credit"),
        pytest.param("openai", Cause.REGION, 403, "unsupported_country", id="openai region"),
        pytest.param("openai", Cause.RATE, 429, "requests per min (RPM): Limit 3, Used 3", id="openai rate"),
        pytest.param("openai", Cause.TOKENS, 429, "tokens per min (TPM)", id="openai tokens"),
        pytest.param("anthropic", Cause.INVALID_KEY, 401, '"authentication_error"', id="anthropic key"),
        pytest.param("anthropic", Cause.NO_CREDIT, 400, "credit balance is too low", id="anthropic credit"),
        pytest.param("anthropic", Cause.OVERLOADED, 529, '"overloaded_error"', id="anthropic overload"),
        pytest.param("anthropic", Cause.RATE, 429, "of 3 requests per min", id="anthropic rate"),
        pytest.param("gemini", Cause.INVALID_KEY, 400, '"reason":"API_KEY_INVALID"', id="gemini key"),
        pytest.param("gemini", Cause.SUSPENDED, 403, "CONSUMER_SUSPENDED", id="gemini suspended"),
        pytest.param("gemini", Cause.RATE, 429, '"retryDelay":"12.5s"', id="gemini rate"),
        pytest.param("gemini", Cause.RATE, 429, "GenerateRequestsPerMinutePerProject", id="gemini quota id"),
    ],
)
def test_refusals_speak_the_vendors_words(dialect: DialectName, cause: Cause, status: int, words: str) -> None:
    denial = Denial(cause, KEY, model="m", limit=3, used=3, wait_s=12.5)
    spoken = DIALECTS[dialect].deny(denial, 1)
    assert spoken.status == status
    assert words in spoken.body.decode()


@pytest.mark.parametrize("dialect", ["openai", "anthropic", "gemini"])
@pytest.mark.parametrize("cause", list(Cause))
def test_every_dialect_can_say_every_refusal(dialect: DialectName, cause: Cause) -> None:
    silent = DIALECTS[dialect].deny(Denial(cause, KEY, why="w"), 1)
    echoing = DIALECTS[dialect].deny(Denial(cause, KEY, echoes=True, why="w"), 1)
    assert silent.status >= 400
    json.loads(silent.body)
    assert KEY in echoing.body.decode()
    if not (dialect == "gemini" and cause is Cause.SUSPENDED):  # that one shows the key always
        assert KEY not in silent.body.decode()


def test_geminis_daily_quota_lies_about_the_wait() -> None:
    denial = Denial(Cause.RATE, KEY, period_s=86400, wait_s=70_000)
    body = DIALECTS["gemini"].deny(denial, 1).body.decode()
    assert "PerDay" in body
    assert '"retryDelay":"38s"' in body


def test_waits_stand_in_headers_where_the_vendor_has_them() -> None:
    denial = Denial(Cause.RATE, KEY, wait_s=12.2)
    assert DIALECTS["openai"].deny(denial, 1).headers["retry-after"] == "13"
    assert DIALECTS["openai"].deny(denial, 1).headers["retry-after-ms"] == "12200"
    assert DIALECTS["anthropic"].deny(denial, 1).headers["retry-after"] == "13"
    assert "retry-after" not in DIALECTS["gemini"].deny(denial, 1).headers


def test_limit_headers() -> None:
    standing = Standing(Gauge(60, 59, 1.2), None)
    assert DIALECTS["openai"].limit_headers(standing, 0) == {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "59",
        "x-ratelimit-reset-requests": "1.2s",
    }
    assert DIALECTS["anthropic"].limit_headers(standing, 1_795_452_019.0) == {
        "anthropic-ratelimit-requests-limit": "60",
        "anthropic-ratelimit-requests-remaining": "59",
        "anthropic-ratelimit-requests-reset": "2026-11-23T16:40:21Z",
    }
    assert DIALECTS["gemini"].limit_headers(standing, 0) == {}
    tokens = DIALECTS["openai"].limit_headers(Standing(None, Gauge(5, 0, 0)), 0)
    assert tokens["x-ratelimit-remaining-tokens"] == "0"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        pytest.param(0, "0s", id="nothing"),
        pytest.param(0.006, "6ms", id="milliseconds"),
        pytest.param(1.2, "1.2s", id="seconds"),
        pytest.param(360, "6m0s", id="whole minutes"),
        pytest.param(432, "7m12s", id="minutes"),
        pytest.param(59.9999, "1m0s", id="rounded up"),
        pytest.param(3661.5, "1h1m1.5s", id="hours"),
        pytest.param(3600, "1h0m0s", id="a whole hour"),
    ],
)
def test_go_durations(seconds: float, text: str) -> None:
    assert go_duration(seconds) == text


def test_times_are_rounded_up() -> None:
    assert rfc3339(0.2) == "1970-01-01T00:00:01Z"


def test_masked_keys_keep_their_ends() -> None:
    assert masked(KEY) == "sk-plant************cdef"
    assert masked("short") == "*****"
