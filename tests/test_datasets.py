"""Data sets: files, streams and directories become items; what is no item is refused or skipped; memory stays flat."""

from __future__ import annotations

import io
import json
import os
import re
import sys
import threading
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.errors import ConfigError
from router.evals.datasets import Dataset, Reading, read
from router.evals.item_store import ItemStore
from router.evals.items import BadRow, Item
from router.evals.tasks import data_task

A = '{"id": "a", "question": "1 + 1", "expected": "2"}'
B = '{"id": "b", "question": "1 + 2", "expected": "3"}'
BAD = '{"id": "c", "qestion": "1 + 3"}'


def file_of(directory: Path, name: str, text: str | bytes) -> Path:
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def numbered(count: int) -> str:
    return "".join(f'{{"id": {n}, "question": "{n} + 1", "expected": {n + 1}}}\n' for n in range(count))


def ids(dataset: Dataset) -> list[str]:
    return [item.id for item in dataset.items()]


# Where they come from.


def test_a_file_is_read_once(tmp_path: Path) -> None:
    path = file_of(tmp_path, "d.jsonl", f"{A}\n{B}\n")
    dataset = read(path)
    path.write_text("torn {")
    assert ids(dataset) == ids(dataset) == ["a", "b"]
    assert len(dataset) == 2


def test_a_pipe_is_read_as_a_shell_gives_it(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=lambda: path.write_text(f"{A}\n{B}\n"))
    writer.start()
    assert ids(read(path)) == ["a", "b"]
    writer.join()


@pytest.mark.parametrize("text", [f"{A}\n{B}\n", f"[{A},{B}]", "id,question,expected\na,1 + 1,2\nb,1 + 2,3\n"])
def test_stdin_is_told_by_its_content(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(text.encode())))
    assert ids(read("-")) == ["a", "b"]


def test_an_endless_stream_is_read_as_far_as_it_is_needed(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)

    def write() -> None:
        with suppress(BrokenPipeError), path.open("w") as file:
            for number in range(10**9):
                file.write(f'{{"question": "{number}"}}\n')

    writer = threading.Thread(target=write)
    writer.start()
    assert len(read(path, Reading(limit=5))) == 5
    writer.join()


def test_the_shards_of_one_set_are_read_in_their_order(tmp_path: Path) -> None:
    file_of(tmp_path, "main/test-00001-of-00002.jsonl", B)
    file_of(tmp_path, "main/test-00000-of-00002.jsonl", A)
    file_of(tmp_path, "README.md", "# about")
    file_of(tmp_path, "dataset_info.json", "{}")
    assert ids(read(tmp_path)) == ids(read(tmp_path / "main" / "test-*.jsonl")) == ["a", "b"]


def test_of_several_sets_in_a_directory_one_must_be_named(tmp_path: Path) -> None:
    file_of(tmp_path, "main/test-00000-of-00001.jsonl", A)
    file_of(tmp_path, "main/train-00000-of-00001.jsonl", B)
    with pytest.raises(ConfigError, match=r"several data sets in it; name one: .*test-\*\.jsonl, .*train-\*\.jsonl"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("nothing-*.jsonl", "there is no such file", id="a pattern without a file"),
        pytest.param("dta.jsonl", r"no such data file; did you mean data\.jsonl", id="misspelt"),
        pytest.param("empty", "there is no data file in this directory", id="an empty directory"),
    ],
)
def test_what_is_not_there_is_said(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "data.jsonl").touch()
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=message):
        read(tmp_path / name)


# Which of them.


@pytest.mark.parametrize(("limit", "count"), [(0, 0), (1, 1), (9, 2)])
def test_limit(tmp_path: Path, limit: int, count: int) -> None:
    assert len(ids(read(file_of(tmp_path, "d.jsonl", f"{A}\n{B}\n"), Reading(limit=limit)))) == count


def test_behind_the_limit_nothing_is_read(tmp_path: Path) -> None:
    assert ids(read(file_of(tmp_path, "d.jsonl", f"{A}\nnothing\n"), Reading(limit=1))) == ["a"]


def test_a_negative_limit_is_refused() -> None:
    with pytest.raises(ConfigError, match="limit is -1"):
        Reading(limit=-1)


