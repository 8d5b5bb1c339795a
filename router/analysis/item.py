"""One item's story: every attempt with what it waited for and what followed, how it ended, and its answer."""

from __future__ import annotations

import difflib
import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from router.analysis.analysis import plain
from router.analysis.reading import rows
from router.analysis.rows import parse, text
from router.errors import ConfigError
from router.log.events import AttemptFinished, ItemSettled
from router.log.schema import Row

RESULTS = "results.jsonl"
SHOWN = ("question", "expected", "answer", "response", "reason", "score", "finish_reason")
"""What a result tells of its item, where it has it."""
NEAR = 200
SUGGESTED = 5


class Attempt(NamedTuple):
    """One call; `then` is what followed: `answered`, `retried`, `retried_elsewhere`, `given_up`, or `unknown`."""

    at: float
    call: AttemptFinished
    then: str

    @property
    def sent_at(self) -> float:
        """When it left."""
        return self.at - self.call.latency_s


class End(NamedTuple):
    """How the item ended, and when."""

    at: float
    settled: ItemSettled


@dataclass(frozen=True, slots=True)
class Story:
    """One item, attempt by attempt as they ended. A log of several runs may hold it several times."""

    item: str
    simulated: bool
    attempts: tuple[Attempt, ...]
    ends: tuple[End, ...]
    results: tuple[Row, ...] = ()

    def to_json(self) -> dict[str, object]:
        """The same for programs, wall times as ISO 8601."""
        attempts = [
            {"sent_at": each.sent_at, "at": each.at, **vars(each.call), "then": each.then} for each in self.attempts
        ]
        ends = [{"at": end.at, **vars(end.settled)} for end in self.ends]
        return {
            "simulated": self.simulated,
            "item": self.item,
            "attempts": plain(attempts),
            "ends": plain(ends),
            "results": [dict(row) for row in self.results],
        }


def item_story(paths: Sequence[Path], item: str) -> Story:
    """Find everything about an item; raises ConfigError naming the nearest ids where there is no such item."""
    story = story_of(rows(paths), item, results=_results(paths, item))
    if not story.attempts and not story.ends:
        where = ", ".join(map(str, paths))
        raise ConfigError(f"{where}: there is no item {item!r}{_nearest(rows(paths), item)}")
    return story


def story_of(lines: Iterable[Row], item: str, results: Iterable[Row] = ()) -> Story:
    """The same for rows at hand; empty without such an item."""
    found = [each for row in lines if row.get("item") == item and (each := parse(row)) is not None]
    told = [(each.at, each.event) for each in found]
    return Story(
        item,
        any(each.simulated for each in found),
        tuple(_attempts(told)),
        tuple(End(at, event) for at, event in told if isinstance(event, ItemSettled)),
        tuple({name: row[name] for name in SHOWN if row.get(name)} for row in results),
    )


def _attempts(told: Sequence[tuple[float, object]]) -> Iterator[Attempt]:
    for index, (at, event) in enumerate(told):
        if isinstance(event, AttemptFinished):
            yield Attempt(at, event, _then(event, next((each for _, each in told[index + 1 :]), None)))


def _then(call: AttemptFinished, following: object) -> str:
    """What followed a call, which the next line of its item tells."""
    match following:
        case _ if call.ok:
            return "answered"
        case AttemptFinished():
            return "retried" if following.provider == call.provider else "retried_elsewhere"
        case ItemSettled():
            return "given_up"
    return "unknown"


def _results(paths: Sequence[Path], item: str) -> Iterator[Row]:
    """What the results beside each log say of an item: its last row, which stands in the place of those before."""
    for beside in (path.with_name(RESULTS) for path in paths):
        found = [row for row in (rows([beside]) if beside.is_file() else ()) if row.get("trial") == item]
        yield from found[-1:]


def _nearest(lines: Iterable[Row], item: str) -> str:
    """Some ids like the one that was asked for: first those with most of it at either end, then the closest of them.

    A log may hold millions of ids, and comparing them all closely would take minutes.
    """
    near: dict[str, int] = {}
    for row in lines:
        name = text(row, "item")
        if name and name not in near:
            near[name] = _alike(name, item)
            if len(near) > 2 * NEAR:
                near = dict(heapq.nlargest(NEAR, near.items(), key=lambda each: each[1]))
    inside = [name for name in near if item in name]
    close = inside or difflib.get_close_matches(item, near, n=SUGGESTED, cutoff=0.6)
    if close:
        return f"; did you mean {' or '.join(close[:SUGGESTED])}?"
    return f"; ids look like {next(iter(near))}" if near else "; the log names no item"


def _alike(name: str, item: str) -> int:
    """How many characters agree from the start and from the end, and much more where one holds the other."""
    ends = _agreeing(name, item) + _agreeing(name[::-1], item[::-1])
    return ends + (len(name) + len(item) if item in name else 0)


def _agreeing(one: str, other: str) -> int:
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
