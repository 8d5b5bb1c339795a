"""Files that are nearly right: what users write, after random changes, and what no random change comes upon."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import attack_product as product
from attack_command import PROMPT, REPOSITORY

INPUTS = {"providers.yaml": 800, "prompts": 400, "data files": 500, "logs": 300}

Kind: TypeAlias = str

JUNK = (
    "9" * 400,
    "-1",
    "0",
    "1e400",
    "NaN",
    "null",
    "true",
    "\\ud800",
    "\x00",
    "\x1b[2J",
    "\u202e",
    "🦜",
    "'",
    '"',
    "\t",
    "---",
    "&a [*a, *a]",
    "*nobody",
    "!!python/object/apply:os.system ['id']",
    "<<: *a",
    "${HOME}",
    "${NOT_SET}",
    ": ",
    "#",
    "{",
    "}",
    "[" * 2000,
    "{" * 2000,
    "a" * 100_000,
    "2026-99-99T99:99:99Z",
    "9999-12-31T23:59:59.999Z",
    "-0",
    "{}",
    "[]",
    "18446744073709551616",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ question.__init__.__globals__ }}",
    "{{ undefined_name }}",
    "{{",
    "{% for i in range(99999) %}{% for j in range(99999) %}x{% endfor %}{% endfor %}",
    "{{ 'a' * 10**11 }}",
    "{% include 'x' %}",
    "{{ '%099999999d' % 1 }}",
    "{{ range(10**12)|list }}",
    "{{ question * 10**9 }}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
)
"""What is put where something else stood."""

SMALL = product.config_yaml([product.provider_yaml("one", "direct", "http://127.0.0.1:9/v1")])
FRONT = "---\nscorer: number\nsystem: You are terse.\nparams: {temperature: 0, max_tokens: 50}\n---\n"
ITEMS = [{"id": f"q{number}", "question": f"{number} + 1", "expected": number + 1} for number in range(30)]
JSONL = "".join(json.dumps(item) + "\n" for item in ITEMS)
CSV = "id,question,expected\n" + "".join(f"{item['id']},{item['question']},{item['expected']}\n" for item in ITEMS)


def mutated(rng: random.Random, text: str) -> str:
    """The text after one to four random changes."""
    for _ in range(rng.randint(1, 4)):
        text = rng.choice(CHANGES)(rng, text)
    return text


def _lines(change: Callable[[random.Random, list[str]], None]) -> Callable[[random.Random, str], str]:
    def changed(rng: random.Random, text: str) -> str:
        lines = text.split("\n")
        change(rng, lines)
        return "\n".join(lines)

    return changed


def _drop(rng: random.Random, lines: list[str]) -> None:
    del lines[rng.randrange(len(lines))]


def _put(rng: random.Random, text: str) -> str:
    place = rng.randrange(len(text) + 1)
    return text[:place] + rng.choice(JUNK) + text[place:]


def _replace_word(rng: random.Random, text: str) -> str:
    words = list(re.finditer(r"[\w.+-]+", text))
    word = rng.choice(words) if words else None
    return text if word is None else text[: word.start()] + rng.choice(JUNK) + text[word.end() :]


def _cut(rng: random.Random, text: str) -> str:
    return text[: rng.randrange(len(text) + 1)]


def _flip(rng: random.Random, text: str) -> str:
    place = rng.randrange(len(text) + 1)
    return text[:place] + chr(rng.choice((0, 9, 13, 27, 127, 133, 160, 0x2028, 0xFEFF, 0xDC80))) + text[place + 1 :]


CHANGES: Sequence[Callable[[random.Random, str], str]] = (
    _put,
    _replace_word,
    _replace_word,
    _cut,
    _flip,
    _lines(lambda rng, lines: lines.insert(rng.randrange(len(lines) + 1), rng.choice(lines))),
    _lines(lambda rng, lines: lines.insert(rng.randrange(len(lines) + 1), rng.choice(JUNK))),
    _lines(_drop),
    _lines(lambda rng, lines: rng.shuffle(lines)),
)


def _event(field: str) -> bytes:
    head = '{"ts":"2026-01-01T00:00:00Z","level":"info","event":"attempt.finished","run":"r"'
    return f"{head},{field}}}\n".encode()


SPECIAL: Mapping[Kind, Mapping[str, bytes]] = {
    "providers.yaml": {
        "a billion laughs": b"a0: &a0 [x, x]\n"
        + b"".join(b"a%d: &a%d [*a%d, *a%d]\n" % (n, n, n - 1, n - 1) for n in range(1, 40)),
        "nested 10,000 deep": b"[" * 10_000 + b"]" * 10_000,
        "1 MB of one line": b"providers: " + b"x" * (1 << 20),
        "empty": b"",
        "UTF-16": SMALL.encode("utf-16"),
        "a mark before it": b"\xef\xbb\xbf" + SMALL.encode(),
        "5,000 providers": SMALL.encode()
        + b"".join(b"  p%d: {model: openai/m, keys: none, rate: 1/s}\n" % n for n in range(5000)),
    },
    "prompts": {
        "empty": b"",
        "latin-1": b"Z\xfcrich {{ question }}",
        "1 MB of text": b"word " * 200_000 + b"{{ question }}",
        "2,000 places": b"{{ question }} " * 2000,
    },
    "data files": {
        "CSV of 100,000 columns": b",".join(b"c%d" % n for n in range(100_000)) + b"\n" + b"1," * 99_999 + b"1\n",
        "a line of 20 MB": b'{"question": "' + b"x" * (20 << 20) + b'", "expected": 1}\n',
        "nested 50,000 deep": b'{"question": ' + b"[" * 50_000 + b"]" * 50_000 + b"}\n",
        "10^5000": b'{"question": "x", "expected": ' + b"9" * 5000 + b"}\n",
        "empty": b"",
        "UTF-16": JSONL.encode("utf-16"),
        "NULs": bytes(10_000),
    },
    "logs": {
        "a field that differs in case": _event('"Ts":1'),
        "a field without a name": _event('"":1'),
        "a latency of 1e300": _event('"latency_s":1e300'),
        "2^70 tokens": _event('"tokens_in":1180591620717411303424'),
        "the year 99999": b'{"ts":"99999-01-01T00:00:00Z","event":"key.state","run":"r","key":"a#1","until":1e20}\n',
    },
}
"""What no random change comes upon."""


@dataclass(frozen=True, slots=True)
class Input:
    """One file and the command that reads it; `%` stands for its path."""

    kind: Kind
    name: str
    file: str
    content: bytes
    arguments: tuple[str, ...]


def inputs(share: float, log: str) -> Iterator[Input]:
    """All of them, the same each time; `log` is a run's log."""
    bases: Mapping[Kind, Sequence[tuple[str, str]]] = {
        "providers.yaml": [
            ("providers.yaml", (REPOSITORY / "providers.yaml").read_text(encoding="utf-8")),
            ("p.yaml", SMALL),
        ],
        "prompts": [("p.txt", FRONT + PROMPT), ("p.txt", PROMPT), ("p.txt", "{{ question }}\n")],
        "data files": [("d.jsonl", JSONL), ("d.csv", CSV), ("d.json", json.dumps(ITEMS))],
        "logs": [("log.jsonl", log)],
    }
    for kind, count in INPUTS.items():
        for number, (name, content) in enumerate(SPECIAL[kind].items()):
            file = "d.csv" if name.startswith("CSV") else bases[kind][0][0]
            yield Input(kind, name, file, content, _arguments(kind, number))
        for number in range(max(3, round(count * share)) - len(SPECIAL[kind])):
            rng = random.Random(f"{kind} {number}")
            file, text = bases[kind][number % len(bases[kind])]
            content = mutated(rng, text).encode("utf-8", "surrogateescape")
            yield Input(kind, f"{kind} {number}", file, content, _arguments(kind, number))


def _arguments(kind: Kind, number: int) -> tuple[str, ...]:
    dry = ("--dry-run", "--rehearse")
    of_logs = (
        (),
        ("--item", "arith-0-2-00003"),
        ("--sql", "select event, count(*) from events group by 1"),
        ("--json",),
    )
    return {
        "providers.yaml": ("check", "--config", "%"),
        "prompts": ("eval", "%", "--config", "small.yaml", *dry),
        "data files": ("eval", "small.txt", "--data", "%", "--config", "small.yaml", *dry),
        "logs": ("logs", "%", *of_logs[number % len(of_logs)]),
    }[kind]