def test_a_draw_follows_from_the_seed(tmp_path: Path) -> None:
    path = file_of(tmp_path, "d.jsonl", numbered(200))
    drawn = [ids(read(path, Reading(limit=20, shuffled=True, seed=seed))) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert len(set(drawn[0])) == 20
    assert drawn[0] != sorted(drawn[0], key=int)


def test_a_smaller_draw_is_the_beginning_of_a_larger_one_and_new_rows_move_none(tmp_path: Path) -> None:
    few, more = file_of(tmp_path, "few.jsonl", numbered(100)), file_of(tmp_path, "more.jsonl", numbered(130))
    everything = ids(read(few, Reading(shuffled=True)))
    assert ids(read(few, Reading(limit=30, shuffled=True))) == everything[:30]
    assert [id_ for id_ in ids(read(more, Reading(shuffled=True))) if int(id_) < 100] == everything


def test_a_draw_is_even(tmp_path: Path) -> None:
    """The mean of 400 drawn out of 0…1999 is 999.5; its deviation is 26."""
    path = file_of(tmp_path, "d.jsonl", numbered(2000))
    drawn = [int(id_) for id_ in ids(read(path, Reading(limit=400, shuffled=True, seed=3)))]
    assert abs(sum(drawn) / 400 - 999.5) < 4 * 26


# Ids.


def test_equal_rows_without_an_id_are_told_apart_by_their_order(tmp_path: Path) -> None:
    row = '{"question": "q", "expected": "1"}'
    first, other, second, third = ids(read(file_of(tmp_path, "d.jsonl", f'{row}\n{{"question": "p"}}\n{row}\n{row}')))
    assert (second, third) == (f"{first}-2", f"{first}-3")
    assert len({first, other, second, third}) == 4


def test_an_id_that_stands_twice_is_named_with_both_places(tmp_path: Path) -> None:
    path = file_of(tmp_path, "d.jsonl", f"{A}\n\n{B}\n{A}\n")
    with pytest.raises(BadRow, match=r"d\.jsonl:4: the id 'a' stands already at .*d\.jsonl:1; an id belongs to one"):
        read(path)


# Rows that are no items.


def test_a_bad_row_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(BadRow, match=r"d\.jsonl:2: there is no field question"):
        read(file_of(tmp_path, "d.jsonl", f"{A}\n{BAD}\n{B}"))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param("d.jsonl", f"{A}\n{BAD}\n{B}\n", id="a missing field"),
        pytest.param("d.jsonl", f"{A}\n{{torn\n{B}\n", id="no JSON"),
        pytest.param("d.jsonl", f"{A}\n".encode() + b"\xff\xfe\n" + B.encode(), id="no UTF-8"),
        pytest.param("d.jsonl", f"{A}\n{A}\n{B}\n", id="an id twice"),
        pytest.param("d.jsonl", f"{A}\n[1]\n{B}\n", id="no object"),
        pytest.param("d.json", f"[{A}, {BAD}, {B}]", id="in an array"),
        pytest.param("d.csv", "id,question,expected\na,1 + 1,2\nc,,3\nb,1 + 2,3\n", id="a blank question in a table"),
        pytest.param("d.csv", "id,question,expected\na,1 + 1,2\nc\nb,1 + 2,3\n", id="a narrow row of a table"),
    ],
)
def test_a_bad_row_is_skipped_and_counted(tmp_path: Path, name: str, text: str | bytes) -> None:
    dataset = read(file_of(tmp_path, name, text), Reading(bad_rows="skip"))
    assert ids(dataset) == ["a", "b"]
    assert dataset.skipped == 1
    assert str(tmp_path / name) in dataset.bad


def test_what_was_skipped_stands_in_the_notes_and_in_the_description(tmp_path: Path) -> None:
    task = data_task(file_of(tmp_path, "d.jsonl", f"{A}\n{BAD}\n{{\n"), Reading(bad_rows="skip"))
    assert task.describes["bad_rows"] == 2
    assert task.notes[0].startswith(f"2 rows of {tmp_path / 'd.jsonl'} were skipped; the first: ")


def test_only_bad_rows_are_no_data_set(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"holds no items; all of its 1 rows are bad, the first: .*d\.jsonl:1: "):
        read(file_of(tmp_path, "d.jsonl", BAD), Reading(bad_rows="skip"))


def test_items_without_an_expected_answer_are_counted(tmp_path: Path) -> None:
    text = '{"question": "a", "answer": "1"}\n{"question": "b"}\n{"question": "c", "answer": null}\n'
    task = data_task(file_of(tmp_path, "d.jsonl", text))
    assert [item.expected for item in task.items()] == ["1", None, None]
    assert task.notes == ("2 of 3 items have no expected answer; their answers are kept but not scored",)


def test_where_nothing_is_expected_the_fields_are_named_that_could_be(tmp_path: Path) -> None:
    task = data_task(file_of(tmp_path, "d.jsonl", '{"question": "a", "solution": "1"}\n'))
    (note,) = task.notes
    assert re.search(r"The fields are .*question.*solution: --map expected=FIELD", note)


# Memory.


def peak(act: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        act()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ["d.jsonl", "d.json", "d.csv"])
def test_ten_times_the_items_take_the_same_memory(tmp_path: Path, name: str) -> None:
    """Peaks of 300 and of 3,000 items of 1 kB: they differ by less than a tenth of what the others weigh."""

    def task(count: int) -> Callable[[], object]:
        records = [{"id": n, "question": f"q{n}", "expected": n, "filler": "x" * 1000} for n in range(count)]
        lines = {
            "d.jsonl": "\n".join(map(json.dumps, records)),
            "d.json": json.dumps(records),
            "d.csv": "\n".join(["id,question,expected,filler", *(",".join(map(str, r.values())) for r in records)]),
        }[name]
        path = file_of(tmp_path / str(count), name, lines)
        return lambda: sum(1 for _ in data_task(path).items())

    small, large = task(300), task(3000)
    small()  # what is imported and compiled once counts for neither
    assert peak(large) - peak(small) < 270_000


def test_the_store_frees_its_file_with_itself() -> None:
    store = ItemStore()
    store.add("a:1", Item("a", "q", "1", {}))
    assert store.get("a") == Item("a", "q", "1", {})
    assert store.get("b") is None


@settings(max_examples=20)
@given(st.lists(st.text(max_size=3), unique=True, max_size=20), st.integers(0, 3))
def test_a_store_gives_back_what_it_was_given(names: list[str], seed: int) -> None:
    store = ItemStore(seed)
    items = [Item(name, name, None, {"n": name}) for name in names]
    for item in items:
        store.add("x", item)
    assert list(store.items()) == items
    assert sorted(store.items(shuffled=True), key=lambda item: item.id) == sorted(items, key=lambda item: item.id)
