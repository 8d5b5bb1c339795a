"""What calls cost, by the file's prices and by LiteLLM's list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vendors import make_provider

from router.config.models import Price, Provider
from router.transport.litellm_import import load
from router.transport.price import Tariff, cost_usd, price_list, tariffs_of
from router.types import Usage

LISTED: Mapping[str, Mapping[str, object]] = {
    "gpt-x": {"litellm_provider": "openai", "input_cost_per_token": 2e-6, "output_cost_per_token": 8e-6},
    "deepseek/chat": {
        "litellm_provider": "deepseek",
        "input_cost_per_token": 3e-7,
        "output_cost_per_token": 4e-7,
        "cache_read_input_token_cost": 3e-8,
    },
    "gemini/pro": {
        "litellm_provider": "gemini",
        "input_cost_per_token": 1e-6,
        "output_cost_per_token": 1e-5,
        "output_cost_per_reasoning_token": 2e-5,
        "input_cost_per_token_above_200k_tokens": 2e-6,
        "output_cost_per_token_above_200k_tokens": 3e-5,
    },
    "no-price": {"litellm_provider": "openai"},
    "gpt-flex": {
        "litellm_provider": "openai",
        "input_cost_per_token": 2e-6,
        "output_cost_per_token": 8e-6,
        "cache_read_input_token_cost": 2e-7,
        "input_cost_per_token_flex": 1e-6,
        "output_cost_per_token_flex": 4e-6,
        "input_cost_per_token_above_200k_tokens": 3e-6,
        "input_cost_per_token_above_200k_tokens_flex": 1.5e-6,
    },
}


def cost(provider: Provider, usage: Usage, *, simulated: bool = False, tier: str = "") -> float | None:
    return cost_usd(usage, tariffs_of(provider, provider.models["default"], LISTED, simulated=simulated, tier=tier))


PRICED = replace(make_provider("openai/gpt-x", "http://relay.test/v1"), price=Price(0.5, 1.5))
CACHED = replace(PRICED, price=Price(0.5, 1.5, 0.05))
FLEX = make_provider("openai/gpt-flex", None)


@pytest.mark.parametrize(
    ("provider", "usage", "dollars"),
    [
        pytest.param(make_provider("openai/gpt-x", None), Usage(1000, 100), 2.8e-3, id="by its bare name"),
        pytest.param(
            make_provider("openai/gpt-x", "https://api.openai.com/v1"), Usage(1000, 0), 2e-3, id="own address"
        ),
        pytest.param(make_provider("openai/gpt-x", "http://relay.test/v1"), Usage(1000, 100), None, id="a relay"),
        pytest.param(PRICED, Usage(1000, 100), 6.5e-4, id="a relay with a price"),
        pytest.param(PRICED, Usage(1000, 100, 900, 90), 6.5e-4, id="one price for cached and thought"),
        pytest.param(CACHED, Usage(1000, 100, 900, 90), 2.45e-4, id="a price for what is cached"),
        pytest.param(make_provider("openai/unknown", None), Usage(1, 1), None, id="not listed"),
        pytest.param(make_provider("openai/no-price", None), Usage(1, 1), None, id="listed without a price"),
        pytest.param(make_provider("groq/gpt-x", None), Usage(1, 1), None, id="another vendor's"),
        pytest.param(make_provider("deepseek/chat", None), Usage(1000, 0, 900), 5.7e-5, id="cached"),
        pytest.param(make_provider("deepseek/chat", None), Usage(1000, 0, 9000), 3e-5, id="more cached than came in"),
        pytest.param(make_provider("gemini/pro", None), Usage(0, 100, None, 60), 1.6e-3, id="thought"),
        pytest.param(make_provider("gemini/pro", None), Usage(200_000, 100), 0.201, id="at the tier"),
        pytest.param(make_provider("gemini/pro", None), Usage(200_001, 100), 0.403002, id="above the tier"),
        pytest.param(make_provider("openai/gpt-x", None), Usage(None, 1), None, id="nothing counted"),
    ],
)
def test_what_a_call_costs(provider: Provider, usage: Usage, dollars: float | None) -> None:
    assert cost(provider, usage) == (None if dollars is None else pytest.approx(dollars))


def test_a_simulated_vendor_costs_what_the_real_one_would() -> None:
    provider = make_provider("openai/gpt-x", "http://127.0.0.1:9/v1")
    assert cost(provider, Usage(1000, 100)) is None
    assert cost(provider, Usage(1000, 100), simulated=True) == pytest.approx(2.8e-3)


counts = st.integers(0, 2**53)


@given(counts, counts, st.none() | counts, st.none() | counts)
def test_no_usage_costs_less_than_nothing(into: int, out: int, cached: int | None, thought: int | None) -> None:
    tariffs = [Tariff(1e-6, 2e-6, 1e-7, 3e-6), Tariff(2e-6, 4e-6, 2e-7, 6e-6, above=100_001)]
    spent = cost_usd(Usage(into, out, cached, thought), tariffs)
    assert spent is not None
    assert 0 <= spent <= 2e-6 * into + 6e-6 * out


@pytest.mark.parametrize(
    ("usage", "tier", "dollars"),
    [
        pytest.param(Usage(1000, 100), "", 2.8e-3, id="standard"),
        pytest.param(Usage(1000, 100), "flex", 1.4e-3, id="half price"),
        pytest.param(Usage(1000, 100), "default", 2.8e-3, id="what OpenAI calls the standard tier"),
        pytest.param(Usage(1000, 100), "priority", 2.8e-3, id="not listed for this model"),
        pytest.param(Usage(1000, 0, 1000), "flex", 2e-4, id="cached costs no more than in the standard tier"),
        pytest.param(Usage(200_001, 0), "flex", 0.3000015, id="flex above the step"),
    ],
)
def test_a_service_tier_has_its_price(usage: Usage, tier: str, dollars: float) -> None:
    assert cost(FLEX, usage, tier=tier) == pytest.approx(dollars)


def test_the_list_is_litellm_s_own() -> None:
    ours, theirs = price_list(), load().model_cost
    assert len(ours) >= 4000
    assert all(ours[name] == entry for name, entry in theirs.items())
