"""Texts from outside: whatever comes in, what goes on can be encoded and shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.jsonl import decode
from router.text import MAX_MENDED, clean, mended_json, unicode

ANY_TEXT = st.text(st.characters(exclude_categories=()))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("plain, 七 🙂", "plain, 七 🙂", id="nothing to do"),
        pytest.param("\x1b[31mred\x1b[0m", " [31mred [0m", id="colours"),
        pytest.param("\x1b]0;title\x07x", " ]0;title x", id="a window's title"),
        pytest.param("a\r\nb\x00c", "a b c", id="line ends and NUL"),
        pytest.param("\x9b31m", " 31m", id="C1"),
        pytest.param("a\u202eb\u2066c\u2028d", "a b c d", id="direction and line separators"),
        pytest.param("half \ud83d of one", "half \ufffd of one", id="half a character"),
    ],
)
def test_what_people_see(text: str, shown: str) -> None:
    assert clean(text) == shown


@given(ANY_TEXT)
def test_every_text_can_be_encoded(text: str) -> None:
    assert unicode(text).encode().decode() == unicode(text)
    assert clean(text).isprintable() or not clean(text).isascii()


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        pytest.param(r'"\ud83d\ude00"', "😀", id="a whole one"),
        pytest.param(r'"cut \ud83d"', "cut \ufffd", id="the first half"),
        pytest.param(r'"\ude00 cut"', "\ufffd cut", id="the second half"),
        pytest.param(r'"\uD83D\uD83D\uDE00"', "\ufffd😀", id="a half and a whole one"),
        pytest.param(r'"\\ud83d"', r"\ud83d", id="a backslash that is itself escaped"),
        pytest.param(r'"\\\ud83d"', "\\\ufffd", id="after a backslash"),
    ],
)
def test_halves_of_characters_are_mended(raw: str, value: str) -> None:
    assert decode(mended_json(raw)) == value


def test_a_huge_text_is_left_alone() -> None:
    text = r"\ud83d" * MAX_MENDED
    assert mended_json(text) is text
