"""Vendors that misbehave: raw bytes over real sockets, over TLS if wanted, with a log of every request that arrives.

They are a witness of their own: nothing here uses the product's code, nor an HTTP library whose manners would hide what
really came over the wire. What each does is a coroutine over an `Exchange`; those with a name stand in `nasty_replies`.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
import shutil
import socket
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self, TypeAlias

Dialect: TypeAlias = Literal["openai", "anthropic", "gemini"]
REASONS: dict[Dialect, str] = {"openai": "stop", "anthropic": "end_turn", "gemini": "STOP"}
LOOPBACK = "127.0.0.1"
OTHER_HOST, PROXY_HOST = "127.0.0.2", "127.0.0.3"
"""Other machines, as far as a client can tell."""
NOWHERE = f"http://{OTHER_HOST}:9"
"""A port on which nothing listens."""
BACKLOG = 512
MAX_HEAD = 1 << 20
NEXT_CLOSES_S = 0.05
"""How long a closing vendor lets the kernel deliver what was written."""


def body_of(
    dialect: Dialect, *, text: str = '"7"', reason: str = "", count: str = "7", model: str = '"served-model"'
) -> bytes:
    """A chat reply of raw JSON fragments; a surrogate escape (U+DCFF) becomes the byte that it stands for."""
    reason = reason or f'"{REASONS[dialect]}"'
    if dialect == "openai":
        whole = (
            f'{{"id":"c1","object":"chat.completion","created":1764000000,"model":{model},"choices":[{{"index":0,'
            f'"message":{{"role":"assistant","content":{text}}},"finish_reason":{reason}}}],'
            f'"usage":{{"prompt_tokens":{count},"completion_tokens":{count},"total_tokens":{count}}}}}'
        )
    elif dialect == "anthropic":
        whole = (
            f'{{"id":"m1","type":"message","role":"assistant","model":{model},"content":[{{"type":"text",'
            f'"text":{text}}}],"stop_reason":{reason},"usage":{{"input_tokens":{count},"output_tokens":{count}}}}}'
        )
    else:
        whole = (
            f'{{"candidates":[{{"content":{{"parts":[{{"text":{text}}}],"role":"model"}},"finishReason":{reason}}}],'
            f'"usageMetadata":{{"promptTokenCount":{count},"candidatesTokenCount":{count},"totalTokenCount":{count}}},'
            f'"modelVersion":{model}}}'
        )
    return whole.encode("utf-8", "surrogateescape")


def http(
    body: bytes,
    *lines: bytes,
    status: bytes = b"HTTP/1.1 200 OK",
    kind: bytes = b"application/json",
    length: bool = True,
) -> bytes:
    """A whole HTTP reply; `lines` are header lines as they go out, `kind` the content type (empty: none)."""
    head = [status, *lines]
    head += [b"content-type: " + kind] if kind else []
    head += [b"content-length: %d" % len(body)] if length else []
    return b"\r\n".join([*head, b"", body])


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request: `at` is `time.monotonic()` when its last byte was there, header names are lower case."""

    at: float
    connection: int
    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str:
        """The first value of a header, else empty."""
        return next((value for each, value in self.headers if each == name), "")

    def text(self) -> str:
        """All of it, and once more what Basic authorization hides."""
        lines = [f"{name}: {value}" for name, value in self.headers]
        said = re.findall(r"(?i)basic ([\w+/=-]+)", "\n".join(lines))
        for coded in said:
            with suppress(binascii.Error):
                lines.append(base64.b64decode(coded).decode("latin-1"))
        return "\n".join([f"{self.method} {self.path}", *lines, self.body.decode("utf-8", "replace")])


