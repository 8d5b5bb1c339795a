"""Formats of data files: each is read record by record, and every mistake is named by its place."""

from __future__ import annotations

import gzip
import importlib
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.errors import ConfigError
from router.evals import formats
from router.evals.formats.columns import PARQUET_READERS, read_parquet
from router.evals.formats.stream import Stream
from router.evals.items import BadRow

A = {"id": "a", "question": "1 + 1", "expected": "2"}
B = {"id": "b", "question": "1 + 2", "expected": "3"}
LINES = f"{json.dumps(A)}\n{json.dumps(B)}\n"
TABLE = "id,question,expected\na,1 + 1,2\nb,1 + 2,3\n"


def rows_of(directory: Path, name: str, content: str | bytes) -> list[tuple[str, object]]:
    path = directory / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with path.open("rb") as file:
        return [
            (place.removeprefix(f"{directory}/"), row) for place, row in formats.read(Stream(path, file, is_file=True))
        ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param("d.jsonl", LINES, id="jsonl"),
        pytest.param("d.JSONL", LINES.replace("\n", "\n\n  \n"), id="jsonl-blank-lines"),
        pytest.param("d.ndjson", "\ufeff" + LINES.replace("\n", "\r\n"), id="ndjson-windows"),
        pytest.param("d.json", LINES, id="lines-named-json"),
        pytest.param("d.json", json.dumps([A, B]), id="json-array"),
        pytest.param("d.json", json.dumps([A, B], indent=2), id="json-indented"),
        pytest.param("d.json", json.dumps({"data": [A, B]}), id="json-data"),
        pytest.param("d.json", json.dumps({"version": 1, "data": [A, B]}), id="json-data-behind-others"),
        pytest.param("d.csv", TABLE, id="csv"),
        pytest.param("d.csv", "\ufeff" + TABLE.replace("a,", '"a",').replace("\n", "\r\n\r\n"), id="csv-windows"),
        pytest.param("d.csv", TABLE.replace(",", ";"), id="csv-semicolons"),
        pytest.param("d.tsv", TABLE.replace(",", "\t"), id="tsv"),
        pytest.param("d", LINES, id="lines-without-ending"),
        pytest.param("d", json.dumps([A, B]), id="array-without-ending"),
        pytest.param("d.txt", TABLE, id="table-named-txt"),
        pytest.param("d.jsonl.gz", gzip.compress(LINES.encode()), id="gz"),
        pytest.param("d.gz", gzip.compress(TABLE.encode()), id="gz-without-inner-ending"),
        pytest.param("d.jsonl", gzip.compress(LINES.encode()), id="gz-without-saying-so"),
    ],
)
def test_formats(tmp_path: Path, name: str, text: str | bytes) -> None:
    assert [row for _, row in rows_of(tmp_path, name, text)] == [A, B]


@pytest.mark.parametrize(
    ("name", "text", "places"),
    [
        pytest.param("d.jsonl", "\n" + LINES, ["d.jsonl:2", "d.jsonl:3"], id="lines"),
        pytest.param("d.csv", 'id,a\n1,"two\nlines"\n\n2,x\n', ["d.csv:2", "d.csv:5"], id="rows of many lines"),
        pytest.param("d.json", '[\n{"a": 1},\n\n{"a": 2}]', ["d.json:2: item 1", "d.json:4: item 2"], id="elements"),
    ],
)
def test_places(tmp_path: Path, name: str, text: str, places: list[str]) -> None:
    assert [place for place, _ in rows_of(tmp_path, name, text)] == places


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        pytest.param(
            "d.jsonl", f"{LINES}{{'id': 1}}", "d.jsonl:3: this is not JSON: Expecting property", id="not-json"
        ),
        pytest.param("d.jsonl", "[\n1", "d.jsonl:1: this is not JSON", id="array-named-jsonl"),
        pytest.param("d.jsonl", "[" * 100_000, "d.jsonl:1: this JSON is nested too deeply", id="deep"),
        pytest.param("d.jsonl", "1" * 5000, "or holds a number too long", id="long-number"),
        pytest.param("d.jsonl", LINES.encode() + b"\xcc\n", "d.jsonl:3: the byte 0xcc at offset 100", id="not-utf8"),
        pytest.param("d.csv", "a,b\n1,2,3\n", "d.csv:2: this row has 3 cells, the header 2", id="csv-wide"),
        pytest.param("d.csv", "a,b\n1,2\n1\n", "d.csv:3: this row has 1 cells", id="csv-narrow"),
    ],
)
def test_a_bad_row_is_told_in_its_place_and_does_not_end_the_file(
    tmp_path: Path, name: str, content: str | bytes, message: str
) -> None:
    (bad,) = (row for _, row in rows_of(tmp_path, name, content) if isinstance(row, BadRow))
    assert message in str(bad)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        pytest.param("d.json", "[{]", "d.json:1: item 1: this is not JSON: Expecting property name", id="no-json"),
        pytest.param("d.json", '[{"a": 1}\n{"a": 2}]', "d.json:2: this is not JSON: expected , or ]", id="no-comma"),
        pytest.param("d.json", '[{"a": 1}, {"a', "was the file written to its end?", id="half an array"),
        pytest.param("d.json", '{"rows": []}', 'd.json: expected an array of objects or {"data"', id="json-no-array"),
        pytest.param("d.json", "[" * 100_000, "nested too deeply", id="json-deep"),
        pytest.param("d.json", b'[{"a":\n"\xff"}]', "d.json:2: the byte 0xff at offset 8 is not", id="json-not-utf8"),
        pytest.param("d.csv", "a,b,a\n", "d.csv:1: the column 'a' is in the header twice", id="csv-twin"),
        pytest.param("d.csv", 'a,b\n1,2\n"1,2\n3,4', "d.csv:3: the row that begins here is not CSV", id="open-quote"),
        pytest.param("d.csv", "题,b\n".encode("gbk"), "d.csv:1: the byte 0xcc at offset 0", id="csv-not-utf8"),
        pytest.param("d.xlsx", b"PK\x03\x04", "a ZIP archive or an Excel file; save it as CSV", id="excel"),
        pytest.param("d.zst", b"\x28\xb5\x2f\xfd", "unpack it: zstd -dc FILE | router eval", id="zstd"),
        pytest.param("d.jsonl", b"\x7fELF\0\0\1", "d.jsonl: this is a binary file", id="binary"),
        pytest.param("d.csv", TABLE.encode("utf-16"), "not in UTF-8", id="utf-16"),
        pytest.param("d.yaml", "a: 1", "d.yaml: a data file is one of .jsonl, .ndjson, .json, .csv", id="another"),
        pytest.param(
            "data", "one word", "each also compressed as .gz; this is none of them", id="no ending and no table"
        ),
        pytest.param(
            "d.parquet", "x", "d.parquet: this is not a Parquet file; was it written to its end?", id="no-parquet"
        ),
        pytest.param("d.parquet", b"PAR1 no more", "d.parquet: this Parquet file cannot be read", id="half-parquet"),
        pytest.param("d.arrow", b"ARROW1 no more", "d.arrow: this Arrow file cannot be read", id="half-arrow"),
        pytest.param("d.jsonl.gz", gzip.compress(LINES.encode() * 500)[:-20], "cut or damaged behind ", id="half-gz"),
        pytest.param("d.jsonl.gz", b"\x1f\x8b\x08nothing", "this gzip file is cut or damaged", id="no-gz"),
    ],
)
def test_a_file_that_cannot_be_read_is_said(tmp_path: Path, name: str, content: str | bytes, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        rows_of(tmp_path, name, content)
    assert not isinstance(caught.value, BadRow)
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / name))


