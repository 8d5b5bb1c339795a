"""From foreign exceptions to a Reply: the innermost status, headers and body that a cause chain holds.

LiteLLM's own class and status are not asked: it calls a 403 that mentions a rate limit a RateLimitError 429, and a
refused connection a 500. What the vendor said stands further down the chain.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator, Mapping

import aiohttp
import httpx

from router.jsonl import encode
from router.types import Reply

MAX_BODY = 65_536
MAX_WORDS = 500
_TRACEBACK = "Traceback (most recent call last)"
"""LiteLLM puts its own into the messages of errors that it does not know."""

_ERRORS: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str], ...] = (
    ((TimeoutError, httpx.TimeoutException, aiohttp.ServerTimeoutError), "timeout"),
    ((socket.gaierror, aiohttp.ClientConnectorDNSError), "dns"),
    ((ssl.SSLError, aiohttp.ClientSSLError), "tls"),
    (
        (ConnectionRefusedError, aiohttp.ClientConnectorError, aiohttp.ClientHttpProxyError, httpx.ConnectError),
        "connect",
    ),
    (
        (
            # Broken HTTP. The status in it is aiohttp's own and no vendor's.
            aiohttp.ClientResponseError,
            aiohttp.http_exceptions.HttpProcessingError,
            aiohttp.ServerDisconnectedError,
            aiohttp.ClientPayloadError,
            aiohttp.ClientOSError,
            ConnectionResetError,
            BrokenPipeError,
            httpx.RemoteProtocolError,
            httpx.ReadError,
            httpx.WriteError,
        ),
        "cut",
    ),
    ((httpx.TransportError, aiohttp.ClientError), "connect"),
)
"""Which failure of the wire an exception is; the first that any link of the chain matches."""


def chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what caused it, outermost first."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__


def wire_failure(error: BaseException) -> str:
    """`timeout`, `dns`, `tls`, `connect` or `cut` where the chain holds such a failure, else empty."""
    links = tuple(chain(error))
    return next((name for kinds, name in _ERRORS if any(isinstance(link, kinds) for link in links)), "")


def is_refusal(error: BaseException) -> bool:
    """Whether LiteLLM alone speaks in the chain: it has found fault with the request before sending it."""
    statuses = any(_status(link) is not None for link in chain(error) if not _is_mapped(link))
    return not statuses and not wire_failure(error)


def _is_mapped(link: BaseException) -> bool:
    """The classes that LiteLLM maps all errors to; its vendors' own, which can carry a real status, stand elsewhere."""
    return type(link).__module__ == "litellm.exceptions"


def lost(error: BaseException) -> Reply | None:
    """The Reply for a failure of the wire, with the words of whatever failed; None where the chain holds no such."""
    wire = wire_failure(error)
    if not wire:
        return None
    links = tuple(chain(error))
    said = next((link for link in links if isinstance(link, aiohttp.ClientConnectorError)), links[-1])
    return Reply(None, error=wire, body=f"{type(said).__name__}: {said}"[:MAX_WORDS])


def reply_of(error: BaseException) -> Reply:
    """The Reply behind an exception: from its cause chain, innermost first."""
    links = tuple(chain(error))
    status = next((code for link in reversed(links) if (code := _status(link)) is not None), None)
    silence = lost(error)
    if silence and not any(_status(link) for link in links if not _is_made_up(link)):
        return silence
    headers = next((found for link in links if (found := _headers(link))), {})
    return Reply(status, headers, _body(links)[:MAX_BODY], error="" if status else "unknown")


def _is_made_up(link: BaseException) -> bool:
    """LiteLLM gives failures of the wire a status of its own invention."""
    return type(link).__module__.startswith("litellm")


def _status(link: BaseException) -> int | None:
    response = getattr(link, "response", None)
    for holder in (response, link):
        status = getattr(holder, "status_code", None)
        if isinstance(status, int) and status:
            return status
        if isinstance(status, str) and status.isdigit():
            return int(status)
    return None


def _headers(link: BaseException) -> dict[str, str]:
    for holder in (link, getattr(link, "response", None)):
        for name in ("litellm_response_headers", "headers"):
            headers = getattr(holder, name, None)
            if isinstance(headers, Mapping | httpx.Headers) and headers:
                return {str(key).lower(): str(value) for key, value in headers.items()}
    return {}


def _body(links: tuple[BaseException, ...]) -> str:
    """The innermost text that a vendor can have sent: a response's, a body's, or what the exception says."""
    for link in reversed(links):
        for text in (_text_of(getattr(link, "response", None)), _as_text(getattr(link, "body", None))):
            if text:
                return text
    texts = [str(link) for link in links]
    said = max((text for text in texts if "{" in text or "<" in text), key=len, default=texts[0])
    return said.partition(_TRACEBACK)[0].strip()


def _text_of(response: object) -> str:
    if not isinstance(response, httpx.Response):
        return ""
    try:
        return response.text
    except httpx.StreamError:
        return ""


def _as_text(body: object) -> str:
    if isinstance(body, str):
        return body
    return encode(body).decode() if isinstance(body, Mapping | list) and body else ""
