"""The shipped providers.yaml: reads without mistakes, rehearses without keys, and says where its limits come from."""

import importlib.util
import json
import re
from pathlib import Path

import pytest

from router.config.loading import load, schema
from router.config.models import Config

ROOT = Path(__file__).parent.parent
SHIPPED = ROOT / "providers.yaml"
UNLISTED = {"openrouter", "hosted_vllm"}
"""LiteLLM passes any model of these on, and lists none."""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    # A copy, lest a developer's own .env beside the file decides.
    copy = tmp_path_factory.mktemp("shipped") / "providers.yaml"
    copy.write_bytes(SHIPPED.read_bytes())
    return load(copy, {})


def test_without_a_key_everything_is_rehearsed(config: Config) -> None:
    assert config.wants_rehearsal
    assert config.usable == ()
    assert {provider.name: provider.why_left_out for provider in config.left_out}["local"] == "enabled: false"


def test_one_key_ends_the_rehearsal(config: Config, tmp_path: Path) -> None:
    copy = tmp_path / "providers.yaml"
    copy.write_bytes(SHIPPED.read_bytes())
    real = load(copy, {"OPENAI_API_KEYS": "one"})
    assert [provider.name for provider in real.usable] == ["openai"]
    assert not real.wants_rehearsal
    assert len(real.providers) == len(config.providers)


def test_the_vendors_are_there_in_order(config: Config) -> None:
    names = ["openai", "anthropic", "gemini", "deepseek", "moonshot", "zhipu", "qwen", "openrouter", "local"]
    assert [provider.name for provider in config.providers] == names


def test_every_provider_has_a_pace_and_together_they_end_a_rehearsal_of_100_soon(config: Config) -> None:
    rates = [provider.paced_rate for provider in config.providers if provider.enabled]
    assert all(rates)
    assert 20 <= sum(rate.per_second for rate in rates if rate) <= 40


def test_every_limit_says_where_it_comes_from() -> None:
    lines = SHIPPED.read_text(encoding="utf-8").splitlines()
    limits = [i for i, line in enumerate(lines) if re.match(r" {4}(rate|concurrency|tokens):", line)]
    for first in (i for i in limits if i - 1 not in limits):
        assert re.match(r" {4}# .*([a-z]\.[a-z]+/|ours)", lines[first - 1]), lines[first]


def test_every_model_is_one_that_litellm_knows(config: Config) -> None:
    package = importlib.util.find_spec("litellm")
    assert package is not None
    assert package.origin is not None
    prices = Path(package.origin).parent / "model_prices_and_context_window_backup.json"
    known = json.loads(prices.read_bytes())
    for provider in config.providers:
        for model in provider.models.values():
            prefix, _, rest = model.partition("/")
            assert prefix in UNLISTED or model in known or known.get(rest, {}).get("litellm_provider") == prefix, model


def test_the_first_line_points_editors_to_the_schema() -> None:
    first = SHIPPED.read_text(encoding="utf-8").splitlines()[0]
    match = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)
    assert match is not None
    assert (SHIPPED.parent / match[1]).is_file()


def test_the_shipped_schema_is_the_one_that_the_options_make() -> None:
    shipped = json.loads((ROOT / "router" / "providers.schema.json").read_text(encoding="utf-8"))
    # Through JSON, for tuples become lists there.
    assert shipped == json.loads(json.dumps(schema()))
