"""One session for all keys: no cookies, no growing number of sockets, nothing left behind, nothing printed."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from vendors import Border, Says, ScriptedVendor, border, chat, make_config, make_provider, refusal, scripted

from router.config.models import Door, Provider
from router.errors import ConfigError
from router.transport import shared_session
from router.transport.base import Call
from router.transport.direct import MAX_MAPPED
from router.transport.litellm_import import load
from router.transport.litellm_transport import LiteLLMTransport
from router.types import Answer, Json, Request

pytestmark = pytest.mark.filterwarnings("ignore:Items? .* on TypedDict:UserWarning")
MODELS = ("openai/m", "deepseek/m", "anthropic/claude-haiku-5-5", "gemini/m", "cohere/m", "azure/m", "minimax/m")
DOORS: tuple[Door, ...] = ("auto", "litellm")
HELLO = Request.of("What is 3 + 4?")


def untold() -> None: ...


@asynccontextmanager
async def transport_for(*providers: Provider) -> AsyncIterator[LiteLLMTransport]:
    transport = LiteLLMTransport(make_config(*providers))
    await transport.prepare()
    try:
        yield transport
    finally:
        await transport.aclose()


async def send_all(transport: LiteLLMTransport, provider: Provider, times: int = 1) -> list[object]:
    """`times` calls with every key, as many at once as there is room for."""
    (model,) = provider.models.values()
    room = asyncio.Semaphore(8)

    async def one(call: Call) -> object:
        async with room:
            return await transport.send(call, untold)

    calls = [Call(provider, key, model, HELLO) for key in provider.keys] * times
    return await asyncio.gather(*map(one, calls))


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("model", MODELS)
def test_no_cookie_is_ever_sent_back(model: str, door: Door) -> None:
    async def main() -> list[str | None]:
        async with scripted() as vendor:
            good = chat("fine")
            vendor.says(Says(200, good.body, good.headers, cookies={"__cf_bm": "of-the-first-key"}))
            provider = make_provider(model, vendor.url, door, keys=2)
            async with transport_for(provider) as transport:
                for _ in range(2):
                    await send_all(transport, provider)
            return [seen.headers.get("cookie") for seen in vendor.seen]

    assert asyncio.run(main()) == [None] * 4


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize(
    ("model", "door", "keys", "times"),
    [
        pytest.param("openai/m", "auto", 50, 20, id="direct, 50 keys, often"),
        # LiteLLM's cache of clients holds 200.
        pytest.param("openai/m", "litellm", 210, 1, id="wide, 210 keys"),
        pytest.param("azure/m", "litellm", 210, 1, id="wide, Azure, 210 keys"),
        pytest.param("anthropic/claude-haiku-5-5", "litellm", 50, 1, id="wide, Anthropic, 50 keys"),
    ],
)
def test_many_keys_share_few_connections(model: str, door: Door, keys: int, times: int) -> None:
    async def main() -> tuple[ScriptedVendor, int, list[object], set[str]]:
        async with scripted() as vendor:
            vendor.says(chat("fine"))
            provider = make_provider(model, vendor.url, door, keys=keys)
            before = descriptors()
            tasks = asyncio.all_tasks()
            async with transport_for(provider) as transport:
                results = await send_all(transport, provider, times)
                results += await send_all(transport, provider, times)
                held = descriptors() - before
            assert descriptors() <= before + 8  # the vendor's ends, which it closes in its own time
            left = {getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks() - tasks}
            return vendor, held, results, left - {"RequestHandler.start"}  # the vendor's own

    vendor, held, results, left = asyncio.run(main())
    assert all(isinstance(result, Answer) for result in results)
    assert len(vendor.seen) == len(results) == 2 * keys * times
    assert vendor.accepted <= 8 + 1  # one waits for the next call
    assert vendor.max_open <= 8 + 1
    assert held <= 2 * (8 + 1) + 2
    assert left == set()
    gc.collect()  # "Unclosed client session" would be an error here


def test_the_most_connections_are_what_the_providers_may_have_in_flight() -> None:
    async def main() -> int:
        async with scripted() as vendor:
            vendor.says(chat("fine"))
            provider = replace(make_provider("openai/m", vendor.url, keys=40), concurrency=3)
            async with transport_for(provider) as transport:
                calls = [Call(provider, key, "openai/m", HELLO) for key in provider.keys]
                await asyncio.gather(*(transport.send(call, untold) for call in calls))
            return vendor.accepted

    assert asyncio.run(main()) <= 3 + 1 + 16


@pytest.mark.parametrize("model", MODELS)
def test_a_second_transport_uses_its_own_session(model: str) -> None:
    """LiteLLM keeps its clients; they must not go on with a session that was closed, nor open one of their own."""

    async def main() -> list[int]:
        told = []
        async with scripted() as vendor:
            vendor.says(chat("fine"))
            provider = make_provider(model, vendor.url, "litellm")
            call = Call(provider, provider.keys[0], model, HELLO)
            for _ in range(3):
                on_wire = asyncio.Event()
                async with transport_for(provider) as transport:
                    assert isinstance(await transport.send(call, on_wire.set), Answer)
                told.append(int(on_wire.is_set()))
            assert 3 <= vendor.accepted <= 2 * 3  # each opens one for the next call, too
        return told

    assert asyncio.run(main()) == [1, 1, 1]
    assert asyncio.run(main()) == [1, 1, 1]  # in another loop, too
    gc.collect()


def test_parameters_of_items_are_not_kept_for_ever() -> None:
    async def main() -> tuple[int, int]:
        async with scripted() as vendor:
            vendor.says(chat("fine"))
            provider = make_provider("openai/m", vendor.url, keys=2)
            async with transport_for(provider) as transport:
                for seed in range(MAX_MAPPED + 20):
                    request = Request(HELLO.messages, params={"seed": seed})
                    await transport.send(Call(provider, provider.keys[seed % 2], "openai/m", request), untold)
                assert [seen.json["seed"] for seen in vendor.seen] == list(range(MAX_MAPPED + 20))
                door = transport._direct
                return len(door._routes), len(door._mapped)

    assert asyncio.run(main()) == (2, MAX_MAPPED)


def test_two_transports_at_once_do_not_disturb_each_other() -> None:
    async def main() -> None:
        async with scripted() as vendor:
            vendor.says(chat("fine"))
            provider = make_provider("openai/m", vendor.url, "litellm")
            call = Call(provider, provider.keys[0], "openai/m", HELLO)
            async with transport_for(provider) as first:
                await first.send(call, untold)
                async with transport_for(provider) as second:
                    await second.send(call, untold)
                assert isinstance(await first.send(call, untold), Answer)
            assert 2 <= vendor.accepted <= 2 * 2

    asyncio.run(main())


def test_others_may_go_on_using_litellm_in_this_process() -> None:
    async def main() -> str:
        async with scripted() as vendor:
            vendor.says(chat("fine"))
            async with transport_for(make_provider("openai/m", vendor.url, "litellm")):
                response = await load().acompletion(
                    "openai/m",
                    messages=[{"role": "user", "content": "What is 3 + 4?"}],
                    api_base=vendor.url,
                    api_key="sk-of-somebody-else",
                )
            await shared_session._for_others().aclose()
            return str(response.choices[0].message.content)

    assert asyncio.run(main()) == "fine"


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("model", MODELS)
def test_a_rehearsal_heeds_no_proxy(model: str, door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """A company's proxy knows nothing of this machine's loopback."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    async def main() -> list[object]:
        async with scripted() as vendor:
            vendor.says(chat("fine"))
            provider = make_provider(model, vendor.url, door)
            async with transport_for(provider) as transport:
                return await send_all(transport, provider)

    assert [type(result) for result in asyncio.run(main())] == [Answer]


