"""Data sets: JSONL, CSV, JSON and Parquet files as items, read lazily."""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from router.errors import ConfigError
from router.evals.files import decode, open_bytes, require_file
from router.suggest import nearest

QUESTION_FIELDS = ("question", "input", "prompt")
EXPECTED_FIELDS = ("expected", "target", "answer")

_WHAT = "data file"


@dataclass(frozen=True, slots=True)
class Item:
    """One question with its expected answer; `variables` are what a prompt may name."""

    id: str
    question: str
    expected: str
    variables: Mapping[str, object]


Place: TypeAlias = str
"""Where a record stands, for the head of a message: `data.jsonl:3`."""
Record: TypeAlias = Mapping[str, object]
Reader: TypeAlias = Callable[[Path], Iterator[tuple[Place, object]]]


def load(path: Path, limit: int | None = None) -> Iterator[Item]:
    """The first `limit` items of a file, lazily; `{{ question }}` works whatever the field is called.

    Raises ConfigError, at once for a file that is missing, else when the reading comes to the mistake.
    JSONL and CSV take flat memory but for a number an item; a JSON file is read whole.
    """
    require_file(path, _WHAT)
    if path.suffix.lower() not in READERS:
        known = ", ".join(READERS)
        raise ConfigError(f"{path}: a data file is one of {known}; {path.suffix or 'no ending'} is none")
    if limit is not None and limit < 0:
        raise ConfigError(f"limit is {limit}; expected 0 or more items")
    return itertools.islice(_items(path), limit)


def _items(path: Path) -> Iterator[Item]:
    seen: set[int] = set()
    for place, record in READERS[path.suffix.lower()](path):
        item = _item(place, _checked(place, record))
        if hash(item.id) in seen:
            _refuse_twin(path, place, item.id)
        seen.add(hash(item.id))
        yield item
    if not seen:
        raise ConfigError(f"{path}: the data file holds no items")


def _refuse_twin(path: Path, place: Place, name: str) -> None:
    """Read again up to the first record with this id; there is none but this one if only hashes met."""
    for earlier, record in READERS[path.suffix.lower()](path):
        if earlier == place:
            return
        if _item(earlier, _checked(earlier, record)).id == name:
            raise ConfigError(
                f"{place}: the id {name!r} stands already at {earlier}; an id belongs to one item "
                "(an item without one is known by its content)"
            )


# --- a record -------------------------------------------------------------------------------------


def _checked(place: Place, record: object) -> Record:
    if isinstance(record, Mapping):
        return record
    raise ConfigError(f'{place}: expected an object such as {{"question": "…", "expected": "…"}}')


def _item(place: Place, record: Record) -> Item:
    question = _text(place, record, _field(place, record, QUESTION_FIELDS))
    expected = _text(place, record, _field(place, record, EXPECTED_FIELDS))
    return Item(_id(place, record), question, expected, {**record, "question": question})


def _field(place: Place, record: Record, names: Sequence[str]) -> str:
    found = next((name for name in names if name in record), None)
    if found is not None:
        return found
    present = [str(name) for name in record]
    hints = (f"; is {close} meant as {name}?" for name in names if (close := nearest(name, present)))
    raise ConfigError(
        f"{place}: there is no field {' or '.join(names)}{next(hints, '')} (there are: {', '.join(present) or 'none'})"
    )


def _text(place: Place, record: Record, name: str) -> str:
    value = record[name]
    text = value if isinstance(value, str) else json.dumps(value) if isinstance(value, (int, float)) else ""
    if text.strip():
        return text
    raise ConfigError(f"{place}: the field {name} must be a text or a number and not empty")


