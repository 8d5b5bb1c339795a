"""SQL over the events, read by DuckDB itself."""

import sys
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest
from test_logs import call, line, settled, state, write

from router.analysis import Found, csv_lines, json_lines, run_sql
from router.analysis.query import MAX_ROWS
from router.errors import ConfigError
from router.jsonl import decode
from router.reports.query_text import render_found

pytest.importorskip("duckdb")

LIMITS = {"x-ratelimit-limit-requests": "60"}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return write(
        tmp_path / "it's a log.jsonl",
        {**line("run.started", 0, rates={"a": ["60/min"]}), "simulated": True},
        call(1, "a#1", limits=LIMITS, latency_s=0.25),
        b'{"ts":"2026-11-23T17:00:01.0',
        call(2, "a#1", "rate_limit", status=429, latency_s=0.75, shade="blue"),
        b"not json",
        b"[1]",
        b"",
        b'{"event":"key.state"}',
        state(2, "a#1", "ready>resting", "rate_limit", 12, sent_60s=61, last_statuses=["a#1 200", "a#1 429"]),
        line("pace.changed", 12, provider="a", key="a#1", before=1.0, after=0.7, why="ramping"),
        settled(13, "q1"),
    )


def test_a_field_that_differs_in_its_capitals_only_keeps_nobody_from_asking(tmp_path: Path) -> None:
    odd = {**call(1, "a#1"), "Ts": 1, "": 2, "shade": "blue", "Shade": "red", "ÉTÉ": 1, "été": 2}
    found = run_sql((write(tmp_path / "log.jsonl", odd, call(2, "a#1")),), "SELECT key, shade FROM events ORDER BY ts")
    assert list(found.rows) == [("a#1", "blue"), ("a#1", None)]


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        pytest.param("SELECT count(*) FROM events", [(6,)], id="all"),
        pytest.param(
            "SELECT fault, count(*), avg(latency_s) FROM events WHERE provider = 'a' AND ok IS NOT NULL "
            "GROUP BY 1 ORDER BY 1 NULLS FIRST",
            [(None, 1, 0.25), ("rate_limit", 1, 0.75)],
            id="calls",
        ),
        pytest.param("SELECT limits->>'x-ratelimit-limit-requests' FROM events WHERE ok", [("60",)], id="json"),
        pytest.param("SELECT before, after FROM events WHERE event = 'pace.changed'", [("1.0", "0.7")], id="texts"),
        pytest.param(
            "SELECT last_statuses[2], sent_60s, epoch(until - ts) FROM events WHERE event = 'account.state'",
            [("a#1 429", 61, 10.0)],
            id="state",
        ),
        pytest.param("SELECT shade FROM events WHERE shade IS NOT NULL", [("blue",)], id="a-field-of-a-later-version"),
        pytest.param(
            "SELECT tokens_in, why FROM events WHERE event = 'run.started'", [(None, None)], id="absent-fields"
        ),
    ],
)
def test_events_are_asked(log: Path, query: str, rows: Sequence[tuple[object, ...]]) -> None:
    found = run_sql([log], query)
    assert list(found.rows) == rows
    assert (found.damaged, found.simulated) == (4, True)


def test_several_files_are_one_view(log: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "other.jsonl", {**call(1, "b#1"), "run": "r2"})
    found = run_sql([log, other], "SELECT DISTINCT run FROM events ORDER BY 1")
    assert list(found.rows) == [("r1",), ("r2",)]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        pytest.param("SELEC 1", 'Parser Error: syntax error at or near "SELEC"', id="syntax"),
        pytest.param("SELECT colour FROM events", 'Referenced column "colour" not found', id="column"),
        pytest.param("SELECT * FROM evnts", 'Did you mean "events"', id="table"),
        pytest.param("SELECT 'a'::INT", "Could not convert string 'a'", id="value"),
        pytest.param(" ", "there is no query", id="empty"),
    ],
)
def test_a_mistake_in_the_query_is_said(log: Path, query: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        list(run_sql([log], query).rows)


def test_without_duckdb_the_message_says_what_to_install(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(ConfigError, match=r"pip install 'router\[sql\]'"):
        run_sql([log], "SELECT 1")


def test_rows_go_to_programs_as_json_lines(log: Path) -> None:
    query = (
        "SELECT ts, limits, last_statuses, 0.1::DECIMAL(3,1) d, 'nan'::DOUBLE n FROM events "
        "WHERE event = 'account.state'"
    )
    (row,) = map(decode, json_lines(run_sql([log], query)))
    statuses = ["a#1 200", "a#1 429"]
    assert row == {"ts": "2026-11-23T17:00:02.000Z", "limits": None, "last_statuses": statuses, "d": 0.1, "n": None}


def test_rows_go_to_people_as_a_table(log: Path) -> None:
    text = render_found(run_sql([log], "SELECT event, '[red]\x1b' AS red FROM events WHERE ok"), 60)
    assert text.splitlines() == [
        "SIMULATED: no call left this machine; what follows says",
        "nothing about any vendor.",
        "",
        " event             red",
        " ────────────────────────",
        " attempt.finished  [red]",
        "",
        "1 row",
        "4 damaged lines skipped",
    ]


def test_a_long_answer_is_cut_on_the_screen() -> None:
    found = Found(("n",), iter([(Decimal(number),) for number in range(MAX_ROWS + 1)]), 0, simulated=False)
    assert f"the first {MAX_ROWS} rows; --json and --csv print all" in render_found(found)


def wide() -> Found:
    rows = [("a.b", "x" * 50, None), ("c.d", "y", [1])]
    return Found(("event", "message", "message"), iter(rows), 0, simulated=False)


def test_what_is_too_wide_for_the_terminal_has_a_line_a_field() -> None:
    assert render_found(wide(), 40).splitlines() == [
        "",
        "  event    a.b",
        f"  message  {'x' * 29}",
        f"           {'x' * 21}",
        "",
        "  event    c.d",
        "  message  y",
        "  message  [1]",
        "2 rows",
    ]


def test_off_a_terminal_each_row_is_one_line() -> None:
    text = render_found(wide(), None)
    assert [line.split() for line in text.splitlines() if "." in line] == [["a.b", "x" * 50], ["c.d", "y", "[1]"]]


def test_rows_go_to_spreadsheets_as_csv(log: Path) -> None:
    query = "SELECT 'a \"b\", c' AS \"x,y\", last_statuses, limits FROM events WHERE event = 'account.state'"
    assert list(csv_lines(run_sql([log], query))) == [
        '"x,y",last_statuses,limits',
        '"a ""b"", c","[""a#1 200"",""a#1 429""]",',
    ]
