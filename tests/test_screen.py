"""What a person sees while a run goes on: in a terminal, in a log, and not at all."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from rich.console import Console

from router.engine.health import State
from router.engine.status import LaneStatus, busiest
from router.evals.outlook import Outlook
from router.evals.progress import Snapshot
from router.reports.live import LiveScreen, picture
from router.reports.screen import Display, PlainScreen, SilentScreen, open_screen, plain_line
from router.reports.wording import (
    because_text,
    doing_text,
    duration_text,
    figure_text,
    left_text,
    moment_text,
    seconds_text,
)

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp()

OPENAI = LaneStatus(
    name="openai",
    state=State.READY,
    in_flight=12,
    max_in_flight=64,
    sent=50,
    answered=38,
    faults=3,
    throttled=2,
    keys_ready=2,
    keys_resting=1,
    keys_dropped=0,
    waiting_for="pace",
    waiting_until=NOON + 0.2,
    declared_per_second=5.0,
)
IDLE = replace(OPENAI, name="mistral", in_flight=0, faults=0, throttled=0, keys_resting=0, waiting_for="idle")
RUN = Snapshot(
    run="noon-plain",
    total=100,
    right=35,
    wrong=2,
    unparsable=0,
    error=0,
    elapsed_s=10.0,
    wall=NOON,
    lanes=(OPENAI,),
    simulated=False,
    outlook=Outlook(17.0),
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def lane(waiting_for: str, after_s: float | None = None, state: State = State.READY, in_flight: int = 0) -> LaneStatus:
    until = None if after_s is None else NOON + after_s
    return replace(OPENAI, waiting_for=waiting_for, waiting_until=until, state=state, in_flight=in_flight)


def drawn(snapshot: Snapshot, width: int = 80, height: int = 30, spare: int = 0) -> list[str]:
    """The picture's lines as text; `spare` cells more than it knows of show what would have been cut."""
    console = Console(file=io.StringIO(), width=width + spare, color_system=None, legacy_windows=False)
    with console.capture() as capture:
        console.print(picture(snapshot, width, height))
    return [line.rstrip() for line in capture.get().splitlines()]


# What a provider waits for.


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        pytest.param(lane("pace", 0.2), "pace", id="a-short-wait-names-no-time"),
        pytest.param(lane("pace", 60), "pace until 12:01:00", id="a-long-one-does"),
        pytest.param(lane("ramp", 2), "ramp", id="ramp"),
        pytest.param(lane("key rests", 2), "key rests until 12:00:02", id="key-rests"),
        pytest.param(lane("provider rests", 3600), "provider rests until 13:00:00", id="provider-rests"),
        pytest.param(lane("provider rests", None), "provider rests for this run", id="rests-for-good"),
        pytest.param(lane("budget used up", 50_000), "budget used up until Tue 01:53", id="budget-to-tomorrow"),
        pytest.param(lane("in flight full", in_flight=64), "in flight full", id="full"),
        pytest.param(lane("in flight full", in_flight=3), "awaits answers", id="not-full-any-more"),
        pytest.param(lane("one trial", state=State.TRIAL, in_flight=1), "one trial", id="trial"),
        pytest.param(lane("key rests", -5, in_flight=3), "awaits answers", id="a-rest-that-is-over"),
        pytest.param(lane("pace", -0.1), "pace", id="pace-that-is-over-is-still-pace"),
        pytest.param(lane("pace", -5, in_flight=3), "awaits answers", id="unless-it-was-long-ago"),
        pytest.param(lane("idle"), "idle", id="idle"),
        pytest.param(lane("idle", in_flight=2), "awaits answers", id="nothing-more-to-send"),
        pytest.param(lane("idle", state=State.RESTING), "resting", id="rests-and-nobody-asks"),
        pytest.param(lane("idle", state=State.DROPPED), "dropped", id="dropped-with-keys"),
        pytest.param(
            replace(lane("key rests"), keys_ready=0, keys_resting=0, keys_dropped=2), "all keys dropped", id="no-key"
        ),
    ],
)
def test_doing(view: LaneStatus, expected: str) -> None:
    assert doing_text(view, NOON, UTC) == expected


