"""One item's story: every attempt with what it waited for, and how it ended."""

from __future__ import annotations

import difflib
import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from router.analysis.reading import rows
from router.analysis.rows import Call, Row, Settled, parse, text
from router.errors import ConfigError

NEAR = 200
SUGGESTED = 5

WAITS = {
    "idle": "nothing: {provider} was free",
    "nothing": "nothing more",
    "vendor is silent": "a sign of life from {provider}",
    "pace": "the pace of {provider}",
    "key pace": "the pace of {provider}'s accounts",
    "tokens": "the token limit of {provider}",
    "provider rests": "the end of a rest of {provider}",
    "key rests": "the end of a rest of {provider}'s keys",
    "in flight full": "a free place among {provider}'s calls in flight",
    "one trial": "the one trial call at {provider}",
    "ramp": "{provider}, which was ramping up after a rest",
    "budget used up": "the next day or hour of {provider}'s limit",
}
"""What stood last between an attempt and its call, in the words of the log and in a sentence's."""


@dataclass(frozen=True, slots=True)
class Story:
    """One item, attempt by attempt as they ended. A log of several runs may hold it several times."""

    item: str
    simulated: bool
    attempts: tuple[Call, ...]
    ends: tuple[Settled, ...]

    def to_json(self) -> dict[str, object]:
        """The same for programs, wall times as ISO 8601."""
        from router.analysis.analysis import to_json

        attempts = [{"sent_at": call.sent_at, **call._asdict()} for call in self.attempts]
        ends = [end._asdict() for end in self.ends]
        return {"simulated": self.simulated, "item": self.item, "attempts": to_json(attempts), "ends": to_json(ends)}


def item_story(paths: Sequence[Path], item: str) -> Story:
    """Find everything about an item; raises ConfigError naming the nearest ids where there is no such item."""
    story = story_of(rows(paths), item)
    if not story.attempts and not story.ends:
        where = ", ".join(map(str, paths))
        raise ConfigError(f"{where}: there is no item {item!r}{_nearest(rows(paths), item)}")
    return story


def story_of(lines: Iterable[Row], item: str) -> Story:
    """The same for rows at hand; empty without such an item."""
    mine = [row for row in lines if row.get("item") == item]
    events = [parse(row) for row in mine]
    return Story(
        item,
        any(row.get("simulated") is True for row in mine),
        tuple(event for event in events if isinstance(event, Call)),
        tuple(event for event in events if isinstance(event, Settled)),
    )


def waited_for(call: Call) -> str:
    """What an attempt waited for, as a sentence goes on."""
    known = WAITS.get(call.waited_for)
    return known.format(provider=call.provider) if known else call.waited_for or "the log does not say what"


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
