"""Takes keys out of texts, in whatever form a vendor echoes them: whole, encoded, cut short or starred out."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from urllib.parse import quote

from router.config.models import Key

TELLING = 8
"""So many characters of a long key's start or end are taken out even where the rest of it is missing.

Keys of up to twice as many are taken out as a whole only: their parts may be ordinary words.
"""
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
    """A key as it stands, percent-encoded, as JSON escapes it once or twice, and in base64 of any text around it."""
    percent = quote(secret, safe="")
    small = re.sub("%..", lambda code: code.group().lower(), percent)
    once = _escaped(secret)
    forms = {secret, percent, small, once, _escaped(once), once.replace("/", "\\/")}
    return forms | {form for form in _base64(secret) if len(form) >= TELLING}


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _base64(secret: str) -> set[str]:
    """Base64 of the key, and what base64 of a longer text holds of it, for each of three places where it may begin."""
    raw = secret.encode()
    forms = {base64.b64encode(raw).decode().rstrip("=")}
    for before in range(3):
        coded = base64.b64encode(b"\0" * before + raw).decode()
        forms.add(coded[4 if before else 0 : (before + len(raw)) // 3 * 4])
    return forms | {form.replace("+", "-").replace("/", "_") for form in forms}


def _fragments(secret: str) -> set[str]:
    return {secret[:TELLING], secret[-TELLING:], secret[:3]} if len(secret) > 2 * TELLING else {secret}


def _cut_short(secret: str) -> tuple[str, ...]:
    """A token that begins or ends as the key does, and one that shows its first characters before stars or dots."""
    head, tail = re.escape(secret[:TELLING]), re.escape(secret[-TELLING:])
    first = rf"(?<![A-Za-z0-9]){re.escape(secret[:3])}[\w-]{{0,40}}"
    starred = rf"{first}(?:\*{{2,}}|\.{{3,}}|…|•{{2,}}|[xX]{{4,}}){_MASKED}"
    return (head + _MASKED, rf"[\w-]*{tail}", starred)
