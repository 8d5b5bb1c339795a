"""`amap`: a bounded window of coroutines over a lazy source, their results as they finish."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from typing import TypeVar

Unit = TypeVar("Unit")
Result = TypeVar("Result")


async def amap(
    work: Callable[[Unit], Awaitable[Result]], units: Iterable[Unit] | AsyncIterable[Unit], window: int
) -> AsyncGenerator[Result, None]:
    """Do `work` for each unit, `window` at a time, and yield each result when it is there, in order of completion.

    `units` is read lazily, so it may be endless; a result that nobody takes keeps its place in the window. What
    `work` or `units` raise ends it. Break out of it under `contextlib.aclosing`, then all that is under way is
    cancelled at once.
    """
    results: asyncio.Queue[tuple[Result] | None] = asyncio.Queue()
    room = asyncio.Semaphore(window)

    async def one(unit: Unit) -> None:
        results.put_nowait((await work(unit),))

    async def feed() -> None:
        async with asyncio.TaskGroup() as group:
            async for unit in _each(units):
                await room.acquire()
                group.create_task(one(unit))

    feeder = asyncio.create_task(feed())
    feeder.add_done_callback(lambda _task: results.put_nowait(None))
    try:
        while (done := await results.get()) is not None:
            room.release()
            yield done[0]
        await _unwrapped(feeder)
    finally:
        feeder.cancel()
        await asyncio.gather(feeder, return_exceptions=True)


async def _each(units: Iterable[Unit] | AsyncIterable[Unit]) -> AsyncIterator[Unit]:
    if isinstance(units, AsyncIterable):
        async for unit in units:
            yield unit
        return
    for unit in units:
        yield unit


async def _unwrapped(feeder: asyncio.Task[None]) -> None:
    """Wait for the feeder; a single error comes out as it was raised."""
    try:
        await feeder
    except BaseExceptionGroup as group:
        if len(group.exceptions) > 1:
            raise
        raise group.exceptions[0] from None
