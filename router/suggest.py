"""The known name that is most like a mistyped one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known name that is most like `word`, None where none is."""
    return next(iter(difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)), None)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The end of a message that refuses `word`: `; did you mean X?`, or nothing."""
    close = nearest(word, known)
    return f"; did you mean {close}?" if close else ""
