"""How each kind of value in `providers.yaml` is read: from a node to a typed value, or a Misfit."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlsplit

from router.config.models import Price
from router.config.yaml_nodes import Node, kind_of, shown_text
from router.rates import Rate, parse_duration, parse_rate
from router.types import Json

T = TypeVar("T")

MODEL_EXPECTED = "LiteLLM's name with its vendor in front, such as openai/gpt-4o-mini"


class Misfit(ValueError):
    """A value that an option cannot take; `expected` and `found` replace the usual words."""

    def __init__(self, node: Node, expected: str = "", found: str = "") -> None:
        super().__init__(expected)
        self.node = node
        self.expected = expected
        self.found = found or described(node)


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """One entry of `keys` as it stands in the file, variables not filled in."""

    key: Node
    account: Node | None = None


def described(node: Node) -> str:
    """What stands in the file, for a message: never what a variable holds, never what looks like a key."""
    if not node.written:
        return kind_of(node)
    shown = shown_text(node.written)
    if node.is_filled_in:
        return f"{shown} (its value is not shown)"
    return shown if isinstance(node.value, str) else f"{shown} ({kind_of(node)})"


def text(node: Node) -> str:
    """A text that is not empty, without the spaces around it."""
    told = node.text.strip()
    # What is read here is told on screens, which would obey an escape.
    if not (isinstance(node.value, str) or node.is_filled_in) or not told or not told.isprintable():
        raise Misfit(node)
    return told


def mapping(node: Node) -> Mapping[str, Node]:
    """Names with values."""
    if not isinstance(node.value, Mapping):
        raise Misfit(node)
    return node.value


def whole(node: Node) -> int:
    """A whole number from 1 up; a boolean is none, though Python says so."""
    if not isinstance(node.value, int) or isinstance(node.value, bool) or node.value < 1:
        raise Misfit(node)
    return node.value


def flag(node: Node) -> bool:
    """YAML's true or false."""
    if not isinstance(node.value, bool):
        raise Misfit(node)
    return node.value


def one_of(choices: Iterable[T]) -> Callable[[Node], T]:
    """A parser that takes these texts only."""
    known = tuple(choices)

    def parse(node: Node) -> T:
        for choice in known:
            if choice == node.value:
                return choice
        raise Misfit(node)

    return parse


def duration_s(node: Node) -> float:
    """Seconds above zero, from a number or a text such as 1m30s."""
    if isinstance(node.value, bool) or not isinstance(node.value, str | int | float):
        raise Misfit(node)
    try:
        seconds = parse_duration(node.value) if isinstance(node.value, str) else float(node.value)
    except ValueError:
        raise Misfit(node) from None
    if not 0 < seconds < math.inf:
        raise Misfit(node, "a time above zero, such as 30s")
    return seconds


def rates(node: Node) -> tuple[Rate, ...]:
    """One rate, or a list of them that hold together."""
    nodes = node.value if isinstance(node.value, tuple) else (node,)
    if not nodes:
        raise Misfit(node, found="an empty list")
    return tuple(_each(nodes, _rate))


def _rate(node: Node) -> Rate:
    if isinstance(node.value, int) and not isinstance(node.value, bool):
        raise Misfit(node, "a rate such as 5/s; a number alone does not say per what time")
    if not isinstance(node.value, str):
        raise Misfit(node)
    try:
        rate = parse_rate(node.value)
    except ValueError as error:
        raise Misfit(node, str(error)) from None
    # Half a call a second is one call in two: a window must hold at least one.
    rate = rate if rate.amount >= 1 else Rate(1.0, rate.period_s / rate.amount)
    if not (math.isfinite(rate.amount) and math.isfinite(rate.period_s)):
        raise Misfit(node, "a plausible rate, such as 300/min")
    return rate


def model(node: Node) -> str:
    """LiteLLM's name of a model, its vendor in front."""
    name = text(node)
    if not re.fullmatch(r"[\w.-]+/\S+", name):
        raise Misfit(node, MODEL_EXPECTED)
    return name


def models(node: Node) -> Mapping[str, str]:
    """Names of one's own with models."""
    nodes = mapping(node)
    if not nodes:
        raise Misfit(node, found="an empty mapping")
    return dict(zip(nodes, _each(nodes.values(), model), strict=True))


