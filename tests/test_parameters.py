"""One list of parameters, whoever sets them: the file, a prompt, a caller."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import make_config, make_provider

from router.config.parameters import CREDENTIALS, ELSEWHERE, MODEL, first_refusal, refusal, refused
from router.engine.router import Router
from router.errors import ConfigError, ItemRefused, Outcome
from router.evals.prompts import load
from router.faults import Kind
from router.testing import ScriptedTransport, run_virtual
from router.types import Answer, Json, Request

HARMLESS: dict[str, Json] = {
    "temperature": 0,
    "max_tokens": 50,
    "response_format": {"type": "json_object"},
    "thinking": {"type": "enabled", "budget_tokens": 1024},
    "top_k": 5,
    "safety_settings": [],
    "extra_body": {"metadata": {"a": 1}, "some_switch": True},
    "drop_params": True,
}
DIVERTING = (
    *("base_url", "api_base", "api_key", "fallbacks", "mock_response", "model", "custom_llm_provider", "client"),
    *("stream", "headers", "extra_headers", "proxy", "litellm_params", "deployment_id", "organization", "messages"),
    *("model_list", "shared_session", "metadata", "timeout", "ssl_verify", "callbacks", "cache", "guardrails"),
    *("aws_bedrock_runtime_endpoint", "sagemaker_base_url", "prompt_id", "litellm_credential_name", "rust"),
)


def test_what_shapes_an_answer_may_be_set() -> None:
    assert list(refused(HARMLESS)) == []
    assert first_refusal(HARMLESS) == ""


@pytest.mark.parametrize("name", [*DIVERTING, *sorted(ELSEWHERE)])
def test_what_diverts_a_call_may_not_be_set_by_anybody(name: str) -> None:
    assert refusal(name)
    assert all(refusal(name, prefix) for prefix in ("openai", *CREDENTIALS))


def test_no_name_is_both_allowed_and_refused() -> None:
    assert MODEL & ELSEWHERE.keys() == set()
    assert all(MODEL & names == set() for names in CREDENTIALS.values())


@pytest.mark.parametrize(
    ("name", "prefix", "may"),
    [
        pytest.param("aws_secret_access_key", "bedrock", True, id="in the file"),
        pytest.param("aws_secret_access_key", "openai", False, id="in the file, for another vendor"),
        pytest.param("aws_secret_access_key", None, False, id="in a prompt"),
        pytest.param("api_version", "azure", True, id="azure's version"),
        pytest.param("vertex_project", "vertex_ai", True, id="google's project"),
    ],
)
def test_credentials_stand_in_the_file_under_their_vendor(name: str, prefix: str | None, *, may: bool) -> None:
    assert (refusal(name, prefix) == "") is may


@pytest.mark.parametrize("name", ["model", "api_key", "stream", "base_url", "azure_ad_token", "headers"])
def test_the_body_is_no_way_round(name: str) -> None:
    assert [path for path, _ in refused({"extra_body": {name: "x", "other": 1}}, "azure")] == [("extra_body", name)]


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        pytest.param("headers", "option headers", id="headers"),
        pytest.param("base_url", "option base_url", id="address"),
        pytest.param("temprature", "did you mean temperature?", id="mistyped"),
        pytest.param("zzz", "under extra_body", id="nothing like it"),
        pytest.param("mock_response", "rehearse: always", id="mock"),
        pytest.param("aws_region_name", "bedrock/", id="credential"),
    ],
)
def test_a_refusal_says_what_to_do(name: str, advice: str) -> None:
    assert advice in first_refusal({name: 1})


@pytest.mark.parametrize("name", [*DIVERTING, "aws_secret_access_key"])
def test_a_prompt_may_not_divert_a_call(tmp_path: Path, name: str) -> None:
    path = tmp_path / "p.txt"
    path.write_text(f"---\nparams:\n  temperature: 0\n  {name}: x\n---\n{{{{ question }}}}", encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"p\.txt:4:3: params\.{name} may not be set: it "):
        load(path)


def test_a_prompt_may_not_divert_a_call_by_the_body(tmp_path: Path) -> None:
    path = tmp_path / "p.txt"
    path.write_text("---\nparams: {extra_body: {model: x}}\n---\n{{ question }}", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"p\.txt:2:23: params\.extra_body\.model may not be set"):
        load(path)


def test_a_caller_may_not_divert_a_call_and_waits_for_nothing() -> None:
    request = Request(({"role": "user", "content": "?"},), id="7", params={"api_base": "http://elsewhere"})
    transport = ScriptedTransport(lambda _call: Answer("fine"))

    async def main() -> Outcome:
        async with Router(make_config(make_provider()), transport=transport) as router:
            return await router.outcome(request)

    outcome = run_virtual(main())
    assert isinstance(outcome.error, ItemRefused)
    assert "api_base may not be set" in str(outcome.error)
    assert outcome.fault is not None
    assert outcome.fault.kind is Kind.BAD_REQUEST
    assert transport.calls == []
