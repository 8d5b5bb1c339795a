"""The language of the phrase rules: regular expressions with names for what vendors call many things.

In a pattern `…` stands for up to 60 characters of the same sentence and `‥` for up to 20, so that long bodies
cost linear time. Sentences are parted by ` | `.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from router.faults import Kind

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
    "WINDOW": r"(?:daily|weekly|monthly|hourly|5[- ]?hour|5h|five[- ]hour|7[- ]day|\d+[- ]hour|hour|week|month)",
}


@dataclass(frozen=True, slots=True)
class Phrase:
    """One rule: `said` must be found and `unless` must not; `statuses`, where given, bound it to those."""

    kind: Kind
    said: re.Pattern[str]
    unless: re.Pattern[str] | None = None
    statuses: frozenset[int | None] = frozenset()

    def fits(self, text: str, status: int | None) -> bool:
        """Whether the rule speaks of this text."""
        if self.statuses and status not in self.statuses:
            return False
        return self.said.search(text) is not None and not (self.unless and self.unless.search(text))


def _pattern(text: str) -> re.Pattern[str]:
    for name, meant in _NAMES.items():
        text = text.replace(name, meant)
    return re.compile(text)


def phrase(kind: Kind, *said: str, unless: str = "", statuses: frozenset[int | None] = frozenset()) -> Phrase:
    """Build a rule: any of `said`, not `unless`, only with these statuses where some are given."""
    return Phrase(kind, _pattern("|".join(said)), _pattern(unless) if unless else None, statuses)
