"""One aiohttp session for every vendor and key, which shows each reply as it came off the wire.

Without cookies: a shared jar would send the `__cf_bm` that one key was given with the next key, and so link the
accounts behind them. LiteLLM is handed this session too, so that its door shows the same Reply as ours.
"""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Self

import aiohttp
import httpx
from aiohttp.base_protocol import BaseProtocol

from router.types import Reply

SPARE_FILES = 128
"""For logs, pipes, libraries: open files that are no connections."""

_caught: ContextVar[list[Reply] | None] = ContextVar("caught replies", default=None)


class Catch:
    """While it is entered, `replies` collects what this task's requests were answered, in order."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []

    def __enter__(self) -> Self:
        self._token = _caught.set(self.replies)
        return self

    def __exit__(self, *_exc: object) -> None:
        _caught.reset(self._token)

    @property
    def last(self) -> Reply | None:
        """The last reply, None where none came."""
        return self.replies[-1] if self.replies else None


_on_sent: ContextVar[Callable[[], None] | None] = ContextVar("tells of a sent request", default=None)


@contextmanager
def telling(on_sent: Callable[[], None]) -> Iterator[None]:
    """Call `on_sent` whenever this task's request is on the wire."""
    token = _on_sent.set(on_sent)
    try:
        yield
    finally:
        _on_sent.reset(token)


_headers: ContextVar[Mapping[str, str]] = ContextVar("headers of the provider", default={})  # noqa: B039 - never changed


@contextmanager
def adding(headers: Mapping[str, str]) -> Iterator[None]:
    """Send these headers with this task's requests, in the place of LiteLLM's of the same names."""
    token = _headers.set(headers)
    try:
        yield
    finally:
        _headers.reset(token)


async def _sent(_session: aiohttp.ClientSession, _context: object, _params: object) -> None:
    if (tell := _on_sent.get()) is not None:
        tell()


def _trace() -> aiohttp.TraceConfig:
    trace = aiohttp.TraceConfig()
    # Of a request with a body this is the later of the two signals: aiohttp holds the headers back for it.
    trace.on_request_chunk_sent.append(_sent)
    return trace


async def _catch(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    request.headers.update(_headers.get())
    replies = _caught.get()
    if replies is None:
        return await handler(request)
    try:
        response = await handler(request)
        body = await response.read()
    except aiohttp.ClientOSError as error:
        # By any name that httpx calls a ConnectError, LiteLLM would send the request once more, over a client of its
        # own; after a reset the vendor has seen it already. The cause still says what it was.
        raise aiohttp.ServerDisconnectedError from error
    replies.append(Reply(response.status, lower(response.headers), _text(response, body)))
    _replay(response, body)
    return response


def lower(headers: aiohttp.typedefs.LooseHeaders | httpx.Headers) -> dict[str, str]:
    """Headers with lower-case names; of a repeated one the last value."""
    return {str(name).lower(): str(value) for name, value in headers.items()}  # type: ignore[union-attr]


def _text(response: aiohttp.ClientResponse, body: bytes) -> str:
    """The body as text. LiteLLM asks aiohttp not to unpack it, so it is unpacked here, by httpx's decoders."""
    encoding = response.headers.get("content-encoding")
    if encoding and body:
        unpacked = httpx.Response(200, headers={"content-encoding": encoding}, stream=httpx.ByteStream(body))
        with suppress(httpx.DecodingError):
            body = unpacked.read()
    return body.decode(response.get_encoding(), errors="replace")


def _replay(response: aiohttp.ClientResponse, body: bytes) -> None:
    """Let whoever reads the response after us read it from the start."""
    loop = asyncio.get_running_loop()
    stream = aiohttp.StreamReader(BaseProtocol(loop), 2**16, loop=loop)
    stream.feed_data(body)
    stream.feed_eof()
    response.content = stream


def connections_for(wanted: int) -> int:
    """How many connections may be open: what is wanted, if the limit on open files can be raised that far.

    Calls beyond it wait for a connection. Without this they would fail with «too many open files», and the vendor would
    be blamed for it.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    need = wanted + SPARE_FILES
    if soft < need:
        soft = need if hard == resource.RLIM_INFINITY else min(need, hard)
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(1, min(wanted, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE_FILES))


def open_session(*, max_connections: int, trust_env: bool) -> aiohttp.ClientSession:
    """Open the session. `trust_env` heeds proxy variables, which simulated vendors on loopback must not."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections_for(max_connections), limit_per_host=0, ttl_dns_cache=300),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=trust_env,
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=30),
        middlewares=(_catch,),
        trace_configs=[_trace()],
    )
