from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from router.config.models import Config, Key, Provider, Secret
from router.rates import Rate, parse_rate
from router.simulator.endpoint import Endpoint
from router.simulator.rehearsal import as_yaml, rehearsed, rewritten, specs_for
from router.simulator.spec import VendorSpec

RATE = Rate(300, 60)
DAY = Rate(10_000, 86400)


def provider(name: str, model: str, *keys: Key, **others: object) -> Provider:
    return Provider(name, {"default": model}, keys, (RATE,), **others)  # type: ignore[arg-type]


def key(name: str, account: str, secret: str | None = "sk-real") -> Key:  # noqa: S107 - made up
    return Key(name, Secret(secret) if secret else None, account)


def config(*providers: Provider) -> Config:
    return Config(Path("providers.yaml"), providers)


def endpoints_for(specs: tuple[VendorSpec, ...]) -> tuple[Endpoint, ...]:
    return tuple(Endpoint(s.name, s.dialect, f"http://127.0.0.1:{n}/v1") for n, s in enumerate(specs, 4000))


def rehearse(*providers: Provider) -> tuple[Provider, ...]:
    declared = config(*providers)
    specs = specs_for(declared, 1)
    again = rehearsed(declared, specs, endpoints_for(specs))
    assert again.simulated
    return again.providers


def test_a_vendor_keeps_the_declared_limits() -> None:
    declared = replace(
        provider("a", "openai/m", key("a#1", "x"), key("a#2", "x")),
        rates=(RATE, DAY),
        key_rates=(Rate(60, 60),),
        tokens=(Rate(150_000, 60),),
    )
    (spec,) = specs_for(config(declared), 1)
    assert (spec.address_limits, spec.account_limits, spec.token_limits) == (
        (RATE, DAY),
        (Rate(60, 60),),
        (Rate(150_000, 60),),
    )
    assert [account for _, account in spec.keys] == ["x", "x"]


def test_made_up_keys_are_told_apart_and_repeat() -> None:
    declared = config(provider("a", "openai/m", key("a#1", "x", "sk-real-1"), key("a#2", "y", "sk-real-2")))
    (spec,) = specs_for(declared, 1)
    secrets = [secret for secret, _ in spec.keys]
    assert all(secret.startswith(f"sim-a-{number}-") for number, secret in enumerate(secrets, 1))
    assert len(set(secrets)) == 2
    assert specs_for(declared, 1) == (spec,)
    assert specs_for(declared, 2)[0].keys != spec.keys


def test_no_real_key_is_left_in_a_rehearsal() -> None:
    (again,) = rehearse(provider("a", "openai/m", key("a#1", "x"), key("a#2", "y", "sk-other")))
    revealed = [k.secret.reveal() for k in again.keys if k.secret]
    assert len(revealed) == 2
    assert all(secret.startswith("sim-a-") for secret in revealed)
    assert [(k.name, k.account) for k in again.keys] == [("a#1", "x"), ("a#2", "y")]


def test_a_rehearsal_sends_neither_credentials_nor_headers() -> None:
    params = {"temperature": 0, "aws_secret_access_key": "real"}
    (again,) = rehearse(provider("a", "bedrock/m", key("a#1", "x", None), params=params, headers={"X-A": "real"}))
    assert again.params == {"temperature": 0}
    assert again.headers == {}


def test_a_provider_without_its_keys_is_rehearsed_with_as_many() -> None:
    (again,) = rehearse(provider("a", "openai/m", missing=("A_KEY",), declared_keys=3))
    assert again.is_usable
    assert [k.name for k in again.keys] == ["a#1", "a#2", "a#3"]
    assert again.missing == ()


def test_a_provider_without_need_of_a_key_gets_none() -> None:
    declared = provider("local", "hosted_vllm/m", key("local#1", "local", None))
    (spec,) = specs_for(config(declared), 1)
    assert spec.keys == ()
    assert rehearse(declared)[0].keys == declared.keys


