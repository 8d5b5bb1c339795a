"""An answer handed over while it comes, with its permit held until it has ended.

The rings are those of every other call. They run in a task of the stream's own, which hands each piece over; so what a
reader does with a piece, and how long that takes, is none of their business.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import aclosing, suppress
from types import TracebackType
from typing import Self

from router.engine.job import Job
from router.engine.permit import Permit
from router.engine.retry import RetryRing
from router.faults import Fault
from router.transport.base import Call, Transport, stream
from router.types import Answer, Chunk, Completion

MAX_AHEAD = 64
"""Chunks that may wait for their reader; then the vendor is not read on."""


class Stream:
    """The pieces of one answer; `completion` is the whole of it, once they have ended.

    Use it as `async with`, and iterate it once: leaving the block early hangs up, so that the vendor stops too.
    Iterating it alone is as good where it is read to its end. Until the first piece of an answer a failed call is sent
    again, perhaps elsewhere, unseen; after it the stream ends with the error.
    """

    def __init__(self, ring: RetryRing, job: Job, deadline: float | None = None) -> None:
        self.completion: Completion | None = None
        self._hand = _Hand()
        self._run: Coroutine[object, object, Completion] | None = ring.with_once(self._hand.relay).run(job, deadline)
        self._task: asyncio.Task[Completion] | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Chunk:
        """The next piece; raises what `Router.complete` does."""
        if self._run is not None:
            self._task, self._run = asyncio.create_task(self._run, name="stream"), None
            self._task.add_done_callback(self._hand.close)
        if self._task is None:
            raise StopAsyncIteration
        try:
            if (chunk := await self._hand.take()) is not None:
                return chunk
            self.completion = await self._task
        except BaseException:
            await self.aclose()
            raise
        self._task = None
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Hang up, and give the permit back; nothing where the answer has come to its end."""
        if self._run is not None:
            self._run.close()
        task, self._run, self._task = self._task, None, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __del__(self) -> None:
        """Hang up for who left a stream without closing it."""
        if self._run is not None:
            self._run.close()
        if self._task is not None and not self._task.get_loop().is_closed():
            self._task.cancel()


class _Hand:
    """Where chunks change hands."""

    def __init__(self) -> None:
        self._chunks: asyncio.Queue[Chunk | None] = asyncio.Queue()
        self._room = asyncio.Semaphore(MAX_AHEAD)

    async def relay(self, transport: Transport, call: Call, job: Job, permit: Permit) -> Answer | Fault:
        """Send once, and hand over what comes from the first piece on that is a part of the answer."""
        held: list[Chunk] = []
        async with aclosing(stream(transport, call, permit.sent)) as pieces:
            async for piece in pieces:
                if not isinstance(piece, Chunk):
                    await self._give(held if isinstance(piece, Answer) else [])
                    return piece
                held.append(piece)
                if piece.says_something and not job.is_committed:
                    job.commit()
                    permit.heard()
                if job.is_committed:
                    await self._give(held)
                    held.clear()
        raise RuntimeError("a transport's stream ended without an Answer or a Fault")

    async def _give(self, chunks: Sequence[Chunk]) -> None:
        """Hand over, and wait where the reader is far behind."""
        for chunk in chunks:
            await self._room.acquire()
            self._chunks.put_nowait(chunk)

    async def take(self) -> Chunk | None:
        """The next chunk, None after the last."""
        chunk = await self._chunks.get()
        self._room.release()
        return chunk

    def close(self, _done: object) -> None:
        """Nothing more will come."""
        self._chunks.put_nowait(None)
