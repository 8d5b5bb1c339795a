from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.faults import Kind
from router.jsonl import read
from router.log.writer import EVENTS, JsonLog, NoLog, iso

NOON = 1_763_985_600.0


def written(path: Path, write: Callable[[JsonLog], None], *, simulated: bool = False) -> list[dict[str, object]]:
    log = JsonLog(path, "r1", scrub=lambda text: text.replace("SECRET", "[k]"), wall=lambda: NOON, simulated=simulated)
    with closing(log):
        write(log)
    return list(read(path))


def test_a_line_is_flat_and_begins_with_when_what_and_which_run(tmp_path: Path) -> None:
    (line,) = written(tmp_path / "log.jsonl", lambda log: log.event("key.state", "warning", fault=Kind.TIMEOUT, n=1))
    assert list(line.items()) == [
        ("ts", "2025-11-24T12:00:00.000Z"),
        ("level", "warning"),
        ("event", "key.state"),
        ("run", "r1"),
        ("fault", "timeout"),
        ("n", 1),
    ]


def every_event(log: JsonLog) -> None:
    for name in EVENTS:
        log.event(name)


def test_a_simulated_run_says_so_in_every_line(tmp_path: Path) -> None:
    lines = written(tmp_path / "log.jsonl", every_event, simulated=True)
    assert [line["event"] for line in lines] == list(EVENTS)
    assert all(line["simulated"] is True for line in lines)


@pytest.mark.parametrize("level", ["info", "warning", "error"])
def test_levels(tmp_path: Path, level: str) -> None:
    assert written(tmp_path / "log.jsonl", lambda log: log.event("run.started", level))[0]["level"] == level


def test_keys_are_taken_out_of_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    written(path, lambda log: log.event("run.started", SECRET=["is SECRET"]))
    assert "SECRET" not in path.read_text()
    assert "is [k]" in path.read_text()


def test_an_unknown_event_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match=r"run\.exploded"):
        written(tmp_path / "log.jsonl", lambda log: log.event("run.exploded"))


def test_lines_are_in_the_file_before_it_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    log = JsonLog(path, "r1", scrub=str, wall=lambda: NOON)
    log.event("run.started")
    assert len(list(read(path))) == 1
    log.close()


def test_no_log_takes_anything() -> None:
    NoLog().event("anything", "error", at=1)


@given(st.floats(0, 4_000_000_000))
def test_times_have_one_width_so_that_they_sort_as_text(wall: float) -> None:
    assert len(iso(wall)) == len("2026-11-23T14:02:07.125Z")
    assert iso(wall) <= iso(wall + 1)
