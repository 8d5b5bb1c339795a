import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from io import BytesIO

import aiohttp
import pytest

from router.jsonl import encode
from router.rates import Rate
from router.simulator.client import stats_of, trouble
from router.simulator.endpoint import Endpoint
from router.simulator.server import serve
from router.simulator.spec import VendorSpec
from router.simulator.troubles import parse_trouble

KEY = "sk-planted"
SPEC = VendorSpec("v", keys=((KEY, "one"),), latency_median_s=0, accuracy=1)
QUESTION = {"role": "user", "content": "What is 2 + 3?"}
OPENAI = {"model": "m", "messages": [QUESTION]}
ANTHROPIC = {"model": "m", "max_tokens": 9, "messages": [QUESTION]}
GEMINI = {"contents": [{"parts": [{"text": "What is 2 + 3?"}]}]}
Ask = Callable[[Endpoint, aiohttp.ClientSession], Awaitable[None]]


def drive(spec: VendorSpec, ask: Ask) -> None:
    async def run() -> None:
        async with serve([spec]) as (endpoint,), aiohttp.ClientSession() as session:
            await ask(endpoint, session)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left

    asyncio.run(run())


async def chat(
    endpoint: Endpoint, session: aiohttp.ClientSession, key: str = KEY, *, stream: bool = False
) -> tuple[int, str, str]:
    headers = {"authorization": f"Bearer {key}"}
    url = endpoint.base_url + "/chat/completions"
    async with session.post(url, json={**OPENAI, "stream": stream}, headers=headers) as response:
        assert response.headers["x-simulated"] == "true"
        return response.status, response.headers["content-type"], await response.text()


