"""A reply whose head is here, and whose body comes as it is read: whole, or as the events of a stream."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress

import aiohttp
import httpx
from yarl import URL

from router.text import clean
from router.transport.body import TooLong, as_text, check_objects, unpacked
from router.transport.sse import Event, EventStream
from router.types import Reply

LINGER_S = 0.25
"""So long the end of a body is waited for when everything in it has been said."""
MAX_TARGET = 200
_NO_EVENTS = (b"{", b"[", b"<")
"""How JSON and pages begin; no event does."""


class Opened:
    """The reply. Its body is read once; whoever opens it closes it."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.head = Reply(response.status, lower(response.headers))
        self._response = response
        self._pieces = unpacked(response)
        self._held = b""

    @property
    def is_good(self) -> bool:
        """Whether its status is that of an answer."""
        return 200 <= self._response.status < 300  # noqa: PLR2004 - HTTP's own numbers

    async def next_piece(self) -> bytes | None:
        """The next bytes of the body, None at its end; raises TooLong, and what aiohttp raises."""
        if self._held:
            piece, self._held = self._held, b""
            return piece
        return await anext(self._pieces, None)

    def put_back(self, piece: bytes) -> None:
        """Have these bytes be the next ones again."""
        self._held = piece + self._held

    async def whole(self) -> Reply:
        """Read the whole body; one that is too long says so in `error`."""
        body = bytearray()
        try:
            while (piece := await self.next_piece()) is not None:
                body += piece
            check_objects(body)
        except TooLong as error:
            return Reply(self.head.status, self.head.headers, error=str(error))
        text = as_text(bytes(body), self._response.charset)
        return Reply(self.head.status, self.head.headers, text, error=_redirect(self._response, self.head.headers))

    async def drain(self) -> None:
        """Read what little may be left after the last word, so that the connection can be used again."""
        with suppress(TimeoutError, TooLong, aiohttp.ClientError):
            async with asyncio.timeout(LINGER_S):
                while await self.next_piece() is not None:
                    pass

    async def close(self) -> None:
        """Give the connection back; one with more of the body to come is closed, so that the vendor stops."""
        await self._pieces.aclose()
        self._response.close()


class EventReply:
    """A reply to whom asked for a stream in OpenAI's shape."""

    def __init__(self, opened: Opened) -> None:
        self.head = opened.head
        self.drain = opened.drain
        self.close = opened.close
        self._opened = opened
        self._events: EventStream | None = None

    async def next_events(self) -> Sequence[Event] | Reply | None:
        """The next events, None at the end of the body, or the whole reply where it is no stream at all."""
        if self._events is None:
            self._opened.put_back(first := await self._first())
            if not self._opened.is_good or not first or first.lstrip(b"\xef\xbb\xbf\r\n\t ").startswith(_NO_EVENTS):
                return await self._opened.whole()
            self._events = EventStream()
        while (piece := await self._opened.next_piece()) is not None:
            if events := self._events.feed(piece):
                return events
        return self._events.close() or None

    async def _first(self) -> bytes:
        """The first bytes that are not blank."""
        first = b""
        while not first.strip() and (piece := await self._opened.next_piece()) is not None:
            first += piece
        return first


def lower(headers: Mapping[str, str] | httpx.Headers) -> dict[str, str]:
    """Headers with lower-case names and clean values; of a repeated one the last value."""
    return {name.lower(): clean(value) for name, value in headers.items()}


def _redirect(response: aiohttp.ClientResponse, headers: Mapping[str, str]) -> str:
    """Why a reply of the 3xx family is no answer; empty for every other."""
    if not 300 <= response.status < 400:  # noqa: PLR2004 - HTTP's own numbers
        return ""
    try:
        target = response.url.join(URL(headers["location"])).with_query(None).with_user(None).with_fragment(None)
    except (KeyError, ValueError):
        return f"HTTP {response.status} instead of an answer"
    return (
        f"redirected to {target.human_repr()[:MAX_TARGET]}: not followed, since the key would go there too;"
        " if that is the vendor's address, name it as `base_url`"
    )
