"""Takes keys out of texts, in whatever form a vendor echoes them: whole, encoded, cut short or starred out.

The cost grows with the text alone. Every form of every key is known by an anchor of 8 characters; wherever one stands,
one of its quarters begins at a multiple of 4, so every fourth position of a text is looked up in one table, whatever
the number of keys.
"""

from __future__ import annotations

import base64
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from router.config.models import Secret

TELLING = 8
"""So many characters of a long key's start or end are taken out even where the rest of it is missing.

Keys of up to twice as many are taken out as a whole only: their parts may be ordinary words. Shorter ones than this
are dummies, as in `keys: k`, and stay.
"""
_STRIDE = 4
MAX_SEARCHED = 16
"""So many quarters that stand in a text are searched for one by one; for more, the text is gone through once."""
_ESCAPED = re.compile(
    r"\\+(?:u(?P<u>[0-9a-fA-F]{4})|)"
    r"|%(?P<percent>[2-7][0-9a-fA-F])"
    r"|&(?:#0*(?P<decimal>\d{2,3})|#[xX]0*(?P<hex>[0-9a-fA-F]{2})|(?P<name>amp|lt|gt|quot|apos));"
)
_WHITE = (r"\n", r"\t", r"\r", r"\b", r"\f")
_ENTITIES = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
_REST = re.compile(r"[^\s\"'<>,;()\[\]{}\\]*")
_STARS = re.compile(r"\*{2,}|\.{3,}|…|•{2,}|[xX]{4,}")
_SIGNS = ("**", "...", "…", "••", "xxxx")
_FIRST = 3
_MAX_BEFORE_STARS = 43
_ASCII = str.maketrans({chr(code): chr(code + 32) for code in range(ord("A"), ord("Z") + 1)})


class Span(NamedTuple):
    """What is taken out of a text, and the name in its place."""

    start: int
    end: int
    name: str


class Scrubber:
    """Replaces every form of the given secrets by their names, as in `[openai#2]`. One serves a whole run."""

    def __init__(self, secrets: Iterable[tuple[str, Secret]] = ()) -> None:
        self._quarters: dict[str, tuple[tuple[str, int], ...]] = {}
        self._blocks: dict[int, set[str]] = {}
        self._forms: dict[str, str] = {}
        self._lengths: dict[str, tuple[int, ...]] = {}
        self._heads: set[str] = set()
        self._tails: set[str] = set()
        self._firsts: set[str] = set()
        for name, secret in secrets:
            self.add(name, secret)

    def add(self, name: str, secret: Secret) -> None:
        """Take this secret out of texts too, from now on."""
        text = secret.reveal()
        if len(text) < TELLING:
            return
        plain = _lower(_undone(text)[0])
        for form in {plain, *(coded.lower() for coded in _base64(text) if len(coded) >= TELLING)}:
            self._forms.setdefault(form, name)
            anchor = self._anchor(form[:TELLING])
            self._lengths[anchor] = tuple(sorted({*self._lengths.get(anchor, ()), len(form)}, reverse=True))
        if len(plain) > 2 * TELLING:
            self._heads.add(plain[:TELLING])
            self._tails.add(self._anchor(plain[-TELLING:]))
            self._firsts.add(plain[:_FIRST])

    def _anchor(self, anchor: str) -> str:
        for at in range(_STRIDE):
            quarter = anchor[at : at + _STRIDE]
            known = self._quarters.get(quarter, ())
            for block in _blocks(quarter):
                self._blocks.setdefault(block, set()).add(anchor)
            if (anchor, at) not in known:
                self._quarters[quarter] = (*known, (anchor, at))
        return anchor

    def __call__(self, text: str) -> str:
        """Return the text without any key; one without a key, nearly every one, comes back as it is."""
        return self._without(text, is_line=False)

    def line(self, text: str) -> str:
        """The same for a line of JSON that we wrote: values lose their keys, and names stay what they are."""
        return self._without(text, is_line=True)

    def _without(self, text: str, *, is_line: bool) -> str:
        plain, places = _undone(text)
        pieces: list[str] = []
        done = 0
        for span in self._spans(plain, _lower(plain)):
            start, end = _original(span.start, places), _original(span.end, places)
            if is_line and _is_name(text, start, end):
                continue
            pieces += (text[done:start], f"[{span.name}]")
            done = end
        return "".join((*pieces, text[done:])) if pieces else text

    def _spans(self, plain: str, low: str) -> Iterator[Span]:
        """What to take out, in order, none over another."""
        done = 0
        found = {*self._anchors(low), *self._starred(plain, low)}
        for start, anchor in sorted(found, key=lambda each: (each[0], not each[1])):
            if start >= done and (span := self._span(plain, low, start, anchor, done)):
                done = span.end
                yield span

    def _anchors(self, low: str) -> Iterator[tuple[int, str]]:
        """Where an anchor stands, and which."""
        quarters = self._quarters
        hits = self._blocks.keys() & _blocks(low)
        if len(hits) <= MAX_SEARCHED:
            for anchor in {anchor for block in hits for anchor in self._blocks[block]}:
                yield from ((at, anchor) for at in _found(low, anchor))
            return
        for at in [at for at in range(0, len(low), _STRIDE) if low[at : at + _STRIDE] in quarters]:
            for anchor, before in quarters[low[at : at + _STRIDE]]:
                if low.startswith(anchor, at - before) and at >= before:
                    yield at - before, anchor

    def _starred(self, plain: str, low: str) -> Iterator[tuple[int, str]]:
        """Where a token begins as a key does and goes on with stars or dots; it has no anchor."""
        for sign in _SIGNS if self._firsts else ():
            end = 0
            while (stars := low.find(sign, end)) >= 0:
                run = _STARS.match(plain, stars)
                end = run.end() if run else stars + 1
                start = _token_start(plain, stars, max(0, stars - _MAX_BEFORE_STARS))
                for at in range(start, stars - _FIRST + 1):
                    before = plain[at - 1 : at]
                    if low[at : at + _FIRST] in self._firsts and not (before.isalnum() and before.isascii()):
                        yield at, ""
                        break

    def _span(self, plain: str, low: str, start: int, anchor: str, done: int) -> Span | None:
        for length in self._lengths.get(anchor, ()):
            if name := self._forms.get(low[start : start + length]):
                return Span(start, start + length, name)
        if not anchor or anchor in self._heads:
            stars = _STARS.search(plain, start) if not anchor else None
            rest = _REST.match(plain, stars.end() if stars else start + len(anchor))
            return Span(start, rest.end() if rest else start, "key")
        if anchor in self._tails:
            return Span(_token_start(plain, start, done), start + len(anchor), "key")
        return None


