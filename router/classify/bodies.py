"""Reading what vendors send as an error's body: JSON, JSON in strings, Python reprs, event streams, JSON lines."""

from __future__ import annotations

import re

from router.jsonl import decode

MAX_LENGTH = 65536
"""Characters of a body that are looked at."""

_TOKEN = re.compile(r"""'(?:[^'\\]|\\.)*+(?:'|\\?\Z)|"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|\b(?:True|False|None)\b""", re.DOTALL)
_LITERALS = {"True": "true", "False": "false", "None": "null"}
_STREAM_FIELD = re.compile(r"(?:data|event|id|retry)?:")
_LOOKS_LIKE_A_VALUE = re.compile(r"[\[{](?:\s|\\n)*[\]}\[{\"']")


def documents(text: str) -> tuple[object, ...]:
    """The values that a text holds: one for JSON or a Python repr, one a line for streams, none for prose."""
    text = text[:MAX_LENGTH].lstrip("\ufeff").strip()
    if not text or text[0] == "<":
        return ()
    if text[0] in '{["':
        whole = _value(text)
        if whole is not None:
            return (whole,)
    lines = _stream_payloads(text) if is_stream(text) else text.splitlines()
    values = [value for line in lines[:2000] if line[:1] in "{[" and (value := _value(line)) is not None]
    return tuple(values) or embedded(text)


def embedded(text: str) -> tuple[object, ...]:
    """The value inside a sentence, as in `Error code: 429 - {'error': …}`; none where there is none."""
    start = _LOOKS_LIKE_A_VALUE.search(text)
    if not start:
        return ()
    closing = "}" if text[start.start()] == "{" else "]"
    end = text.rfind(closing) + 1
    value = _value(text[start.start() : end]) if end > start.start() else None
    return () if value is None else (value,)


def is_stream(text: str) -> bool:
    """Whether a text reads as server-sent events, as DeepSeek's `: keep-alive` lines do."""
    return _STREAM_FIELD.match(text) is not None


def _stream_payloads(text: str) -> list[str]:
    return [line[5:].strip() for line in text.splitlines() if line.startswith("data:")]


def _value(text: str) -> object:
    """Parse JSON, else what `str()` made of it; a JSON string is opened once more. None where it is neither."""
    try:
        value = decode(text)
    except ValueError:
        value = _python_repr(text) or _bytes_repr(text)
    return value if isinstance(value, (dict, list)) else _opened(value)


def _opened(value: object) -> object:
    if not isinstance(value, str) or value[:1] not in {"{", "["}:
        return None
    try:
        inner = decode(value)
    except ValueError:
        return None
    return inner if isinstance(inner, (dict, list)) else None


def _python_repr(text: str) -> object:
    """What `str()` of a dict became; SDKs put that into their messages."""
    if "'" not in text:
        return None
    try:
        return decode(_TOKEN.sub(lambda token: _as_json(token[0]), text))
    except ValueError:
        return None


def _bytes_repr(text: str) -> object:
    """What `str()` of bytes became, its line ends spelt out."""
    if "\\n" not in text:
        return None
    try:
        return decode(text.replace("\\n", " "))
    except ValueError:
        return None


def _as_json(token: str) -> str:
    if token in _LITERALS:
        return _LITERALS[token]
    if token[0] == '"':
        return token
    inner = re.sub(r"\\x([0-9a-fA-F]{2})", r"\\u00\1", token[1:-1])
    inner = inner.replace("\\'", "'")
    return '"' + re.sub(r'(?<!\\)"', r"\"", inner) + '"'
