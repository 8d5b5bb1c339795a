from __future__ import annotations

import errno
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.faults import Kind
from router.jsonl import FSYNC_EVERY_S, Appender, cut_torn_line, decode, encode, encode_pretty, read, write_whole

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def append(path: Path, *lines: dict[str, object]) -> None:
    appender = Appender(path)
    for line in lines:
        appender.append(line)
    appender.close()


@given(values)
def test_what_is_written_reads_back(value: object) -> None:
    assert decode(encode(value)) == decode(encode_pretty(value)) == value
    assert b"\n" not in encode(value)


def test_dataclasses_enums_and_numbers_as_names_are_written() -> None:
    @dataclass
    class Point:
        x: int

    assert encode({1: Point(2), "kind": Kind.TIMEOUT}) == b'{"1":{"x":2},"kind":"timeout"}'


@dataclass
class Line:
    text: str
    number: int


@pytest.mark.parametrize(
    ("value", "written"),
    [
        pytest.param({"a": "x\ud800y"}, {"a": "x?y"}, id="half a character"),
        pytest.param({"\udfff": [("\ud800",)]}, {"?": [["?"]]}, id="in a name, in a list"),
        pytest.param([10**18, -(10**30)], [10**18, -1e30], id="a number beyond 64 bits"),
        pytest.param([10**400], [None], id="a number beyond everything"),
        pytest.param(Line("\ud800", 2**64), {"text": "?", "number": 2.0**64}, id="in a record"),
        pytest.param({Kind.TIMEOUT: "\ud800"}, {"timeout": "?"}, id="beside an enum"),
    ],
)
def test_what_json_cannot_say_is_written_as_near_as_it_can(value: object, written: object) -> None:
    assert decode(encode(value)) == decode(encode_pretty(value)) == written


def test_what_is_no_json_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="unexpected"):
        decode("{")


@pytest.mark.parametrize(
    ("found", "kept"),
    [
        pytest.param(b"", b"", id="empty"),
        pytest.param(b'{"a":1}\n', b'{"a":1}\n', id="whole"),
        pytest.param(b'{"a":1}\n{"a":', b'{"a":1}\n', id="torn"),
        pytest.param(b'{"a":', b"", id="nothing but a torn line"),
        pytest.param(b'{"a":1}\n' + b"x" * 200_000, b'{"a":1}\n', id="torn line of many blocks"),
        pytest.param(b'{"a":1}\n' + b"x" * 65535, b'{"a":1}\n', id="line end at a block's edge"),
        pytest.param(b"\n\n", b"\n\n", id="empty lines"),
    ],
)
def test_a_file_is_cut_after_its_last_whole_line(tmp_path: Path, found: bytes, kept: bytes) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(found)
    cut_torn_line(path)
    assert path.read_bytes() == kept