def _token_start(text: str, at: int, floor: int) -> int:
    """Where the run of letters, digits, _ and - that ends at a position begins, at `floor` or later."""
    while at > floor and (text[at - 1].isalnum() or text[at - 1] in "_-"):
        at -= 1
    return at


def _is_name(line: str, start: int, end: int) -> bool:
    """Whether it is a whole name of an object: what a vendor said stands inside a text, with its quotes escaped."""
    return line[start - 1 : start] == '"' and line[end : end + 2] == '":' and line[start - 2 : start - 1] in "{,"


def _found(text: str, part: str) -> Iterator[int]:
    at = text.find(part)
    while at >= 0:
        yield at
        at = text.find(part, at + 1)


def _blocks(text: str) -> memoryview[int]:
    """Every fourth four bytes of a text, as numbers: made and looked up without a step of Python's, or a copy."""
    raw = text.encode("utf-8", "surrogatepass")
    return memoryview(raw)[: len(raw) // _STRIDE * _STRIDE].cast("I")


Places = list[tuple[int, int]]
"""Where in the original each stretch of an undone text comes from, by positions; empty where nothing was undone."""


def _undone(text: str) -> tuple[str, Places]:
    r"""The text with its escapes undone (`\u0073`, `\"`, `%2F`, `&#115;`), and where its stretches come from."""
    if "\\" in text:
        for white in _WHITE:
            text = text.replace(white, "  ")
    if "\\" not in text and "%" not in text and "&" not in text:
        return text, []
    pieces: list[str] = []
    places: Places = []
    length = done = 0
    for escape in _ESCAPED.finditer(text):
        sign = _sign(escape)
        length += escape.start() - done
        pieces += (text[done : escape.start()], sign)
        # A sign stands for its whole escape: it begins where that does, and what follows begins after it.
        places += ((length, escape.start()), (length + len(sign), escape.end()))
        length += len(sign)
        done = escape.end()
    return "".join((*pieces, text[done:])), places


def _sign(escape: re.Match[str]) -> str:
    if code := escape["u"] or escape["percent"] or escape["hex"]:
        return chr(int(code, 16))
    if escape["decimal"]:
        return chr(int(escape["decimal"]))
    return _ENTITIES.get(escape["name"] or "", "")


def _original(at: int, places: Places) -> int:
    """Where a position of the undone text is in the original: before an escape, which belongs to what follows it."""
    index = bisect_left(places, (at, -1))
    if index < len(places) and places[index][0] == at:
        return places[index][1]
    return at if index == 0 else places[index - 1][1] + at - places[index - 1][0]


def _lower(text: str) -> str:
    """In small letters, as long as before: some letters have small forms of two."""
    low = text.lower()
    return low if len(low) == len(text) else text.translate(_ASCII)


def _base64(secret: str) -> set[str]:
    """Base64 of the key, and what base64 of a longer text holds of it, for each of three places where it may begin."""
    raw = secret.encode()
    forms = {base64.b64encode(raw).decode().rstrip("=")}
    for before in range(3):
        coded = base64.b64encode(b"\0" * before + raw).decode()
        forms.add(coded[4 if before else 0 : (before + len(raw)) // 3 * 4])
    return forms | {form.replace("+", "-").replace("/", "_") for form in forms}
