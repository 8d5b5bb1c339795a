"""Both doors through real LiteLLM to a real server: what arrives there, and how often."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from vendors import Border, Came, Says, border, chat, refusal, said, stream

from router.catalog.vendors import vendors
from router.config.loading import load
from router.config.models import Door
from router.faults import Kind
from router.types import Json

PREFIXES = frozenset(prefix for vendor in vendors() for prefix in vendor.direct)

SHIPPED = load(Path(__file__).parent.parent / "providers.yaml", {})
SHIPPED_MODELS = tuple(model for provider in SHIPPED.providers for model in provider.models.values())
MODELS = (*(f"{prefix}/some-model" for prefix in sorted(PREFIXES)), *SHIPPED_MODELS)
# What pydantic says of LiteLLM's own classes when it first sees them; the transport switches it off for its users.
pytestmark = pytest.mark.filterwarnings("ignore:Items? .* on TypedDict:UserWarning")
DOORS: tuple[Door, ...] = ("auto", "litellm")

OTHERS = (
    "ai21_chat",
    "amazon_nova",
    "anthropic",
    "azure",
    "azure_ai",
    "azure_text",
    "baseten",
    "codestral",
    "cohere",
    "cohere_chat",
    "compactifai",
    "databricks",
    "datarobot",
    "featherless_ai",
    "friendliai",
    "galadriel",
    "gemini",
    "github",
    "huggingface",
    "hyperbolic",
    "lambda_ai",
    "lemonade",
    "litellm_proxy",
    "llamafile",
    "lm_studio",
    "maritalk",
    "meta_llama",
    "minimax",
    "nebius",
    "nlp_cloud",
    "novita",
    "nscale",
    "ollama_chat",
    "oobabooga",
    "ovhcloud",
    "snowflake",
    "text-completion-codestral",
    "text-completion-inception",
    "text-completion-openai",
    "v0",
    "xinference",
)
"""Prefixes that only the wide door serves."""
PARAMS: dict[str, Json] = {
    "temperature": 1,
    "max_tokens": 50,
    "top_p": 0.9,
    "extra_body": {"some_switch": {"on": [1]}},
}
FORMATS: tuple[dict[str, Json], ...] = (
    {"type": "json_object"},
    {
        "type": "json_schema",
        "json_schema": {
            "name": "sum",
            "schema": {"type": "object", "properties": {"infer": {"type": "integer"}}, "additionalProperties": False},
        },
    },
)
OF_THE_CLIENT = ("user-agent", "accept", "connection", "content-length", "x-stainless-")
INTRODUCTIONS = ("http-referer", "x-title", "x-pplx-integration")
"""Headers in which a library introduces itself; LiteLLM does at OpenRouter and Perplexity."""
INTERNALS = (
    "max_retries",
    "num_retries",
    "shared_session",
    "fake_stream",
    "json_mode",
    "api_base",
    "timeout",
    "client",
)

TROUBLES = (
    pytest.param(chat("fine"), id="200"),
    pytest.param(refusal(401), id="401"),
    pytest.param(refusal(429), id="429"),
    pytest.param(refusal(500), id="500"),
    pytest.param(refusal(503), id="503"),
    pytest.param(Says(cuts=True), id="cut"),
    pytest.param(Says(resets=True), id="reset"),
    pytest.param(Says(cuts=True, body=chat("fine").body), id="cut in the middle"),
    pytest.param(Says(resets=True, body=chat("fine").body), id="reset in the middle"),
)


@pytest.fixture(scope="module")
def there() -> Iterator[Border]:
    with border() as opened:
        yield opened


def through_both(there: Border, script: Says, model: str, params: dict[str, Json] | None = None) -> tuple[Came, Came]:
    direct, wide = (there.ask(script, model, door, params=params) for door in DOORS)
    return direct, wide


def request_of(came: Came) -> tuple[object, ...]:
    (seen,) = came.seen
    headers = {
        name: value for name, value in seen.headers.items() if not name.startswith((*OF_THE_CLIENT, *INTRODUCTIONS))
    }
    return seen.method, seen.path, seen.query, seen.json, headers


# Requests.


def test_the_direct_door_is_taken() -> None:
    assert {model.partition("/")[0] for model in SHIPPED_MODELS} - PREFIXES == {"anthropic", "gemini"}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("params", [pytest.param({}, id="bare"), pytest.param(PARAMS, id="with params")])
def test_both_doors_send_the_same(there: Border, model: str, params: dict[str, Json]) -> None:
    if model.startswith("anthropic/"):  # Claude takes one of temperature and top_p
        params = {name: value for name, value in params.items() if name != "top_p"}
    direct, wide = through_both(there, chat("sieben: 七 🙂", finish_reason="length"), model, params)
    assert request_of(direct) == request_of(wide)
    assert direct.result == wide.result
    assert (direct.told, wide.told) == (1, 1)
    body = direct.seen[0].json
    assert not {*body} & {*INTERNALS}
    assert body.get("stream") is not True
    if params:
        assert body.get("some_switch") == (None if model.startswith("anthropic/") else {"on": [1]})
        assert body.get("max_tokens", body.get("max_completion_tokens")) == 50 or "contents" in body


DIRECT = tuple(model for model in MODELS if model.partition("/")[0] in PREFIXES)
NOT_ASKED = frozenset({"cerebras", "deepinfra", "mistral", "nvidia_nim", "perplexity"})
"""LiteLLM does not pass `stream_options` on: some refuse what they do not know, and tell the tokens anyway."""


@pytest.mark.parametrize("model", DIRECT)
def test_both_doors_ask_for_the_same_stream(there: Border, model: str) -> None:
    direct, wide = (there.ask(stream("7"), model, door, streams=True) for door in DOORS)
    assert request_of(direct) == request_of(wide)
    assert (direct.result, direct.chunks) == (wide.result, wide.chunks)
    body = direct.seen[0].json
    asks_for_usage = body.get("stream_options") == {"include_usage": True}
    assert (body["stream"], asks_for_usage) == (True, model.partition("/")[0] not in NOT_ASKED)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("wanted", FORMATS, ids=["json_object", "json_schema"])
def test_both_doors_treat_a_response_format_alike(there: Border, model: str, wanted: dict[str, Json]) -> None:
    direct, wide = through_both(there, chat('{"infer": 7}'), model, {"response_format": wanted})
    assert direct.result == wide.result
    if direct.seen or wide.seen:
        assert request_of(direct) == request_of(wide)
        assert not {*direct.seen[0].json} & {*INTERNALS}
        assert direct.answer.text == '{"infer": 7}'
    else:
        assert direct.fault.kind is Kind.PERMISSION
        assert "does not support" in direct.fault.message


@pytest.mark.parametrize("door", DOORS)
def test_a_format_asked_for_by_a_tool_comes_back_as_text(there: Border, door: Door) -> None:
    """Groq's older models: LiteLLM asks them to call a tool, whose arguments are the answer."""
    call = {"id": "1", "type": "function", "function": {"name": "json_tool_call", "arguments": '{"infer": 7}'}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    script = chat("", choices=[{"index": 0, "message": message, "finish_reason": "tool_calls"}])
    came = there.ask(script, "groq/llama-3.1-8b-instant", door, params={"response_format": FORMATS[1]})
    assert came.answer.text == '{"infer": 7}'


@pytest.mark.parametrize("door", DOORS)
def test_a_vendor_that_needs_no_key_gets_a_harmless_one(there: Border, door: Door) -> None:
    came = there.ask(chat("fine"), "hosted_vllm/some-model", door)
    assert came.seen[0].bearer == "sk-planted-hosted_vllm#1-secret"


# How often.


@pytest.mark.parametrize("script", TROUBLES)
@pytest.mark.parametrize("door", DOORS)
def test_one_send_is_one_request(there: Border, door: Door, script: Says) -> None:
    for model in MODELS:
        came = there.ask(script, model, door)
        assert (model, len(came.seen), came.told) == (model, 1, 1)


@pytest.mark.parametrize("script", TROUBLES)
def test_one_send_is_one_request_at_the_vendors_of_the_wide_door_too(there: Border, script: Says) -> None:
    # Over a client of its own LiteLLM sends again after a reset, which only the session of ours prevents.
    for prefix in OTHERS:
        came = there.ask(script, f"{prefix}/some-model")
        assert len(came.seen) == 1, (prefix, [seen.path for seen in came.seen])
        assert (prefix, came.told) == (prefix, 1)
        assert not any(name in came.seen[0].raw.decode() for name in ("max_retries", "num_retries", "api_base"))
        if script.status != 200:
            assert (prefix, came.fault.status) == (prefix, script.status)


# What is not sent at all.


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    ("model", "params", "why"),
    [
        pytest.param("zai/glm-4.5-air", {"response_format": FORMATS[0]}, "response_format", id="no formats"),
        pytest.param("openai/o3-mini", {"temperature": 0.2}, "temperature", id="o-series"),
        pytest.param("openai/gpt-5", {"temperature": 0.2}, "temperature=0.2", id="gpt-5"),
        pytest.param("anthropic/claude-haiku-5-5", {"temperature": 0.5}, "temperature=0.5", id="claude"),
        pytest.param("volcengine/doubao", {"response_format": FORMATS[0]}, "response_format", id="volcengine"),
    ],
)
def test_a_parameter_that_a_model_does_not_take_is_said_and_nothing_sent(
    there: Border, door: Door, model: str, params: dict[str, Json], why: str
) -> None:
    came = there.ask(chat("fine"), model, door, params=params)
    assert came.seen == ()
    assert came.told == 0
    assert came.fault.kind is Kind.PERMISSION
    assert came.fault.status is None
    assert why in came.fault.message
    assert "litellm" not in came.fault.message.lower()


