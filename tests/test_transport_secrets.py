"""What leaves the machine: the key that the file names, and nothing else that the machine knows."""

from __future__ import annotations

import asyncio
import re
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import cast

import httpx
import pytest
from test_transport_contract import MODELS, OTHERS
from vendors import Border, Came, ScriptedVendor, Seen, border, chat, make_provider, scripted

from router.catalog.vendors import vendors
from router.config.models import Door, Key, Provider
from router.faults import Fault, Kind
from router.transport.base import Call
from router.transport.session import Session
from router.transport.shared_session import Loan
from router.types import Answer, Json, Reply, Request

pytestmark = pytest.mark.filterwarnings("ignore:Items? .* on TypedDict:UserWarning")
DOORS: tuple[Door, ...] = ("auto", "litellm")
MARK = "marker-of-the-environment"
_NAME = re.compile(rb'"([A-Z][A-Z0-9_]*(?:KEY|TOKEN|ORGANIZATION|ORG_ID|PROJECT(?:_ID)?|_BASE|_URL|_SECRET|_HEADERS))"')
_NOT_VENDORS = ("AWS_", "GOOGLE_APPLICATION_", "GOOGLE_CLOUD_", "SSL_")


def names_of_variables() -> frozenset[str]:
    """Every variable of this kind that LiteLLM and OpenAI's SDK look up, found in their sources."""
    found = {"AWS_BEARER_TOKEN_BEDROCK", "AWS_BEDROCK_RUNTIME_ENDPOINT", "AWS_ENDPOINT_URL"}
    for package in ("litellm", "openai"):
        spec = find_spec(package)
        assert spec is not None
        assert spec.origin is not None
        root = Path(spec.origin).parent
        files = [*root.glob("*.py"), *root.glob("llms/**/*.py"), *root.glob("litellm_core_utils/*.py")]
        names = {name.decode() for file in files for name in _NAME.findall(file.read_bytes())}
        found |= {name for name in names if not name.startswith(_NOT_VENDORS)}
    return frozenset(found)


@pytest.fixture(scope="module")
def there() -> Iterator[tuple[Border, ScriptedVendor]]:
    """A transport, the vendor that the file names, and another that the environment names in vain."""
    with ExitStack() as stack:
        opened = stack.enter_context(border())
        other = scripted()
        elsewhere = opened.runner.run(other.__aenter__())
        stack.callback(lambda: opened.runner.run(other.__aexit__(None, None, None)))
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name in names_of_variables():
            is_address = name.endswith(("_BASE", "_URL", "_ENDPOINT"))
            patch.setenv(name, f"{elsewhere.url}/{MARK}" if is_address else f"X-{MARK}: {MARK}")
        resolve = socket.getaddrinfo

        def loopback_only(host: str, *more: object, **named: object) -> object:
            if host not in {"127.0.0.1", "localhost"}:
                raise socket.gaierror(socket.EAI_NONAME, "only loopback in tests")
            return resolve(host, *more, **named)  # type: ignore[arg-type]

        patch.setattr(socket, "getaddrinfo", loopback_only)
        yield opened, elsewhere


def ask(there: Border, provider: Provider, key: Key | None = None, params: Mapping[str, Json] | None = None) -> Came:
    there.vendor.says(chat("fine"))
    model = provider.models["default"]
    call = Call(provider, key or provider.keys[0], model, replace(Request.of("What is 3 + 4?"), params=params or {}))
    result = there.runner.run(there.transport.send(call, lambda: None))
    return Came(result, tuple(there.vendor.seen), 0)


def without_key(provider: Provider) -> Provider:
    return replace(provider, keys=(Key(f"{provider.name}#1", None, provider.name),))


def all_of(seen: Seen) -> str:
    return repr(seen).lower()


def test_the_search_knows_its_names() -> None:
    wanted = {"OPENAI_API_KEY", "DEEPSEEK_API_KEY", "OPENAI_ORGANIZATION", "OPENAI_BASE_URL", "DEEPSEEK_API_BASE"}
    wanted |= {"OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_CUSTOM_HEADERS", "HUGGINGFACE_API_KEY"}
    assert wanted <= names_of_variables()


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("keyed", [True, False], ids=["with a key", "keys: none"])
def test_nothing_of_the_environment_is_sent(there: tuple[Border, ScriptedVendor], door: Door, *, keyed: bool) -> None:
    here, elsewhere = there
    sent = 0
    for model in (*MODELS, *(f"{prefix}/some-model" for prefix in (OTHERS if door == "litellm" else ()))):
        declared = make_provider(model, here.vendor.url + "/v1", door)
        came = ask(here, declared if keyed else without_key(declared))
        assert [model for seen in came.seen if MARK in all_of(seen)] == [], came.seen
        assert elsewhere.seen == [], model
        sent += len(came.seen)
    assert sent >= len(MODELS)