def test_a_header_of_very_many_columns_is_counted_once(tmp_path: Path) -> None:
    """Counting each name by itself took minutes."""
    names = ",".join(f"c{n}" for n in range(50_000))
    with pytest.raises(ConfigError, match="'c7' is in the header twice"):
        rows_of(tmp_path, "d.csv", f"{names},c7\n")


def test_a_long_cell_is_read(tmp_path: Path) -> None:
    """Longer than csv takes by itself."""
    ((_, row),) = rows_of(tmp_path, "d.csv", f"question\n{'x' * 200_000}\n")
    assert row == {"question": "x" * 200_000}


JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3), max_leaves=4
)


@settings(max_examples=60)
@given(st.lists(st.dictionaries(st.text(max_size=4), JSON, max_size=3), max_size=6), st.sampled_from([1, 2, 7, 65536]))
def test_an_array_in_pieces_of_any_size_is_the_array(
    tmp_path_factory: pytest.TempPathFactory, records: list[dict[str, object]], size: int
) -> None:
    directory = tmp_path_factory.mktemp("array")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("router.evals.formats.json_text.CHUNK", size)
        text = json.dumps(records, indent=1, ensure_ascii=False)
        assert [row for _, row in rows_of(directory, "d.json", text)] == records


# Columns.


def write_parquet(path: Path) -> None:
    connection = importlib.import_module("duckdb").connect()
    connection.execute("CREATE TABLE items (id TEXT, question TEXT, expected TEXT)")
    connection.executemany("INSERT INTO items VALUES (?, ?, ?)", [list(A.values()), list(B.values())])
    connection.table("items").write_parquet(str(path))


@pytest.mark.parametrize("package", PARQUET_READERS)
@pytest.mark.parametrize("is_file", [True, False])
def test_parquet(tmp_path: Path, package: str, *, is_file: bool) -> None:
    path = tmp_path / "d.parquet"
    write_parquet(path)
    with path.open("rb") as file:
        found = list(read_parquet(Stream(path, file, is_file), (package,)))
    assert found == [(f"{path}: row 1", A), (f"{path}: row 2", B)]


def test_parquet_needs_a_package_and_says_which(tmp_path: Path) -> None:
    path = tmp_path / "d.parquet"
    write_parquet(path)
    with path.open("rb") as file, pytest.raises(ConfigError, match=r"d.parquet: to read Parquet, install duckdb \(pip"):
        read_parquet(Stream(path, file, is_file=True), packages=("a_package_that_is_not_there",))


@pytest.mark.parametrize("kind", ["new_stream", "new_file"])
def test_arrow(tmp_path: Path, kind: str) -> None:
    pyarrow = importlib.import_module("pyarrow")
    table = pyarrow.Table.from_pylist([A, B])
    path = tmp_path / "data-00000-of-00001.arrow"
    with getattr(importlib.import_module("pyarrow.ipc"), kind)(str(path), table.schema) as writer:
        writer.write_table(table)
    assert [row for _, row in rows_of(tmp_path, path.name, path.read_bytes())] == [A, B]
