"""The table of all items as a page carries it: columns to show at once, and whole texts in blocks opened on demand.

A file stays below MAX_BYTES: where texts are too much for it, long ones are cut first, and then those of right answers
are left out. What is missing is said, and stands in results.jsonl.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from router.evals.results import Row
from router.reports.html.blocks import packed
from router.reports.html.source import Attempt, Source

MAX_ROWS = 100_000
MAX_BYTES = 12_000_000
"""Of all data blocks together; what the page brings along is about 1.5 MB more."""
ROWS_A_BLOCK = 500
MAX_SHOWN = 120
"""Characters of a question or an answer in the table."""


class Level(NamedTuple):
    """How much text is carried: so many characters of each, and whether those of right answers, too."""

    characters: int
    of_right: bool


LEVELS = (
    Level(20_000, of_right=True),
    Level(2_000, of_right=True),
    Level(2_000, of_right=False),
    Level(500, of_right=False),
    Level(0, of_right=False),
)
"""From all to nothing: the first that fits is taken."""


class Line(NamedTuple):
    """One row of the table: of which run, as it stands in results.jsonl, with its item and its attempts."""

    run: str
    row: Row
    item: Mapping[str, object]
    attempts: Sequence[Attempt]


@dataclass(frozen=True, slots=True)
class Items:
    """Packed data: `columns` of the table, `texts` in blocks of ROWS_A_BLOCK rows, and what is `missing`."""

    columns: str
    texts: tuple[str, ...]
    rows: int
    missing: tuple[str, ...]


def items_of(sources: Sequence[Source], *, max_bytes: int = MAX_BYTES, max_rows: int = MAX_ROWS) -> Items:
    """The items of runs, in the order in which they were asked, arms of one item side by side."""
    lines = [line for source in sources for line in _lines(source)]
    order = {id_: place for place, id_ in enumerate(dict.fromkeys(line.row.id for line in lines))}
    kept = _kept(sorted(lines, key=lambda line: order[line.row.id]), max_rows)
    columns = packed(_columns(kept, len(sources) > 1))
    for level in LEVELS:
        texts = _within(max_bytes - len(columns), _blocks(kept, level))
        if texts is not None:
            break
    return Items(columns, texts or (), len(kept), tuple(_missing(level, len(kept), len(lines))))


def _within(room: int, blocks: Iterable[str]) -> tuple[str, ...] | None:
    """The blocks, or None as soon as they are too large together."""
    found = []
    for each in blocks:
        room -= len(each)
        if room < 0:
            return None
        found.append(each)
    return tuple(found)


def _lines(source: Source) -> Iterator[Line]:
    """The rows of a run: items as they stand in items.jsonl, prompts as they were named."""
    items = {id_: place for place, id_ in enumerate(source.items)}
    prompts = {prompt: source.prompt_place(prompt) for prompt in {row.prompt for row in source.rows}}

    def place(row: Row) -> tuple[int, int, int]:
        return items.get(row.id, len(items)), prompts[row.prompt], row.epoch

    for row in sorted(source.rows, key=place):
        yield Line(source.name, row, source.items.get(row.id, {}), source.attempts.get(row.trial, ()))


def _kept(lines: list[Line], max_rows: int) -> list[Line]:
    """At most `max_rows`: all that are not right as far as there is room, and of the right ones every n-th."""
    if len(lines) <= max_rows:
        return lines
    others = [place for place, line in enumerate(lines) if line.row.outcome != "right"][:max_rows]
    right = [place for place, line in enumerate(lines) if line.row.outcome == "right"]
    room = max_rows - len(others)
    drawn = [right[index * len(right) // room] for index in range(room)] if room else []
    return [lines[place] for place in sorted({*others, *drawn})]


def _missing(level: Level, kept: int, rows: int) -> Iterator[str]:
    if kept < rows:
        yield f"{kept:,} of {rows:,} rows are shown: those that are not right, and a sample of the right ones."
    if not level.characters:
        yield "Texts of answers are left out."
    elif not level.of_right:
        yield f"Texts of right answers are left out, others are cut after {level.characters:,} characters."
    elif level != LEVELS[0]:
        yield f"Texts are cut after {level.characters:,} characters."


# Columns: an array each; texts that repeat are numbers into a list of names.


def _columns(lines: Sequence[Line], has_runs: bool) -> dict[str, object]:  # noqa: FBT001 - one caller
    rows = [line.row for line in lines]
    runs = {"run": _named(line.run for line in lines)} if has_runs else {}
    flipped = _flipped(rows)
    return {
        **runs,
        "id": _plain(row.id for row in rows),
        "prompt": _named(row.prompt for row in rows),
        "model": _named(row.asked_model or row.model for row in rows),
        "provider": _named(row.provider for row in rows),
        "key": _named(row.key for row in rows),
        "epoch": _named(row.epoch for row in rows),
        "outcome": _named(row.outcome for row in rows),
        "reason": _named(row.reason or "" for row in rows),
        "fault": _named(row.fault or "" for row in rows),
        "question": _plain(_short(question_of(line.item)) for line in lines),
        "expected": _plain(_short(row.expected or "") for row in rows),
        "answer": _plain(_short(row.answer or "") for row in rows),
        "flipped": _named(row.id in flipped for row in rows),
        "score": _named(row.score for row in rows),
        "attempts": _named(row.attempts for row in rows),
        "latency_s": _plain(_rounded(row.latency_s, 3) for row in rows),
        "waited_s": _plain(_rounded(row.waited_s, 3) for row in rows),
        "tokens_in": _plain(row.tokens_in for row in rows),
        "tokens_out": _plain(row.tokens_out for row in rows),
        "cost_usd": _plain(_rounded(row.cost_usd, 7) for row in rows),
    }


def _flipped(rows: Iterable[Row]) -> set[str]:
    """The items some of whose answers are right while others are not; errors say nothing about that."""
    found: defaultdict[str, set[bool]] = defaultdict(set)
    for row in rows:
        if row.outcome not in {"error", "unscored"}:
            found[row.id].add(row.outcome == "right")
    return {id_ for id_, verdicts in found.items() if len(verdicts) > 1}


def _plain(values: Iterable[object]) -> dict[str, object]:
    return {"values": list(values)}


def _named(values: Iterable[object]) -> dict[str, object]:
    codes: dict[object, int] = {}
    return {"codes": [codes.setdefault(value, len(codes)) for value in values], "names": list(codes)}


def _rounded(value: float | None, places: int) -> float | None:
    return None if value is None else round(value, places)


def _short(text: str) -> str:
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"


def question_of(item: Mapping[str, object]) -> str:
    """An item's question, or the last message of its conversation."""
    if question := item.get("question"):
        return str(question)
    messages = item.get("messages")
    last = messages[-1] if isinstance(messages, list) and messages else {}
    content = last.get("content") if isinstance(last, dict) else ""
    return content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)


