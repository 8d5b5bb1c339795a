"""The screen of a run: a live picture in a terminal, a plain line every ten seconds elsewhere, or nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Literal, TextIO, TypeAlias

from router.engine.status import busiest
from router.evals.progress import Screen, Snapshot
from router.reports.wording import (
    DASH,
    PACED,
    because_text,
    calls_text,
    count_text,
    doing_text,
    duration_text,
    figure_text,
    left_text,
)

Display: TypeAlias = Literal["auto", "rich", "plain", "none"]

EVERY_S = 10.0
"""Time of the run between two plain lines."""

MAX_LANES = 8
"""Providers that a plain line names."""


NORMAL = PACED | {"idle", "awaits answers", "in flight full"}


def open_screen(display: Display, *, stream: TextIO) -> Screen:
    """The screen asked for, on `stream`; `auto` is rich on a terminal that can move its cursor, else plain.

    `rich` on a stream that is no terminal shows the last state alone, when it is closed.
    """
    match display:
        case "none":
            return SilentScreen()
        case "rich":
            return _rich(stream)
        case "plain":
            return PlainScreen(stream)
        case "auto":
            return _rich(stream) if stream.isatty() and os.environ.get("TERM") != "dumb" else PlainScreen(stream)


def _rich(stream: TextIO) -> Screen:
    # The plain screen and every other command are spared rich's import.
    from router.reports.live import LiveScreen

    return LiveScreen(stream)


class SilentScreen:
    """Shows nothing."""

    def show(self, snapshot: Snapshot) -> None:
        """Show nothing."""

    def close(self) -> None:
        """Leave everything as it is."""


class PlainScreen:
    """A line at once, then one every ten seconds of the run; also when it is stopped, and at its end."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._due_s = 0.0
        self._unsaid: Snapshot | None = None
        self._notes: set[str] = set()
        self._is_stopping = False

    def show(self, snapshot: Snapshot) -> None:
        """Write a line if one is due; a note is written once."""
        self._unsaid = snapshot
        for note in snapshot.notes:
            if note not in self._notes:
                self._notes.add(note)
                self._write(f"{_head(snapshot)}  {note}")
        if snapshot.elapsed_s >= self._due_s or snapshot.stopping is not self._is_stopping:
            self._say(snapshot)

    def close(self) -> None:
        """Write the last state, unless it stands there already."""
        if self._unsaid is not None:
            self._say(self._unsaid)

    def _say(self, snapshot: Snapshot) -> None:
        self._write(plain_line(snapshot))
        self._due_s = (snapshot.elapsed_s // EVERY_S + 1) * EVERY_S
        self._is_stopping = snapshot.stopping
        self._unsaid = None

    def _write(self, line: str) -> None:
        self._stream.write(f"{line}\n")
        self._stream.flush()


def plain_line(snapshot: Snapshot) -> str:
    """One line on a run, such as `00:10  37/100 items  3.7/s  left 0:17  right 35 wrong 2  openai 12 in flight`."""
    total = "" if snapshot.total is None else f"/{count_text(snapshot.total)}"
    left = left_text(snapshot)
    parts = [
        _head(snapshot),
        f"{count_text(snapshot.settled)}{total} items",
        f"{figure_text(snapshot.per_second)}/s",
        f"left {left}" if left != DASH else "",
        " ".join(_counts(snapshot)),
        _stopping(snapshot),
        ", ".join(_lanes(snapshot)),
    ]
    return "  ".join(part for part in parts if part)


def _head(snapshot: Snapshot) -> str:
    elapsed = duration_text(snapshot.elapsed_s).zfill(len("00:00"))
    return f"{elapsed}  simulated" if snapshot.simulated else elapsed


def _counts(snapshot: Snapshot) -> Iterator[str]:
    yield f"right {count_text(snapshot.right)}"
    yield f"wrong {count_text(snapshot.wrong)}"
    if snapshot.unparsable:
        yield f"unparsable {count_text(snapshot.unparsable)}"
    if snapshot.error:
        yield f"error {count_text(snapshot.error)}"


def _stopping(snapshot: Snapshot) -> str:
    out = sum(lane.in_flight for lane in snapshot.lanes)
    if not snapshot.stopping:
        return ""
    return f"stopping: waits for {calls_text(out)} in flight, Ctrl-C ends at once" if out else "stopping"


def _lanes(snapshot: Snapshot) -> Iterator[str]:
    shown = busiest(snapshot.lanes, MAX_LANES)
    for lane in shown:
        doing = doing_text(lane, snapshot.wall)
        told = ": ".join(each for each in (doing, because_text(lane)) if each)
        yield f"{lane.name} {lane.in_flight} in flight" + (f" ({told})" if told not in NORMAL else "")
    if hidden := len(snapshot.lanes) - len(shown):
        yield f"and {hidden} more"
