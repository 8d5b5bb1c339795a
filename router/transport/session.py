"""The only connection to vendors: one aiohttp session for all keys, which both doors use.

Whatever a vendor's server does is met here, for all of them: no redirect is followed, no cookie kept (a shared jar
would send the `__cf_bm` that one key was given with the next key, and so link the accounts behind them), no `.netrc`
read; a body has a ceiling, and what comes out of here is clean text.
"""

from __future__ import annotations

import asyncio
import resource
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import SimpleNamespace

import aiohttp
import certifi
import httpx
from yarl import URL

from router.transport.body import PACKED
from router.transport.opened import Opened
from router.transport.proxies import proxy_for
from router.types import Reply

SPARE_FILES = 128
"""For logs, pipes, libraries: open files that are no connections."""
CONNECT_S = 30.0
KEEP_OPEN_S = 60.0
"""Idle connections are kept so long. Many servers close theirs after 60 s or more, and are heard when they do."""

OnSent = Callable[[], None]
"""Called when a request is on the wire."""


class Session:
    """Sends requests and returns replies."""

    def __init__(self, max_connections: int) -> None:
        self._pool = aiohttp.TCPConnector(
            limit=_connections_for(max_connections),
            limit_per_host=0,
            ttl_dns_cache=300,
            keepalive_timeout=KEEP_OPEN_S,
            ssl=_trust(),
        )
        self._http = aiohttp.ClientSession(
            connector=self._pool,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"accept-encoding": ", ".join(name for name in PACKED if not name.startswith("x-"))},
            trust_env=False,
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S),
            trace_configs=[_trace()],
        )
        self._origins: dict[URL, aiohttp.ClientRequest] = {}
        self._opening: dict[URL, asyncio.Task[None]] = {}

    async def exchange(
        self,
        method: str,
        url: URL,
        headers: Mapping[str, str] | httpx.Headers,
        body: bytes | None = None,
        on_sent: OnSent | None = None,
    ) -> Reply:
        """Send one request and read its reply; raises what aiohttp raises where none comes.

        A reply that cannot be used, because it is too long or a redirect, says so in `error`.
        """
        opened = await self.open(method, url, headers, body, on_sent)
        try:
            return await opened.whole()
        finally:
            await opened.close()

    async def open(
        self,
        method: str,
        url: URL,
        headers: Mapping[str, str] | httpx.Headers,
        body: bytes | None = None,
        on_sent: OnSent | None = None,
    ) -> Opened:
        """Send one request and return its reply as soon as the head is there; whoever opens it closes it."""
        to_origin = self._to_origin(url)

        def sent() -> None:
            if on_sent is not None:
                on_sent()
            self._keep_one_open(to_origin)

        response = await self._http.request(
            method,
            url,
            headers=headers,
            data=body,
            allow_redirects=False,
            proxy=to_origin.proxy,
            trace_request_ctx=sent,
        )
        return Opened(response)

    async def connect(self, url: URL) -> None:
        """Open a connection for a later request; raises ConfigError, and nothing for what the network does."""
        await self._open_one(self._to_origin(url))

    async def close(self) -> None:
        """Close every connection."""
        opening = tuple(self._opening.values())
        for task in opening:
            task.cancel()
        await asyncio.gather(*opening, return_exceptions=True)
        await self._http.close()

    def _to_origin(self, url: URL) -> aiohttp.ClientRequest:
        """What a connection to a URL's origin is opened for and known by in the pool, with its proxy."""
        origin = url.origin()
        if origin not in self._origins:
            loop = asyncio.get_running_loop()
            self._origins[origin] = aiohttp.ClientRequest("GET", origin, loop=loop, proxy=proxy_for(origin))
        return self._origins[origin]

    def _keep_one_open(self, to_origin: aiohttp.ClientRequest) -> None:
        """Have a connection wait for the next call to an origin: one that must connect first leaves late."""
        idle = self._pool._conns.get(to_origin.connection_key, ())  # noqa: SLF001 - aiohttp tells it nowhere else
        if to_origin.url in self._opening or any(connection.is_connected() for connection, _ in idle):
            return
        opening = asyncio.create_task(self._open_one(to_origin), name=f"connect to {to_origin.url}")
        self._opening[to_origin.url] = opening
        opening.add_done_callback(lambda _: self._opening.pop(to_origin.url, None))

    async def _open_one(self, to_origin: aiohttp.ClientRequest) -> None:
        # What keeps this one from connecting will be the next call's news.
        with suppress(aiohttp.ClientError, OSError):
            connection = await self._pool.connect(to_origin, [], self._http.timeout)
            connection.release()


def _trust() -> ssl.SSLContext:
    """The machine's authorities (and SSL_CERT_FILE's), and certifi's where the machine has none, as some Pythons do."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


async def _sent(_session: aiohttp.ClientSession, context: SimpleNamespace, _params: object) -> None:
    context.trace_request_ctx()


def _trace() -> aiohttp.TraceConfig:
    trace = aiohttp.TraceConfig()
    # Of a request with a body this is the later of the two signals: aiohttp holds the headers back for it.
    trace.on_request_chunk_sent.append(_sent)
    return trace


def _connections_for(wanted: int) -> int:
    """How many connections may be open: what is wanted, if the limit on open files can be raised that far.

    Calls beyond it wait for a connection. Without this they would fail with "too many open files", and the vendor would
    be blamed for it.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    need = wanted + SPARE_FILES
    if soft < need:
        soft = need if hard == resource.RLIM_INFINITY else min(need, hard)
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(1, min(wanted, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE_FILES))