def url(node: Node) -> str:
    """An http or https address with a host, and without anything that could be a secret."""
    address = text(node)
    try:
        parts = urlsplit(address)
        # Reading the port is what checks it.
        is_address = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise Misfit(node) from None
    if "?" in address or "#" in address:
        raise Misfit(node, "an address without ?… or #…: logs show it; a key goes under keys", "one with a query")
    if "@" in parts.netloc:
        raise Misfit(node, "an address without a user or password: logs show it; a key goes under keys")
    if not is_address or not re.fullmatch(r"[!-~]+", address):
        raise Misfit(node)
    return address


def params(node: Node) -> Mapping[str, Json]:
    """Parameters for LiteLLM; which of them a provider may set depends on its model, and is looked at there."""
    return {name: item.plain() for name, item in mapping(node).items()}


_OURS = frozenset({"host", "content-length", "content-type", "content-encoding", "transfer-encoding", "connection"})


def headers(node: Node) -> Mapping[str, str]:
    """HTTP headers with texts, but for those that describe the request itself."""
    nodes = mapping(node)
    for name in nodes:
        if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name) or name.lower() in _OURS:
            found = f"a mapping with {shown_text(name)}"
            raise Misfit(Node(None, *node.names[name]), "headers of your own, such as {X-Title: eval}", found)
    return dict(zip(nodes, _each(nodes.values(), _header), strict=True))


def _header(node: Node) -> str:
    # What stands in a header may be a key, so a message tells kinds only.
    if isinstance(node.value, tuple | Mapping) or not re.fullmatch(r"[ -~]+", node.text.strip()):
        raise Misfit(node, "a text of plain ASCII", kind_of(node))
    return node.text.strip()


def price(node: Node) -> Price:
    """Dollars for a million tokens, asked and answered, and perhaps read from a cache."""
    nodes = mapping(node)
    if nodes.keys() - {"cached"} != {"input", "output"}:
        raise Misfit(node)
    return Price(*_each([nodes[name] for name in ("input", "output", "cached") if name in nodes], _dollars))


def _dollars(node: Node) -> float:
    if isinstance(node.value, bool) or not isinstance(node.value, int | float) or node.value < 0:
        raise Misfit(node, "dollars per million tokens, from 0 up")
    return float(node.value)


def key_entries(node: Node) -> tuple[KeyEntry, ...]:
    """The entries of `keys`; the messages tell kinds only, for whatever stands here may be a key."""
    if _is_text(node):
        return (KeyEntry(node),)
    if not isinstance(node.value, tuple) or not node.value:
        raise Misfit(node, found=kind_of(node))
    return tuple(_each(node.value, _key_entry))


def _key_entry(node: Node) -> KeyEntry:
    if _is_text(node):
        return KeyEntry(node)
    if not isinstance(node.value, Mapping):
        raise Misfit(node, "a key in quotes, or a mapping of key and account", kind_of(node))
    for name in node.value.keys() - {"key", "account"}:
        raise _unknown_part(name, *node.names[name])
    key, account = node.value.get("key"), node.value.get("account")
    if key is None or not _is_text(key):
        raise Misfit(key or node, "key: with a text", kind_of(key) if key else "a mapping without key")
    if account and not _is_text(account):
        raise Misfit(account, "account: with a text", kind_of(account))
    return KeyEntry(key, account)


def _unknown_part(name: str, line: int, column: int) -> Misfit:
    near = next(iter(difflib.get_close_matches(name.lower(), ("key", "account"), n=1)), "")
    # A name that is near neither may be a key that lost its place.
    found = f"a mapping with {shown_text(name)}" if near else "a mapping with another name"
    hint = f"; did you mean {near}?" if near else ""
    return Misfit(Node(None, line, column), f"key and account only{hint}", found)


def _is_text(node: Node) -> bool:
    return isinstance(node.value, str) and bool(node.value.strip())


def _each(nodes: Iterable[Node], parse: Callable[[Node], T]) -> list[T]:
    """Parse all of them; raises one group with every Misfit."""
    parsed: list[T] = []
    misfits: list[Misfit] = []
    for node in nodes:
        try:
            parsed.append(parse(node))
        except Misfit as misfit:
            misfits.append(misfit)
    if misfits:
        raise ExceptionGroup("several values are wrong", misfits)
    return parsed
