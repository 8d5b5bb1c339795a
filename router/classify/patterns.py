"""The language of the phrase rules: regular expressions with names for what vendors call many things.

In a pattern `…` stands for up to 60 characters of the same sentence and `‥` for up to 20, so that long bodies
cost linear time. Sentences are parted by ` | `. A pattern is compiled when a text first holds one of its needles:
words without which it cannot match, found much faster than the pattern itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from router.classify.needles import needles

_WITHIN_A_SENTENCE = r"(?:[^.|。]|\.(?=\S))"
_NAMES = {
    "…": _WITHIN_A_SENTENCE + "{0,60}",
    "‥": _WITHIN_A_SENTENCE + "{0,20}",
    "WHO": r"(?:account|organi[sz]ation|org|user|workspace|project|team|tenant|consumer|resource|subscription"
    r"|customer)s?",
    "KEY": r"(?:api[ _-]?keys?"
    r"|(?:access|auth\w*|bearer|oauth|api|refresh|security|subscription|secret)[ _-](?:tokens?|keys?)"
    r"|credentials?|secret|x-api-key)",
    "TOKEN": r"(?:keys?|tokens?|licen[sc]e)",
    "GONE": r"(?:suspended|banned|disabled|deactivated|terminated|blocked|locked|restricted|frozen|closed)",
    "DEAD": r"(?:revoked|leaked|expired|disabled|deactivated|no longer valid|deleted|invalidated|compromised)",
    "PLACE": r"(?:country|countries|region|territor(?:y|ies)|location|jurisdiction)s?",
    "WINDOW": r"(?:daily|weekly|monthly|hourly|session|5[- ]?hour|5h|five[- ]hour|7[- ]day|\d+[- ]hour"
    r"|hour|week|month)",
}


@dataclass(frozen=True, slots=True)
class Pattern:
    """One regular expression, and the words of which a text must hold one for it to match."""

    source: str
    needles: frozenset[str]


def pattern_of(source: str) -> Pattern:
    """A pattern with its names written out and its needles found; raises ValueError where it has none."""
    for name, meant in _NAMES.items():
        source = source.replace(name, meant)
    if not (found := needles(source)):
        msg = f"a pattern that any text may match: {source}"
        raise ValueError(msg)
    return Pattern(source, found)


compiled = cache(re.compile)
