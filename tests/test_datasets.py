"""Data files become items, lazily, and every mistake is named by its place."""

import importlib
import importlib.util
import itertools
import json
import tracemalloc
from pathlib import Path

import pytest

from router.errors import ConfigError
from router.evals.datasets import PARQUET_READERS, Item, Source, load, read, read_parquet

A = '{"id": "a", "question": "1 + 1", "expected": "2"}'
B = '{"id": "b", "question": "1 + 2", "expected": "3"}'
ITEMS = [
    Item("a", "1 + 1", "2", {"id": "a", "question": "1 + 1", "expected": "2"}),
    Item("b", "1 + 2", "3", {"id": "b", "question": "1 + 2", "expected": "3"}),
]


def items_of(directory: Path, name: str, text: str | bytes, limit: int | None = None) -> list[Item]:
    path = directory / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return list(load(path, limit))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param("d.jsonl", f"{A}\n{B}\n", id="jsonl"),
        pytest.param("d.JSONL", f"{A}\n\n  \n{B}", id="jsonl-blank-lines-no-last-end"),
        pytest.param("d.ndjson", f"\ufeff{A}\r\n{B}\r\n", id="ndjson-windows"),
        pytest.param("d.json", f"[{A},\n{B}]", id="json-array"),
        pytest.param("d.json", f'{{"data": [{A}, {B}]}}', id="json-data"),
        pytest.param("d.csv", "id,question,expected\na,1 + 1,2\nb,1 + 2,3\n", id="csv"),
        pytest.param("d.csv", '\ufeffid,question,expected\r\n"a",1 + 1,2\r\n\r\nb,1 + 2,3', id="csv-windows"),
    ],
)
def test_formats(tmp_path: Path, name: str, text: str) -> None:
    assert items_of(tmp_path, name, text) == ITEMS


@pytest.mark.parametrize(
    ("record", "question", "expected"),
    [
        pytest.param({"input": "q", "target": "a"}, "q", "a", id="input-target"),
        pytest.param({"prompt": "q", "answer": "a"}, "q", "a", id="prompt-answer"),
        pytest.param({"prompt": "p", "question": "q", "answer": "a", "expected": "e"}, "q", "e", id="first-name-wins"),
        pytest.param({"question": 7, "expected": 42}, "7", "42", id="integers"),
        pytest.param({"question": "q", "expected": 4.5}, "q", "4.5", id="float"),
        pytest.param({"question": "q", "expected": True}, "q", "true", id="boolean"),
        pytest.param({"question": "q", "expected": 10**30}, "q", "1" + "0" * 30, id="long-integer-is-exact"),
    ],
)
def test_fields(tmp_path: Path, record: dict[str, object], question: str, expected: str) -> None:
    (item,) = items_of(tmp_path, "d.jsonl", json.dumps({**record, "topic": ["x"]}))
    assert (item.question, item.expected) == (question, expected)
    assert item.variables == {**record, "topic": ["x"], "question": question}


def test_an_item_without_id_is_known_by_its_content(tmp_path: Path) -> None:
    one = '{"question": "q", "expected": "1"}'
    first, second = items_of(tmp_path, "d.jsonl", f'{one}\n{{"question": "q", "expected": "2"}}')
    (again,) = items_of(tmp_path, "e.jsonl", '\n\n{"expected": "1", "question": "q"}')
    assert first.id == again.id != second.id
    assert len(first.id) == 16


def test_ids_that_are_numbers(tmp_path: Path) -> None:
    assert [item.id for item in items_of(tmp_path, "d.jsonl", A.replace('"a"', "7"))] == ["7"]


def test_cells_of_many_lines_keep_the_places_right(tmp_path: Path) -> None:
    text = 'id,question,expected\na,"two\nlines",2\na,1,2\n'
    with pytest.raises(ConfigError, match=r"d.csv:4: the id 'a' stands already at .*d.csv:2;"):
        items_of(tmp_path, "d.csv", text)


