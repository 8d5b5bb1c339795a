"""The process of the simulated vendors: reads them from standard input, serves until that closes."""

from __future__ import annotations

import asyncio
import signal
import sys
from dataclasses import asdict
from typing import cast

from router.jsonl import decode, encode
from router.simulator.server import serve
from router.simulator.spec import SpecJson, VendorSpec


def main() -> None:
    """Read one JSON line of vendors, write one of endpoints, serve until stdin ends or SIGTERM comes."""
    # A terminal tells its whole group of Ctrl-C and of its end; the parent decides when the vendors may go.
    for name in (signal.SIGINT, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)
    line = sys.stdin.buffer.readline()
    if not line:
        sys.exit("expected one JSON line of vendors on standard input")
    specs = [VendorSpec.from_json(data) for data in cast("list[SpecJson]", decode(line))]
    asyncio.run(_serve(specs))


async def _serve(specs: list[VendorSpec]) -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    async with serve(specs) as endpoints:
        sys.stdout.buffer.write(encode([asdict(endpoint) for endpoint in endpoints]) + b"\n")
        sys.stdout.buffer.flush()
        await loop.connect_read_pipe(lambda: _UntilEnd(ended), sys.stdin.buffer)
        await ended.wait()


class _UntilEnd(asyncio.Protocol):
    """Sets an event when the other end closes; whatever else comes is of no interest."""

    def __init__(self, ended: asyncio.Event) -> None:
        self._ended = ended

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the end is the end
        self._ended.set()


if __name__ == "__main__":
    main()
