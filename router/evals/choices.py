"""Multiple choice: which of an item's choices is the right one, and which one an answer names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from string import ascii_uppercase

_STRIPPED = " \t\r\n.。,，;:：!！\"'“”‘’`*()（）[]【】"
_LETTER = re.compile(r"[\s*`\"'(（\[【]*([A-Z])[\s*`\"')）\]】]*(?:[.:：、,，。)）].*)?", re.DOTALL)
"""A text that begins with a letter by itself: `B`, `(B)`, `**B.** Paris`, `B: because …`."""
_NAMED = re.compile(
    r"(?:answer|choice|option|答案|选项|选择|选)\s*(?:is|are|would be|should be|是|为)?\s*[:：=]?\s*"
    r"[*`\"'(（\[【$\\a-z{]*\b([A-Z])(?![A-Za-z'’])",
    re.IGNORECASE,
)
"""`the answer is (B)`, `Answer: **B**`, `答案是 B`, `\\boxed{B}` behind such a word; the letter is a capital."""
_BOXED = re.compile(r"\\boxed\{(?:\\text\{)?\s*([A-Z])\s*\}?\}|\*\*\(?([A-Z])\)?[.:]?\*\*|\(([A-Z])\)")


def texts_and_labels(choices: object) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The choices as texts, and their labels where the data set has its own, as ARC does; empty where there are none.

    A text that holds a JSON list is one, since tables have no lists.
    """
    named: Mapping[str, object] = choices if isinstance(choices, Mapping) else {"text": choices}
    choices, labels = named.get("text"), named.get("label")
    if isinstance(choices, str):
        choices = _parsed(choices)
    if not isinstance(choices, list | tuple):
        return (), ()
    own = tuple(map(str, labels)) if isinstance(labels, list | tuple) and len(labels) == len(choices) else ()
    return tuple(map(str, choices)), own


def gold_choice(gold: object, choices: Sequence[str], labels: Sequence[str] = ()) -> int | None:
    """The index of the right choice: `gold` is an index from 0, a letter, a label or a text of one.

    None where it is none of them, or where two of them disagree.
    """
    if not choices or isinstance(gold, bool):
        return None
    if isinstance(gold, int):
        return gold if 0 <= gold < len(choices) else None
    if not isinstance(gold, str):
        return None
    text = gold.strip()
    if text in labels:
        return labels.index(text)
    readings = {_letter_index(text.strip(_STRIPPED).upper(), choices), _text_index(text, choices)} - {None}
    if not readings and text.isdecimal() and int(text) < len(choices):
        return int(text)
    return readings.pop() if len(readings) == 1 else None


def named_choice(text: str, choices: Sequence[str]) -> int | None:
    """The index of the choice that an answer names, by its letter, its text or its index from 0; None where none is.

    The whole answer is looked at first, then the last `answer is B`, a letter in a box, bold or in brackets, at last
    the only choice whose text occurs.
    """
    bare = text.strip(_STRIPPED)
    whole = _text_index(bare, choices)
    if whole is None and (begins := _LETTER.fullmatch(text.strip())):
        whole = _letter_index(begins[1], choices)
    if whole is None and bare.isascii() and bare.isdecimal() and int(bare) < len(choices):
        whole = int(bare)
    if whole is not None:
        return whole
    for pattern in (_NAMED, _BOXED):
        letters = ["".join(filter(None, match.groups())) for match in pattern.finditer(text)]
        found = [index for letter in letters if (index := _letter_index(letter, choices)) is not None]
        if found:
            return found[-1]
    occurring = [index for index, choice in enumerate(choices) if _occurs(choice, text)]
    return occurring[0] if len(occurring) == 1 else None


def _letter_index(text: str, choices: Sequence[str]) -> int | None:
    if len(text) != 1 or text not in ascii_uppercase[: len(choices)]:
        return None
    return ascii_uppercase.index(text)


def _text_index(text: str, choices: Sequence[str]) -> int | None:
    """The choice with this text; None where several have it."""
    wanted = text.strip(_STRIPPED).casefold()
    found = [index for index, choice in enumerate(choices) if choice.strip(_STRIPPED).casefold() == wanted]
    return found[0] if wanted and len(found) == 1 else None


def _occurs(choice: str, text: str) -> bool:
    choice = choice.strip(_STRIPPED)
    return bool(choice) and re.search(rf"(?<!\w){re.escape(choice)}(?!\w)", text, re.IGNORECASE) is not None


def _parsed(text: str) -> object:
    from router.jsonl import decode

    try:
        return decode(text)
    except ValueError:
        return None
