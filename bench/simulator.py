"""How many calls a second one core of simulated vendors answers, one case a row; takes some 10 seconds.

Run it as `python bench/simulator.py`. The vendors run in their own process on one core, the load comes from
this process on another; both shares of CPU are shown, so that one sees which of the two was the bottleneck.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from router.jsonl import encode
from router.rates import Rate
from router.simulator.endpoint import Endpoint
from router.simulator.process import SimulatorProcess
from router.simulator.spec import VendorSpec

SECONDS = 2.0
CONNECTIONS = 32
TICKS = os.sysconf("SC_CLK_TCK")
QUESTION = "Work out the following expression and answer with JSON such as {'infer': 5}: 12 + 7 x 3"
MANY = Rate(10_000_000, 1)


@dataclass(frozen=True, slots=True)
class Case:
    """One row of the table."""

    title: str
    spec: VendorSpec
    status: int = 200


CASES = (
    Case("successes, no limits", VendorSpec("a", keys=(("sk-bench", "a"),), latency_median_s=0)),
    Case(
        "successes, 3 limits",
        VendorSpec(
            "b",
            keys=(("sk-bench", "a"),),
            address_limits=(MANY,),
            account_limits=(MANY,),
            token_limits=(MANY,),
            latency_median_s=0,
        ),
    ),
    Case(
        "refusals (429)",
        VendorSpec(
            "c",
            keys=(("sk-bench", "a"),),
            address_limits=(Rate(1, 86400),),
            latency_median_s=0,
            suspend_after=0,
        ),
        429,
    ),
)


class Client(asyncio.Protocol):
    """One connection that asks again as soon as it is answered."""

    def __init__(self, request: bytes, answered: Callable[[bytes], None]) -> None:
        self._request = request
        self._answered = answered
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, blank, body = self._buffer.partition(b"\r\n\r\n")
        if not blank:
            return
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if len(body) < length:
            return
        self._buffer = b""
        self._answered(head[9:12])
        assert self._transport is not None
        self._transport.write(self._request)


def request_for(endpoint: Endpoint) -> bytes:
    """A chat completion as it goes over the wire."""
    url = urlsplit(endpoint.base_url)
    body = encode({"model": "simulated", "messages": [{"role": "user", "content": QUESTION}]})
    head = (
        f"POST {url.path}/chat/completions HTTP/1.1\r\nHost: {url.netloc}\r\n"
        "Authorization: Bearer sk-bench\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def cpu_seconds(pid: int) -> float:
    """CPU time of a process so far (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


async def load(endpoint: Endpoint, status: int) -> int:
    """Keep every connection busy for SECONDS; the number of answers, all but the first with this status."""
    loop = asyncio.get_running_loop()
    statuses: list[bytes] = []
    url = urlsplit(endpoint.base_url)
    host, port = url.hostname or "", url.port or 0
    request = request_for(endpoint)
    transports = [
        (await loop.create_connection(lambda: Client(request, statuses.append), host, port))[0]
        for _ in range(CONNECTIONS)
    ]
    await asyncio.sleep(SECONDS)
    for transport in transports:
        transport.abort()
    odd = sum(got != b"%d" % status for got in statuses)
    assert odd <= 1, f"{odd} answers of {len(statuses)} were not {status}"
    return len(statuses)


async def main() -> None:
    """Print the table."""
    cores = sorted(os.sched_getaffinity(0))
    vendors = SimulatorProcess([case.spec for case in CASES])
    async with vendors as endpoints:
        assert vendors.pid is not None
        os.sched_setaffinity(vendors.pid, {cores[0]})
        os.sched_setaffinity(0, {cores[-1]})
        print(f"{'case':<24}{'calls/s':>9}{'vendors CPU':>13}{'load CPU':>10}")
        for case, endpoint in zip(CASES, endpoints, strict=True):
            began, theirs, ours = time.monotonic(), cpu_seconds(vendors.pid), time.process_time()
            answers = await load(endpoint, case.status)
            took = time.monotonic() - began
            vendor_share = (cpu_seconds(vendors.pid) - theirs) / took
            load_share = (time.process_time() - ours) / took
            print(f"{case.title:<24}{answers / took:>9.0f}{vendor_share:>13.0%}{load_share:>10.0%}")


if __name__ == "__main__":
    asyncio.run(main())
