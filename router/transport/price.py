"""What a call costs: the file's `price:`, else what LiteLLM's list says of the vendor's own address."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias, cast

from yarl import URL

from router.catalog.vendors import base_of
from router.config.models import Provider
from router.jsonl import decode
from router.types import Usage

MILLION = 1_000_000
LIST = "model_prices_and_context_window_backup.json"
TIERS = frozenset({"flex", "priority"})
"""The service tiers that have prices of their own; every other name means the standard ones."""
_STEP = re.compile(r"input_cost_per_token_above_(\d+)k_tokens")

PriceList: TypeAlias = Mapping[str, Mapping[str, Any]]
"""LiteLLM's list: what it knows of each model by its name."""


@dataclass(frozen=True, slots=True)
class Tariff:
    """Dollars a token, for calls of more than `above` tokens of input."""

    input: float
    output: float
    cached: float
    reasoning: float
    above: int = 0


@cache
def price_list() -> PriceList:
    """The list that LiteLLM brings along, from its file: importing LiteLLM for it would take seconds."""
    spec = importlib.util.find_spec("litellm")
    places = spec.submodule_search_locations if spec else None
    if not places:
        return {}
    return cast("PriceList", decode((Path(places[0]) / LIST).read_bytes()))


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


def tariffs_of(provider: Provider, model: str, listed: PriceList, *, simulated: bool, tier: str = "") -> list[Tariff]:
    """A model's tariffs in a service tier. A relay's prices are its own, so an address of its own has none listed.

    Where the list has no price for the tier it is the standard one: rather too much than too little. Simulated vendors
    cost what those would whose place they take. `price:` holds for every tier.
    """
    if price := provider.price:
        into, out = price.input / MILLION, price.output / MILLION
        return [Tariff(into, out, into if price.cached is None else price.cached / MILLION, out)]
    model = provider.stands_for.get(model, model)
    prefix, _, name = model.partition("/")
    entry = listed.get(model) or listed.get(name, {})
    is_own = simulated or provider.base_url is None or _host(provider.base_url) == _host(base_of(prefix) or "")
    if not is_own or entry.get("litellm_provider") != prefix or "input_cost_per_token" not in entry:
        return []
    steps = [(f"_above_{step[1]}k_tokens", int(step[1]) * 1000 + 1) for key in entry if (step := _STEP.fullmatch(key))]
    return [_tariff(entry, step, f"_{tier}" if tier in TIERS else "", above) for step, above in [("", 0), *steps]]


def _tariff(entry: Mapping[str, Any], step: str, tier: str, above: int) -> Tariff:
    def dollars(name: str, otherwise: float) -> float:
        names = (name + step + tier, name + step, name + tier, name) if step else (name + tier, name)
        listed = next((entry[each] for each in names if isinstance(entry.get(each), int | float)), otherwise)
        return float(listed)

    into, out = dollars("input_cost_per_token", 0.0), dollars("output_cost_per_token", 0.0)
    cached = min(into, dollars("cache_read_input_token_cost", into))
    return Tariff(into, out, cached, _thinking(entry, out), above)


def _thinking(entry: Mapping[str, Any], out: float) -> float:
    """A price of its own for thinking stands in the list for few models, and there for the standard tier."""
    listed = entry.get("output_cost_per_reasoning_token")
    standard = entry.get("output_cost_per_token")
    if not isinstance(listed, int | float) or not isinstance(standard, int | float) or not standard:
        return out
    return out * float(listed) / float(standard)


def _host(address: str) -> str | None:
    return URL(address).host