@dataclass(slots=True)
class Exchange:
    """One request and the way back; at `at_connect` vendors there is no request yet."""

    vendor: NastyVendor
    writer: asyncio.StreamWriter
    arrival: Arrival | None = None

    @property
    def dialect(self) -> Dialect:
        """In whose tongue to answer."""
        return self.vendor.dialect

    async def send(self, data: bytes) -> None:
        """Write, and wait until the reader makes room."""
        self.writer.write(data)
        await self.writer.drain()
        self.vendor.sent_bytes += len(data)

    async def answer(self, body: bytes | None = None, *lines: bytes) -> None:
        """Answer well, and count it as answered once it is written."""
        await self.send(http(body_of(self.dialect) if body is None else body, *lines))
        self.vendor.answered += 1

    async def close(self) -> None:
        """Say goodbye after what was written."""
        self.writer.close()
        with suppress(OSError, ssl.SSLError):
            await asyncio.wait_for(self.writer.wait_closed(), NEXT_CLOSES_S)

    async def reset(self) -> None:
        """Go as a machine goes that has forgotten the connection; lets what was written arrive first."""
        await asyncio.sleep(NEXT_CLOSES_S)
        connection = self.writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    def half_close(self) -> None:
        """Close the way out alone."""
        self.writer.get_extra_info("socket").shutdown(socket.SHUT_WR)

    async def hang(self) -> None:
        """Never come back."""
        await asyncio.Event().wait()


Behaviour: TypeAlias = Callable[[Exchange], Awaitable[None]]


async def good(exchange: Exchange) -> None:
    """Answer well."""
    await exchange.answer()


def good_after(seconds: float, body: bytes | None = None) -> Behaviour:
    """Answer well after a while."""

    async def behave(exchange: Exchange) -> None:
        await asyncio.sleep(seconds)
        await exchange.answer(body)

    return behave


async def echo(exchange: Exchange) -> None:
    """Answer with everything that was sent, as a vendor's debug mode does: in the text, the model and a header."""
    assert exchange.arrival is not None
    said = exchange.arrival.text()
    quoted = "".join(char if char.isalnum() or char in " .:/?=&_-" else " " for char in said)
    line = b"x-ratelimit-limit-requests: " + quoted.encode("ascii", "replace")[:4000]
    await exchange.answer(body_of(exchange.dialect, text=f'"{quoted}"', model=f'"{quoted[:2000]}"'), line)


