"""Lends our session to the HTTP clients that LiteLLM makes and keeps, one for each key and vendor.

Left to itself, each of them opens a session of its own, which follows redirects, sends again after a reset and reads
without end. So all its clients get a transport without connections: each request leaves through the session that
whoever calls has lent for this call.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import aiohttp
import httpx
from yarl import URL

from router.classify import end_of, is_fault
from router.transport.opened import Opened
from router.transport.session import OnSent, Session
from router.transport.sse import Event, EventStream, is_broken_event, parsed
from router.types import Reply

_HIDDEN = frozenset(
    {"connection", "content-encoding", "content-length", "content-type", "keep-alive", "location", "set-cookie",
     "transfer-encoding", "uri"}
)  # fmt: skip
"""Headers that LiteLLM is not shown: the body is unpacked text by now, redirects and cookies are nobody's business."""

LARGE = 2**18
LOOKED_UP_AT = "huggingface.co"
"""For some vendors LiteLLM asks there for a model's chat template, with our headers; without one it uses its own."""


class Loan:
    """The session, lent for one call. `reply` is the last that a request was answered, None where none came.

    For a call that `streams`, `opened` is where the body of that reply comes from, None where it was read whole. What
    its events say themselves of the end is in `broken`, the one that means that there will be no answer, and in
    `finish_reason`.
    """

    def __init__(self, session: Session, headers: Mapping[str, str], on_sent: OnSent, *, streams: bool = False) -> None:
        self._session = session
        self._headers = headers
        self._on_sent = on_sent
        self._streams = streams
        self._loop = asyncio.get_running_loop()
        self.reply: Reply | None = None
        self.opened: Opened | None = None
        self.broken = ""
        self.finish_reason = ""

    async def send(self, request: httpx.Request) -> httpx.Response:
        """Send a request of httpx's through the session, and keep the reply."""
        await request.aread()
        return await (self._open(request) if self._streams else self._whole(request))

    def send_from_a_thread(self, request: httpx.Request) -> httpx.Response:
        """The same, read whole, for those of LiteLLM's handlers that block a thread."""
        request.read()
        return asyncio.run_coroutine_threadsafe(self._whole(request), self._loop).result()

    async def _whole(self, request: httpx.Request) -> httpx.Response:
        with _in_words_of_httpx(request):
            self.reply = await self._session.exchange(*self._parts(request))
        return _response(self.reply, request)

    async def _open(self, request: httpx.Request) -> httpx.Response:
        await self.close()
        with _in_words_of_httpx(request):
            self.opened = opened = await self._session.open(*self._parts(request))
            self.reply = opened.head
            if opened.is_good and _media_type(opened.head) != "application/json":
                return _response(opened.head, request, _Streamed(self, opened, request))
            self.reply = await opened.whole()
        await self.close()
        return _response(self.reply, request)

    def listen(self, events: Sequence[Event]) -> None:
        """Keep what events say of the end, in the vendor's own words."""
        for event in events:
            body = parsed(event.data)
            self.finish_reason = self.finish_reason or end_of(body)
            if not self.broken and is_broken_event(event, body):
                self.broken = event.data

    async def close(self) -> None:
        """Close the reply that was opened."""
        if self.opened is not None:
            await self.opened.close()
            self.opened = None

    def _parts(self, request: httpx.Request) -> tuple[str, URL, httpx.Headers, bytes | None, OnSent]:
        if request.url.host == LOOKED_UP_AT:
            raise httpx.ConnectError(f"nothing is asked of {LOOKED_UP_AT}, which is no vendor", request=request)
        request.headers.pop("accept-encoding", None)  # what can be unpacked is the session's to say
        request.headers.update(self._headers)
        url = URL(str(request.url), encoded=True)
        return request.method, url, request.headers, request.content or None, self._on_sent