@pytest.mark.parametrize(
    ("model", "why"),
    [
        pytest.param("nobody/some-model", "You passed model=nobody/some-model", id="nobody's prefix"),
        pytest.param("voyage/some-model", "Unmapped LLM provider", id="a vendor that does not chat"),
        pytest.param("predibase/some-model", "Missing Predibase Tenant ID", id="a vendor that needs more"),
        pytest.param("vllm/some-model", "No module named 'vllm'", id="a package that is not there"),
    ],
)
def test_what_litellm_cannot_send_is_a_readable_fault(there: Border, model: str, why: str) -> None:
    came = there.ask(chat("fine"), model)
    assert came.seen == ()
    assert came.fault.kind in {Kind.PERMISSION, Kind.BAD_REQUEST}
    assert why in came.fault.message
    assert "Traceback" not in came.fault.message


# Answers.


@pytest.mark.parametrize(
    ("script", "text", "finish_reason"),
    [
        pytest.param(chat("七 – сім – 🙂"), "七 – сім – 🙂", "stop", id="unicode"),
        pytest.param(chat("x" * 1_000_000 + "!"), "x" * 1_000_000 + "!", "stop", id="a megabyte"),
        pytest.param(chat("3 +", finish_reason="length"), "3 +", "length", id="cut off at the token limit"),
        pytest.param(chat("<think>3 + 4?</think>7"), "7", "stop", id="a thought before it"),
        pytest.param(chat("<think>3 + 4"), "<think>3 + 4", "stop", id="a thought without an end"),
        pytest.param(
            said({"choices": [{"message": {"content": [{"type": "thinking", "thinking": []},
                                                       {"type": "text", "text": "7"}]},
                               "finish_reason": "stop"}]}),
            "7", "stop", id="in parts, without usage",
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("model", ["openai/some-model", "mistral/some-model", "groq/some-model", "azure/some-model"])
def test_both_doors_read_answers_alike(there: Border, model: str, script: Says, text: str, finish_reason: str) -> None:
    for came in through_both(there, script, model):
        assert (came.answer.text, came.answer.finish_reason) == (text, finish_reason)


def test_the_model_is_the_one_that_the_vendor_names(there: Border) -> None:
    for model in MODELS:
        for came in through_both(there, chat("fine", model="vendor/model-2026-01"), model):
            assert (model, came.answer.model) == (model, "vendor/model-2026-01")