@pytest.mark.parametrize(
    ("limit", "count"), [pytest.param(0, 0, id="none"), pytest.param(1, 1, id="one"), pytest.param(9, 2, id="more")]
)
def test_limit(tmp_path: Path, limit: int, count: int) -> None:
    assert len(items_of(tmp_path, "d.jsonl", f"{A}\n{B}\n", limit)) == count


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        pytest.param("d.jsonl", "", "d.jsonl: the data file holds no items", id="empty"),
        pytest.param("d.json", "[]", "d.json: the data file holds no items", id="json-no-items"),
        pytest.param("d.csv", "", "d.csv: the data file holds no items", id="csv-empty"),
        pytest.param("d.csv", "id,question\n", "d.csv: the data file holds no items", id="csv-only-a-header"),
        pytest.param(
            "d.jsonl",
            f"{A}\n{{'id': 1}}",
            "d.jsonl:2: this is not JSON: Expecting property name enclosed "
            "in double quotes at column 2; expected one object a line",
            id="not-json",
        ),
        pytest.param("d.jsonl", f"[\n{A}]", "d.jsonl:1: this is not JSON", id="array-named-jsonl"),
        pytest.param(
            "d.json",
            f"{A}\n{B}",
            "d.json: this is not JSON: Extra data at line 2, column 1; expected an "
            'array of objects or {"data": […]} (a file with one object a line is named .jsonl)',
            id="lines-named-json",
        ),
        pytest.param("d.json", '{"rows": []}', 'd.json: expected an array of objects or {"data"', id="json-no-array"),
        pytest.param("d.json", f"[{A}, 5]", 'd.json: item 2: expected an object such as {"question"', id="json-number"),
        pytest.param("d.jsonl", f"{A}\n[1]", "d.jsonl:2: expected an object such as", id="list"),
        pytest.param("d.jsonl", "[" * 100_000, "d.jsonl:1: this JSON is nested too deeply", id="deep"),
        pytest.param(
            "d.jsonl",
            "1" * 5000,
            "d.jsonl:1: this JSON is nested too deeply or holds a number too long",
            id="long-number",
        ),
        pytest.param(
            "d.jsonl",
            '{"qestion": "q", "expected": "1"}',
            "d.jsonl:1: there is no field question or input "
            "or prompt; is qestion meant as question? (there are: qestion, expected)",
            id="no-question",
        ),
        pytest.param(
            "d.jsonl",
            '{"question": "q", "label": "1"}',
            "d.jsonl:1: there is no field expected or target or answer (there are: question, label)",
            id="no-expected",
        ),
        pytest.param("d.jsonl", "{}", "(there are: none)", id="no-fields"),
        pytest.param(
            "d.jsonl",
            '{"question": " ", "expected": 1}',
            "d.jsonl:1: the field question must be a text or a number and not empty",
            id="blank-question",
        ),
        pytest.param("d.jsonl", '{"question": "q", "target": null}', "the field target must be a text", id="null"),
        pytest.param(
            "d.jsonl", '{"question": "q", "expected": ["a"]}', "the field expected must be", id="list-expected"
        ),
        pytest.param("d.jsonl", A.replace('"a"', '""'), "the field id must be", id="blank-id"),
        pytest.param(
            "d.jsonl",
            '{"question": "\\ud800", "expected": "1"}',
            "d.jsonl:1: a text holds half a character",
            id="surrogate",
        ),
        *(
            pytest.param("d.jsonl", f"{A}\n{text}", "d.jsonl:2: a text holds half a character", id=f"surrogate-{name}")
            for name, text in (
                ("in-the-id", B.replace('"b"', '"\\udc00"')),
                ("in-the-answer", B.replace('"3"', '"\\ud83d"')),
                ("in-another-field", B.replace("}", ', "more": {"deep": ["\\uDFFF"]}}')),
                ("in-a-field's-name", B.replace("}", ', "\\ud800": 1}')),
            )
        ),
        pytest.param("d.jsonl", f"{A}\n{B}\n{A}", "d.jsonl:3: the id 'a' stands already at ", id="id-twice"),
        pytest.param("d.json", f"[{A}, {A}]", "d.json: item 2: the id 'a' stands already at ", id="json-id-twice"),
        pytest.param(
            "d.jsonl",
            '{"question": 1, "expected": 1}\n' * 2,
            "(an item without one is known by its content)",
            id="content-twice",
        ),
        pytest.param(
            "d.jsonl",
            f"{A}\n".encode() + "题".encode("gbk"),
            "d.jsonl:2: the byte 0xcc at offset 50 is not UTF-8",
            id="not-utf8",
        ),
        pytest.param("d.csv", "题,b\n".encode("gbk"), "d.csv:1: the byte 0xcc at offset 0", id="csv-not-utf8"),
        pytest.param(
            "d.csv", "question,expected\n1,2,3\n", "d.csv:2: this row has 3 cells, the header 2", id="csv-wide"
        ),
        pytest.param("d.csv", "question,expected\n1,2\n1\n", "d.csv:3: this row has 1 cells", id="csv-narrow"),
        pytest.param(
            "d.csv", "question,expected,question\n", "d.csv:1: the column 'question' stands twice", id="csv-twin"
        ),
        pytest.param(
            "d.csv",
            'question,expected\n1,2\n"1,2\n3,4',
            "d.csv:3: the row that begins here is not CSV",
            id="csv-open-quote",
        ),
        pytest.param("d.xlsx", "", "d.xlsx: a data file is one of .jsonl, .ndjson, .csv", id="another-format"),
        pytest.param("data", "", "no ending is none", id="no-ending"),
    ],
)
def test_mistakes_are_named_by_place(tmp_path: Path, name: str, text: str | bytes, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        items_of(tmp_path, name, text)
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / name))


