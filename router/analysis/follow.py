"""Follows a run that goes on: state changes and faults as short lines, as they come."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from router import jsonl
from router.analysis.rows import Call, Event, Note, Settled, Share, Turn, parse, sent, text
from router.analysis.wording import counted, seconds, share, time_of_day
from router.errors import ConfigError
from router.text import clean

POLL_S = 0.5
CHUNK = 1 << 20
QUOTED = 120


def follow(path: Path, emit: Callable[[str], None], *, sleep: Callable[[float], None] = time.sleep) -> None:
    """Hand each line worth telling to `emit`, until the run has finished or Ctrl-C; raises ConfigError without a file.

    It begins with what has happened so far. A run that is resumed goes on in the same file: only a `run.finished`
    at the very end of it is the end.
    """
    finished = False
    try:
        for event in _events(path):
            if event is not None:
                finished = isinstance(event, Note) and event.event == "run.finished"
                if line := short_line(event):
                    emit(line)
            elif finished:
                return
            else:
                sleep(POLL_S)
    except KeyboardInterrupt:
        return


def _events(path: Path) -> Iterator[Event | None]:
    """The file's events for ever; None wherever there is nothing more as yet."""
    tail = _Tail(path)
    while True:
        lines = tail.lines()
        for line in lines:
            try:
                row = jsonl.decode(line)
            except ValueError:
                continue
            event = parse(row) if isinstance(row, dict) else None
            if event is not None:
                yield event
        if not lines:
            yield None


@dataclass(slots=True)
class _Tail:
    """A growing file, read by whole lines. What has no line end yet is read again when it has."""

    path: Path
    at: int = 0

    def lines(self) -> list[bytes]:
        """The next whole lines; none where there is nothing new."""
        try:
            with self.path.open("rb") as file:
                # A resumed run cuts a torn line off; everything up to here stays.
                file.seek(self.at)
                return self._whole(file.read(CHUNK), file.read)
        except OSError as error:
            raise ConfigError(f"{self.path}: the log cannot be read ({error.strerror})") from None

    def _whole(self, data: bytes, more: Callable[[int], bytes]) -> list[bytes]:
        while b"\n" not in data and (next_ := more(CHUNK)):
            data += next_
        whole, end, _ = data.rpartition(b"\n")
        self.at += len(whole) + len(end)
        return whole.split(b"\n") if end else []


def short_line(event: Event) -> str | None:
    """What a person wants to know of an event, in one line; None for what goes well."""
    told = _told(event)
    return None if told is None else clean(f"{time_of_day(event.at)}  {told}")


def _told(event: Event) -> str | None:
    match event:
        case Call(ok=False):
            return _failed(event)
        case Turn():
            return _turned(event)
        case Share():
            return f"{event.key or event.provider} now uses {share(event.after, 1)} of its rate"
        case Settled(outcome="error"):
            return f"{event.item} has no answer: {event.why or 'the log does not say why'}"
        case Note(event="run.started" | "run.finished" | "provider.left_out"):
            return _noted(event)
    return None


def _failed(call: Call) -> str:
    status = f" HTTP {call.status}" if call.status else ""
    words = f" «{_cut(call.message)}»" if call.message else ""
    return (
        f"{call.key or call.provider} failed: {call.fault}{status} after {seconds(call.latency_s)}, {call.item}{words}"
    )


def _turned(turn: Turn) -> str:
    who = turn.key or turn.provider
    change = f"{who} {turn.before} → {turn.after}"
    if turn.after not in {"resting", "dropped"}:
        return change
    if turn.by_keys:
        return f"{change}: none of its keys can be used"
    until = f" until {time_of_day(turn.until_at)}" if turn.until_at else " for the run"
    counts = [(window, sent(turn.came_before, window)) for window in ("1s", "60s")]
    before = ", ".join(
        f"{counted(number, 'call')} in {window[:-1]} s" for window, number in counts if number is not None
    )
    declared = text(turn.came_before, "declared_rate") or "no rate"
    status = f" HTTP {turn.status}" if turn.status else ""
    return f"{change}{until}: {turn.fault}{status}; before: {before or 'unknown'}, declared {declared}"


def _noted(note: Note) -> str:
    row = note.row
    if note.event == "provider.left_out":
        return f"{text(row, 'provider')} takes no part: {text(row, 'why')}"
    simulated = " (SIMULATED)" if row.get("simulated") is True else ""
    did = (
        "begins; times are UTC"
        if note.event == "run.started"
        else "was interrupted"
        if row.get("interrupted")
        else "has finished"
    )
    return f"run {text(row, 'run')}{simulated} {did}"


def _cut(message: str) -> str:
    return message if len(message) <= QUOTED else message[: QUOTED - 1].rstrip() + "…"
