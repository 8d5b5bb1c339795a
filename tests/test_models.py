"""Which provider a model's name means: one of the file's, or LiteLLM's where a provider's prefix fits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from conftest import make_config, make_provider

from router.errors import ConfigError
from router.evals.models import asking

GPT = "openai/gpt-4o-mini"
CONFIG = make_config(
    replace(make_provider("openai"), models={"default": GPT}),
    replace(make_provider("relay"), models={"default": GPT}, base_url="https://relay.example/v1"),
    replace(make_provider("deepseek"), models={"small": "deepseek/deepseek-chat", "large": "deepseek/deepseek-r1"}),
    replace(make_provider("local"), models={"default": "hosted_vllm/qwen"}, base_url="http://127.0.0.1:8000/v1"),
    replace(make_provider("off"), models={"huge": "xai/grok"}, enabled=False),
)


@pytest.mark.parametrize(
    ("name", "means"),
    [
        pytest.param("large", {"deepseek": "deepseek/deepseek-r1"}, id="a name of the file"),
        pytest.param("default", {"openai": GPT, "relay": GPT, "local": "hosted_vllm/qwen"}, id="of several"),
        pytest.param("deepseek/deepseek-r1", {"deepseek": "deepseek/deepseek-r1"}, id="LiteLLM's, in the file"),
        pytest.param("openai/gpt-5", {"openai": "openai/gpt-5"}, id="LiteLLM's, at the vendor and not at a relay"),
        pytest.param("hosted_vllm/llama", {"local": "hosted_vllm/llama"}, id="LiteLLM's, at one's own server"),
    ],
)
def test_who_is_asked_for_a_model(name: str, means: Mapping[str, str]) -> None:
    asked = asking(CONFIG, (name,))
    assert {each.name: model for each in asked.providers if each.enabled and (model := each.model_for(name))} == means
    assert [next(iter(each.models.values())) for each in asked.providers] == [
        next(iter(each.models.values())) for each in CONFIG.providers
    ], "the default stays the first"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        pytest.param("lage", "did you mean large?", id="misspelt"),
        pytest.param("gpt-4o-mini", "did you mean openai/gpt-4o-mini?", id="without its prefix"),
        pytest.param("groq/llama", "any name like deepseek/…, hosted_vllm/…, openai/…", id="of nobody"),
        pytest.param("huge", "no enabled provider", id="of one that is switched off"),
    ],
)
def test_a_name_that_fits_nowhere_is_refused(name: str, words: str) -> None:
    with pytest.raises(ConfigError) as refused:
        asking(CONFIG, ("large", name))
    assert f"--model: no enabled provider of providers.yaml has a model called '{name}'" in str(refused.value)
    assert words in str(refused.value)
