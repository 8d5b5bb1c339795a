"""A scripted vendor for tests: a real HTTP server on loopback that answers as it is told and records what arrives."""

from __future__ import annotations

import asyncio
import gzip
import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from aiohttp import web

from router.config.models import Config, Door, Key, Provider, Secret
from router.faults import Fault
from router.jsonl import decode, encode
from router.rates import parse_rate
from router.transport.base import Call
from router.transport.litellm_transport import LiteLLMTransport
from router.types import Answer, Chunk, Json, Request


@dataclass(frozen=True, slots=True)
class Says:
    """One scripted reply.

    `hangs` never answers; `cuts` drops the connection, before the first byte or, with a body, in its middle;
    `resets` does so as a machine does that has forgotten it; `drip_s` sends the body in ten pieces with so many
    seconds between them.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cookies: Mapping[str, str] = field(default_factory=dict)
    hangs: bool = False
    cuts: bool = False
    resets: bool = False
    drip_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    raw: bytes

    @property
    def json(self) -> Mapping[str, object]:
        body = decode(self.raw)
        assert isinstance(body, dict), body
        return body

    @property
    def bearer(self) -> str:
        return self.headers.get("authorization", "").removeprefix("Bearer ")


Script = Callable[[Seen], Says]
JSON = {"content-type": "application/json"}
HTML = {"content-type": "text/html; charset=UTF-8", "server": "cloudflare", "cf-ray": "9f2a-FRA"}


class ScriptedVendor:
    """Answers from `script`, which may be replaced at any time, and keeps all that it saw."""

    def __init__(self) -> None:
        self.script: Script = lambda _seen: chat("fine")
        self.seen: list[Seen] = []
        self.accepted = 0
        self.max_open = 0
        self.url = ""
        self._server = web.Server(self._handle, access_log=None, handler_cancellation=True)

    @property
    def open(self) -> int:
        return len(self._server.connections)

    def says(self, said: Says) -> None:
        """Answer everything so, and forget what was seen."""
        self.script = lambda _seen: said
        self.seen.clear()

    def accept(self) -> asyncio.BaseProtocol:
        self.accepted += 1
        return self._server()

    async def close(self) -> None:
        await self._server.shutdown(0.01)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        raw = await request.content.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        seen = Seen(request.method, request.path, request.query_string, headers, raw)
        self.seen.append(seen)
        self.max_open = max(self.max_open, self.open)
        return await _send(request, self.script(seen))


@asynccontextmanager
async def scripted() -> AsyncIterator[ScriptedVendor]:
    """Run a vendor while the block lasts."""
    vendor = ScriptedVendor()
    listener = await asyncio.get_running_loop().create_server(vendor.accept, "127.0.0.1", 0, backlog=1024)
    vendor.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield vendor
    finally:
        listener.close()
        await vendor.close()


@dataclass(slots=True)
class RawVendor:
    """Answers each request with the same bytes, whatever they are, and hangs up; for what no HTTP server would say.

    `more` is sent again and again after `reply`, up to `max_bytes`; `sent` counts what the other side took. One that
    `holds` sends no more then, and waits until the other side is `gone`.
    """

    reply: bytes = b""
    more: bytes = b""
    max_bytes: int = 0
    holds: bool = False
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    requests: list[bytes] = field(default_factory=list)
    sent: int = 0
    url: str = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the other side has had enough
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next((line[15:] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b"0")
        self.requests.append(head + await reader.readexactly(int(length)))
        writer.write(self.reply)
        await writer.drain()
        self.sent = 0
        while self.more and self.sent < self.max_bytes:
            writer.write(self.more)
            await writer.drain()
            self.sent += len(self.more)
        if self.holds:
            await reader.read()
            self.gone.set()


@asynccontextmanager
async def raw_vendor(vendor: RawVendor) -> AsyncIterator[RawVendor]:
    """Run it while the block lasts."""
    server = await asyncio.start_server(vendor.answer, "127.0.0.1", 0)
    vendor.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield vendor


async def _send(request: web.BaseRequest, said: Says) -> web.StreamResponse:
    if said.hangs:
        await asyncio.Event().wait()
    response = web.StreamResponse(status=said.status, headers=said.headers)
    for name, value in said.cookies.items():
        response.set_cookie(name, value)
    response.content_length = len(said.body)
    if said.resets:
        _forget(request)
    if (said.cuts or said.resets) and not said.body:
        return _hang_up(request, response)
    await response.prepare(request)
    if said.cuts or said.resets:
        await response.write(said.body[: len(said.body) // 2])
        await asyncio.sleep(0.005)
        return _hang_up(request, response)
    for piece in _pieces(said):
        await response.write(piece)
        await asyncio.sleep(said.drip_s)
    await response.write_eof()
    return response


def _hang_up(request: web.BaseRequest, response: web.StreamResponse) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.close()
    return response


def _forget(request: web.BaseRequest) -> None:
    """Have the kernel send a reset instead of a goodbye."""
    if request.transport is not None:
        connection = request.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _pieces(said: Says) -> list[bytes]:
    size = max(1, len(said.body) // 10) if said.drip_s else max(1, len(said.body))
    return [said.body[start : start + size] for start in range(0, len(said.body), size)]


# What vendors say.


def chat(text: str, *, model: str = "served-model", finish_reason: str = "stop", **more: object) -> Says:
    """A good chat completion in OpenAI's dialect."""
    message = {"role": "assistant", "content": text}
    return said(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1764000000,
            "model": model,
            "choices": [{"index": 0, "message": message, "finish_reason": finish_reason}],
            "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
            **more,
        }
    )


