"""Items with their questions and answers, and lists of runs, for a terminal; import it where it is used (rich)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from router.analysis.listing import Listed
from router.analysis.showing import Shown
from router.evals.results import Row
from router.reports.paper import DIM, printed, simulated_line, words
from router.reports.summary_text import STYLES
from router.reports.tables import Column, grid
from router.reports.wording import count_text, percent_text, seconds_text
from router.types import Json, Message

MIN_NAME = 36
MAX_ANSWER = 600
"""So many characters of an answer are shown in a list; alone, an item is shown whole."""


def render_items(items: Sequence[Shown], width: int, *, color: bool = False, whole: bool = False) -> str:
    """Questions, expected answers and what was answered; with `whole` also the messages that were sent."""
    parts: list[RenderableType] = []
    if any(row.simulated for each in items for row in each.rows):
        parts += [simulated_line(), Text()]
    for each in items:
        parts += [*_item(each, whole=whole), Text()]
    return printed(parts, width, color=color)


def render_runs(runs: Sequence[Listed], width: int, *, color: bool = False) -> str:
    """A table of runs, the newest last."""
    columns: tuple[Column[Listed], ...] = (
        Column("run", lambda run: Text(run.name), align="left"),
        Column("items", lambda run: Text(count_text(run.items))),
        Column("accuracy %", lambda run: Text(percent_text(run.accuracy) + (", simulated" if run.simulated else ""))),
        Column("error", lambda run: Text(count_text(run.error)), drop_order=1),
        Column("state", lambda run: Text(run.state), align="left"),
        Column("items from", lambda run: words(run.task), align="left", drop_order=2),
    )
    return printed([grid(columns, runs, width=width, names="fold", min_name=MIN_NAME)], width, color=color)


def _item(shown: Shown, *, whole: bool) -> Iterator[RenderableType]:
    item = shown.item
    yield words(item.id, "bold")
    yield from _messages(shown.asked) if whole else ()
    if not (whole and shown.asked):
        yield _indented(_lines(item.question or "(its question is not kept)"))
    others = {name: value for name, value in item.variables.items() if name not in {"id", "question", "expected"}}
    if whole and others:
        yield _indented(words("   ".join(f"{name}: {value}" for name, value in others.items()), DIM))
    yield _indented(words(f"expected: {' or '.join(item.accepted) or 'nothing'}", DIM))
    for row in shown.rows:
        yield _indented(_line(row))
        text = row.response or row.why
        cut = text if whole or len(text) <= MAX_ANSWER else f"{text[:MAX_ANSWER]}… (--item {item.id} shows all)"
        yield _indented(_lines(cut), 4)


def _messages(asked: Mapping[str, Sequence[Message]]) -> Iterator[RenderableType]:
    for prompt, messages in asked.items():
        for message in messages:
            yield _indented(words(f"{prompt}, {message['role']}:", DIM))
            yield _indented(_lines(_content(message["content"])), 4)


def _content(content: Json) -> str:
    if not isinstance(content, list):
        return str(content)
    return "\n".join(str(part.get("text", "[image]")) for part in content if isinstance(part, Mapping))


def _line(row: Row) -> Text:
    epoch = f" epoch {row.epoch}" if row.epoch > 1 else ""
    said = "" if row.answer is None else f"   answer {row.answer}"
    reason = f" ({row.reason})" if row.reason else ""
    line = words(f"{row.prompt}{epoch}, {row.key or row.provider} {row.model}: ")
    line.append_text(words(f"{row.outcome}{reason}", STYLES[row.outcome]))
    return line.append_text(words(f"{said}   {seconds_text(row.latency_s)} s"))


def _lines(text: str) -> Text:
    return Text("\n").join(words(line) for line in text.splitlines())


def _indented(text: Text, by: int = 2) -> Padding:
    return Padding(text, (0, 0, 0, by))
