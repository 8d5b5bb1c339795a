"""What a call costs: the file's `price:`, else what LiteLLM's list says of the vendor's own address."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from yarl import URL

from router.catalog.vendors import base_of
from router.config.models import Provider
from router.types import Usage

MILLION = 1_000_000
_TIER = re.compile(r"input_cost_per_token_above_(\d+)k_tokens")


@dataclass(frozen=True, slots=True)
class Tariff:
    """Dollars a token, for calls of more than `above` tokens of input."""

    input: float
    output: float
    cached: float
    reasoning: float
    above: int = 0


def cost_usd(usage: Usage, tariffs: Sequence[Tariff]) -> float | None:
    """What the tokens cost, in dollars; None where they or their prices are not known."""
    if usage.tokens_in is None or usage.tokens_out is None or not tariffs:
        return None
    tariff = max((each for each in tariffs if usage.tokens_in >= each.above), key=lambda each: each.above)
    cached = min(usage.tokens_cached or 0, usage.tokens_in)
    reasoning = min(usage.tokens_reasoning or 0, usage.tokens_out)
    return (
        (usage.tokens_in - cached) * tariff.input
        + cached * tariff.cached
        + (usage.tokens_out - reasoning) * tariff.output
        + reasoning * tariff.reasoning
    )


def tariffs_of(
    provider: Provider, model: str, listed: Mapping[str, Mapping[str, Any]], *, simulated: bool
) -> list[Tariff]:
    """A model's tariffs; `listed` is LiteLLM's list. A relay's prices are its own, so an address of its own has none.

    Simulated vendors cost what those would whose place they take.
    """
    if price := provider.price:
        into, out = price.input / MILLION, price.output / MILLION
        return [Tariff(into, out, into, out)]
    prefix, _, name = model.partition("/")
    entry = listed.get(model) or listed.get(name, {})
    is_own = simulated or provider.base_url is None or _host(provider.base_url) == _host(base_of(prefix) or "")
    if not is_own or entry.get("litellm_provider") != prefix or "input_cost_per_token" not in entry:
        return []
    tiers = [(f"_above_{tier[1]}k_tokens", int(tier[1]) * 1000 + 1) for key in entry if (tier := _TIER.fullmatch(key))]
    return [_tariff(entry, suffix, above) for suffix, above in [("", 0), *tiers]]


def _tariff(entry: Mapping[str, Any], suffix: str, above: int) -> Tariff:
    def dollars(name: str, otherwise: float) -> float:
        listed = entry.get(name + suffix, entry.get(name))
        return float(listed) if isinstance(listed, int | float) else otherwise

    into, out = dollars("input_cost_per_token", 0.0), dollars("output_cost_per_token", 0.0)
    cached, reasoning = dollars("cache_read_input_token_cost", into), dollars("output_cost_per_reasoning_token", out)
    return Tariff(into, out, cached, reasoning, above)


def _host(address: str) -> str | None:
    return URL(address).host
