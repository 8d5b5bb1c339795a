"""Scorers: they find the answer in a model's text and compare it with what was expected."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, TypeAlias

from router.errors import ConfigError
from router.suggest import did_you_mean


@dataclass(frozen=True, slots=True)
class Score:
    """How an answer text did, and the answer found in it; None where it is `unparsable`."""

    outcome: Literal["right", "wrong", "unparsable"]
    answer: str | None


Scorer: TypeAlias = Callable[[str, str], Score]
"""Takes the model's text and the expected answer; never raises."""

DEFAULT_SCORER = "infer"
UNPARSABLE = Score("unparsable", None)

_FIELD = "infer"
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


def infer(text: str, expected: str) -> Score:
    """Score the value of `infer` in the last JSON object that has it: a number, or a text that is one.

    Where a text is expected, any text is an answer.
    """
    holder = last_object_with(_FIELD, without_thinking(text))
    value = holder[_FIELD] if holder is not None else None
    if not isinstance(value, str) or not value.strip():
        return UNPARSABLE
    if number_in(value) is None and number_in(expected) is not None:
        return UNPARSABLE
    return _compare(value, expected)


def exact(text: str, expected: str) -> Score:
    """Score the whole answer, stripped, letter by letter."""
    answer = without_thinking(text).strip()
    return _score(answer, is_right=answer == expected.strip()) if answer else UNPARSABLE


def includes(text: str, expected: str) -> Score:
    """Score whether the expected text stands anywhere in the answer."""
    answer = without_thinking(text).strip()
    return _score(answer, is_right=expected.strip() in answer) if answer else UNPARSABLE


def number(text: str, expected: str) -> Score:
    """Score the last number in the answer."""
    found = _NUMBER_IN_PROSE.findall(without_thinking(text).translate(_ASCII))
    return _compare(found[-1], expected) if found else UNPARSABLE


SCORERS: Mapping[str, Scorer] = {"infer": infer, "exact": exact, "includes": includes, "number": number}
"""Every scorer by name; `regex:PATTERN` makes one more."""


def get_scorer(name: str) -> Scorer:
    """The scorer called `name`, or made by `regex:PATTERN`; raises ConfigError naming the nearest."""
    if name in SCORERS:
        return SCORERS[name]
    kind, colon, pattern = name.partition(":")
    if kind == "regex" and colon:
        return _regex(pattern)
    known = [*SCORERS, "regex:PATTERN"]
    # Only the word before a colon is compared, lest a long pattern hide it.
    close = did_you_mean(kind, [*SCORERS, "regex"])
    raise ConfigError(f"there is no scorer {name!r}{close} (known: {', '.join(known)})")


def without_thinking(text: str) -> str:
    """The text outside <think> blocks; an unterminated block hides what follows it.

    A closing tag alone ends reasoning whose opening tag the vendor kept: the text before it is hidden.
    """
    kept: list[str] = []
    at, is_thinking = 0, False
    for tag in _THINK_TAG.finditer(text):
        if not tag[1] and not is_thinking:
            kept.append(text[at : tag.start()])
        is_thinking = not tag[1]
        at = tag.end()
    if not is_thinking:
        kept.append(text[at:])
    return "".join(kept)


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


def _regex(pattern: str) -> Scorer:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ConfigError(f"scorer regex:{pattern}: this is no regular expression: {error}") from None
    group = 1 if compiled.groups else 0

    def scorer(text: str, expected: str) -> Score:
        match = compiled.search(without_thinking(text))
        found = match[group] if match else None
        return UNPARSABLE if found is None else _compare(found, expected)

    return scorer


def _compare(answer: str, expected: str) -> Score:
    got, wanted = number_in(answer), number_in(expected)
    if got is not None and wanted is not None:
        return _score(answer, is_right=got == wanted)
    return _score(answer, is_right=answer.strip() == expected.strip())


def _score(answer: str, *, is_right: bool) -> Score:
    return Score("right" if is_right else "wrong", answer.strip())
