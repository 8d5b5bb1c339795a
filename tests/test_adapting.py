"""Wishes in each vendor's own way, as LiteLLM knows it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import make_config, make_provider

from router.config.models import Config
from router.errors import ConfigError
from router.evals.adapting import adapted
from router.evals.plan import Plan
from router.evals.prompts import load
from router.evals.schemas import load_schema
from router.evals.tasks import arithmetic_task
from router.evals.trials import trials
from router.transport.mapped import mapped, takes_schema

GPT, CLAUDE, DEEPSEEK, KIMI = (
    "openai/gpt-5-mini",
    "anthropic/claude-sonnet-4-5",
    "deepseek/deepseek-chat",
    "moonshot/kimi-k2-thinking",
)


def config_of(*models: str) -> Config:
    return make_config(
        *(replace(make_provider(model.partition("/")[0]), models={"default": model}) for model in models)
    )


def test_a_level_is_said_in_each_vendors_way_and_who_takes_none_is_named() -> None:
    made = adapted(config_of(GPT, CLAUDE, KIMI), (), reasoning="low", schema=None)
    assert made.sent["openai"] == {"reasoning_effort": "low"}
    assert made.sent["anthropic"]["thinking"] == {"type": "enabled", "budget_tokens": 1024}
    assert [each.params_of(each.model_for(None) or "") for each in made.config.providers] == [
        {"reasoning_effort": "low"}
    ] * 2 + [{}]
    assert made.notes[0] == '--reasoning low: openai is sent {"reasoning_effort":"low"}'
    assert made.notes[2].startswith("--reasoning low: moonshot does not accept it and is asked without it (")


def test_of_two_models_of_a_provider_only_the_one_that_thinks_is_told_to() -> None:
    models = {"small": "openai/gpt-4o-mini", "thinker": GPT}
    config = make_config(replace(make_provider("openai"), models=models))
    made = adapted(config, ("small", "thinker"), reasoning="low", schema=None)
    (provider,) = made.config.providers
    assert {name: provider.params_of(model) for name, model in models.items()} == {
        "small": {},
        "thinker": {"reasoning_effort": "low"},
    }
    assert made.sent == {f"openai {GPT}": {"reasoning_effort": "low"}}
    assert made.notes[1].startswith(
        "--reasoning low: openai openai/gpt-4o-mini does not accept it and is asked without it ("
    )


def test_a_level_that_nobody_takes_is_refused() -> None:
    with pytest.raises(ConfigError, match="--reasoning low: no model accepts it: openai: openai does not support"):
        adapted(config_of("openai/gpt-4o-mini"), (), reasoning="low", schema=None)


@pytest.mark.parametrize(
    ("model", "takes"),
    [
        pytest.param(GPT, True, id="openai"),
        pytest.param(CLAUDE, True, id="anthropic"),
        pytest.param(DEEPSEEK, False, id="LiteLLM's list is wrong about DeepSeek"),
        pytest.param("hosted_vllm/mine", False, id="a model that nobody knows"),
        pytest.param("nonsense", False, id="no vendor's"),
    ],
)
def test_who_keeps_a_schema_by_itself(model: str, *, takes: bool) -> None:
    assert takes_schema(model) is takes


def test_litellms_own_parameters_are_not_shown() -> None:
    assert mapped(GPT, {"temperature": 1}) == {"temperature": 1}


@pytest.mark.parametrize(
    ("models", "in_words"),
    [pytest.param((GPT, CLAUDE), False, id="all natively"), pytest.param((GPT, DEEPSEEK), True, id="one in words")],
)
def test_a_schema_stands_in_the_messages_where_somebody_needs_it(
    tmp_path: Path, models: tuple[str, ...], *, in_words: bool
) -> None:
    path = tmp_path / "answer.schema.json"
    path.write_text(json.dumps({"type": "object", "required": ["infer"]}))
    schema = load_schema(path)
    made = adapted(config_of(*models), (), reasoning=None, schema=schema)
    native = {
        each.name for each in made.config.providers if each.params_of(each.model_for(None) or "").get("response_format")
    }
    assert native == {name for name, sent in made.sent.items() if sent["schema_mode"] == "native"}
    assert made.in_words is in_words
    (tmp_path / "ask.txt").write_text("{{ question }}")
    plan = Plan(made.config, (load(tmp_path / "ask.txt"),), arithmetic_task(1), schema=schema, in_words=made.in_words)
    (trial,) = trials(plan)
    (message,) = trial.request().messages
    assert ("It must keep this JSON Schema" in str(message["content"])) is in_words
    assert plan.try_out()["ask"] == (message,)
