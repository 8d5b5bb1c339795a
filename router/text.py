"""Texts from outside, made harmless once, where they come in."""

from __future__ import annotations

import re

_LONE = re.compile("[\ud800-\udfff]")
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]+")
_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<lone>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
MAX_MENDED = 2**18
"""Characters of a JSON text that are looked through for halves of characters: more would hold the loop up."""


def unicode(text: str) -> str:
    """The text with a replacement character for every lone surrogate, which no encoder takes."""
    return text if text.isascii() else _LONE.sub("\ufffd", text)


def clean(text: str) -> str:
    """Words for people, without what would move a terminal's cursor, colour it or turn the line round."""
    return text if text.isascii() and text.isprintable() else unicode(_UNSEEN.sub(" ", text))


def mended_json(text: str) -> str:
    r"""A JSON text without escapes of half a character, as of an emoji that was cut at a length: `"\ud83d"`."""
    if len(text) > MAX_MENDED or ("\\ud" not in text and "\\uD" not in text):
        return text
    return _ESCAPE.sub(lambda escape: r"\ufffd" if escape["lone"] else escape[0], text)
