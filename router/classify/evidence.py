"""What a reply says, dug out of wherever vendors put it: codes with their places, words, headers, hints of a wall."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from html import unescape

from router.classify.bodies import MAX_LENGTH, documents, embedded
from router.types import Reply

MAX_DEPTH = 12
MAX_LEAVES = 400
MAX_TEXT = 6000
MAX_CODE = 64
MAX_OPENINGS = 3
"""How many times JSON inside a string is opened: relays over relays wrap an error twice."""

_CODE_NAMES = frozenset({
    "code", "type", "status", "reason", "error_code", "errorcode", "err_code", "errcode", "status_code",
    "statuscode", "error_type", "errortype", "__type", "quotaid", "quotavalue", "limit_source", "blockreason",
    "stop_reason", "finish_reason", "finishreason", "status_name", "provider_code", "subtype", "error", "detail",
    "title", "block_reason", "reasons",
})  # fmt: skip
_WORD_NAMES = frozenset({
    "message", "msg", "error_msg", "errormsg", "err_msg", "errmsg", "error_message", "errormessage", "status_msg",
    "status_message", "detail", "details", "raw", "error", "reason", "title", "error_description", "errors",
    "status", "code", "error_code", "type",
})  # fmt: skip
"""A name in both sets holds a code where its value is one word, else a sentence."""
_HINT_NAMES = frozenset({"param", "description", "remedy_hint", "info"})
"""Names of words that help to decide and are not what a person wants to read."""
_UPSTREAM_NAMES = frozenset({"raw", "upstream", "upstream_error", "provider_error", "original_error", "cause"})
"""Where relays put what the vendor behind them said."""
_WAIT_NAMES = re.compile(r"retry|reset|estimated_time|expires_at|wait", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]{0,2000}>")
_TITLE = re.compile(r"<title[^>]{0,200}>([^<]{0,300})", re.IGNORECASE)
_HTML = re.compile(
    r"\s{0,50}(?:<!--.{0,500}?-->\s{0,50})?<(?:!doctype\s*html|html|head|body|center|h1|title|div|p)\b",
    re.IGNORECASE | re.DOTALL,
)
_SUFFIX_CODE = re.compile(r"[^(]*\((\d{4})\)\s*$")
_PREFIX_CODE = re.compile(r"<(\d{4,8})>")
_WRAPPER = re.compile(r"^litellm\.\w{1,60}: (?:\w{1,60}: )?(?:\w{1,60} - )?")
"""LiteLLM's own judgement before the vendor's words; it would be taken for theirs."""
_HTTP_FAILURE = re.compile(r"[45]\d\d")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class Code:
    """One code of a reply, as written, and its place: the last two names on the way to it (`error.code`)."""

    value: str
    place: str


@dataclass(frozen=True)
class Evidence:
    """All that a reply says about its failure.

    `words` are the human sentences, outermost first; `waits` are the fields that speak of times (name in
    lower case, value as text); `page` is the readable text of an HTML page; `message` is what a person wants to
    read: the innermost sentence, a page's title. `headers` include those that a relay repeats inside the body.
    `upstream` is what a wrapped reply says alone: it knows better than the relay that wrapped it.
    """

    status: int | None
    error: str = ""
    provider: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    codes: tuple[Code, ...] = ()
    words: tuple[str, ...] = ()
    waits: tuple[tuple[str, str], ...] = ()
    page: str = ""
    message: str = ""
    is_empty: bool = False
    upstream: Evidence | None = None

    @cached_property
    def text(self) -> str:
        """The words in one line of lower case, for the phrase rules; at most MAX_TEXT characters."""
        return " | ".join(self.words)[:MAX_TEXT].lower()

    @property
    def code_words(self) -> str:
        """The codes spelt as words: `AccountOverdueError` as `account overdue error`."""
        spelt = (_CAMEL.sub(" ", code.value) for code in self.codes[:40])
        return re.sub(r"[^0-9a-z一-鿿|]+", " ", " | ".join(spelt)[:MAX_TEXT].lower())


def gather(reply: Reply, provider: str = "") -> Evidence:
    """Dig the evidence out of a reply; never raises, whatever the body holds."""
    body = reply.body[:MAX_LENGTH]
    page = _readable(body) if _HTML.match(body) else ""
    found = _Found()
    for document in () if page else documents(body):
        found.walk(document)
    if not found.words and not found.codes and not page and body.strip():
        found.word(_WRAPPER.sub("", body.strip()[:MAX_TEXT]))
    aws = reply.headers.get("x-amzn-errortype", "").partition(":")[0]
    if aws:
        found.codes.insert(0, Code(aws, "x-amzn-errortype"))
    return Evidence(
        status=reply.status,
        error=reply.error,
        provider=provider.lower(),
        headers={**found.headers, **reply.headers},
        codes=tuple(dict.fromkeys(found.codes)),
        words=tuple(dict.fromkeys(found.words)),
        waits=tuple(found.waits),
        page=page,
        message=found.message or page[:200],
        is_empty=not body.strip(),
        upstream=_upstream(found.wrapped, reply.status, provider.lower()),
    )


def _upstream(documents: list[object], status: int | None, provider: str, depth: int = 1) -> Evidence | None:
    """What the wrapped documents say alone, None where there are none; their own status counts, if they have one."""
    if not documents:
        return None
    found = _Found()
    for document in documents:
        found.walk(document)
    own = next((int(code.value) for code in found.codes if _HTTP_FAILURE.fullmatch(code.value)), status)
    return Evidence(
        status=own,
        provider=provider,
        codes=tuple(dict.fromkeys(found.codes)),
        words=tuple(dict.fromkeys(found.words)),
        upstream=_upstream(found.wrapped, own, provider, depth + 1) if depth < MAX_OPENINGS else None,
    )


class _Found:
    """Collects leaves on a bounded walk through a parsed body."""

    def __init__(self) -> None:
        self.codes: list[Code] = []
        self.words: list[str] = []
        self.message = ""
        self.waits: list[tuple[str, str]] = []
        self.headers: dict[str, str] = {}
        self.wrapped: list[object] = []
        self._leaves = 0
        self._openings = 0

    def walk(self, value: object, path: tuple[str, ...] = (), depth: int = 0) -> None:
        if depth > MAX_DEPTH or self._leaves > MAX_LEAVES:
            return
        if isinstance(value, dict):
            for name, inner in _plain_first(value):
                if name == "headers" and isinstance(inner, dict):
                    self.headers.update({str(key).lower(): str(each) for key, each in inner.items()})
                elif name in _UPSTREAM_NAMES and inner:
                    self.wrapped.append(inner if isinstance(inner, dict) else {"message": inner})
                self.walk(inner, (*path, name), depth + 1)
        elif isinstance(value, list):
            for inner in value[:20]:
                self.walk(inner, path, depth + 1)
        elif path and value is not None and value != "":
            self._leaves += 1
            self._leaf(value, path)

    def _leaf(self, value: object, path: tuple[str, ...]) -> None:
        name, text = path[-1], str(value)
        if _speaks_of_a_wait(name):
            self.waits.append((name, text[:100]))
        is_sentence = isinstance(value, str) and (" " in text.strip() or len(text) > MAX_CODE or not text.isascii())
        if name in _CODE_NAMES and not is_sentence and not isinstance(value, bool):
            self.codes.append(Code(text, ".".join(path[-2:])))
        elif name in _HINT_NAMES and isinstance(value, str):
            self.words.append(_fold(text[:MAX_TEXT]))
        elif name in _WORD_NAMES and isinstance(value, str):
            if not is_sentence:
                self.codes.append(Code(text, ".".join(path[-2:])))
            self.word(text)

    def word(self, text: str) -> None:
        """Take a sentence, and what is inside it where it wraps another error."""
        inner = embedded(text) if self._openings < MAX_OPENINGS and "{" in text else ()
        if (suffix := _SUFFIX_CODE.match(text[-8:]) or _PREFIX_CODE.match(text)) is not None:
            self.codes.append(Code(suffix[1], "suffix"))
        self.message = _fold(text[:MAX_TEXT])
        self.words.append(self.message)
        if inner:
            self._openings += 1
            self.wrapped.extend(inner)
            for value in inner:
                self.walk(value)


def _plain_first(value: dict[object, object]) -> Iterator[tuple[str, object]]:
    """The entries with plain ones before nested ones, so that outer words precede inner ones."""
    nested = []
    for name, inner in value.items():
        if isinstance(inner, (dict, list)):
            nested.append((str(name).lower(), inner))
        else:
            yield str(name).lower(), inner
    yield from nested


def _readable(page: str) -> str:
    title = _TITLE.search(page)
    shown = page
    for opening, closing in (("<!--", "-->"), ("<script", "</script>"), ("<style", "</style>")):
        shown = _without(shown, opening, closing)
    text = _TAG.sub(" ", shown)
    said = unescape(title[1]) if title else ""
    return _fold(f"{said} {unescape(text)}")[:MAX_TEXT]


def _without(page: str, opening: str, closing: str) -> str:
    """The page without those elements; linear even where they are never closed."""
    first, *rest = page.split(opening)
    return " ".join([first, *(piece.partition(closing)[2] for piece in rest)])


def _fold(text: str) -> str:
    return " ".join(text.split())


@lru_cache(maxsize=512)
def _speaks_of_a_wait(name: str) -> bool:
    return _WAIT_NAMES.search(name) is not None
