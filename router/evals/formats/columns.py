"""Parquet and Arrow, by DuckDB or pyarrow: the only importer of pyarrow."""

from __future__ import annotations

import importlib
import importlib.util
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from router.errors import ConfigError
from router.evals.formats.stream import CHUNK, Rows, Stream

_BATCH = 256
Columns: TypeAlias = Iterator[Mapping[str, object]]


def _by_duckdb(path: Path) -> Columns:
    duckdb = importlib.import_module("duckdb")
    try:
        with duckdb.connect() as connection:
            found = connection.execute("SELECT * FROM read_parquet(?)", [str(path)])
            names = [column[0] for column in found.description]
            while batch := found.fetchmany(_BATCH):
                for row in batch:
                    yield dict(zip(names, row, strict=True))
    except duckdb.Error as error:
        raise ConfigError(f"this Parquet file cannot be read; was it written to its end? {error}") from None


def _by_pyarrow(path: Path) -> Columns:
    parquet = importlib.import_module("pyarrow.parquet")
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=_BATCH):
                yield from batch.to_pylist()
    except (ValueError, OSError) as error:
        raise ConfigError(f"this Parquet file cannot be read; was it written to its end? {error}") from None


PARQUET_READERS: Mapping[str, Callable[[Path], Columns]] = {"duckdb": _by_duckdb, "pyarrow": _by_pyarrow}
"""By the package that each needs."""


def read_parquet(stream: Stream, packages: Sequence[str] = tuple(PARQUET_READERS)) -> Rows:
    """The rows, by the first of `packages` that is installed; raises ConfigError where none is."""
    package = next((name for name in packages if importlib.util.find_spec(name)), None)
    if package is None:
        raise ConfigError(
            f"{stream.path}: to read Parquet, install duckdb (pip install duckdb) or pyarrow; or save it as JSONL"
        )
    return _rows(stream, PARQUET_READERS[package])


def read_arrow(stream: Stream) -> Rows:
    """The rows of an Arrow file, as data sets of the Hub lie in its cache; raises ConfigError without pyarrow."""
    if not importlib.util.find_spec("pyarrow"):
        raise ConfigError(f"{stream.path}: to read Arrow files, install pyarrow (pip install pyarrow)")
    return _rows(stream, _arrow_columns)


def _arrow_columns(path: Path) -> Columns:
    pyarrow = importlib.import_module("pyarrow")
    try:
        with pyarrow.memory_map(str(path)) as file:
            for batch in _arrow_batches(pyarrow, file):
                for start in range(0, batch.num_rows, _BATCH):
                    yield from batch.slice(start, _BATCH).to_pylist()
    except (ValueError, OSError) as error:
        raise ConfigError(f"this Arrow file cannot be read; was it written to its end? {error}") from None


def _arrow_batches(pyarrow: Any, file: Any) -> Iterator[Any]:
    """The batches of either kind of Arrow file: a stream, as in the Hub's cache, or with an index at its end."""
    ipc = importlib.import_module("pyarrow.ipc")
    try:
        reader = ipc.open_stream(file)
    except pyarrow.ArrowInvalid:
        file.seek(0)
        reader = ipc.open_file(file)
        yield from map(reader.get_batch, range(reader.num_record_batches))
    else:
        yield from reader


def _rows(stream: Stream, read: Callable[[Path], Columns]) -> Rows:
    with _on_disk(stream) as path:
        try:
            for number, record in enumerate(read(path), 1):
                yield f"{stream.path}: row {number}", record
        except ConfigError as error:
            raise ConfigError(f"{stream.path}: {str(error).replace(str(path), stream.path.name)}") from None


@contextmanager
def _on_disk(stream: Stream) -> Iterator[Path]:
    """A file that can be read at any place, which a stream cannot."""
    if stream.is_file:
        yield stream.path
        return
    with tempfile.NamedTemporaryFile() as copy:
        while piece := stream.file.read(CHUNK):
            copy.write(piece)
        copy.flush()
        yield Path(copy.name)