def test_disabled_providers_stay_as_they_are() -> None:
    off = provider("off", "openai/m", key("off#1", "x"), enabled=False)
    assert [spec.name for spec in specs_for(config(off, provider("a", "openai/m")), 1)] == ["a"]
    assert rehearse(off, provider("a", "openai/m"))[0] == off


@pytest.mark.parametrize(
    ("model", "dialect", "rehearsed_as"),
    [
        pytest.param("openai/gpt-4o-mini", "openai", "openai/gpt-4o-mini", id="openai"),
        pytest.param("gpt-4o-mini", "openai", "gpt-4o-mini", id="without a prefix"),
        pytest.param("deepseek/deepseek-chat", "openai", "deepseek/deepseek-chat", id="deepseek"),
        pytest.param("openrouter/a/b", "openai", "openrouter/a/b", id="openrouter"),
        pytest.param("anthropic/claude", "anthropic", "anthropic/claude", id="anthropic"),
        pytest.param("claude-haiku", "anthropic", "claude-haiku", id="claude without a prefix"),
        pytest.param("gemini/flash", "gemini", "gemini/flash", id="gemini"),
        pytest.param("gemini-flash", "openai", "openai/gemini-flash", id="gemini without a prefix is Vertex"),
        pytest.param("vertex_ai/gemini", "openai", "openai/gemini", id="vertex"),
        pytest.param("bedrock/us/m:0", "openai", "openai/us/m:0", id="bedrock"),
        pytest.param("cohere_chat/command-r", "openai", "openai/command-r", id="cohere"),
        pytest.param("ollama_chat/qwen", "openai", "openai/qwen", id="ollama"),
        pytest.param("azure/deployment", "openai", "openai/deployment", id="azure"),
    ],
)
def test_models_are_asked_for_in_a_dialect_that_is_simulated(model: str, dialect: str, rehearsed_as: str) -> None:
    declared = provider("a", model)
    assert specs_for(config(declared), 1)[0].dialect == dialect
    assert rehearse(declared)[0].models == {"default": rehearsed_as}
    assert rewritten(config(declared)) == (("a",) if model != rehearsed_as else ())


def test_a_provider_with_models_of_several_dialects_speaks_that_of_the_first() -> None:
    declared = replace(provider("a", ""), models={"big": "anthropic/claude", "small": "deepseek/chat"})
    assert rehearse(declared)[0].models == {"big": "anthropic/claude", "small": "anthropic/chat"}
    assert rewritten(config(declared)) == ("a",)


def test_the_yaml_of_running_vendors_is_yaml() -> None:
    specs = (
        VendorSpec(
            "openai",
            keys=(("sim-1", "first"), ("sim-2", 'a "second": one')),
            address_limits=(RATE, DAY),
            account_limits=(Rate(20, 10),),
            token_limits=(Rate(150_000, 60),),
            models=("gpt-4o-mini",),
        ),
        VendorSpec("3: local", "gemini"),
    )
    text = as_yaml(specs, endpoints_for(specs))
    assert text.splitlines()[0].startswith("#")
    assert "simulated" in text.splitlines()[0]
    read = yaml.safe_load(text)
    assert read["rehearse"] == "never"
    first: Mapping[str, object] = read["providers"]["openai"]
    assert first == {
        "model": "openai/gpt-4o-mini",
        "base_url": "http://127.0.0.1:4000/v1",
        "keys": [{"key": "sim-1", "account": "first"}, {"key": "sim-2", "account": 'a "second": one'}],
        "rate": ["300/min", "10000/day"],
        "key_rate": ["20/10s"],
        "tokens": ["150000/min"],
    }
    assert parse_rate("20/10s") == Rate(20, 10)
    assert read["providers"]["3: local"]["keys"] == "none"
    assert read["providers"]["3: local"]["model"] == "gemini/simulated"