class _Streamed(httpx.AsyncByteStream):
    """A body as LiteLLM reads it; on the way its events are searched for what they say of failure."""

    def __init__(self, loan: Loan, opened: Opened, request: httpx.Request) -> None:
        self._loan = loan
        self._opened = opened
        self._request = request
        self._events = EventStream()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _in_words_of_httpx(self._request):
            while (piece := await self._opened.next_piece()) is not None:
                self._loan.listen(self._events.feed(piece))
                yield piece


@contextmanager
def _in_words_of_httpx(request: httpx.Request) -> Iterator[None]:
    try:
        yield
    except (aiohttp.ClientError, aiohttp.http_exceptions.HttpProcessingError, OSError) as error:
        # By most other names LiteLLM would send the request once more. The cause still says what it was.
        raise httpx.ReadError(str(error), request=request) from error


def _response(reply: Reply, request: httpx.Request, stream: httpx.AsyncByteStream | None = None) -> httpx.Response:
    content = None if stream else _body(reply)
    return httpx.Response(reply.status or 0, headers=_headers(reply), content=content, stream=stream, request=request)


def _body(reply: Reply) -> bytes:
    """LiteLLM reads answers. What a failure means is read from the reply itself, however long its text is.

    Something large is judged first: a million empty answers would keep LiteLLM busy for most of a minute.
    """
    is_good = not reply.error and (reply.status or 0) < 300  # noqa: PLR2004
    is_shown = is_good and (len(reply.body) < LARGE or not is_fault(reply))
    return reply.body.encode() if is_shown else b"{}"


def _headers(reply: Reply) -> list[tuple[bytes, bytes]]:
    shown = [(name.encode(), value.encode()) for name, value in reply.headers.items() if name not in _HIDDEN]
    return [*shown, (b"content-type", f"{_media_type(reply)}; charset=utf-8".encode())]


def _media_type(reply: Reply) -> str:
    return reply.headers.get("content-type", "text/plain").partition(";")[0].strip()


_lent: ContextVar[Loan | None] = ContextVar("the caller's session", default=None)


class _Borrowed(httpx.AsyncBaseTransport):
    """Sends through the caller's session; whoever uses LiteLLM beside us, and lends none, gets one of httpx's own."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if (loan := _lent.get()) is not None:
            return await loan.send(request)
        return await _for_others().handle_async_request(request)


class _BorrowedByThreads(httpx.BaseTransport):
    """The same where LiteLLM blocks; in the loop's own thread it can only go its own way, without redirects."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        loan = _lent.get()
        if loan is not None and not _is_in_a_loop():
            return loan.send_from_a_thread(request)
        response = httpx.HTTPTransport().handle_request(request)
        if loan is not None:
            response.headers.pop("location", None)
        return response


def _is_in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


@cache
def _for_others() -> httpx.AsyncBaseTransport:
    return httpx.AsyncHTTPTransport()


def install(litellm: Any) -> None:
    """Make every client that LiteLLM creates from now on use the lent session."""
    from litellm.llms.custom_httpx.http_handler import AsyncHTTPHandler

    borrowed = _Borrowed()
    no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=()))
    # OpenAI's SDK sends through this client, for any key.
    litellm.aclient_session = httpx.AsyncClient(transport=borrowed, cookies=no_cookies, trust_env=False)
    litellm.sync_transport = _BorrowedByThreads()
    # LiteLLM has no setting for this one; it is asked for every other client that is made.
    handler: Any = AsyncHTTPHandler
    handler.create_async_transport = staticmethod(lambda **_: borrowed)


@contextmanager
def lending(loan: Loan) -> Iterator[None]:
    """Let this task's requests leave through the lent session, and spare LiteLLM its own logging of them.

    That logging costs a millisecond, and at Ollama it asks the server about the model with a blocking call.
    """
    from litellm._internal_context import is_internal_call

    lent = _lent.set(loan)
    was_internal = is_internal_call.set(True)
    try:
        yield
    finally:
        is_internal_call.reset(was_internal)
        _lent.reset(lent)