def _id(place: Place, record: Record) -> str:
    if "id" in record:
        return _text(place, record, "id").strip()
    try:
        content = json.dumps(record, sort_keys=True, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError:
        raise ConfigError(f"{place}: a text holds half a character (a lone surrogate)") from None
    return hashlib.sha256(content).hexdigest()[:16]


# --- files ----------------------------------------------------------------------------------------


def _lines(path: Path) -> Iterator[str]:
    """The lines of a file with their ends; raises ConfigError at the first that is not UTF-8."""
    offset = 0
    with open_bytes(path, _WHAT) as file:
        for number, line in enumerate(file, 1):
            yield decode(line, path, number, offset)
            offset += len(line)


def _jsonl(path: Path) -> Iterator[tuple[Place, object]]:
    for number, line in enumerate(_lines(path), 1):
        if line.strip():
            place = f"{path}:{number}"
            yield place, _parse(line, place, "one object a line (an array over many lines is named .json)")


def _json(path: Path) -> Iterator[tuple[Place, object]]:
    expected = 'an array of objects or {"data": […]} (a file with one object a line is named .jsonl)'
    with open_bytes(path, _WHAT) as file:
        text = decode(file.read(), path)
    whole = _parse(text, str(path), expected) if text.strip() else []
    array = whole.get("data") if isinstance(whole, Mapping) else whole
    if not isinstance(array, list):
        raise ConfigError(f"{path}: expected {expected}")
    return ((f"{path}: item {number}", record) for number, record in enumerate(array, 1))


def _parse(text: str, place: Place, expected: str) -> object:
    """Parse with json, not orjson: an expected integer of 30 digits must not become a float."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}" if "\n" in text.rstrip() else f"column {error.colno}"
        raise ConfigError(f"{place}: this is not JSON: {error.msg} at {where}; expected {expected}") from None
    except (ValueError, RecursionError):
        raise ConfigError(f"{place}: this JSON is nested too deeply or holds a number too long") from None


def _csv(path: Path) -> Iterator[tuple[Place, object]]:
    rows = _rows(path)
    place, header = next(rows, (str(path), []))
    _check_header(header, place)
    for place, row in rows:
        if len(row) != len(header):
            raise ConfigError(
                f"{place}: this row has {len(row)} cells, the header {len(header)}; "
                "put a cell that holds a comma into double quotes"
            )
        yield place, dict(zip(header, row, strict=True))


def _rows(path: Path) -> Iterator[tuple[Place, list[str]]]:
    """The rows that are not blank, each with its first line."""
    reader = csv.reader(_lines(path), strict=True)
    while True:
        place = f"{path}:{reader.line_num + 1}"
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise ConfigError(f"{place}: the row that begins here is not CSV: {error}") from None
        if row is None:
            return
        if row:
            yield place, row


def _check_header(header: Sequence[str], place: Place) -> None:
    twins = [name for name in header if header.count(name) > 1]
    if twins:
        raise ConfigError(f"{place}: the column {twins[0]!r} stands twice in the header; rename one")


# --- parquet --------------------------------------------------------------------------------------

_BATCH = 1024


def _by_duckdb(path: Path) -> Iterator[Record]:
    duckdb = importlib.import_module("duckdb")
    try:
        found = duckdb.connect().execute("SELECT * FROM read_parquet(?)", [str(path)])
        names = [column[0] for column in found.description]
        while batch := found.fetchmany(_BATCH):
            for row in batch:
                yield dict(zip(names, row, strict=True))
    except duckdb.Error as error:
        raise ConfigError(f"{path}: this Parquet file cannot be read: {error}") from None


def _by_pyarrow(path: Path) -> Iterator[Record]:
    parquet = importlib.import_module("pyarrow.parquet")
    try:
        for batch in parquet.ParquetFile(path).iter_batches(batch_size=_BATCH):
            yield from batch.to_pylist()
    except (ValueError, OSError) as error:
        raise ConfigError(f"{path}: this Parquet file cannot be read: {error}") from None


PARQUET_READERS: Mapping[str, Callable[[Path], Iterator[Record]]] = {
    "duckdb": _by_duckdb,
    "pyarrow": _by_pyarrow,
}
"""By the package that each needs."""


def read_parquet(path: Path, packages: Sequence[str] = tuple(PARQUET_READERS)) -> Iterator[tuple[Place, object]]:
    """The rows, by the first of `packages` that is installed; raises ConfigError where none is."""
    package = next((name for name in packages if importlib.util.find_spec(name)), None)
    if package is None:
        raise ConfigError(
            f"{path}: to read Parquet, install duckdb (pip install duckdb) or pyarrow; or save it as JSONL"
        )
    return ((f"{path}: row {n}", row) for n, row in enumerate(PARQUET_READERS[package](path), 1))


READERS: Mapping[str, Reader] = {
    ".jsonl": _jsonl,
    ".ndjson": _jsonl,
    ".csv": _csv,
    ".json": _json,
    ".parquet": read_parquet,
}
"""By the end of the file's name."""