BROKE = replace(lane("key rests", 22_800, State.RESTING), because="no_credit (HTTP 402): Insufficient\n Balance")


@pytest.mark.parametrize(
    ("because", "expected"),
    [
        pytest.param("", "", id="nothing to say"),
        pytest.param(BROKE.because, "no_credit (HTTP 402): Insufficient Balance", id="in one line"),
        pytest.param("a\x1b[31mb\x9b", "a [31mb ", id="no controls"),
        pytest.param("x" * 200, "x" * 159 + "…", id="cut"),
    ],
)
def test_the_vendor_s_words(because: str, expected: str) -> None:
    assert because_text(replace(BROKE, because=because)) == expected


def test_the_vendor_s_words_are_shown_while_it_rests() -> None:
    rests = replace(RUN, lanes=(BROKE,))
    assert plain_line(rests).endswith(": no_credit (HTTP 402): Insufficient Balance)")
    assert "openai: no_credit (HTTP 402): Insufficient Balance" in drawn(rests)
    assert "openai: no_credit (HTTP 402): Insufficient" in drawn(rests, width=44)


@pytest.mark.parametrize(
    ("outlook", "expected"),
    [
        pytest.param(Outlook(), "–", id="nobody knows"),
        pytest.param(Outlook(130.0, "openai's 5/s"), "2:10, bound by openai's 5/s", id="bound"),
        pytest.param(
            Outlook(400.0, "openai rests", NOON + 180), "6:40, openai rests until 12:03:00", id="a rest and its end"
        ),
        pytest.param(
            Outlook(50_400.0, "openai's 1000/day", NOON + 43_200),
            "14:00:00, bound by openai's 1000/day until Tue 00:00",
            id="a budget",
        ),
    ],
)
def test_the_time_left_and_what_bounds_it(outlook: Outlook, expected: str) -> None:
    assert left_text(replace(RUN, outlook=outlook), UTC) == expected


@pytest.mark.parametrize(
    ("after_s", "expected"),
    [
        pytest.param(127, "12:02:07", id="today"),
        pytest.param(12 * 3600, "Tue 00:00", id="tomorrow"),
        pytest.param(7 * 86400, "30 Nov", id="the-same-weekday-next-week"),
    ],
)
def test_moments(after_s: float, expected: str) -> None:
    assert moment_text(NOON + after_s, NOON, UTC) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(duration_text(17.4), "0:17", id="seconds"),
        pytest.param(duration_text(59.7), "1:00", id="rounded-to-a-minute"),
        pytest.param(duration_text(3723), "1:02:03", id="hours"),
        pytest.param(duration_text(-1), "0:00", id="never-negative"),
        pytest.param(figure_text(0.054), "0.05", id="slow"),
        pytest.param(figure_text(3.71), "3.7", id="medium"),
        pytest.param(figure_text(1234.5), "1,234", id="fast"),
        pytest.param(seconds_text(0.412), "0.41", id="a-short-latency"),
        pytest.param(seconds_text(12.34), "12.3", id="a-longer-one"),
        pytest.param(seconds_text(None), "–", id="none"),
    ],
)
def test_numbers(text: str, expected: str) -> None:
    assert text == expected


# Plain lines.


def test_a_plain_line() -> None:
    assert plain_line(RUN) == "00:10  37/100 items  3.7/s  left 0:17  right 35 wrong 2  openai 12 in flight"


@pytest.mark.parametrize(
    ("snapshot", "expected"),
    [
        pytest.param(replace(RUN, simulated=True), "00:10  simulated  37/100", id="simulated"),
        pytest.param(
            replace(RUN, total=None, outlook=Outlook()), "00:10  37 items  3.7/s  right 35", id="total-unknown"
        ),
        pytest.param(replace(RUN, unparsable=1, error=4), "right 35 wrong 2 unparsable 1 error 4  openai", id="errors"),
        pytest.param(replace(RUN, elapsed_s=3610.0), "1:00:10  37/100", id="hours"),
        pytest.param(
            replace(RUN, stopping=True), "stopping: waits for 12 calls in flight, Ctrl-C ends at once", id="stopping"
        ),
        pytest.param(
            replace(RUN, lanes=(lane("provider rests"), IDLE)),
            "openai 0 in flight (provider rests for this run), mistral 0 in flight",
            id="resting",
        ),
        pytest.param(replace(RUN, lanes=(OPENAI,) * 12), ", and 4 more", id="many-providers"),
    ],
)
def test_plain_lines_say(snapshot: Snapshot, expected: str) -> None:
    assert expected in plain_line(snapshot)


