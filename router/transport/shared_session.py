"""Lends our session to the HTTP clients that LiteLLM makes, one for each key, and keeps for longer than any session.

Left to itself, LiteLLM's client of a key goes on using the session that was open when it was made; where that one is
closed, it opens one of its own, of which nobody knows and which has cookies. So its clients get a transport without a
session: each request leaves through the session of whoever calls.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy

import aiohttp
import httpx

_lent: ContextVar[httpx.AsyncBaseTransport | None] = ContextVar("the caller's session", default=None)


class _Borrowed(httpx.AsyncBaseTransport):
    """Sends through the caller's session; whoever uses LiteLLM beside us, and lends none, gets one of httpx's own."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await (_lent.get() or _for_others()).handle_async_request(request)


@cache
def _for_others() -> httpx.AsyncBaseTransport:
    return httpx.AsyncHTTPTransport()


@cache
def borrowed() -> httpx.AsyncBaseTransport:
    """The transport for clients that LiteLLM may keep."""
    return _Borrowed()


@cache
def client() -> httpx.AsyncClient:
    """The client for `litellm.aclient_session`: OpenAI's SDK sends through it, for any key."""
    no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=()))
    return httpx.AsyncClient(transport=borrowed(), cookies=no_cookies, follow_redirects=True, trust_env=False)


def lender(session: aiohttp.ClientSession) -> httpx.AsyncBaseTransport:
    """What lets httpx send through an aiohttp session."""
    from litellm.llms.custom_httpx.aiohttp_transport import LiteLLMAiohttpTransport

    return LiteLLMAiohttpTransport(client=session, owns_session=False)


@contextmanager
def lending(transport: httpx.AsyncBaseTransport) -> Iterator[None]:
    """Let this task's requests leave through `transport`, and spare LiteLLM its own logging of them.

    That logging costs a millisecond, and at Ollama it asks the server about the model with a blocking call.
    """
    from litellm._internal_context import is_internal_call

    lent = _lent.set(transport)
    was_internal = is_internal_call.set(True)
    try:
        yield
    finally:
        is_internal_call.reset(was_internal)
        _lent.reset(lent)