@pytest.mark.parametrize("door", DOORS)
def test_no_address_of_the_environment_is_asked(there: tuple[Border, ScriptedVendor], door: Door) -> None:
    here, elsewhere = there
    for model in (*MODELS, *(f"{prefix}/some-model" for prefix in (OTHERS if door == "litellm" else ()))):
        came = ask(here, make_provider(model, None, door))
        assert elsewhere.seen == [], (model, elsewhere.seen)
        assert came.seen == ()
        assert isinstance(came.result, Fault)
        assert MARK not in came.fault.message, model


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("model", MODELS)
def test_headers_of_the_file_are_sent_at_both_doors(
    there: tuple[Border, ScriptedVendor], model: str, door: Door
) -> None:
    here, _ = there
    headers = {"X-Title": "eval", "openai-organization": "org-1", "Authorization": "Bearer mine"}
    provider = replace(make_provider(model, here.vendor.url + "/v1", door), headers=headers)
    came = ask(here, provider)
    (seen,) = came.seen
    assert {name: seen.headers[name.lower()] for name in headers} == headers
    assert not any(name in seen.raw.decode() for name in ("X-Title", "org-1", "headers"))
    assert isinstance(came.result, Answer)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("model", ["openai/some-model", "anthropic/claude-haiku-5-5", "gemini/some-model"])
@pytest.mark.parametrize(
    "params",
    [
        pytest.param({"base_url": "http://127.0.0.1:9/v1"}, id="address"),
        pytest.param({"mock_response": "7"}, id="made-up answer"),
        pytest.param({"extra_body": {"model": "other"}}, id="model in the body"),
        pytest.param({"aws_secret_access_key": "x"}, id="credential"),
        pytest.param({"fallbacks": [{"model": "openai/x", "api_base": "http://127.0.0.1:9"}]}, id="fallbacks"),
    ],
)
@pytest.mark.parametrize("where", ["file", "request"])
def test_a_parameter_that_diverts_a_call_is_refused_before_it_is_sent(
    there: tuple[Border, ScriptedVendor], door: Door, model: str, params: dict[str, Json], where: str
) -> None:
    here, _ = there
    declared = make_provider(model, here.vendor.url + "/v1", door, params=params if where == "file" else {})
    came = ask(here, declared, params=params if where == "request" else {})
    assert came.seen == ()
    assert came.fault.kind is Kind.BAD_REQUEST
    assert "may not be set" in came.fault.message


def test_no_template_is_looked_up_elsewhere() -> None:
    """LiteLLM does so for Replicate and others; the file's headers, maybe secret, would go along."""
    left: list[object] = []

    class Watched:
        async def exchange(self, *parts: object) -> Reply:
            left.append(parts)
            return Reply(200, {}, "{}")

    async def look_up() -> None:
        loan = Loan(cast("Session", Watched()), {"x-secret": "of the file"}, lambda: None)
        await loan.send(httpx.Request("GET", "https://huggingface.co/a/model/raw/main/tokenizer_config.json"))

    with pytest.raises(httpx.ConnectError, match=r"nothing is asked of huggingface\.co"):
        asyncio.run(look_up())
    assert left == []


def test_every_direct_prefix_was_asked() -> None:
    assert {model.partition("/")[0] for model in MODELS} >= PREFIXES


PREFIXES = frozenset(prefix for vendor in vendors() for prefix in vendor.direct)

AWS: dict[str, Json] = {
    "aws_access_key_id": "AKIAPLANTED",
    "aws_secret_access_key": "planted-secret-of-aws",
    "aws_region_name": "eu-west-1",
}
BEDROCK = "bedrock/anthropic.claude-3-haiku-20240307-v1:0"


def test_bedrock_without_a_key_is_signed_with_the_files_credentials(there: tuple[Border, ScriptedVendor]) -> None:
    here, _ = there
    provider = without_key(make_provider(BEDROCK, here.vendor.url, params={**AWS, "temperature": 0}))
    came = ask(here, provider)
    (seen,) = came.seen
    assert re.match(r"AWS4-HMAC-SHA256 Credential=AKIAPLANTED/\d+/eu-west-1/bedrock/", seen.headers["authorization"])
    assert "planted-secret" not in all_of(seen)
    assert seen.json.get("inferenceConfig", {"temperature": 0}) == {"temperature": 0}


def test_bedrock_asks_no_address_of_the_environment(there: tuple[Border, ScriptedVendor]) -> None:
    here, elsewhere = there
    for provider in (make_provider(BEDROCK, None, params=AWS), without_key(make_provider(BEDROCK, None, params=AWS))):
        assert ask(here, provider).seen == ()
        assert elsewhere.seen == []


def test_bedrock_with_a_key_sends_it(there: tuple[Border, ScriptedVendor]) -> None:
    here, _ = there
    provider = make_provider(BEDROCK, here.vendor.url, params={"aws_region_name": "eu-west-1"})
    assert ask(here, provider).seen[0].bearer == "sk-planted-bedrock#1-secret"


@pytest.mark.parametrize(
    ("model", "package", "extra"),
    [
        pytest.param(BEDROCK, ("boto3", "botocore"), "bedrock", id="bedrock"),
        pytest.param("vertex_ai/gemini-3.5-flash", ("google", "google.auth"), "google", id="vertex"),
    ],
)
def test_a_package_that_is_not_there_is_named_with_its_extra(
    there: tuple[Border, ScriptedVendor],
    monkeypatch: pytest.MonkeyPatch,
    model: str,
    package: tuple[str, ...],
    extra: str,
) -> None:
    for name in [each for each in sys.modules if each.partition(".")[0] in package]:
        monkeypatch.setitem(sys.modules, name, None)
    for name in package:
        monkeypatch.setitem(sys.modules, name, None)
    here, _ = there
    came = ask(here, without_key(make_provider(model, here.vendor.url)))
    assert came.seen == ()
    assert came.fault.kind is Kind.PERMISSION
    assert f"pip install 'router[{extra}]'" in came.fault.message
