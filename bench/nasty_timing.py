"""Nasty sizes, paces and connections."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping

from nasty_kinds import Bytes, Nasty, Then, holding, says, table, under
from nasty_vendors import Behaviour, Dialect, Exchange, http

CHUNK = 1 << 18
ENDLESS = 1 << 31
PAUSE_S = 0.02

# Size and time.


async def _endless(exchange: Exchange) -> None:
    await exchange.send(http(b"", b"transfer-encoding: chunked", length=False))
    piece = b"%x\r\n%s\r\n" % (CHUNK, b"a" * CHUNK)
    for _ in range(ENDLESS // CHUNK):
        await exchange.send(piece)


async def _200_megabytes(exchange: Exchange) -> None:
    start, end = b'{"x":"', b'"}'
    size = 200 << 20
    await exchange.send(http(b"", b"content-length: %d" % (size + len(start + end)), length=False) + start)
    for _ in range(size // CHUNK):
        await exchange.send(b"a" * CHUNK)
    await exchange.send(end)


async def _endless_headers(exchange: Exchange) -> None:
    await exchange.send(b"HTTP/1.1 200 OK\r\n")
    line = b"x-more: " + b"y" * 1000 + b"\r\n"
    for _ in range(ENDLESS // len(line)):
        await exchange.send(line)


async def _endless_line(exchange: Exchange) -> None:
    await exchange.send(b"HTTP/1.1 200 OK\r\nx-more: ")
    for _ in range(ENDLESS // CHUNK):
        await exchange.send(b"y" * CHUNK)


async def _endless_1xx(exchange: Exchange) -> None:
    for _ in range(ENDLESS // CHUNK):
        await exchange.send(b"HTTP/1.1 102 Processing\r\n\r\n")
        await asyncio.sleep(0)


def _drip(data: Bytes, pause_s: float, pieces: int = 10) -> Behaviour:
    async def behave(exchange: Exchange) -> None:
        whole = data(exchange.dialect)
        size = max(1, len(whole) // pieces)
        for start in range(0, len(whole), size):
            await exchange.send(whole[start : start + size])
            await asyncio.sleep(pause_s)

    return behave


def _then_hangs(data: Bytes) -> Behaviour:
    async def behave(exchange: Exchange) -> None:
        await exchange.send(data(exchange.dialect))
        await exchange.hang()

    return behave


def _half(dialect: Dialect) -> bytes:
    whole = under()(dialect)
    return whole[: len(whole) - 40]


def _letters(count: int, letter: str) -> Bytes:
    return holding(f'"the risk-{letter * count}"')


def sizes() -> Iterator[Nasty]:
    heavy: Mapping[str, Behaviour] = {
        "body without end": _endless,
        "body of 200 MB": _200_megabytes,
        "headers without end": _endless_headers,
        "a header line without end": _endless_line,
        "1xx without end": _endless_1xx,
    }
    for name, behave in heavy.items():
        yield Nasty(name, "size and time", behave, is_heavy=True, is_slow="1xx" in name)
    slow: Mapping[str, Behaviour] = {
        "no reply": _then_hangs(lambda _dialect: b""),
        "hangs after the headers": _then_hangs(
            lambda dialect: under()(dialect).partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        ),
        "hangs in mid-header": _then_hangs(lambda _dialect: b"HTTP/1.1 200 OK\r\nx-a"),
        "hangs in mid-body": _then_hangs(_half),
        "a byte every 50 ms": _drip(under(), 0.05, 10_000),
        "101 Switching Protocols": _then_hangs(
            lambda _dialect: b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n"
        ),
    }
    for name, behave in slow.items():
        yield Nasty(name, "size and time", behave, is_slow=True)
    yield Nasty("drips, and ends in time", "size and time", _drip(under(), PAUSE_S), answers=True)
    yield from table(
        "size and time",
        {
            "100 Continue, then well": lambda dialect: b"HTTP/1.1 100 Continue\r\n\r\n" + under()(dialect),
            "103 Early Hints, then well": lambda dialect: (
                b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n" + under()(dialect)
            ),
            "20,000 times one letter": _letters(20_000, "a"),
            "20,000 dashes": _letters(20_000, "-"),
            "4 MB of one letter": _letters(2 << 20, " a"),
            "20,000 Chinese signs": _letters(20_000, "七"),
        },
        answers=None,
    )


# Connections.


async def _half_close_and_hang(exchange: Exchange) -> None:
    await exchange.send(_half(exchange.dialect))
    exchange.half_close()
    await exchange.hang()


async def _half_close_at_once(exchange: Exchange) -> None:
    exchange.half_close()
    await exchange.hang()


async def _half_close_after_the_reply(exchange: Exchange) -> None:
    await exchange.answer()
    exchange.half_close()
    await exchange.hang()


def connections() -> Iterator[Nasty]:
    ends: Mapping[str, Then] = {"closed": "close", "reset": "reset"}
    places: Mapping[str, Bytes | bytes] = {
        "before a reply": b"",
        "in mid-header": b"HTTP/1.1 200 OK\r\nx-a",
        "after the headers": b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n",
        "in mid-body": _half,
    }
    for past, then in ends.items():
        yield Nasty(f"{past} at once", "connections", says(b"", then), at_connect=True)
        yield from table("connections", {f"{past} {where}": data for where, data in places.items()}, then)
    yield Nasty("greets as SSH", "connections", says(b"SSH-2.0-OpenSSH_9.6\r\n"), at_connect=True, is_slow=True)
    yield Nasty("replies before it is asked", "connections", says(under()), answers=None, at_connect=True)
    yield Nasty("half-closes at once", "connections", _half_close_at_once)
    yield Nasty("half-closes in mid-body", "connections", _half_close_and_hang)
    yield Nasty("half-closes after the reply", "connections", _half_close_after_the_reply, answers=None)