def test_two_halves_of_a_character_are_one(tmp_path: Path) -> None:
    (item,) = items_of(tmp_path, "d.jsonl", A.replace("1 + 1", "\\ud83d\\ude00"))
    assert item.question == "\N{GRINNING FACE}"


def test_a_header_of_very_many_columns_is_counted_once(tmp_path: Path) -> None:
    """Counting each name by itself took minutes."""
    names = ",".join(f"c{n}" for n in range(50_000))
    with pytest.raises(ConfigError, match="'c7' stands twice"):
        items_of(tmp_path, "d.csv", f"question,expected,{names},c7\n")


def test_a_missing_file_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "data.jsonl").touch()
    with pytest.raises(ConfigError, match=r"no such data file; did you mean data.jsonl\?"):
        load(tmp_path / "dta.jsonl")


def test_a_negative_limit_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "d.jsonl").touch()
    with pytest.raises(ConfigError, match="limit is -1"):
        load(tmp_path / "d.jsonl", -1)


@pytest.mark.parametrize("name", ["d.jsonl", "d.csv"])
def test_items_are_made_as_they_are_asked_for(tmp_path: Path, name: str) -> None:
    """Four megabytes take their own size and less than half a one."""
    path = tmp_path / name
    filler = "x" * 2000
    records = (json.dumps({"question": n, "expected": n, "filler": filler}) for n in range(2000))
    rows = (f"{n},{n},{filler}" for n in range(2000))
    head, lines = ([], records) if name == "d.jsonl" else (["question,expected,filler"], rows)
    path.write_text("\n".join([*head, *lines]))
    tracemalloc.start()
    try:
        count = sum(1 for _ in load(path))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 2000
    assert peak < path.stat().st_size + 500_000


def test_items_come_before_a_later_mistake(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text(f"{A}\n{B}\nnothing\n")
    items = load(path)
    assert list(itertools.islice(items, 2)) == ITEMS
    with pytest.raises(ConfigError, match=r"d.jsonl:3:"):
        next(items)


def test_parquet_needs_a_package_and_says_which(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"d.parquet: to read Parquet, install duckdb \(pip install duckdb\)"):
        read_parquet(Source(tmp_path / "d.parquet", b""), packages=("a_package_that_is_not_there",))


@pytest.mark.parametrize("package", PARQUET_READERS)
def test_parquet(tmp_path: Path, package: str) -> None:
    pytest.importorskip("duckdb", reason="writes the file")
    pytest.importorskip(package)
    path = tmp_path / "d.parquet"
    write_parquet(path)
    found = list(read_parquet(read(path), (package,)))
    assert [place for place, _ in found] == [f"{path}: row 1", f"{path}: row 2"]
    assert [record for _, record in found] == [item.variables for item in ITEMS]
    assert list(load(path)) == ITEMS
    path.write_bytes(b"PAR1 no more")
    with pytest.raises(ConfigError, match="cannot be read"):
        list(read_parquet(read(path), (package,)))


def write_parquet(path: Path) -> None:
    connection = importlib.import_module("duckdb").connect()
    connection.execute("CREATE TABLE items (id TEXT, question TEXT, expected TEXT)")
    connection.executemany("INSERT INTO items VALUES (?, ?, ?)", [list(i.variables.values()) for i in ITEMS])
    connection.table("items").write_parquet(str(path))
