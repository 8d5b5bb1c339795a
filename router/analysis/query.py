"""SQL over the events of a log: DuckDB reads the files themselves, in bounded memory."""

from __future__ import annotations

import csv
import io
import itertools
import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from router.analysis.reading import rows
from router.analysis.rows import parse
from router.errors import ConfigError
from router.jsonl import encode
from router.log.schema import columns as known_columns

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MEMORY = "1GB"
THREADS = 2
BATCH = 1000
LOOKED_AT = 10_000
MAX_ROWS = 200
MAX_LINE = 2 * 1024 * 1024

INSTALL = "--sql needs DuckDB, which is not installed: run `uv sync --extra sql` or `pip install 'router[sql]'`"


class Found(NamedTuple):
    """The answer to a query: its columns, its rows one after the other, and the damaged lines that were skipped.

    `rows` is read from DuckDB as it is used, and can be used once.
    """

    columns: tuple[str, ...]
    rows: Iterator[tuple[object, ...]]
    damaged: int
    simulated: bool


def run_sql(paths: Sequence[Path], query: str, *, memory: str = MEMORY) -> Found:
    """Ask the view `events`, with one column for each field of a log; raises ConfigError where DuckDB refuses.

    Times are UTC. Damaged lines are counted, which reads the files once more.
    """
    try:
        import duckdb
    except ImportError:
        raise ConfigError(INSTALL) from None
    with ExitStack() as owned:
        spill = owned.enter_context(tempfile.TemporaryDirectory(prefix="router-sql-"))
        base = owned.enter_context(duckdb.connect(config=_limits(memory, spill)))
        try:
            damaged, simulated = _view(base, paths)
            cursor: DuckDBPyConnection | None = base.execute(query)
        except duckdb.Error as error:
            raise ConfigError(f"--sql: {_plain(str(error))}") from None
        if cursor is None:
            raise ConfigError(
                "--sql: there is no query; write for example SELECT event, count(*) FROM events GROUP BY 1"
            )
        columns = tuple(str(column[0]) for column in cursor.description or ())
        return Found(columns, _fetched(cursor, owned.pop_all()), damaged, simulated)


def _limits(memory: str, spill: str) -> dict[str, str | bool | int | float | list[str]]:
    return {
        "memory_limit": memory,
        "threads": THREADS,
        "temp_directory": spill,
        # A log is analysed with what is installed: nothing is fetched.
        "autoinstall_known_extensions": False,
    }


def _view(base: DuckDBPyConnection, paths: Sequence[Path]) -> tuple[int, bool]:
    """Make the view; the number of damaged lines, and whether anything is simulated."""
    known = known_columns()
    columns = {**known, **_other_fields(paths, known)}
    spec = ", ".join(f"{_name(name)}: {_text(kind)}" for name, kind in columns.items())
    files = ", ".join(_text(str(path)) for path in paths)
    base.execute(
        # Names and paths are quoted above; a view takes no parameters.
        f"CREATE VIEW lines AS SELECT * FROM read_json([{files}], columns = {{{spec}}}, "  # noqa: S608
        f"format = 'newline_delimited', ignore_errors = true, maximum_object_size = {MAX_LINE})"
    )
    base.execute("CREATE VIEW events AS SELECT * FROM lines WHERE ts IS NOT NULL AND event IS NOT NULL")
    counts = "count(*) FILTER (ts IS NULL OR event IS NULL), bool_or(simulated)"
    damaged, simulated = base.execute(f"SELECT {counts} FROM lines").fetchall()[0]  # noqa: S608 - no input in it
    return int(damaged), bool(simulated)


def _other_fields(paths: Sequence[Path], known: Mapping[str, str]) -> dict[str, str]:
    """Fields beyond the known ones, as the first lines of each file have them.

    A name that SQL cannot tell from another one, since it differs in its capitals only, is passed over.
    """
    found: dict[str, str] = {}
    taken = {name.casefold(): name for name in ("", *known)}
    for path in paths:
        for row in itertools.islice(rows([path]), LOOKED_AT):
            if parse(row) is not None:
                own = {name: value for name, value in row.items() if taken.setdefault(name.casefold(), name) == name}
                found |= {name: _kind(value) for name, value in own.items() if name and name not in known}
    return found


def _kind(value: object) -> str:
    kinds: Mapping[type, str] = {bool: "BOOLEAN", int: "DOUBLE", float: "DOUBLE", str: "VARCHAR"}
    return kinds.get(type(value), "JSON")


def _fetched(cursor: DuckDBPyConnection, owned: ExitStack) -> Iterator[tuple[object, ...]]:
    import duckdb

    with owned:
        try:
            while batch := cursor.fetchmany(BATCH):
                yield from batch
        except duckdb.Error as error:
            raise ConfigError(f"--sql: {_plain(str(error))}") from None


def _plain(message: str) -> str:
    """DuckDB's message; it names the mistake and the place in the query."""
    return message.strip().removesuffix("^").rstrip()


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


# Printing.


def json_lines(found: Found) -> Iterator[str]:
    """Each row as one line of JSON, for programs; times are ISO 8601 in UTC."""
    for row in found.rows:
        yield encode(dict(zip(found.columns, map(plain_value, row), strict=True))).decode()


def csv_lines(found: Found) -> Iterator[str]:
    """The columns' names and each row as one line of CSV; lists and objects are JSON, what is missing is empty."""
    line = io.StringIO()
    writer = csv.writer(line, lineterminator="")
    for row in itertools.chain([found.columns], found.rows):
        writer.writerow([cell_text(value) for value in row])
        yield line.getvalue()
        line.seek(0)
        line.truncate()


def cell_text(value: object) -> str:
    """A value as a cell of a table."""
    plain = plain_value(value)
    return plain if isinstance(plain, str) else "" if plain is None else encode(plain).decode()


def plain_value(value: object) -> object:
    """A value as JSON has it."""
    match value:
        case float() if not math.isfinite(value):
            return None
        case Decimal():
            return float(value)
        case datetime() if value.tzinfo is None:
            return f"{value.isoformat(timespec='milliseconds')}Z"
        case timedelta():
            return value.total_seconds()
        case dict():
            return {str(name): plain_value(each) for name, each in value.items()}
        case list() | tuple():
            return [plain_value(each) for each in value]
        case None | bool() | int() | float() | str():
            return value
    return str(value)
