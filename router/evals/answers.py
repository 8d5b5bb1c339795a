"""Finds thinking, JSON objects and numbers in a model's text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal

_THINK_TAG = re.compile(r"<(/?)think(?:ing)?>", re.IGNORECASE)
_ASCII = str.maketrans("０１２３４５６７８９．＋－−", "0123456789.+--")
_GROUPED = r"\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?"
_PLAIN = r"\d+(?:\.\d+)?(?:[eE][-+]?\d{1,3}(?!\d))?"
_NUMBER = re.compile(rf"[-+]?(?:{_GROUPED}|{_PLAIN})", re.ASCII)
# In prose `12-5` holds 12 and 5; a sign belongs to its number only where no operand stands before it.
_NUMBER_IN_PROSE = re.compile(rf"(?:(?<![\w).])[-+])?(?:{_GROUPED}|{_PLAIN})", re.ASCII)

# Numbers stay text: so they compare exactly, however long, and a boolean cannot pass for one.
# Models break lines inside strings, which JSON forbids; `strict=False` takes them.
_OBJECT = re.compile(r'\{\s*"')
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, strict=False)


def parted(text: str) -> tuple[str, str]:
    """The text outside <think> blocks and the text inside; an unterminated block goes to the end.

    A closing tag alone ends reasoning whose opening tag the vendor kept: the text before it is thought.
    """
    kept: list[str] = []
    thought: list[str] = []
    at, is_thinking = 0, False
    for tag in _THINK_TAG.finditer(text):
        (thought if tag[1] or is_thinking else kept).append(text[at : tag.start()])
        is_thinking = not tag[1]
        at = tag.end()
    (thought if is_thinking else kept).append(text[at:])
    return "".join(kept), "".join(thought)


def without_thinking(text: str) -> str:
    """The text outside <think> blocks."""
    return parted(text)[0] if "<" in text else text


def last_object_with(name: str, text: str) -> Mapping[str, object] | None:
    """The last JSON object in a text that has `name` and stands in no other object that has it.

    Its numbers are texts. A broken object is skipped up to where it breaks, with the objects in it, so a
    truncated one hides all its insides and no letter is parsed more than twice: an unterminated string
    is reported at its begin, but behind it no name of an object can begin any more.
    """
    source, last = _Unnumbered(text), None
    begin = _OBJECT.search(source)
    while begin:
        try:
            value, end = _DECODER.raw_decode(source, begin.start())
            last = _holder(name, value) or last
        except json.JSONDecodeError as error:
            end = max(error.pos, begin.start() + 1)
        except RecursionError:
            # No answer nests a thousand levels deep, and there is no telling where this one ends.
            return None
        begin = _OBJECT.search(source, end)
    return last


class _Unnumbered(str):
    """A text without line numbers: JSONDecodeError counts the lines before it, quadratic for many errors."""

    __slots__ = ()

    def count(self, *_: object) -> int:
        return 0

    def rfind(self, *_: object) -> int:
        return -1


def number_in(text: str) -> Decimal | None:
    """The number that a text is: `42`, `-1,234.50`, `4.2e1`, full-width digits; None for any other text."""
    match = _NUMBER.fullmatch(text.strip().translate(_ASCII))
    return Decimal(match[0].replace(",", "")) if match else None


def last_number(text: str) -> str | None:
    """The last number in a text, as it is written."""
    found = _NUMBER_IN_PROSE.findall(text.translate(_ASCII))
    return found[-1] if found else None


def _holder(name: str, value: object) -> Mapping[str, object] | None:
    """The last outermost object with `name`: the stack is walked from the right, parents first."""
    stack = [value]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            if name in node:
                return node
            stack.extend(node.values())
        elif isinstance(node, list):
            stack.extend(node)
    return None