def plain_lines(*snapshots: Snapshot) -> list[str]:
    stream = io.StringIO()
    screen = PlainScreen(stream)
    for snapshot in snapshots:
        screen.show(snapshot)
    screen.close()
    return stream.getvalue().splitlines()


def test_a_plain_line_every_ten_seconds() -> None:
    lines = plain_lines(*(replace(RUN, elapsed_s=quarters / 4) for quarters in range(101)))
    assert [line.split()[0] for line in lines] == ["00:00", "00:10", "00:20", "00:25"]


def test_the_last_plain_line_is_not_written_twice() -> None:
    assert len(plain_lines(RUN)) == 1
    assert plain_lines() == []


def test_a_stop_is_told_at_once() -> None:
    lines = plain_lines(RUN, replace(RUN, elapsed_s=11.0), replace(RUN, elapsed_s=12.0, stopping=True))
    assert [("stopping" in line) for line in lines] == [False, True]


def test_a_note_is_written_once_and_says_simulated() -> None:
    noted = replace(RUN, notes=("moonshot is left out: it has no key.",), simulated=True)
    lines = plain_lines(noted, replace(noted, elapsed_s=20.0))
    assert lines[0] == "00:10  simulated  moonshot is left out: it has no key."
    assert len(lines) == 3


@pytest.mark.parametrize("display", ["plain", "rich"])
def test_the_first_moment_of_a_resumed_run(display: Display) -> None:
    """Items are settled, and no time has passed: nobody can say what is left."""
    stream = io.StringIO()
    screen = open_screen(display, stream=stream)
    screen.show(replace(RUN, elapsed_s=0.0))
    screen.close()
    assert "37/100 items" in stream.getvalue()


# The picture.


def test_the_picture_at_80_columns() -> None:
    assert drawn(RUN) == [
        "noon-plain",
        "━" * 21 + "─" * 38 + "  37/100 items   37 %",
        "3.7 items/s   elapsed 0:10   left 0:17",
        "right 35   wrong 2   unparsable 0   error 0",
        "",
        "provider in flight   done faults 429s  keys now",
        "openai       12/64     38      1    2 2/1/0 pace",
        "keys: ready/resting/dropped · faults: without the 429s",
    ]


def test_a_wide_picture_has_air_and_whole_names() -> None:
    lines = drawn(replace(RUN, lanes=(replace(OPENAI, name="a-provider-with-a-long-name"),)), width=140)
    assert lines[6] == "a-provider-with-a-long-name      12/64      38       1     2  2/1/0  pace"


def test_a_simulated_run_says_so_first() -> None:
    assert drawn(replace(RUN, simulated=True))[0] == " SIMULATED  noon-plain  no vendor is asked"
    assert not any("SIMULATED" in line for line in drawn(RUN))


def test_a_stopping_run_says_what_it_waits_for() -> None:
    assert "Stopping: waits for 12 calls in flight. Ctrl-C again ends at once." in drawn(replace(RUN, stopping=True))
    assert "Stopping: no call is in flight." in drawn(replace(RUN, stopping=True, lanes=(IDLE,)))


@pytest.mark.parametrize(
    ("changed", "bar"),
    [
        pytest.param(replace(RUN, total=None, outlook=Outlook()), "37 items", id="total-unknown"),
        pytest.param(replace(RUN, total=0, right=0, wrong=0), "━" * 61 + "  0/0 items  100 %", id="nothing-to-do"),
        pytest.param(
            replace(RUN, total=1000, right=999, wrong=0), "999/1,000 items   99 %", id="not-full-before-the-end"
        ),
    ],
)
def test_the_bar(changed: Snapshot, bar: str) -> None:
    assert drawn(changed)[1].endswith(bar)