async def until(endpoint: Endpoint, holds: Callable[[dict[str, object]], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds(await stats_of(endpoint)):
            pass


async def is_refused(endpoint: Endpoint, session: aiohttp.ClientSession) -> bool:
    try:
        status, _, _ = await chat(endpoint, session)
    except aiohttp.ClientConnectionError:
        return True
    assert status == 200
    return False


def after(*texts: str) -> VendorSpec:
    return replace(SPEC, troubles=tuple(parse_trouble(text) for text in texts))


@pytest.mark.parametrize(
    ("spec", "path", "headers", "body"),
    [
        pytest.param(SPEC, "/chat/completions", {"authorization": f"Bearer {KEY}"}, OPENAI, id="openai"),
        pytest.param(replace(SPEC, dialect="anthropic"), "/v1/messages", {"x-api-key": KEY}, ANTHROPIC, id="anthropic"),
        pytest.param(
            replace(SPEC, dialect="gemini"),
            "/models/m:generateContent",
            {"x-goog-api-key": KEY},
            GEMINI,
            id="gemini",
        ),
        pytest.param(
            replace(SPEC, dialect="gemini"),
            f"/models/m:generateContent?key={KEY}",
            {},
            GEMINI,
            id="gemini, key in the query",
        ),
    ],
)
def test_each_dialect_is_spoken_over_a_socket(
    spec: VendorSpec, path: str, headers: dict[str, str], body: object
) -> None:
    async def ask(endpoint: Endpoint, session: aiohttp.ClientSession) -> None:
        async with session.post(endpoint.base_url + path, json=body, headers=headers) as response:
            assert response.status == 200
            assert "The result of 2 + 3 is 5." in await response.text()

    drive(spec, ask)


def test_a_stream_is_events() -> None:
    async def ask(endpoint: Endpoint, session: aiohttp.ClientSession) -> None:
        status, content_type, text = await chat(endpoint, session, stream=True)
        assert status == 200
        assert content_type.startswith("text/event-stream")
        assert text.endswith("data: [DONE]\n\n")

    drive(SPEC, ask)


def test_limits_and_keys_hold_over_sockets_and_stats_tell() -> None:
    async def ask(endpoint: Endpoint, session: aiohttp.ClientSession) -> None:
        replies = [await chat(endpoint, session, key) for key in (KEY, KEY, KEY, "sk-wrong")]
        assert [status for status, _, _ in replies] == [200, 200, 429, 401]
        stats = await stats_of(endpoint)
        assert stats["simulated"] is True
        assert stats["keys"] == {
            "v#1": {"arrivals": 3, "ok": 2, "throttled": 1, "other": 0},
            "unknown": {"arrivals": 1, "ok": 0, "throttled": 0, "other": 1},
        }
        assert stats["peaks"] == {"address 2/min": 4}  # the wrong key came from the same address
        assert stats["in_flight"] == 0
        assert stats["peak_in_flight"] == 1

    drive(replace(SPEC, address_limits=(Rate(2, 60),)), ask)


def test_calls_in_flight_are_counted() -> None:
    async def ask(endpoint: Endpoint, session: aiohttp.ClientSession) -> None:
        hanging = [asyncio.create_task(chat(endpoint, session)) for _ in range(5)]
        await until(endpoint, lambda stats: stats["in_flight"] == 5)
        for each in hanging:
            each.cancel()
        await asyncio.gather(*hanging, return_exceptions=True)
        await until(endpoint, lambda stats: stats["in_flight"] == 0)
        assert (await stats_of(endpoint))["peak_in_flight"] == 5

    drive(after("hang"), ask)


def test_a_hanging_call_is_dropped_at_the_end_and_forgotten_when_its_client_leaves() -> None:
    async def ask(endpoint: Endpoint, session: aiohttp.ClientSession) -> None:
        left = asyncio.create_task(chat(endpoint, session))
        await until(endpoint, lambda stats: stats["in_flight"] == 1)
        left.cancel()
        hanging = asyncio.create_task(chat(endpoint, session))
        twice = {"v#1": {"arrivals": 2, "ok": 0, "throttled": 0, "other": 2}}
        await until(endpoint, lambda stats: stats["keys"] == twice and stats["in_flight"] == 1)
        hanging.cancel()
        await asyncio.gather(left, hanging, return_exceptions=True)

    drive(after("hang"), ask)


def test_the_servers_end_while_a_call_hangs() -> None:
    async def run() -> None:
        async with aiohttp.ClientSession() as session:
            async with serve([after("hang")]) as (endpoint,):
                hanging = asyncio.create_task(chat(endpoint, session))
                await until(endpoint, lambda stats: stats["in_flight"] == 1)
            with pytest.raises(aiohttp.ClientError):
                await asyncio.wait_for(hanging, 60)

    asyncio.run(run())


@pytest.mark.parametrize("stream", [False, True])
def test_a_cut_connection_is_an_incomplete_body(stream: bool) -> None:  # noqa: FBT001 - a parameter of the test
    async def ask(endpoint: Endpoint, session: aiohttp.ClientSession) -> None:
        with pytest.raises(aiohttp.ClientPayloadError):
            await chat(endpoint, session, stream=stream)

    drive(after("cut"), ask)


def test_a_trickle_comes_byte_by_byte() -> None:
    async def ask(endpoint: Endpoint, session: aiohttp.ClientSession) -> None:
        url, headers = endpoint.base_url + "/chat/completions", {"authorization": f"Bearer {KEY}"}
        async with session.post(url, json=OPENAI, headers=headers) as response:
            assert response.status == 200
            assert await response.content.readany() == b"{"

    drive(after("trickle"), ask)


@pytest.mark.parametrize(
    ("text", "statuses", "content_type"),
    [
        pytest.param("empty", {200}, "application/json", id="empty"),
        pytest.param("non_json", {200, 502}, "text/html; charset=UTF-8", id="non_json"),
        pytest.param("ip_block", {403}, "text/html; charset=UTF-8", id="ip_block"),
        pytest.param("overloaded", {503}, "application/json", id="overloaded"),
    ],
)
def test_troubles_over_sockets(text: str, statuses: set[int], content_type: str) -> None:
    async def ask(endpoint: Endpoint, session: aiohttp.ClientSession) -> None:
        status, kind, _ = await chat(endpoint, session)
        assert status in statuses
        assert kind == content_type

    drive(after(text), ask)


def test_troubles_come_on_request() -> None:
    async def ask(endpoint: Endpoint, session: aiohttp.ClientSession) -> None:
        await trouble(endpoint, ["revoked_key#1"])
        assert (await chat(endpoint, session))[0] == 401
        with pytest.raises(ValueError, match="no kind of trouble"):
            await trouble(endpoint, ["hung"])

    drive(SPEC, ask)


def test_a_vendor_that_is_down_refuses_and_comes_back_at_its_port() -> None:
    async def ask(endpoint: Endpoint, session: aiohttp.ClientSession) -> None:
        async with asyncio.timeout(60):
            while not await is_refused(endpoint, session):  # a machine that is busy may sleep through it
                await trouble(endpoint, ["down+0.05s"])
            while await is_refused(endpoint, session):
                pass

    drive(SPEC, ask)


def test_unknown_control_paths_are_named() -> None:
    async def ask(endpoint: Endpoint, session: aiohttp.ClientSession) -> None:
        async with session.get(endpoint.root + "/_simulator/other") as response:
            assert response.status == 404
        async with session.post(endpoint.root + "/_simulator/troubles", data=b"{}") as response:
            assert response.status == 400
            assert "JSON list" in await response.text()

    drive(SPEC, ask)


def test_a_long_prompt_passes() -> None:
    async def ask(endpoint: Endpoint, session: aiohttp.ClientSession) -> None:
        body = {"model": "m", "messages": [{"role": "user", "content": "word " * 600_000 + "2 + 3"}]}
        url, headers = endpoint.base_url + "/chat/completions", {"authorization": f"Bearer {KEY}"}
        async with session.post(url, data=BytesIO(encode(body)), headers=headers) as response:
            assert response.status == 200

    drive(SPEC, ask)


def test_every_vendor_has_its_own_port() -> None:
    async def run() -> None:
        async with serve([SPEC, replace(SPEC, name="w", dialect="gemini")]) as endpoints:
            assert [endpoint.name for endpoint in endpoints] == ["v", "w"]
            assert len({endpoint.root for endpoint in endpoints}) == 2
            assert [endpoint.base_url.rpartition("/")[2] for endpoint in endpoints] == ["v1", "v1beta"]

    asyncio.run(run())
