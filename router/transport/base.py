"""The interface between the engine and a transport, which tests replace."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

from router.config.models import Key, Provider
from router.faults import Fault
from router.types import Answer, Chunk, Request

Piece: TypeAlias = "Chunk | Answer | Fault"
"""What comes of a stream: any number of Chunks, then the Answer or the Fault with which it ended."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call to send: where, with which key, to which of LiteLLM's models, and what."""

    provider: Provider
    key: Key
    model: str
    request: Request


class Transport(Protocol):
    """Sends calls."""

    async def prepare(self) -> None:
        """Do in advance what would delay the first calls: importing and connecting."""
        ...

    async def send(self, call: Call, on_sent: Callable[[], None]) -> Answer | Fault:
        """Send once and return the result; never raises for failures of a vendor or the network.

        `on_sent` is called when the request is on the wire: after connecting, which may take a while.
        """
        ...

    async def aclose(self) -> None:
        """Close every connection."""
        ...


@runtime_checkable
class Streaming(Protocol):
    """A transport that can yield an answer while it is being received."""

    def stream(self, call: Call, on_sent: Callable[[], None]) -> AsyncGenerator[Piece, None]:
        """Send once, and yield the answer piece by piece; the last is what `send` would have returned.

        Whoever stops before that closes the generator, which hangs up, so that the vendor stops too.
        """
        ...


def stream(transport: Transport, call: Call, on_sent: Callable[[], None]) -> AsyncGenerator[Piece, None]:
    """Send once and yield the answer piece by piece, or in one piece if the transport cannot stream."""
    if isinstance(transport, Streaming):
        return transport.stream(call, on_sent)
    return _in_one(transport, call, on_sent)


async def _in_one(transport: Transport, call: Call, on_sent: Callable[[], None]) -> AsyncGenerator[Piece, None]:
    yield await transport.send(call, on_sent)