def test_a_file_that_is_not_there_is_not_made_by_cutting(tmp_path: Path) -> None:
    cut_torn_line(tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_appending_after_a_torn_line_starts_a_line_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"a":1}\n{"a":2')
    append(path, {"a": 3})
    assert [line["a"] for line in read(path)] == [1, 3]


def test_damaged_lines_are_skipped_and_told(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"a":1}\n\nrubbish\n[2]\n{"a":"\xff"}\n' + b'{"a":3}\n{"a":4')
    damaged: list[int] = []
    assert [line["a"] for line in read(path, damaged.append)] == [1, 3]
    assert damaged == [3, 4, 5, 7]


def test_a_reader_never_counts_a_line_that_appending_cuts_away(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    path.write_bytes(b'{"id":1}\n{"id":2}')
    before = [line["id"] for line in read(path)]
    append(path, {"id": 3})
    assert [line["id"] for line in read(path)] == [*before, 3]


@given(st.lists(st.dictionaries(st.text(), st.integers(0, 9), max_size=2), max_size=8), st.data())
def test_wherever_a_file_is_torn_the_lines_before_are_whole(lines: list[dict[str, int]], data: st.DataObject) -> None:
    whole = b"".join(encode(line) + b"\n" for line in lines)
    torn = whole[: data.draw(st.integers(0, len(whole)))]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.jsonl"
        path.write_bytes(torn)
        assert list(read(path)) == lines[: torn.count(b"\n")]


def test_lines_are_with_the_kernel_at_once_and_on_the_disk_at_times(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    now = 0.0
    appender = Appender(path, clock=lambda: now)
    appender.append({"a": 1})
    assert path.read_bytes() == b'{"a":1}\n'
    assert appender._synced_at == 0.0
    now = FSYNC_EVERY_S
    appender.append({"a": 2})
    assert appender._synced_at == now
    appender.close()
    appender.close()


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """The kernel takes what fits and then refuses, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def lines(path: Path) -> list[object]:
    damaged: list[int] = []
    found = [line["n"] for line in read(path, damaged.append)]
    assert damaged == []
    return found


@pytest.mark.parametrize("room", range(10))
def test_a_line_that_does_not_fit_is_cut_back_and_kept_for_a_last_try(tmp_path: Path, room: int) -> None:
    path, failures = tmp_path / "log.jsonl", list[OSError]()
    appender = Appender(path, on_failure=failures.append)
    appender.append({"n": 1})
    with file_size_limit(path.stat().st_size + room - 1):
        for number in (2, 3):
            appender.append({"n": number})
        written = 2 if room == len(b'{"n":2}\n') + 1 else 1
        assert lines(path) == list(range(1, written + 1))
    assert [error.errno for error in failures] == [errno.EFBIG]
    appender.append({"n": 4})
    assert lines(path) == list(range(1, written + 1))
    appender.close()
    assert lines(path) == [1, 2, 3, 4]


def test_what_does_not_fit_at_the_end_either_is_said(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    appender = Appender(path)
    appender.append({"n": 1})
    with file_size_limit(path.stat().st_size):
        appender.append({"n": 2})
        with pytest.raises(OSError, match="too large"):
            appender.close()
        appender.close()
    assert lines(path) == [1]
    assert appender.kept == [b'{"n":2}']


@pytest.mark.parametrize("late", [False, True], ids=["while it grows", "after its last line"])
def test_a_file_that_was_removed_is_noticed_and_written_again(tmp_path: Path, *, late: bool) -> None:
    path, failures, now = tmp_path / "runs" / "log.jsonl", list[OSError](), 0.0
    path.parent.mkdir()
    appender = Appender(path, clock=lambda: now, on_failure=failures.append)
    appender.append({"n": 1})
    rmtree(path.parent)
    if not late:
        now = FSYNC_EVERY_S
        appender.append({"n": 2})
        assert [type(error) for error in failures] == [FileNotFoundError]
    appender.append({"n": 3})
    appender.close()
    assert lines(path) == ([1, 3] if late else [1, 2, 3])


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text("old")
    write_whole(path, {"a": [1]})
    assert decode(path.read_bytes()) == {"a": [1]}
    assert [each.name for each in tmp_path.iterdir()] == ["run.json"]


def test_what_cannot_be_written_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text("old")
    with pytest.raises(TypeError):
        write_whole(path, {"a": object()})
    assert path.read_text() == "old"


WRITER = """
import sys
from pathlib import Path
from router.jsonl import Appender
appender = Appender(Path(sys.argv[1]))
number = 0
while True:
    appender.append({"n": number, "text": "x" * 2000})
    print(number, flush=True)
    number += 1
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no kill -9")
def test_kill_9_loses_no_line_that_was_appended(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE) as child:  # noqa: S603 - our own text
        assert child.stdout is not None
        told = [int(child.stdout.readline()) for _ in range(300)]
        child.send_signal(signal.SIGKILL)
        told += [int(line) for line in child.stdout.read().split()]
    assert child.returncode == -signal.SIGKILL
    kept = [line["n"] for line in read(path)]
    assert kept[: len(told)] == told
    append(path, {"n": "after"})
    assert [line["n"] for line in read(path)] == [*kept, "after"]
