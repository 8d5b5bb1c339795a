"""Takes keys out of texts, in whatever form a vendor echoes them: whole, encoded, cut short or starred out."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from urllib.parse import quote

from router.providers import Key

TELLING = 8
"""So many characters of a key's start or end are taken out even where the rest of it is missing."""
SHORTEST = 6
"""Shorter keys are taken out as a whole only: their parts are ordinary words."""
_MASKED = r"[^\s\"'<>,;()\[\]{}\\]*"


class Scrubber:
    """Replaces every form of the given keys by their names, as in `[openai#2]`."""

    def __init__(self, keys: Iterable[Key]) -> None:
        names = {key.secret.reveal(): key.name for key in keys if key.secret and key.secret.reveal()}
        self._forms = {form: name for secret, name in names.items() for form in _forms(secret)}
        self._fragments = tuple({f for secret in names for f in _fragments(secret)} | set(self._forms))
        patterns = [re.escape(form) for form in sorted(self._forms, key=len, reverse=True)]
        patterns += [p for secret in names if len(secret) > 2 * TELLING for p in _cut_short(secret)]
        self._pattern = re.compile("|".join(patterns)) if patterns else None

    def __call__(self, text: str) -> str:
        """Return the text without any key; texts without one, nearly all, cost a few searches."""
        if self._pattern is None or not any(fragment in text for fragment in self._fragments):
            return text
        return self._pattern.sub(self._name_of, text)

    def _name_of(self, match: re.Match[str]) -> str:
        return f"[{self._forms.get(match.group(), 'key')}]"


def _forms(secret: str) -> set[str]:
    """A key as it stands, percent-encoded, as JSON escapes it, and in base64 of itself or of a basic header."""
    plain = base64.b64encode(secret.encode()).decode().rstrip("=")
    escaped = secret.replace("\\", "\\\\").replace('"', '\\"')
    forms = {secret, quote(secret, safe=""), escaped}
    return forms | ({plain} if len(secret) > SHORTEST else set())


def _fragments(secret: str) -> set[str]:
    return {secret[:TELLING], secret[-TELLING:], secret[:3]} if len(secret) > 2 * TELLING else {secret}


def _cut_short(secret: str) -> tuple[str, ...]:
    """A token that begins or ends as the key does, and one that shows its first characters before stars or dots."""
    head, tail = re.escape(secret[:TELLING]), re.escape(secret[-TELLING:])
    starred = rf"{re.escape(secret[:3])}[\w-]{{0,40}}(?:\*{{2,}}|\.{{3,}}|…|•{{2,}}|[xX]{{4,}}){_MASKED}"
    return (head + _MASKED, rf"[\w-]*{tail}", starred)
