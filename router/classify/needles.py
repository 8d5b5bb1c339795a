"""Words without which a regular expression cannot match: looking for them first spares most searches.

Understands what the phrase rules use: literals, escapes, classes, groups, lookarounds, quantifiers, alternatives.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import chain

_MIN_LENGTH, _MIN_CHINESE = 3, 1
_QUANTIFIER = re.compile(r"([?*+]|\{(\d+)(?:,\d*)?\})[?+]?")
_PIECE = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(|.", re.DOTALL)


@cache
def needles(source: str) -> frozenset[str]:
    """Literal words of which each text that the expression matches holds one; none where it has no such words."""
    found = [_of_a_sequence(alternative) for alternative in _alternatives(source)]
    return frozenset[str]().union(*found) if all(found) else frozenset()


def _of_a_sequence(source: str) -> frozenset[str]:
    """The best of what its parts demand: the longest word, from the fewest words."""
    return max(_demands(source), key=_sharpness, default=frozenset())


def _sharpness(words: frozenset[str]) -> tuple[int, int]:
    return min(len(word.encode()) for word in words), -len(words)


def beginning(needle: str) -> tuple[str, ...]:
    """The letters under which a needle is looked up."""
    return tuple(needle[:_MIN_LENGTH] if needle.isascii() else needle[:_MIN_CHINESE])


def beginnings(text: str) -> Iterator[tuple[str, ...]]:
    """What the needles in a text may begin with."""
    letters = zip(text, text[1:], text[2:], strict=False)
    return letters if text.isascii() else chain(letters, zip(text, strict=True))


def _is_long_enough(word: str) -> bool:
    return len(word) >= (_MIN_LENGTH if word.isascii() else _MIN_CHINESE)


def _demands(source: str) -> Iterator[frozenset[str]]:
    """What each part of a sequence demands: its runs of literals, and the groups that may not be left out."""
    run, at = "", 0
    while at < len(source):
        piece, at = _piece(source, at)
        quantifier = _QUANTIFIER.match(source, at)
        at = quantifier.end() if quantifier else at
        literal = _literal(piece)
        if literal and not quantifier:
            run += literal
            continue
        if _is_long_enough(run):
            yield frozenset({run})
        run = ""
        if piece.startswith("(?:") and not _may_be_absent(quantifier) and (words := needles(piece[3:-1])):
            yield words
    if _is_long_enough(run):
        yield frozenset({run})


def _may_be_absent(quantifier: re.Match[str] | None) -> bool:
    return quantifier is not None and (quantifier[1] in "?*" or quantifier[2] == "0")


def _literal(piece: str) -> str:
    """The character that a piece stands for, empty where it stands for several or for a place."""
    if len(piece) == 1:
        return "" if piece in ".^$" else piece
    is_escaped_sign = piece[0] == "\\" and not piece[1].isalnum()
    return piece[1] if is_escaped_sign else ""


def _alternatives(source: str) -> Iterator[str]:
    start = at = 0
    while at < len(source):
        piece, end = _piece(source, at)
        if piece == "|":
            yield source[start:at]
            start = end
        at = end
    yield source[start:]


def _piece(source: str, at: int) -> tuple[str, int]:
    """The character, escape, class or whole group that begins there, and where it ends."""
    end = at
    depth = 0
    while True:
        found = _PIECE.match(source, end)
        if found is None:
            return source[at:], len(source)
        end = found.end()
        depth += {"(": 1, ")": -1}.get(found[0], 0)
        if depth == 0:
            return source[at:end], end
