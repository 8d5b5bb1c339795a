"""Proxies as the environment names them, asked for once; and a `.netrc` that nobody reads."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from pathlib import Path

import pytest
from vendors import ScriptedVendor, chat, make_config, make_provider, scripted
from yarl import URL

from router.config.models import Door
from router.errors import ConfigError
from router.transport import session
from router.transport.base import Call
from router.transport.litellm_transport import LiteLLMTransport
from router.transport.proxies import proxy_for
from router.types import Answer, Request

pytestmark = pytest.mark.filterwarnings("ignore:Items? .* on TypedDict:UserWarning")
NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
DOORS: tuple[tuple[str, Door], ...] = (
    ("openai/m", "auto"),
    ("openai/m", "litellm"),
    ("anthropic/claude-haiku-5-5", "auto"),
    ("gemini/m", "auto"),
    ("nlp_cloud/m", "auto"),
)
NETRC = "default login somebody password netrc-secret\n"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("url", "variables", "proxy"),
    [
        pytest.param("https://v.test/v1", {}, None, id="none named"),
        pytest.param("https://v.test/v1", {"HTTPS_PROXY": "http://p:1"}, "http://p:1", id="https"),
        pytest.param("https://v.test/v1", {"https_proxy": "http://p:1"}, "http://p:1", id="small letters"),
        pytest.param("http://v.test/v1", {"HTTPS_PROXY": "http://p:1"}, None, id="of the other scheme"),
        pytest.param("http://v.test/v1", {"http_proxy": "http://p:1"}, "http://p:1", id="http"),
        pytest.param("https://v.test/v1", {"ALL_PROXY": "http://p:1"}, "http://p:1", id="all"),
        pytest.param(
            "https://v.test/", {"ALL_PROXY": "socks5://p", "HTTPS_PROXY": "http://p:1"}, "http://p:1", id="own"
        ),
        pytest.param("https://v.test/v1", {"HTTPS_PROXY": "p:1"}, "http://p:1", id="without a scheme"),
        pytest.param("https://v.test/v1", {"HTTPS_PROXY": ""}, None, id="empty"),
        pytest.param("https://v.test/", {"ALL_PROXY": "http://p:1", "NO_PROXY": "v.test"}, None, id="excepted"),
        pytest.param("https://a.v.test/", {"ALL_PROXY": "http://p:1", "NO_PROXY": ".v.test"}, None, id="by its domain"),
        pytest.param("https://v.test:8/", {"ALL_PROXY": "http://p:1", "NO_PROXY": "v.test:8"}, None, id="by its port"),
        pytest.param(
            "https://v.test:9/", {"ALL_PROXY": "http://p:1", "NO_PROXY": "v.test:8"}, "http://p:1", id="other"
        ),
        pytest.param("https://v.test/", {"ALL_PROXY": "http://p:1", "NO_PROXY": "*"}, None, id="all excepted"),
        pytest.param("http://127.0.0.1:9/", {"ALL_PROXY": "http://p:1"}, None, id="this machine"),
        pytest.param("http://localhost:9/", {"ALL_PROXY": "http://p:1"}, None, id="this machine by name"),
        pytest.param("http://[::1]:9/", {"ALL_PROXY": "http://p:1"}, None, id="this machine in IPv6"),
    ],
)
def test_the_proxy_of_an_address(
    environment: pytest.MonkeyPatch, url: str, variables: Mapping[str, str], proxy: str | None
) -> None:
    for name, value in variables.items():
        environment.setenv(name, value)
    assert proxy_for(URL(url)) == (URL(proxy) if proxy else None)


def test_a_proxy_that_speaks_no_http_is_refused_with_a_way_out(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("ALL_PROXY", "socks5://me:secret@p:1")
    with pytest.raises(ConfigError, match=r"socks5://p for v\.test.*HTTPS_PROXY.*NO_PROXY") as told:
        proxy_for(URL("https://v.test/v1"))
    assert "secret" not in str(told.value)


async def asked(vendor: ScriptedVendor, model: str, door: Door, url: str, times: int = 1) -> list[object]:
    vendor.says(chat("fine"))
    provider = make_provider(model, url, door)
    transport = LiteLLMTransport(make_config(provider, simulated=False))
    await transport.prepare()
    call = Call(provider, provider.keys[0], model, Request.of("What is 3 + 4?"))
    try:
        return [await transport.send(call, lambda: None) for _ in range(times)]
    finally:
        await transport.aclose()


@pytest.mark.parametrize(("model", "door"), DOORS)
def test_a_netrc_is_never_read(environment: pytest.MonkeyPatch, tmp_path: Path, model: str, door: Door) -> None:
    (tmp_path / ".netrc").write_text(NETRC, encoding="utf-8")
    (tmp_path / ".netrc").chmod(0o600)
    environment.setenv("HOME", str(tmp_path))
    environment.setenv("NETRC", str(tmp_path / ".netrc"))
    environment.setenv("HTTP_PROXY", "http://127.0.0.1:9")

    async def main() -> None:
        async with scripted() as vendor:
            (result,) = await asked(vendor, model, door, f"{vendor.url}/v1")
            assert isinstance(result, Answer)
            assert len(vendor.seen) == 1
            for headers in (seen.headers for seen in vendor.seen):
                assert "basic" not in headers.get("authorization", "").lower()
                assert "netrc-secret" not in str(headers)

    asyncio.run(main())


@pytest.mark.parametrize(("model", "door"), DOORS)
def test_a_call_leaves_by_the_proxy(environment: pytest.MonkeyPatch, tmp_path: Path, model: str, door: Door) -> None:
    (tmp_path / ".netrc").write_text(NETRC, encoding="utf-8")
    environment.setenv("NETRC", str(tmp_path / ".netrc"))

    async def main() -> None:
        async with scripted() as proxy:
            environment.setenv("HTTP_PROXY", proxy.url.replace("//", "//me:p%40ss@"))
            results = await asked(proxy, model, door, "http://vendor.test/v1", 3)
            assert [type(result) for result in results] == [Answer] * 3
            for seen in proxy.seen:
                assert seen.headers["host"] == "vendor.test"
                sent = seen.headers["proxy-authorization"].removeprefix("Basic ")
                assert base64.b64decode(sent) == b"me:p@ss"

    asyncio.run(main())


def test_the_environment_is_asked_once_an_address(environment: pytest.MonkeyPatch) -> None:
    asked_for = []

    def counted(url: URL) -> None:
        asked_for.append(str(url.origin()))

    environment.setattr(session, "proxy_for", counted)

    async def main() -> str:
        async with scripted() as vendor:
            await asked(vendor, "openai/m", "auto", f"{vendor.url}/v1", 20)
            return vendor.url

    assert asyncio.run(main()) in asked_for
    assert len(asked_for) == len(set(asked_for))
