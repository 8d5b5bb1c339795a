"""Shipped for tests of programs that use router: a loop whose clock jumps, and a transport that answers by script."""

from __future__ import annotations

import asyncio
import re
import selectors
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from typing import TypeVar

from router.faults import Fault
from router.transport.base import Call, Piece
from router.types import Answer, Chunk

T = TypeVar("T")

WORD = re.compile(r"\S+\s*")
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
    """An event loop in which hours pass in milliseconds.

    Its calendar begins at `began`, in seconds since the epoch; without it, now.
    """

    def __init__(self, began: float | None = None) -> None:
        self.virtual_time = 0.0
        self._began = time.time() if began is None else began
        selector = _Jump()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        """Seconds since the loop was made."""
        return self.virtual_time

    def epoch(self) -> float:
        """Seconds since the epoch, on this loop's calendar."""
        return self._began + self.virtual_time

    def sleep_through(self, seconds: float) -> None:
        """Let the machine sleep for a while: its calendar goes on, and nothing else does."""
        self._began += seconds

    def stand_still(self, seconds: float) -> None:
        """Let this process stand still for a while, as if it was stopped: all that is due then is due at once."""
        self.virtual_time += seconds


def run_virtual(main: Coroutine[object, object, T]) -> T:
    """Run a coroutine on a virtual clock; raises RuntimeError if it would wait forever."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


Script = Callable[[Call], "Answer | Fault | tuple[float, Answer | Fault]"]
"""What a scripted vendor says to a call: a result, or (seconds that it takes, result)."""


class ScriptedTransport:
    """A transport without a network: `script` decides every reply, and `calls` keeps what was sent and when.

    To who asks for a stream an answer comes word by word, each after its latency; before a fault come the words that
    are `begun`.
    """

    def __init__(self, script: Script, latency_s: float = 1.0, *, begun: str = "") -> None:
        self._script = script
        self._latency_s = latency_s
        self._begun = begun
        self.calls: list[tuple[float, Call]] = []

    async def prepare(self) -> None:
        """Nothing to warm up."""

    async def aclose(self) -> None:
        """Nothing to close."""

    async def send(self, call: Call, on_sent: Callable[[], None]) -> Answer | Fault:
        """Answer by the script after its latency."""
        latency_s, result = self._said(call, on_sent)
        await asyncio.sleep(latency_s)
        return result

    async def stream(self, call: Call, on_sent: Callable[[], None]) -> AsyncGenerator[Piece, None]:
        """Answer by the script, word by word."""
        latency_s, result = self._said(call, on_sent)
        for word in WORD.findall(result.text if isinstance(result, Answer) else self._begun):
            await asyncio.sleep(latency_s)
            yield Chunk(word, raw={"choices": [{"index": 0, "delta": {"content": word}}]}, says_something=True)
        await asyncio.sleep(latency_s)
        yield result

    def _said(self, call: Call, on_sent: Callable[[], None]) -> tuple[float, Answer | Fault]:
        on_sent()
        self.calls.append((asyncio.get_running_loop().time(), call))
        said = self._script(call)
        return said if isinstance(said, tuple) else (self._latency_s, said)

    def counts(self) -> Mapping[str, int]:
        """Calls by key."""
        counts: dict[str, int] = {}
        for _, call in self.calls:
            counts[call.key.name] = counts.get(call.key.name, 0) + 1
        return counts
