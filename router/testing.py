"""Shipped for tests of programs that use router: a loop whose clock jumps, and a transport that answers by script."""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from typing import TypeAlias, TypeVar

from router.faults import Fault
from router.transport.base import Call, Piece
from router.types import Answer, Chunk

T = TypeVar("T")

TICK_S = 1e-6
"""Time goes on by this much a turn: a rounding error of a timer must not keep it due for ever."""


class _Jump(selectors.DefaultSelector):
    """Waits for nothing: where the loop would sleep, its clock jumps."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("everybody waits, and nothing will ever happen")
        self.loop.virtual_time += max(timeout, TICK_S)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in which hours pass in milliseconds."""

    def __init__(self) -> None:
        self.virtual_time = 0.0
        self._began = time.time()
        selector = _Jump()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        """Seconds since the loop was made."""
        return self.virtual_time

    def epoch(self) -> float:
        """Seconds since the epoch, on this loop's calendar."""
        return self._began + self.virtual_time


def run_virtual(main: Coroutine[object, object, T]) -> T:
    """Run a coroutine on a virtual clock; raises RuntimeError where it would wait for ever."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


Said: TypeAlias = "Answer | Fault | tuple[float, Answer | Fault] | tuple[float, Answer | Fault, list[str]]"
Script = Callable[[Call], Said]
"""What a scripted vendor says to a call: a result, (seconds that it takes, result), or (seconds, result, texts).

To who asks for a stream the texts come first, one after another, each after as many seconds; by default the answer's.
"""


class ScriptedTransport:
    """A transport without a network: `script` decides every reply, and `calls` keeps what was sent and when."""

    def __init__(self, script: Script, latency_s: float = 1.0) -> None:
        self._script = script
        self._latency_s = latency_s
        self.calls: list[tuple[float, Call]] = []

    async def prepare(self) -> None:
        """Nothing to warm up."""

    async def aclose(self) -> None:
        """Nothing to close."""

    async def send(self, call: Call, on_sent: Callable[[], None]) -> Answer | Fault:
        """Answer by the script after its latency."""
        latency_s, result, _ = self._said(call, on_sent)
        await asyncio.sleep(latency_s)
        return result

    async def stream(self, call: Call, on_sent: Callable[[], None]) -> AsyncGenerator[Piece, None]:
        """Answer by the script, piece by piece, with its latency before each."""
        latency_s, result, texts = self._said(call, on_sent)
        for text in texts:
            await asyncio.sleep(latency_s)
            yield Chunk(text, raw={"choices": [{"index": 0, "delta": {"content": text}}]}, says_something=True)
        if not texts:
            await asyncio.sleep(latency_s)
        yield result

    def _said(self, call: Call, on_sent: Callable[[], None]) -> tuple[float, Answer | Fault, list[str]]:
        on_sent()
        self.calls.append((asyncio.get_running_loop().time(), call))
        match self._script(call):
            case latency_s, result, texts:
                return latency_s, result, texts
            case latency_s, result:
                return latency_s, result, _texts(result)
            case result:
                return self._latency_s, result, _texts(result)

    def counts(self) -> Mapping[str, int]:
        """Calls by key."""
        counts: dict[str, int] = {}
        for _, call in self.calls:
            counts[call.key.name] = counts.get(call.key.name, 0) + 1
        return counts


def _texts(result: Answer | Fault) -> list[str]:
    return [result.text] if isinstance(result, Answer) and result.text else []