class NastyVendor:
    """One vendor at work while it is entered. `arrivals` is its log; `sent_bytes` is what the other side let it send.

    `tls` makes it speak TLS; `late_s` delays the greeting of connection number n, as a far or busy server does;
    after `calls_per_connection` replies (0: never) it closes the connection, as load balancers do. `elsewhere` is where
    its redirects to another host point.
    """

    def __init__(
        self,
        behave: Behaviour = good,
        *,
        dialect: Dialect = "openai",
        at_connect: bool = False,
        host: str = LOOPBACK,
        tls: ssl.SSLContext | None = None,
        late_s: Callable[[int], float] = lambda _number: 0.0,
        calls_per_connection: int = 0,
        elsewhere: str = NOWHERE,
    ) -> None:
        self.behave = behave
        self.dialect = dialect
        self.elsewhere = elsewhere
        self.arrivals: list[Arrival] = []
        self.connections = 0
        self.answered = 0
        self.sent_bytes = 0
        self._at_connect = at_connect
        self._host = host
        self._tls = tls
        self._late_s = late_s
        self._calls_per_connection = calls_per_connection
        self._tasks: set[asyncio.Task[None]] = set()
        self._accepted: list[socket.socket] = []
        self._listener = socket.create_server((host, 0), backlog=BACKLOG)
        self._listener.setblocking(False)  # noqa: FBT003 - its own way
        self.port: int = self._listener.getsockname()[1]

    @property
    def root(self) -> str:
        """`http://127.0.0.1:12345`."""
        return f"{'https' if self._tls else 'http'}://{self._host}:{self.port}"

    @property
    def base_url(self) -> str:
        """What `base_url:` is to say: with `/v1` where OpenAI's dialect is spoken."""
        return f"{self.root}/v1" if self.dialect == "openai" else self.root

    async def __aenter__(self) -> Self:
        asyncio.get_running_loop().add_reader(self._listener, self._accept)
        return self

    async def __aexit__(self, *_exc: object) -> None:
        asyncio.get_running_loop().remove_reader(self._listener)
        self._listener.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for connection in self._accepted:
            connection.close()

    def _accept(self) -> None:
        with suppress(BlockingIOError):
            connection, _ = self._listener.accept()
            connection.setblocking(False)  # noqa: FBT003 - its own way
            self._accepted.append(connection)
            self.connections += 1
            task = asyncio.create_task(self._serve(connection, self.connections))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, connection: socket.socket, number: int) -> None:
        with suppress(OSError, ssl.SSLError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            await asyncio.sleep(self._late_s(number))
            reader = asyncio.StreamReader(MAX_HEAD)
            protocol = asyncio.StreamReaderProtocol(reader)
            loop = asyncio.get_running_loop()
            transport, _ = await loop.connect_accepted_socket(lambda: protocol, connection, ssl=self._tls)
            try:
                await self._converse(reader, asyncio.StreamWriter(transport, protocol, reader, loop), number)
            finally:
                transport.abort()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        if self._at_connect:
            await self.behave(Exchange(self, writer))
        replies = 0
        while not writer.is_closing():
            arrival = await _read_request(reader, number)
            self.arrivals.append(arrival)
            exchange = Exchange(self, writer, arrival)
            await self.behave(exchange)
            replies += 1
            if replies == self._calls_per_connection:
                await exchange.close()


async def _read_request(reader: asyncio.StreamReader, number: int) -> Arrival:
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    headers = tuple((name.strip().lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines))
    method, path, *_ = [*first.split(" "), "", ""]
    named = dict(headers)
    if "chunked" in named.get("transfer-encoding", ""):
        body = b"".join([piece async for piece in _chunks(reader)])
    else:
        body = await reader.readexactly(int(named.get("content-length") or 0))
    return Arrival(time.monotonic(), number, method, path, headers, body)


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while size := int((await reader.readline()).split(b";")[0], 16):
        yield await reader.readexactly(size)
        await reader.readexactly(2)
    await reader.readline()


@asynccontextmanager
async def at_work(vendors: Sequence[NastyVendor]) -> AsyncIterator[None]:
    """Serve from this loop."""
    async with AsyncExitStack() as stack:
        for vendor in vendors:
            await stack.enter_async_context(vendor)
        yield


@contextmanager
def in_thread(vendors: Sequence[NastyVendor]) -> Iterator[None]:
    """Serve from a loop in a thread of its own, beside a caller that blocks."""
    ready, done = threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def serve() -> None:
        async with at_work(vendors):
            loops.append(asyncio.get_running_loop())
            ready.set()
            await done.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),), name="vendors")
    thread.start()
    ready.wait()
    try:
        yield
    finally:
        loops[0].call_soon_threadsafe(done.set)
        thread.join()


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate for 127.0.0.1 that vouches for itself: `ca` for SSL_CERT_FILE, `server` for a vendor."""

    ca: Path
    server: ssl.SSLContext = field(repr=False)

    @classmethod
    def made_in(cls, directory: Path) -> Authority:
        """Make one with `openssl`, valid for two days; raises FileNotFoundError where that is not installed."""
        openssl = shutil.which("openssl")
        if openssl is None:
            raise FileNotFoundError("openssl, which makes the test certificate, is not installed")
        key, ca = directory / "key.pem", directory / "ca.pem"
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
        names = ("-subj", "/CN=vendors of a test", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost")
        command = (openssl, "req", "-x509", *curve, *names, "-keyout", str(key), "-out", str(ca))
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - nothing in it comes from outside
        server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        server.load_cert_chain(ca, key)
        return cls(ca, server)
