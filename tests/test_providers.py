from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from conftest import make_config, make_provider

from router.config.models import MAX_IN_FLIGHT, Config, Key, Provider
from router.rates import Rate


@pytest.mark.parametrize(
    ("provider", "most"),
    [
        pytest.param(make_provider(concurrency=7, rates=["100/s"]), 7, id="declared"),
        pytest.param(make_provider(), MAX_IN_FLIGHT, id="no rate"),
        pytest.param(make_provider(rates=["5/s"]), 150, id="what the rate starts in 30 s"),
        pytest.param(make_provider(rates=["1/min"]), 4, id="at least 4"),
        pytest.param(make_provider(rates=["100/s"]), MAX_IN_FLIGHT, id="at most 512"),
        pytest.param(make_provider(rates=["1000/day"]), MAX_IN_FLIGHT, id="a budget is no pace"),
    ],
)
def test_most_in_flight(provider: Provider, most: int) -> None:
    assert provider.max_in_flight == most


@pytest.mark.parametrize(
    ("provider", "rate"),
    [
        pytest.param(make_provider(), None, id="none"),
        pytest.param(make_provider(rates=["5/s", "60/min"]), Rate(60, 60), id="the tightest"),
        pytest.param(make_provider(keys=3, key_rates=["2/s"]), Rate(6, 1), id="accounts add up"),
        pytest.param(
            make_provider(keys=3, accounts="aab", key_rates=["2/s"]), Rate(4, 1), id="keys of one account do not"
        ),
        pytest.param(make_provider(keys=3, rates=["5/s"], key_rates=["2/s"]), Rate(5, 1), id="the provider's own"),
        pytest.param(make_provider(rates=["10/day"]), None, id="a budget is no pace"),
    ],
)
def test_the_paced_rate(provider: Provider, rate: Rate | None) -> None:
    assert provider.paced_rate == rate


@pytest.mark.parametrize(
    ("asked", "model"),
    [
        pytest.param(None, "openai/acme-small", id="the first by default"),
        pytest.param("big", "openai/acme-big", id="by name"),
        pytest.param("openai/acme-big", "openai/acme-big", id="by LiteLLM's name"),
        pytest.param("huge", None, id="unknown"),
    ],
)
def test_models_are_found_by_either_name(asked: str | None, model: str | None) -> None:
    assert make_provider(models=["small", "big"]).model_for(asked) == model


@pytest.mark.parametrize(
    ("provider", "why"),
    [
        pytest.param(make_provider(), "", id="takes part"),
        pytest.param(replace(make_provider(), enabled=False), "enabled: false", id="switched off"),
        pytest.param(
            replace(make_provider(), keys=(), missing=("A", "B")), "none of its keys is set (A, B)", id="without keys"
        ),
    ],
)
def test_a_provider_says_why_it_takes_no_part(provider: Provider, why: str) -> None:
    config = make_config(provider)
    assert provider.why_left_out == why
    assert provider.is_usable is not bool(why)
    assert config.usable == (() if why else (provider,))
    assert config.left_out == ((provider,) if why else ())


@pytest.mark.parametrize(
    ("config", "rehearses"),
    [
        pytest.param(Config(Path("p"), (), rehearse="when-no-keys"), True, id="no keys"),
        pytest.param(Config(Path("p"), (make_provider(),), rehearse="when-no-keys"), False, id="keys"),
        pytest.param(Config(Path("p"), (make_provider(),), rehearse="always"), True, id="always"),
        pytest.param(Config(Path("p"), (), rehearse="never"), False, id="never"),
    ],
)
def test_rehearsal_by_the_file(config: Config, *, rehearses: bool) -> None:
    assert config.wants_rehearsal is rehearses


def test_a_key_shows_its_fingerprint_only() -> None:
    key = make_provider().keys[0]
    assert len(key.fingerprint) == 8
    assert "0123456789" not in repr(key)
    assert Key("local#1", None, "local#1").fingerprint == ""
