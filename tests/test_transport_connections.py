"""Connections are open before a call needs them, and "sent" means on the wire, over TLS too."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import subprocess
from pathlib import Path

import pytest
from vendors import Says, ScriptedVendor, chat, make_config, make_provider, scripted

from router.config.models import Door
from router.faults import Kind
from router.transport.base import Call
from router.transport.litellm_transport import LiteLLMTransport
from router.types import Answer, Request

pytestmark = pytest.mark.filterwarnings("ignore:Items? .* on TypedDict:UserWarning")
HELLO = Request.of("What is 3 + 4?")
DOORS: tuple[Door, ...] = ("auto", "litellm")


async def opened(transport: LiteLLMTransport) -> None:
    """Wait until nothing is being opened."""
    await asyncio.gather(*transport._session._opening.values())


async def accepted_at(vendor: ScriptedVendor, number: int) -> None:
    """Wait until the vendor's side has seen so many connections."""
    while vendor.accepted < number:  # noqa: ASYNC110 - the kernel's doing, of which no event tells
        await asyncio.sleep(0)


async def connected_for(transport: LiteLLMTransport, vendor: ScriptedVendor, call: Call) -> int:
    """Send one call; how many connections were made before it was on the wire."""
    before = vendor.accepted
    at_sent: list[int] = []
    result = await transport.send(call, lambda: at_sent.append(vendor.accepted))
    assert isinstance(result, Answer)
    return at_sent[0] - before


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("closes", [False, True], ids=["kept alive", "closed after each reply"])
def test_no_call_has_to_connect_first(door: Door, *, closes: bool) -> None:
    async def main() -> list[int]:
        async with scripted() as vendor:
            good = chat("fine")
            vendor.says(Says(200, good.body, {**good.headers, **({"connection": "close"} if closes else {})}))
            provider = make_provider("openai/m", vendor.url + "/v1", door)
            transport = LiteLLMTransport(make_config(provider))
            await transport.prepare()
            await accepted_at(vendor, 1)
            late = []
            for number in range(5):
                late.append(await connected_for(transport, vendor, Call(provider, provider.keys[0], "openai/m", HELLO)))
                await opened(transport)
                await accepted_at(vendor, number + 2 if closes else 2)
            assert vendor.accepted == (6 if closes else 2)
            assert len(vendor.seen) == 5
            await transport.aclose()
            return late

    assert asyncio.run(main()) == [0] * 5


def test_a_vendor_that_cannot_be_reached_is_the_first_calls_news() -> None:
    async def main() -> None:
        provider = make_provider("openai/m", "http://127.0.0.1:9/v1")
        transport = LiteLLMTransport(make_config(provider))
        await transport.prepare()
        result = await transport.send(Call(provider, provider.keys[0], "openai/m", HELLO), lambda: None)
        assert not isinstance(result, Answer)
        assert result.kind is Kind.CONNECTION
        await transport.aclose()

    asyncio.run(main())


def test_closing_waits_for_no_connection() -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:  # it takes connections, and never shakes hands
            provider = make_provider("openai/m", f"https://127.0.0.1:{silent.getsockname()[1]}/v1")
            transport = LiteLLMTransport(make_config(provider))
            await transport.prepare()
            await transport.aclose()

    asyncio.run(main())


# Over TLS.


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate and its key for 127.0.0.1, in one file."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("makes its certificate with openssl")
    place = tmp_path_factory.mktemp("tls")
    new = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    named = [
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-keyout",
        str(place / "key"),
        "-out",
        str(place / "certificate"),
    ]
    subprocess.run([openssl, *new.split(), *named], check=True, capture_output=True)  # noqa: S603 - openssl itself
    both = place / "both.pem"
    both.write_bytes((place / "certificate").read_bytes() + (place / "key").read_bytes())
    return both


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one request a connection."""
    try:
        await reader.readuntil(b"\r\n\r\n")
        body = chat("fine").body
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
    except (ConnectionError, asyncio.IncompleteReadError):
        pass  # it was a connection for later
    finally:
        writer.close()


@pytest.mark.parametrize("door", DOORS)
def test_sent_is_said_after_the_handshake(certificate: Path, monkeypatch: pytest.MonkeyPatch, door: Door) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setattr("router.transport.litellm_transport.CONNECTING_S", 0.0)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)

    async def main(listener: socket.socket) -> list[bool]:
        provider = make_provider("openai/m", f"https://127.0.0.1:{listener.getsockname()[1]}/v1", door)
        transport = LiteLLMTransport(make_config(provider))
        await transport.prepare()
        told: list[bool] = []
        call = Call(provider, provider.keys[0], "openai/m", HELLO)
        sending = asyncio.create_task(transport.send(call, lambda: told.append(True)))
        for _ in range(500):  # by then it is connected, and in the middle of its handshake
            await asyncio.sleep(0)
        assert told == []
        async with await asyncio.start_server(answer, sock=listener, ssl=context):
            result = await sending
            assert isinstance(result, Answer), result
            await transport.aclose()
        return told

    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert asyncio.run(main(listener)) == [True]
