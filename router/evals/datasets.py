"""Data sets: JSONL, CSV, JSON and Parquet files, read once; their items are made as they are needed."""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import io
import itertools
import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
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


@dataclass(frozen=True, slots=True)
class Source:
    """A data file as it was when it was read: what happens to the file later changes nothing."""

    path: Path
    content: bytes = field(repr=False)

    @property
    def sha256(self) -> str:
        """Of the bytes that the items are made from, in hex."""
        return hashlib.sha256(self.content).hexdigest()

    def items(self, limit: int | None = None) -> Iterator[Item]:
        """The first `limit` items, lazily; raises ConfigError when it comes to a mistake."""
        return itertools.islice(_items(self), limit)


Place: TypeAlias = str
"""Where a record stands, for the head of a message: `data.jsonl:3`."""
Record: TypeAlias = Mapping[str, object]
Reader: TypeAlias = Callable[[Source], Iterator[tuple[Place, object]]]


def read(path: Path) -> Source:
    """Read a file into memory; raises ConfigError where it is missing or of no format that is known."""
    require_file(path, _WHAT)
    if path.suffix.lower() not in READERS:
        known = ", ".join(READERS)
        raise ConfigError(f"{path}: a data file is one of {known}; {path.suffix or 'no ending'} is none")
    with open_bytes(path, _WHAT) as file:
        return Source(path, file.read())


def load(path: Path, limit: int | None = None) -> Iterator[Item]:
    """The first `limit` items of a file, lazily; `{{ question }}` works whatever the field is called.

    Raises ConfigError, at once for a file that is missing, else when it comes to the mistake. Takes the memory of
    the file's bytes and of a number an item; a JSON file is parsed whole.
    """
    source = read(path)
    if limit is not None and limit < 0:
        raise ConfigError(f"limit is {limit}; expected 0 or more items")
    return source.items(limit)


def _items(source: Source) -> Iterator[Item]:
    seen: set[int] = set()
    for place, record in _records(source):
        item = _item(place, record)
        if hash(item.id) in seen:
            _refuse_twin(source, place, item.id)
        seen.add(hash(item.id))
        yield item
    if not seen:
        raise ConfigError(f"{source.path}: the data file holds no items")


def _records(source: Source) -> Iterator[tuple[Place, Record]]:
    for place, record in READERS[source.path.suffix.lower()](source):
        yield place, _checked(place, record)


def _refuse_twin(source: Source, place: Place, name: str) -> None:
    """Look again up to the first record with this id; there is none but this one if only hashes met."""
    for earlier, record in _records(source):
        if earlier == place:
            return
        if _item(earlier, record).id == name:
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
    content = _content(place, record)
    question = _text(place, record, _field(place, record, QUESTION_FIELDS))
    expected = _text(place, record, _field(place, record, EXPECTED_FIELDS))
    id_ = _text(place, record, "id").strip() if "id" in record else hashlib.sha256(content).hexdigest()[:16]
    return Item(id_, question, expected, {**record, "question": question})


def _content(place: Place, record: Record) -> bytes:
    """All that a record says; raises ConfigError for a text that no request, log or file could hold."""
    try:
        return json.dumps(record, sort_keys=True, skipkeys=True, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError:
        raise ConfigError(f"{place}: a text holds half a character (a lone surrogate)") from None


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


# --- files ----------------------------------------------------------------------------------------


def _lines(source: Source) -> Iterator[str]:
    """The lines of a file with their ends; raises ConfigError at the first that is not UTF-8."""
    offset = 0
    for number, line in enumerate(io.BytesIO(source.content), 1):
        yield decode(line, source.path, number, offset)
        offset += len(line)


def _jsonl(source: Source) -> Iterator[tuple[Place, object]]:
    for number, line in enumerate(_lines(source), 1):
        if line.strip():
            place = f"{source.path}:{number}"
            yield place, _parse(line, place, "one object a line (an array over many lines is named .json)")


def _json(source: Source) -> Iterator[tuple[Place, object]]:
    path = source.path
    expected = 'an array of objects or {"data": […]} (a file with one object a line is named .jsonl)'
    text = decode(source.content, path)
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


def _csv(source: Source) -> Iterator[tuple[Place, object]]:
    rows = _rows(source)
    place, header = next(rows, (str(source.path), []))
    _check_header(header, place)
    for place, row in rows:
        if len(row) != len(header):
            raise ConfigError(
                f"{place}: this row has {len(row)} cells, the header {len(header)}; "
                "put a cell that holds a comma into double quotes"
            )
        yield place, dict(zip(header, row, strict=True))


def _rows(source: Source) -> Iterator[tuple[Place, list[str]]]:
    """The rows that are not blank, each with its first line."""
    reader = csv.reader(_lines(source), strict=True)
    while True:
        place = f"{source.path}:{reader.line_num + 1}"
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise ConfigError(f"{place}: the row that begins here is not CSV: {error}") from None
        if row is None:
            return
        if row:
            yield place, row


def _check_header(header: Sequence[str], place: Place) -> None:
    twin = next((name for name, times in Counter(header).items() if times > 1), None)
    if twin is not None:
        raise ConfigError(f"{place}: the column {twin!r} stands twice in the header; rename one")


# --- parquet --------------------------------------------------------------------------------------

_BATCH = 1024


def _by_duckdb(source: Source) -> Iterator[Record]:
    duckdb = importlib.import_module("duckdb")
    with tempfile.NamedTemporaryFile(suffix=".parquet") as copy:  # DuckDB reads files only
        copy.write(source.content)
        copy.flush()
        try:
            found = duckdb.connect().execute("SELECT * FROM read_parquet(?)", [copy.name])
            names = [column[0] for column in found.description]
            while batch := found.fetchmany(_BATCH):
                for row in batch:
                    yield dict(zip(names, row, strict=True))
        except duckdb.Error as error:
            told = str(error).replace(copy.name, str(source.path))
            raise ConfigError(f"{source.path}: this Parquet file cannot be read: {told}") from None


def _by_pyarrow(source: Source) -> Iterator[Record]:
    parquet = importlib.import_module("pyarrow.parquet")
    try:
        for batch in parquet.ParquetFile(io.BytesIO(source.content)).iter_batches(batch_size=_BATCH):
            yield from batch.to_pylist()
    except (ValueError, OSError) as error:
        raise ConfigError(f"{source.path}: this Parquet file cannot be read: {error}") from None


PARQUET_READERS: Mapping[str, Callable[[Source], Iterator[Record]]] = {
    "duckdb": _by_duckdb,
    "pyarrow": _by_pyarrow,
}
"""By the package that each needs."""


def read_parquet(source: Source, packages: Sequence[str] = tuple(PARQUET_READERS)) -> Iterator[tuple[Place, object]]:
    """The rows, by the first of `packages` that is installed; raises ConfigError where none is."""
    package = next((name for name in packages if importlib.util.find_spec(name)), None)
    if package is None:
        raise ConfigError(
            f"{source.path}: to read Parquet, install duckdb (pip install duckdb) or pyarrow; or save it as JSONL"
        )
    return ((f"{source.path}: row {n}", row) for n, row in enumerate(PARQUET_READERS[package](source), 1))


READERS: Mapping[str, Reader] = {
    ".jsonl": _jsonl,
    ".ndjson": _jsonl,
    ".csv": _csv,
    ".json": _json,
    ".parquet": read_parquet,
}
"""By the end of the file's name."""
