"""Reading: which files are meant, what counts as damaged, and the lines from which the other tests build logs."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.analysis import analyse, analyse_rows, find_logs, json_lines, run_sql
from router.analysis.follow import short_line
from router.analysis.item import story_of
from router.analysis.rows import parse
from router.errors import ConfigError
from router.faults import REACTIONS, Kind
from router.jsonl import decode, encode
from router.log.events import BY_NAME, AttemptFinished, ItemSettled
from router.log.schema import columns
from router.log.times import iso, seconds_of
from router.reports.item_text import render_story
from router.reports.logs_text import render

T0 = 1_795_453_200.0
"""2026-11-23 17:00:00 UTC, when these logs begin."""

Line = Mapping[str, object]


def line(event: str, at: float, **fields: object) -> Line:
    return {"ts": iso(T0 + at), "level": "info", "event": event, "run": "r1", **fields}


def call(at: float, key: str, fault: str | None = None, **fields: object) -> Line:
    provider = key.partition("#")[0]
    family = str(REACTIONS[Kind(fault)].family) if fault else None
    told = {"latency_s": 0.5, "waited_s": 0.0, "waited_for": "idle", "model": "m", "limits": {}, "attempt": 1}
    said = {"message": f"no {fault}" if fault else None, "status": None if fault else 200, "retry_after_s": None}
    head = {"item": "q1", "provider": provider, "key": key, "ok": fault is None, "fault": fault, "family": family}
    return line("attempt.finished", at, **{**head, **told, **said, **fields})


def state(
    at: float, who: str, change: str, fault: str | None = None, until: float | None = None, **more: object
) -> Line:
    """`state(1, "openai#1", "ready>resting", "rate_limit", 11)`: a rest of that key's account, a drop of that key, or,
    without `#`, a change of a provider. `because` and `keys` are said where they matter."""
    before, _, after = change.partition(">")
    provider, is_key, _ = who.partition("#")
    alone = "dropped" in change and fault != "account_banned"
    scope = "provider" if not is_key else "key" if alone else "account"
    mine = more.get("keys", [who] if is_key else [])
    key = who if is_key and mine == [who] else None
    fields = {
        "scope": scope,
        "because": "own",
        "provider": provider,
        "account": who if is_key else None,
        "key": key,
        "key_hash": key and "0123abcd",
        "keys": mine,
        "before": before,
        "after": after,
        "fault": fault,
        "until": iso(T0 + until) if until is not None else None,
        "strikes": 1,
        "status": None,
        "vendor_code": "",
        "message": f"no {fault}" if fault else None,
    }
    return line(f"{scope}.state", at, **{**fields, **more})


def settled(at: float, item: str, outcome: str = "right", attempts: int = 1) -> Line:
    return line("item.settled", at, item=item, outcome=outcome, attempts=attempts, elapsed_s=1.0, why=None)


def write(path: Path, *lines: Line | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join((each if isinstance(each, bytes) else encode(each)) + b"\n" for each in lines))
    return path


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for name in ("2026-11-23T16-00-00-plain", "2026-11-23T17-00-00-stepwise"):
        write(tmp_path / "runs" / name / "log.jsonl", line("run.started", 0))
    (tmp_path / "runs" / "latest").symlink_to("2026-11-23T17-00-00-stepwise")
    (tmp_path / "runs" / "empty").mkdir()
    return tmp_path / "runs"


@pytest.mark.parametrize(
    ("targets", "found"),
    [
        pytest.param([], ["latest"], id="nothing-is-the-latest"),
        pytest.param(["2026-11-23T16-00-00-plain"], ["2026-11-23T16-00-00-plain"], id="name"),
        pytest.param(["2026-11-23T16"], ["2026-11-23T16-00-00-plain"], id="prefix"),
        pytest.param(["{runs}"], ["2026-11-23T16-00-00-plain", "2026-11-23T17-00-00-stepwise"], id="all"),
        pytest.param(["{runs}/latest"], ["latest"], id="directory"),
        pytest.param(["{runs}/latest/log.jsonl"], ["latest"], id="file"),
        pytest.param(["2026-11-23T17", "2026-11-23T17"], ["2026-11-23T17-00-00-stepwise"], id="twice-is-once"),
    ],
)
def test_logs_are_found(runs: Path, targets: list[str], found: list[str]) -> None:
    targets = [target.format(runs=runs) for target in targets]
    assert find_logs(targets, runs) == tuple(runs / name / "log.jsonl" for name in found)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        pytest.param(
            "2026", "begins the names of several runs; say which: 2026-11-23T16-00-00-plain, ", id="ambiguous"
        ),
        pytest.param("2025-11-23T16-00-00-plain", "did you mean 2026-11-23T16-00-00-plain?", id="near"),
        pytest.param("zz", "there are 2026-11-23T16-00-00-plain, 2026-11-23T17-00-00-stepwise", id="far"),
        pytest.param("empty", "there is no log.jsonl in it; it holds nothing", id="empty-directory"),
    ],
)
def test_what_is_not_there_is_said(runs: Path, target: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace("?", r"\?")):
        find_logs([target], runs)


def test_without_a_run_the_message_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no run in it; make one with `router eval`"):
        find_logs([], tmp_path / "runs")


def test_without_the_link_the_newest_log_is_the_latest(runs: Path) -> None:
    (runs / "latest").unlink()
    older = runs / "2026-11-23T17-00-00-stepwise" / "log.jsonl"
    newer = write(runs / "2026-11-23T16-00-00-plain" / "log.jsonl", line("run.started", 1))
    os.utime(older, (1, 1))
    assert find_logs([], runs) == (newer,)


@pytest.mark.parametrize(
    "damaged",
    [
        pytest.param(b'{"ts":"2026-11-23T17:00:00.000Z","eve', id="torn"),
        pytest.param(b"not json", id="text"),
        pytest.param(b"[1, 2]", id="list"),
        pytest.param(b"\xff\xfe\x00", id="bytes"),
        pytest.param(b'{"event":"key.state"}', id="no-time"),
        pytest.param(b'{"ts":"yesterday","event":"key.state"}', id="bad-time"),
        pytest.param(b'{"ts":"2026-11-23T17:00:00Z","event":7}', id="bad-event"),
        pytest.param(b'{"ts":"2026-11-23T17:00:00Z","event":"attempt.finished","ok":"yes"}', id="bad-call"),
        pytest.param(b'{"ts":"2026-11-23T17:00:00Z","event":"key.state","after":"ready"}', id="nobody"),
    ],
)
def test_damaged_lines_are_counted_and_skipped(tmp_path: Path, damaged: bytes) -> None:
    path = write(tmp_path / "log.jsonl", call(0, "a#1"), damaged, b"", call(1, "a#1"))
    analysis = analyse([path])
    assert (analysis.lines, analysis.damaged, analysis.usage[0].calls) == (2, 1, 2)


def test_a_field_of_the_wrong_type_counts_as_missing() -> None:
    odd = {**call(0, "a#1", "timeout"), "status": "504", "latency_s": "long", "limits": [], "message": 5}
    for _ in range(2):  # a shape that is known is read in another way
        logged = parse(odd)
        assert logged is not None
        event = logged.event
        assert isinstance(event, AttemptFinished)
        assert (event.status, event.latency_s, event.limits, event.message) == (None, 0.0, {}, None)


def test_unknown_faults_and_events_of_later_versions_are_read() -> None:
    lines = [line("something.new", 0), {**call(1, "a#1", "timeout"), "fault": "sunspots"}]
    analysis = analyse_rows(lines)
    assert (analysis.lines, analysis.damaged) == (2, 0)
    assert (analysis.errors[0].fault, analysis.errors[0].family) == ("sunspots", "unknown")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.jsonl: the log cannot be read"):
        analyse([tmp_path / "gone.jsonl"])


TEXTS = (
    st.sampled_from(["a", "a#1", "ready", "resting", "dropped", "rate_limit", "timeout", "5/s", "[b]", ""]) | st.text()
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=4,
)
ODD_TIMES = [
    *("0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "1970-01-01T00:00:00Z"),
    *("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59-14:00", "2026-11-23T17:00:00", "2026-W48-1T00:00Z"),
]
FAR = st.sampled_from([1e300, -1e300, 2**70, -(2**70), 1e17, -1e12, *ODD_TIMES])
ANY_LINE = st.builds(
    lambda at, event, fields: {**fields, "ts": at, "event": event},
    st.integers(0, 200).map(lambda seconds: iso(T0 + seconds)) | st.sampled_from(ODD_TIMES),
    st.sampled_from(list(BY_NAME)),
    st.dictionaries(st.sampled_from(list(columns())), VALUES | FAR),
).map(lambda row: {**row, "scope": str(row["event"]).partition(".")[0]})
"""Half of what is read from a line of JSON has another type than was meant."""


@given(st.lists(ANY_LINE, max_size=12))
@settings(max_examples=50)
def test_whatever_a_log_holds_is_told_or_counted(lines: list[Line]) -> None:
    lines = [each for line in lines if isinstance(each := decode(encode(line)), dict)]
    analysis = analyse_rows(lines)
    assert analysis.lines + analysis.damaged == len(lines)
    assert encode(analysis.to_json())
    assert render(analysis, 60)
    logged = [found for each in lines if (found := parse(each)) is not None]
    assert not [each for each in logged if "\n" in (short_line(each) or "")]
    for item in {each.event.item for each in logged if isinstance(each.event, AttemptFinished | ItemSettled)}:
        story = story_of(lines, item)
        assert encode(story.to_json())
        assert render_story(story, 60)


@given(st.lists(ANY_LINE, max_size=8))
@settings(max_examples=15)
def test_whatever_a_log_holds_it_can_be_asked(lines: list[Line]) -> None:
    pytest.importorskip("duckdb")
    with tempfile.TemporaryDirectory() as folder:
        found = run_sql((write(Path(folder) / "log.jsonl", *lines),), "SELECT * FROM events")
        assert all(json_lines(found))


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"latency_s": 1e300}, id="a latency beyond any calendar"),
        pytest.param({"latency_s": -1e300, "waited_s": 1e17}, id="a call from the far future"),
        pytest.param({"attempt": 2**70, "status": -(2**70)}, id="integers beyond 64 bits"),
    ],
)
def test_odd_numbers_of_a_call_are_told(fields: dict[str, object]) -> None:
    lines = [{**call(0, "a#1", "timeout"), **fields}, settled(1, "q1")]
    assert encode(analyse_rows(lines).to_json())
    story = story_of(lines, "q1")
    assert encode(story.to_json())
    assert render_story(story, 80)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        pytest.param("2026-11-23T17:00:00Z", T0, id="a time"),
        pytest.param("2026-11-23T17:00:00", None, id="without a zone"),
        pytest.param("0001-01-01T00:00:00+14:00", None, id="before any calendar"),
        pytest.param("9999-12-31T23:59:59-14:00", None, id="after any calendar"),
        pytest.param("1969-12-31T23:59:59Z", None, id="before the epoch"),
    ],
)
def test_times_within_the_calendar(text: str, at: float | None) -> None:
    assert seconds_of(text) == at