@pytest.mark.parametrize(
    ("model", "params", "why"),
    [
        pytest.param("zai/glm-4.5-air", {"response_format": {"type": "json_object"}}, "response_format", id="direct"),
        pytest.param("anthropic/claude-haiku-5-5", {"temperature": 0.5}, "temperature=0.5", id="wide"),
        pytest.param("nobody/m", {}, "LLM Provider NOT provided", id="nobody's prefix"),
        pytest.param("voyage/m", {}, "Unmapped LLM provider", id="a vendor that does not chat"),
    ],
)
def test_what_can_never_be_sent_is_refused_before_the_first_call(model: str, params: dict[str, Json], why: str) -> None:
    provider = make_provider(model, "http://127.0.0.1:9/v1", params=params)

    async def main() -> None:
        await LiteLLMTransport(make_config(provider)).prepare()

    with pytest.raises(ConfigError, match=f"providers.yaml: {provider.name}: .*{why}"):
        asyncio.run(main())
    gc.collect()


# StallDetector.


@pytest.fixture(scope="module")
def there() -> Iterator[Border]:
    with border() as opened:
        yield opened


def test_nothing_is_printed(there: Border, capfd: pytest.CaptureFixture[str]) -> None:
    scripts: Sequence[Says] = (chat("fine"), refusal(429), refusal(401), refusal(500), Says(200, b"x"), Says(cuts=True))
    for model in (*MODELS, "zai/m", "ollama_chat/m", "vllm/m", "nobody/m"):
        for door in DOORS:
            for script in scripts:
                there.ask(script, model, door)
            there.ask(chat("fine"), model, door, params={"response_format": {"type": "json_object"}, "temperature": 0})
            there.ask(chat("fine"), model, door, url="http://127.0.0.1:9")
    assert tuple(capfd.readouterr()) == ("", "")


IMPORTED = """
import sys, warnings
warnings.simplefilter("always")
import router, router.transport.litellm_transport
assert "litellm" not in sys.modules, "too early"
from router.transport.litellm_import import load
load()
"""


def test_the_import_is_late_and_silent_and_reads_no_env_file_nearby(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("OPENAI_API_KEY=sk-of-somebody-else\n", encoding="utf-8")
    program = IMPORTED + "import os; print(os.environ.get('OPENAI_API_KEY'))"
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI", "LITELLM"))}
    done = subprocess.run(  # noqa: S603 - ourselves
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program],
        cwd=tmp_path,
        env={**clean, "PYTHONPATH": str(Path(__file__).parent.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "None\n", "")
