"""Serves simulated vendors on loopback: one port each, over aiohttp's low-level server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from math import inf

from aiohttp import web

from router.jsonl import decode, encode
from router.simulator.dialects.base import Wire
from router.simulator.endpoint import PATHS, STATS_PATH, TROUBLES_PATH, Endpoint
from router.simulator.spec import VendorSpec
from router.simulator.troubles import Trouble, parse_trouble
from router.simulator.vendor import Decision, Vendor

SIMULATED: Mapping[str, str] = {"x-simulated": "true"}
BACKLOG = 4096
REOPEN_PAUSE_S = 0.05
CLOSE_WITHIN_S = 0.01


@asynccontextmanager
async def serve(specs: Sequence[VendorSpec], host: str = "127.0.0.1") -> AsyncIterator[tuple[Endpoint, ...]]:
    """Run one server for each vendor while the block lasts; closing cancels the calls that still hang."""
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(_running(spec, host)) for spec in specs]
        yield tuple(server.endpoint for server in servers)


@asynccontextmanager
async def _running(spec: VendorSpec, host: str) -> AsyncIterator[VendorServer]:
    server = VendorServer(spec, host)
    await server.open()
    keeper = asyncio.create_task(server.keep_downtimes())
    try:
        yield server
    finally:
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)
        await server.close()


class VendorServer:
    """One vendor at one port. Its clock starts when it is made."""

    def __init__(self, spec: VendorSpec, host: str) -> None:
        self.vendor = Vendor(spec, time.time())
        self._host = host
        self._port = 0
        self._started = time.monotonic()
        self._replanned = asyncio.Event()
        self._listener: asyncio.Server | None = None
        self._protocols = self._new_protocols()

    @property
    def endpoint(self) -> Endpoint:
        """Where it listens."""
        spec = self.vendor.spec
        return Endpoint(spec.name, spec.dialect, f"http://{self._host}:{self._port}{PATHS[spec.dialect]}")

    def now(self) -> float:
        """Seconds since it started."""
        return time.monotonic() - self._started

    async def open(self) -> None:
        """Listen, at the same port as before once there was one."""
        loop = asyncio.get_running_loop()
        self._protocols = self._new_protocols()
        listener = await loop.create_server(self._protocols, self._host, self._port, backlog=BACKLOG)
        self._listener = listener
        self._port = listener.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and drop every connection; a second call does nothing."""
        if self._listener is None:
            return
        self._listener.close()
        self._listener = None
        await self._protocols.shutdown(CLOSE_WITHIN_S)

    async def keep_downtimes(self) -> None:
        """Refuse connections whenever the vendor is down."""
        while True:
            now = self.now()
            if self.vendor.is_down(now):
                await self.close()
            elif self._listener is None:
                await self._reopen()
            await self._wait(self.vendor.next_change(now) - now)

    async def _wait(self, seconds: float) -> None:
        self._replanned.clear()
        try:
            async with asyncio.timeout(None if seconds == inf else seconds):
                await self._replanned.wait()
        except TimeoutError:
            return

    async def _reopen(self) -> None:
        while self._listener is None:
            try:
                await self.open()
            except OSError:  # somebody holds the port for a moment, as a client's own end of a connection
                await asyncio.sleep(REOPEN_PAUSE_S)

    def _new_protocols(self) -> web.Server:
        return web.Server(self._handle, access_log=None, handler_cancellation=True)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        now = self.now()
        path = request.path
        if path.startswith("/_simulator/"):
            return await self._control(request)
        body = await request.content.read()
        decision = self.vendor.answer(Wire(request.method, path, request.headers, request.query, body), now)
        tally = self.vendor.tally
        tally.enter()
        try:
            if decision.delay_s:
                await asyncio.sleep(decision.delay_s)
            return await _send(request, decision)
        finally:
            tally.leave()

    async def _control(self, request: web.BaseRequest) -> web.Response:
        if (request.method, request.path) == ("GET", STATS_PATH):
            return _json(200, self.vendor.stats())
        if (request.method, request.path) != ("POST", TROUBLES_PATH):
            return _json(404, {"error": f"there are GET {STATS_PATH} and POST {TROUBLES_PATH}"})
        try:
            troubles = _troubles(await request.content.read())
        except ValueError as error:
            return _json(400, {"error": str(error)})
        self.vendor.add_troubles(troubles, self.now())
        self._replanned.set()
        return _json(200, {"troubles": [str(trouble) for trouble in self.vendor.troubles]})


def _troubles(body: bytes) -> list[Trouble]:
    texts = decode(body)
    if not isinstance(texts, list):
        raise ValueError('expected a JSON list such as ["hang@5s+20s"]')  # noqa: TRY004 - read as a 400
    return [parse_trouble(str(text)) for text in texts]


def _json(status: int, value: object) -> web.Response:
    return web.Response(status=status, body=encode(value), headers={**SIMULATED, "content-type": "application/json"})


async def _send(request: web.BaseRequest, decision: Decision) -> web.StreamResponse:
    if decision.hangs:
        await asyncio.Event().wait()
    headers = {**decision.headers, **SIMULATED}
    if len(decision.pieces) == 1 and not decision.cuts:
        return web.Response(status=decision.status, body=decision.pieces[0], headers=headers)
    response = web.StreamResponse(status=decision.status, headers=headers)
    if decision.cuts:
        return await _send_half(request, response, decision.body)
    await response.prepare(request)
    for piece in decision.pieces:
        await response.write(piece)
        if decision.pause_s:
            await asyncio.sleep(decision.pause_s)
    await response.write_eof()
    return response


async def _send_half(request: web.BaseRequest, response: web.StreamResponse, body: bytes) -> web.StreamResponse:
    response.content_length = len(body)
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    await asyncio.sleep(0)
    if request.transport is not None:
        request.transport.close()
    return response
