"""What a nasty reply is, and how most of them are put together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from nasty_vendors import Behaviour, Dialect, Exchange, body_of, http

Then: TypeAlias = Literal["keep", "close", "reset"]
Bytes: TypeAlias = Callable[[Dialect], bytes]

LIST = {"openai": "choices", "anthropic": "content", "gemini": "candidates"}


@dataclass(frozen=True, slots=True)
class Nasty:
    """One misbehaviour. `is_slow` ones take until the caller's patience ends, `is_heavy` ones send without end."""

    name: str
    group: str
    behave: Behaviour
    answers: bool | None = False
    may_blame_item: bool = False
    at_connect: bool = False
    is_slow: bool = False
    is_heavy: bool = False


def says(make: Bytes | bytes, then: Then = "keep") -> Behaviour:
    """Send these bytes, whole, then keep the connection, close or reset it."""

    async def behave(exchange: Exchange) -> None:
        await exchange.send(make if isinstance(make, bytes) else make(exchange.dialect))
        if then == "reset":
            await exchange.reset()
        elif then == "close":
            await exchange.close()

    return behave


def table(
    group: str,
    rows: Mapping[str, Bytes | bytes],
    then: Then = "keep",
    *,
    answers: bool | None = False,
    may_blame_item: bool = False,
) -> Iterator[Nasty]:
    for name, make in rows.items():
        yield Nasty(name, group, says(make, then), answers, may_blame_item)


def under(*lines: bytes, status: bytes = b"HTTP/1.1 200 OK", kind: bytes = b"application/json") -> Bytes:
    """A good answer under odd header lines."""
    return lambda dialect: http(body_of(dialect), *lines, status=status, kind=kind)


def holding(text: str = '"7"', *, reason: str = "", count: str = "7", model: str = '"m"') -> Bytes:
    return lambda dialect: http(body_of(dialect, text=text, reason=reason, count=count, model=model))


def listing(answers: str) -> Bytes:
    """A good answer whose list of answers is spelt otherwise; `LIST` stands for its name in the dialect."""

    def make(dialect: Dialect) -> bytes:
        body = body_of(dialect).decode()
        start = body.index(f'"{LIST[dialect]}":[')
        depth, end = 0, start
        for end in range(body.index("[", start), len(body)):
            depth += {"[": 1, "]": -1}.get(body[end], 0)
            if depth == 0:
                break
        return http((body[:start] + answers.replace("LIST", LIST[dialect]) + body[end + 1 :]).encode())

    return make