def said(body: object, status: int = 200, **headers: str) -> Says:
    """A JSON body; header names with `_` for `-`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Says(status, encode(body), {**JSON, **named})


EVENTS = {"content-type": "text/event-stream"}
USED = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}


def event(*, finish_reason: str | None = None, usage: object = None, **delta: object) -> bytes:
    """One event of OpenAI's streams; one with usage has no choices, as OpenAI sends it."""
    choices = [] if usage else [{"index": 0, "delta": delta, "finish_reason": finish_reason}]
    body = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "served-model", "choices": choices}
    return b"data: " + encode(body | ({"usage": usage} if usage else {})) + b"\n\n"


def stream(*texts: str, finish_reason: str | None = "stop", done: bool = True, **headers: str) -> Says:
    """A good stream in OpenAI's dialect."""
    ends = [event(finish_reason=finish_reason), event(usage=USED)] if finish_reason else []
    events = [event(role="assistant", content=""), *(event(content=text) for text in texts), *ends]
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Says(200, b"".join(events) + b"data: [DONE]\n\n" * done, {**EVENTS, **named})


def zipped(plain: Says) -> Says:
    """The same reply, packed."""
    return Says(plain.status, gzip.compress(plain.body), {**plain.headers, "content-encoding": "gzip"})


def refusal(status: int, message: str = "no", **headers: str) -> Says:
    """An error in OpenAI's dialect."""
    return said({"error": {"message": message, "type": "some_error", "code": "some_code"}}, status, **headers)


# A transport before it.


def make_provider(
    model: str,
    url: str | None,
    door: Door = "auto",
    *,
    keys: int = 1,
    params: Mapping[str, Json] | None = None,
    timeout_s: float = 10.0,
) -> Provider:
    name = model.partition("/")[0]
    names = [f"{name}#{number}" for number in range(1, keys + 1)]
    return Provider(
        name,
        {"default": model},
        tuple(Key(each, Secret(f"sk-planted-{each}-secret"), each) for each in names),
        (parse_rate("600/min"),),
        base_url=url,
        door=door,
        params=params or {},
        timeout_s=timeout_s,
    )


def make_config(*providers: Provider, simulated: bool = True) -> Config:
    return Config(Path("providers.yaml"), providers, simulated=simulated)


@dataclass(frozen=True, slots=True)
class Came:
    """What came of one call: the transport's result, the requests that arrived, how often it said "sent"."""

    result: Answer | Fault
    seen: tuple[Seen, ...]
    told: int
    chunks: tuple[Chunk, ...] = ()

    @property
    def text(self) -> str:
        return "".join(chunk.text for chunk in self.chunks)

    @property
    def fault(self) -> Fault:
        assert isinstance(self.result, Fault), self.result
        return self.result

    @property
    def answer(self) -> Answer:
        assert isinstance(self.result, Answer), self.result
        return self.result


@dataclass(slots=True)
class Border:
    """A real transport and a scripted vendor, both in one loop."""

    runner: asyncio.Runner
    vendor: ScriptedVendor
    transport: LiteLLMTransport

    def ask(
        self,
        script: Says,
        model: str,
        door: Door = "auto",
        *,
        params: Mapping[str, Json] | None = None,
        path: str = "/v1",
        url: str | None = None,
        timeout_s: float = 10.0,
        question: str = "What is 3 + 4?",
        streams: bool = False,
    ) -> Came:
        """Send one question, answered as scripted."""
        self.vendor.says(script)
        asking = self.ask_at(
            url or self.vendor.url + path,
            model,
            door,
            params=params,
            timeout_s=timeout_s,
            question=question,
            streams=streams,
        )
        came = self.runner.run(asking)
        return replace(came, seen=tuple(self.vendor.seen))

    async def ask_at(
        self,
        url: str,
        model: str,
        door: Door = "auto",
        *,
        params: Mapping[str, Json] | None = None,
        timeout_s: float = 10.0,
        question: str = "What is 3 + 4?",
        streams: bool = False,
    ) -> Came:
        """Send one question to whoever is there."""
        provider = make_provider(model, url, door, params=params, timeout_s=timeout_s)
        told: list[bool] = []
        call = Call(provider, provider.keys[0], model, Request.of(question))
        if not streams:
            return Came(await self.transport.send(call, lambda: told.append(True)), (), len(told))
        async with aclosing(self.transport.stream(call, lambda: told.append(True))) as pieces:
            came = [piece async for piece in pieces]
        *chunks, result = came
        assert not isinstance(result, Chunk)
        return Came(result, (), len(told), tuple(chunk for chunk in chunks if isinstance(chunk, Chunk)))


@contextmanager
def border() -> Iterator[Border]:
    """Open one for as long as the block lasts."""
    with asyncio.Runner() as runner:
        opened = scripted()
        vendor = runner.run(opened.__aenter__())
        # Gemini is there to be imported beforehand, as for everybody who declares it.
        transport = LiteLLMTransport(make_config(make_provider("gemini/some-model", vendor.url)))
        runner.run(transport.prepare())
        yield Border(runner, vendor, transport)
        runner.run(transport.aclose())
        runner.run(opened.__aexit__(None, None, None))
