"""What may be shown of parameters and headers, and what goes to the scrubber."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from conftest import make_config, make_provider

from router.config.loading import load
from router.config.masking import MASK, is_telling, secrets, shown
from router.config.models import Secret

PROVIDER = replace(
    make_provider(
        params={
            "max_tokens": 5,
            "user": "me",
            "stop": ["a", "b"],
            "aws_secret_access_key": "wJalr",
            "tools": [{"function": {"parameters": {"api_key": "string", "n": 1}}}],
            "extra_body": {"auth": {"token": ["t1", 2]}, "store": True, "password": None},
        }
    ),
    headers={"X-Title": "eval", "Authorization": "Bearer b", "X-Team": "blue"},
    filled_in=frozenset({"params.user", "params.stop.1", "headers.X-Team"}),
)


def test_secrets_are_masked_and_nothing_else() -> None:
    assert shown(PROVIDER) == {
        "params": {
            "max_tokens": 5,
            "user": MASK,
            "stop": ["a", MASK],
            "aws_secret_access_key": MASK,
            "tools": [{"function": {"parameters": {"api_key": "string", "n": 1}}}],
            "extra_body": {"auth": {"token": [MASK, MASK]}, "store": True, "password": None},
        },
        "headers": {"X-Title": "eval", "Authorization": MASK, "X-Team": MASK},
    }


def test_every_secret_goes_to_the_scrubber_with_a_name_for_its_place() -> None:
    config = replace(make_config(PROVIDER), variables={"TEAM": Secret("blue")})
    named = [(name, secret.reveal()) for name, secret in secrets(config)]
    assert ("acme#1", "sk-acme#1-0123456789") in named
    assert ("acme.params.aws_secret_access_key", "wJalr") in named
    assert {("acme.headers.Authorization", part) for part in ("Bearer b", "Bearer", "b")} <= set(named)
    assert ("${TEAM}", "blue") in named
    assert not {"eval", "a", "string"} & {secret for _, secret in named}


@pytest.mark.parametrize(
    ("name", "tells"),
    [
        *((name, True) for name in ("api_key", "aws_session_token", "azure_password", "vertex_credentials")),
        *((name, True) for name in ("X-Api-Key", "Authorization", "Cookie", "client_secret", "oci_key")),
        *((name, False) for name in ("max_tokens", "max_completion_tokens", "stop_token_ids", "prompt_cache_key")),
        *((name, False) for name in ("temperature", "X-Title", "budget_tokens", "aws_region_name")),
    ],
)
def test_names_that_tell_of_a_secret(name: str, *, tells: bool) -> None:
    assert is_telling(name) is tells


def test_what_the_file_fills_in_is_shown_nowhere(tmp_path: Path) -> None:
    path = tmp_path / "providers.yaml"
    path.write_text(
        "providers: {a: {model: bedrock/m, keys: none, headers: {X-A: 'Bearer ${T}'}, "
        "params: {aws_access_key_id: '${ID}', aws_secret_access_key: '${S}', aws_region_name: eu-west-1}}}"
    )
    config = load(path, {"T": "hidden-1", "ID": "hidden-2", "S": "hidden-3"})
    assert "hidden" not in repr(shown(config.providers[0]))
    assert {"hidden-1", "hidden-2", "hidden-3"} <= {secret.reveal() for _, secret in secrets(config)}
