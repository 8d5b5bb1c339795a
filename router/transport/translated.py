"""A stream in a dialect other than OpenAI's, which LiteLLM translates into OpenAI's event by event."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from router.classify import is_fault
from router.jsonl import decode, encode
from router.transport.environment import blind
from router.transport.opened import Opened
from router.transport.shared_session import Loan, lending
from router.transport.sse import DONE, Event, EventStream
from router.types import Reply

MAX_PEEK = 65_536
"""Bytes that are looked at to tell the dialect: comments may come before the first event."""

_END = object()


class WholeReply:
    """A reply that came whole though a stream was asked for."""

    def __init__(self, reply: Reply) -> None:
        self.head = reply

    async def next_events(self) -> Reply:
        """The reply."""
        return self.head

    async def drain(self) -> None:
        """Nothing is left."""

    async def close(self) -> None:
        """Nothing is open."""


class TranslatedReply:
    """A stream that LiteLLM reads.

    Only its translation of single events is used. Its own loop over them would count tokens that no vendor counted, and
    end with a `stop` that no vendor said.
    """

    def __init__(self, wrapper: Any, loan: Loan, head: Reply) -> None:
        self.head = head
        self._wrapper = wrapper
        self._loan = loan
        self._events: Any = None

    async def next_events(self) -> Sequence[Event] | Reply | None:
        """The next events, in OpenAI's shape; None at the end; where the vendor says that it failed, its words."""
        with lending(self._loan), blind():
            try:
                if events := await self._next():
                    return events
            except Exception:
                if not self._loan.broken:
                    raise
        return Reply(self.head.status, self.head.headers, self._loan.broken) if self._loan.broken else None

    async def _next(self) -> Sequence[Event] | None:
        if self._events is None:
            stream = self._wrapper.completion_stream
            self._events = aiter(stream) if hasattr(stream, "__aiter__") else _Unhurried(iter(stream))
        while (raw := await anext(self._events, _END)) is not _END:
            if raw is not None and (events := self._translated(raw)):
                return events
        return self._last()

    def _translated(self, raw: object) -> list[Event]:
        counted = len(self._wrapper.chunks)
        try:
            chunk = self._wrapper.chunk_creator(chunk=raw)
        except StopIteration:  # of what comes after the end
            return []
        return [_event(piece) for piece in (chunk, *self._wrapper.chunks[counted:]) if piece is not None]

    def _last(self) -> list[Event] | None:
        """Why it ended, where the vendor has said so; LiteLLM loses what some say."""
        from litellm.litellm_core_utils.core_helpers import map_finish_reason

        if not self._wrapper.received_finish_reason:
            if not self._loan.finish_reason:
                return None
            self._wrapper.received_finish_reason = map_finish_reason(self._loan.finish_reason)
        return [_event(self._wrapper.finish_reason_handler()), Event("", DONE)]

    async def drain(self) -> None:
        """Read what is left of the body."""
        if self._loan.opened is not None:
            await self._loan.opened.drain()

    async def close(self) -> None:
        """Close the connection, and what LiteLLM has around it."""
        await self._loan.close()
        await self._wrapper.aclose()


class _Unhurried:
    """What one of LiteLLM's blocking handlers has read whole, as if it came bit by bit."""

    def __init__(self, events: Any) -> None:
        self._events = events

    async def __anext__(self) -> object:
        try:
            return next(self._events)
        except StopIteration:
            raise StopAsyncIteration from None


async def speaks_openai(opened: Opened) -> bool:
    """Whether the first event of a stream is in OpenAI's shape; the body can be read from its beginning after that."""
    if "event-stream" not in opened.head.headers.get("content-type", ""):
        return False
    events, seen, found = EventStream(), b"", list[Event]()
    while not found and len(seen) < MAX_PEEK and (piece := await opened.next_piece()) is not None:
        seen += piece
        found = events.feed(piece)
    opened.put_back(seen)
    return bool(found) and _is_openai(found[0].data)


def is_ours(reply: Reply) -> bool:
    """Whether a whole reply is read without LiteLLM's help."""
    return bool(reply.error) or _is_openai(reply.body) or is_fault(reply)


def _is_openai(text: str) -> bool:
    try:
        value = decode(text)
    except ValueError:
        return text == DONE
    return isinstance(value, dict) and "choices" in value


def _event(piece: Any) -> Event:
    return Event("", encode(piece.model_dump(exclude_none=True)).decode())