CROWD = tuple(
    replace(OPENAI, name=f"provider-{number}-with-a-very-long-name", answered=1234567, waiting_for=what)
    for number in range(6)
    for what in ("pace", "key rests", "provider rests", "budget used up", "idle")
)


FULL = replace(
    RUN,
    lanes=tuple(replace(lane, waiting_until=NOON + 50_000) for lane in CROWD),
    simulated=True,
    stopping=True,
    notes=("a note of many words " * 9,) * 3,
)


@pytest.mark.parametrize(("width", "height"), [(140, 50), (80, 24), (80, 12), (60, 20), (40, 10), (30, 8)])
def test_the_picture_keeps_inside_the_terminal(width: int, height: int) -> None:
    lines = drawn(FULL, width, height)
    assert len(lines) <= height
    assert max(map(len, lines)) <= width
    assert any(line.startswith("provider") for line in lines)


@pytest.mark.parametrize("width", [140, 80])
def test_nothing_but_names_is_cut(width: int) -> None:
    lines = drawn(FULL, width, 60, spare=50)
    assert max(map(len, lines)) <= width
    assert any("budget used up until Tue" in line for line in lines)


def test_more_providers_than_lines() -> None:
    quiet = tuple(replace(IDLE, name=f"quiet-{number}") for number in range(20))
    resting = replace(lane("key rests", 60, State.RESTING), name="resting")
    lines = drawn(replace(RUN, lanes=(*quiet, resting, OPENAI)), height=12)
    assert [line.split()[0] for line in lines[6:9]] == ["quiet-0", "quiet-1", "resting"]
    assert lines[-2] == "… and 18 more"
    assert len(lines) == 12


def test_the_busiest_keep_their_order() -> None:
    resting = lane("key rests", 60, State.RESTING)
    healthy = replace(OPENAI, keys_resting=0)
    assert busiest((IDLE, healthy, resting), 2) == (healthy, resting)
    assert busiest((IDLE, healthy, resting), 1) == (resting,)


def test_without_colour_the_words_stay() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, color_system="standard", no_color=True, width=80)
    console.print(picture(replace(RUN, simulated=True), 80, 24))
    assert "SIMULATED" in out.getvalue()
    assert "\x1b[3" not in out.getvalue()


# Opening and closing.


@pytest.mark.parametrize(
    ("display", "stream", "term", "expected"),
    [
        pytest.param("auto", Terminal(), "xterm", LiveScreen, id="auto-terminal"),
        pytest.param("auto", Terminal(), "dumb", PlainScreen, id="auto-dumb-terminal"),
        pytest.param("auto", io.StringIO(), "xterm", PlainScreen, id="auto-file"),
        pytest.param("rich", io.StringIO(), "xterm", LiveScreen, id="rich"),
        pytest.param("plain", Terminal(), "xterm", PlainScreen, id="plain"),
        pytest.param("none", Terminal(), "xterm", SilentScreen, id="none"),
    ],
)
def test_open_screen(
    display: Display, stream: io.StringIO, term: str, expected: type[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", term)
    assert type(open_screen(display, stream=stream)) is expected
    assert stream.getvalue() == ""


def test_a_closed_live_screen_leaves_the_last_state_and_the_cursor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    screen = open_screen("rich", stream=stream)
    screen.show(replace(RUN, right=0))
    screen.show(RUN)
    screen.close()
    screen.close()
    assert "right 35" in stream.getvalue().rpartition("right 0")[2]
    assert stream.getvalue().endswith("\x1b[?25h\n")


def test_a_live_screen_on_a_file_leaves_the_last_state_alone() -> None:
    stream = io.StringIO()
    screen = open_screen("rich", stream=stream)
    screen.show(replace(RUN, right=0))
    screen.show(RUN)
    screen.close()
    assert stream.getvalue().count("items/s") == 1
    assert "right 35" in stream.getvalue()


def test_a_screen_closed_before_it_showed_anything_writes_nothing() -> None:
    stream = Terminal()
    open_screen("rich", stream=stream).close()
    assert stream.getvalue() == ""


def test_a_silent_screen_writes_nothing() -> None:
    stream = Terminal()
    screen = open_screen("none", stream=stream)
    screen.show(RUN)
    screen.close()
    assert stream.getvalue() == ""