# Texts.


def _blocks(lines: Sequence[Line], level: Level) -> Iterator[str]:
    """The blocks of a level; none where there are no texts."""
    for start in range(0, len(lines) if level.characters else 0, ROWS_A_BLOCK):
        yield packed([_texts(line, level) for line in lines[start : start + ROWS_A_BLOCK]])


def _texts(line: Line, level: Level) -> dict[str, object]:
    """The long texts of a row; what is empty is left out."""
    row, size = line.row, level.characters
    if row.outcome == "right" and not level.of_right:
        return {"cut": True}
    whole = {
        "question": question_of(line.item),
        "expected": row.expected or "",
        "answer": row.answer or "",
        "response": row.response,
        "reasoning": row.reasoning,
        "why": row.why,
    }
    found: dict[str, object] = {name: text[:size] for name, text in whole.items() if text}
    if any(len(text) > size for text in whole.values()):
        found["cut"] = True
    if line.attempts:
        found["attempts"] = [_attempt(each, line.attempts[0].at) for each in line.attempts]
    return found


def _attempt(attempt: Attempt, first_at: float) -> dict[str, object]:
    """One call, its end in seconds from the end of the first one."""
    call = attempt.call
    return {
        "at_s": round(attempt.at - first_at, 3),
        "key": call.key or call.provider,
        "ok": call.ok,
        "status": call.status,
        "fault": call.fault,
        "action": call.action,
        "words": " ".join((call.message or "").split()),
        "latency_s": round(call.latency_s, 3),
        "waited_s": round(call.waited_s, 3),
        "waited_for": call.waited_for,
    }
