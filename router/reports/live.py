"""The live picture of a run in a terminal; imported only where it is shown, because it imports rich."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from router.engine.health import State
from router.engine.status import LaneStatus, busiest
from router.evals.progress import Snapshot
from router.reports.tables import Column, grid
from router.reports.wording import (
    because_text,
    calls_text,
    count_text,
    doing_text,
    duration_text,
    figure_text,
    left_text,
)

STYLES = {
    State.READY: "",
    State.RESTING: "yellow",
    State.TRIAL: "cyan",
    State.RAMPING: "cyan",
    State.DROPPED: "red",
}
ROOMY_WIDTH = 100
"""From this many cells on there is air between the columns."""

ROOMY_LINES = 12
"""From this many lines on there is air above the providers, and a legend below."""


MIN_LANES = 4
"""Lines that notes leave to the providers."""

MIN_DOING = len("budget used up until Tue 02:00")
MIN_BAR = 10
LEGEND = "keys: ready/resting/dropped · faults: without the 429s"


class LiveScreen:
    """Redraws the picture in place; the cursor and the last picture are left when it is closed."""

    def __init__(self, stream: TextIO) -> None:
        # Said outright: a FORCE_COLOR meant for colours would have the cursor moved in a file, too.
        is_terminal = stream.isatty()
        self._console = Console(file=stream, force_terminal=is_terminal, force_jupyter=False, highlight=False)
        # Data goes to stdout, which is somebody else's even where it is the same terminal.
        self._live = Live(console=self._console, auto_refresh=False, redirect_stdout=False, vertical_overflow="crop")

    def show(self, snapshot: Snapshot) -> None:
        """Draw the run as it is now; the terminal's size is asked each time."""
        width, height = self._console.size
        self._live.update(picture(snapshot, width, height))
        if self._live.is_started:
            self._live.refresh()
        else:
            self._live.start(refresh=True)

    def close(self) -> None:
        """Leave the last picture with an empty line below; a second call does nothing."""
        if self._live.is_started:
            self._live.stop()
            self._console.line()


def picture(snapshot: Snapshot, width: int, height: int) -> Group:
    """A run as at most `height` lines of at most `width` cells."""
    head = [_title(snapshot), _bar(snapshot, width), _pace(snapshot), _counts(snapshot)]
    if snapshot.stopping:
        head.append(_stopping(snapshot))
    is_roomy = height >= ROOMY_LINES
    # Below the head: the header, and where there is room an empty line above it and the legend.
    below = 3 if is_roomy else 1
    notes = list(_notes(snapshot, width))[: max(0, height - len(head) - below - MIN_LANES)]
    room = max(1, height - len(head) - len(notes) - below)
    lanes = snapshot.lanes if len(snapshot.lanes) <= room else busiest(snapshot.lanes, max(1, room - 1))
    table = list(_providers(snapshot, lanes, width)) if lanes else []
    return Group(*head, *notes, *([Text(), *table, _line((LEGEND, "dim"))] if table and is_roomy else table))


def _line(*parts: str | Text | tuple[str, str]) -> Text:
    return Text.assemble(*parts, no_wrap=True, overflow="ellipsis")


def _title(snapshot: Snapshot) -> Text:
    if not snapshot.simulated:
        return _line((snapshot.run, "bold"))
    return _line(
        (" SIMULATED ", "bold reverse yellow"), " ", (snapshot.run, "bold"), ("  no vendor is asked", "yellow")
    )


def _bar(snapshot: Snapshot, width: int) -> Text:
    settled = count_text(snapshot.settled)
    if snapshot.total is None:
        return _line(f"{settled} items")
    # Rounded down: 100 % stands there only when all is done.
    share = 100 * snapshot.settled // snapshot.total if snapshot.total else 100
    text = _line((f"{settled}/{count_text(snapshot.total)} items", "bold"), f"  {share:3} %")
    length = width - text.cell_len - 2
    if length < MIN_BAR:
        return text
    # Drawn by hand: rich's own bar shows no end where there is no colour.
    full = length * share // 100
    return _line(("━" * full, "green"), ("─" * (length - full), "dim"), "  ", text)


def _pace(snapshot: Snapshot) -> Text:
    return _line(
        f"{figure_text(snapshot.per_second)} items/s   elapsed {duration_text(snapshot.elapsed_s)}",
        f"   left {left_text(snapshot)}",
    )


def _counts(snapshot: Snapshot) -> Text:
    counts = [
        ("right", snapshot.right, "green"),
        ("wrong", snapshot.wrong, "yellow"),
        ("unparsable", snapshot.unparsable, "magenta"),
        *([("unscored", snapshot.unscored, "cyan")] if snapshot.unscored else []),
        ("error", snapshot.error, "red"),
    ]
    parts = [(f"{name} {count_text(number)}", style if number else "dim") for name, number, style in counts]
    return Text("   ", no_wrap=True, overflow="ellipsis").join(Text(*part) for part in parts)


def _stopping(snapshot: Snapshot) -> Text:
    out = sum(lane.in_flight for lane in snapshot.lanes)
    told = f"waits for {calls_text(out)} in flight. Ctrl-C again ends at once." if out else "no call is in flight."
    return _line((f"Stopping: {told}", "bold red"))


def _notes(snapshot: Snapshot, width: int) -> Iterator[Text]:
    """The notes, and what vendors said when they refused, cut into lines here, so that their number is known."""
    console = Console(width=width)
    said = (f"{lane.name}: {words}" for lane in snapshot.lanes if (words := because_text(lane)))
    for note in (*snapshot.notes, *said):
        yield from Text(note, style="yellow").wrap(console, width)


def _providers(snapshot: Snapshot, lanes: tuple[LaneStatus, ...], width: int) -> Iterator[RenderableType]:
    yield grid(_columns(snapshot.wall), lanes, width=width, gap=2 if width >= ROOMY_WIDTH else 1)
    if hidden := len(snapshot.lanes) - len(lanes):
        yield _line((f"… and {hidden} more", "dim"))


def _columns(now: float) -> tuple[Column[LaneStatus], ...]:
    return (
        Column("provider", lambda lane: Text(lane.name, style=STYLES[lane.state]), align="left"),
        Column("in flight", lambda lane: Text(f"{lane.in_flight}/{lane.max_in_flight}")),
        Column("done", lambda lane: Text(count_text(lane.answered)), min_width=6, drop_order=3),
        Column("faults", lambda lane: _alarm(lane.faults - lane.throttled, "red"), drop_order=1),
        Column("429s", lambda lane: _alarm(lane.throttled, "yellow"), drop_order=2),
        Column("keys", _keys, min_width=5, drop_order=4),
        Column(
            "now",
            lambda lane: Text(doing_text(lane, now), style=STYLES[lane.state]),
            min_width=MIN_DOING,
            align="left",
        ),
    )


def _alarm(number: int, style: str) -> Text:
    return Text(count_text(number), style=style if number else "dim")


def _keys(lane: LaneStatus) -> Text:
    return Text(f"{lane.keys_ready}/{lane.keys_resting}/{lane.keys_dropped}")
