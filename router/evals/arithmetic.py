"""The built-in task: integer arithmetic of +, - and x, the same on every machine."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

from router.errors import ConfigError
from router.evals.items import Item

LARGEST = 100

_OPERATORS = "+-x"
_EXPRESSION = re.compile(r"\s*\d+(?:\s*[-+x]\s*\d+)*\s*", re.ASCII)
_TOKEN = re.compile(r"\d+|[-+x]", re.ASCII)


def arithmetic(limit: int = 100, ops: int = 2, seed: int = 0) -> Iterator[Item]:
    """`limit` expressions of `ops` operators over 1…100, lazily; raises ConfigError at once.

    Item i depends on `seed`, `ops` and i alone, so that runs of any length pair up item by item.
    """
    if limit < 0:
        raise ConfigError(f"limit is {limit}; expected 0 or more items")
    if ops < 1:
        raise ConfigError(f"ops is {ops}; an expression has 1 or more operators")
    return (_item(seed, ops, number) for number in range(limit))


def solve(expression: str) -> int:
    """The value of `37 + 5 x 12`: x first, then left to right; raises ValueError on anything else."""
    if not _EXPRESSION.fullmatch(expression):
        raise ValueError(f"expected integers joined by + - x, such as 37 + 5 x 12; found {expression[:60]!r}")
    tokens = _TOKEN.findall(expression)
    total, product = 0, int(tokens[0])
    for operator, number in zip(tokens[1::2], tokens[2::2], strict=True):
        if operator == "x":
            product *= int(number)
        else:
            total += product
            product = int(operator + number)
    return total + product


def _item(seed: int, ops: int, number: int) -> Item:
    name = f"arith-{seed}-{ops}-{number:05d}"
    parts = [str(1 + _draw(f"{name}/0", LARGEST))]
    for place in range(1, ops + 1):
        parts.append(_OPERATORS[_draw(f"{name}/{place}/operator", len(_OPERATORS))])
        parts.append(str(1 + _draw(f"{name}/{place}", LARGEST)))
    question = " ".join(parts)
    return Item(name, question, str(solve(question)), {"question": question})


def _draw(place: str, below: int) -> int:
    """A number in 0…below-1 from the place's name: a hash stays the same where `random` may change."""
    return int.from_bytes(hashlib.sha256(place.encode()).digest()) % below
