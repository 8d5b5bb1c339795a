from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.faults import Kind
from router.jsonl import read
from router.log.events import ItemSettled, RunStarted, StoreUnavailable
from router.log.times import iso
from router.log.writer import JsonLog, NoLog

NOON = 1_763_985_600.0


def written(path: Path, write: Callable[[JsonLog], None], *, simulated: bool = False) -> list[dict[str, object]]:
    log = JsonLog(path, "r1", scrub=lambda text: text.replace("SECRET", "[k]"), wall=lambda: NOON, simulated=simulated)
    with closing(log):
        write(log)
    return list(read(path))


def test_a_line_is_flat_and_begins_with_when_what_and_which_run(tmp_path: Path) -> None:
    (line,) = written(tmp_path / "log.jsonl", lambda log: log.write(StoreUnavailable(Kind.TIMEOUT)))
    assert list(line.items()) == [
        ("ts", "2025-11-24T12:00:00.000Z"),
        ("level", "warning"),
        ("event", "store.unavailable"),
        ("run", "r1"),
        ("why", "timeout"),
    ]


def test_a_simulated_run_says_so_in_every_line(tmp_path: Path) -> None:
    (line,) = written(tmp_path / "log.jsonl", lambda log: log.write(RunStarted()), simulated=True)
    assert list(line)[:5] == ["ts", "level", "event", "run", "simulated"]
    assert line["simulated"] is True


def test_keys_are_taken_out_of_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    written(path, lambda log: log.write(RunStarted(keys={"SECRET": ["is SECRET"]})))
    assert "SECRET" not in path.read_text()
    assert "is [k]" in path.read_text()


@pytest.mark.parametrize(
    ("value", "found"),
    [
        pytest.param("half \ud800", "half ?", id="half a character"),
        pytest.param(10**40, 1e40, id="a number beyond 64 bits"),
        pytest.param({1, 2}, "{1, 2}", id="no JSON at all"),
    ],
)
def test_no_value_keeps_an_event_out_of_the_log(tmp_path: Path, value: object, found: object) -> None:
    event = ItemSettled("q1", "right", why=value)  # type: ignore[arg-type]
    (line,) = written(tmp_path / "log.jsonl", lambda log: log.write(event))
    assert (line["why"], line["item"]) == (found, "q1")


@pytest.mark.parametrize(
    ("wall", "text"),
    [
        pytest.param(1e30, "9999-12-31T23:59:59.000Z", id="far future"),
        pytest.param(float("inf"), "9999-12-31T23:59:59.000Z", id="never"),
        pytest.param(-1e30, "1970-01-01T00:00:00.000Z", id="far past"),
        pytest.param(float("nan"), "1970-01-01T00:00:00.000Z", id="no time"),
    ],
)
def test_a_time_beyond_any_calendar_is_its_last_day(wall: float, text: str) -> None:
    assert iso(wall) == text


def test_lines_are_in_the_file_before_it_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    log = JsonLog(path, "r1", scrub=str, wall=lambda: NOON)
    log.write(RunStarted())
    assert len(list(read(path))) == 1
    log.close()


def test_no_log_takes_anything() -> None:
    NoLog().write(RunStarted())


@given(st.floats(0, 4_000_000_000))
def test_times_have_one_width_so_that_they_sort_as_text(wall: float) -> None:
    assert len(iso(wall)) == len("2026-11-23T14:02:07.125Z")
    assert iso(wall) <= iso(wall + 1)
