"""What a run has on disk already: one row a trial, whatever was asked again, and its items; in bounded memory."""

from __future__ import annotations

import hashlib
import sqlite3
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from router.errors import ConfigError
from router.evals.results import Row
from router.jsonl import decode, placed

WITHDRAWN = "withdrawn"
"""Marks a line that takes a trial's row out of the results: the run does not ask it any more."""


class Kept(NamedTuple):
    """The last row of a trial, and whether it was taken out of the results since."""

    row: Row
    is_withdrawn: bool


class KeptRows:
    """The rows of a results.jsonl, found again by trial: a later row stands in the place of an earlier one.

    They stay in their file; a file without a name says where.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._db = _private("CREATE TABLE rows (trial TEXT PRIMARY KEY, place INTEGER, withdrawn INTEGER, left TEXT)")
        self._file = path.open("rb")
        weakref.finalize(self, self._db.close)
        weakref.finalize(self, self._file.close)
        for place, record in placed(path):
            self._take(str(record.get("trial")), place, is_withdrawn=record.get(WITHDRAWN) is True)

    def get(self, trial: str) -> Kept | None:
        """What there is of a trial; raises ConfigError where it is no row."""
        found = self._db.execute("SELECT place, withdrawn FROM rows WHERE trial = ?", (trial,)).fetchone()
        return Kept(self._row(self._line(found[0])), bool(found[1])) if found else None

    def rows(self) -> Iterator[Row]:
        """The last row of every trial, in the order of the file; raises ConfigError where one is none."""
        return map(self._row, self.lines())

    def lines(self) -> Iterator[bytes]:
        """The same as lines."""
        places = self._db.execute("SELECT place FROM rows WHERE NOT withdrawn ORDER BY place")
        return (self._line(place) for (place,) in places)

    def note(self, trial: str, left: str) -> None:
        """Note what is left to do for a trial."""
        self._db.execute("UPDATE rows SET left = ? WHERE trial = ?", (left, trial))

    def left(self, trial: str) -> str | None:
        """What was noted for a trial; None where nothing was."""
        found = self._db.execute("SELECT left FROM rows WHERE trial = ?", (trial,)).fetchone()
        return found[0] if found else None

    def unnoted(self) -> list[str]:
        """The trials for which nothing was noted and that are not taken out."""
        rows = self._db.execute("SELECT trial FROM rows WHERE left IS NULL AND NOT withdrawn ORDER BY place")
        return [trial for (trial,) in rows]

    def _take(self, trial: str, place: int, *, is_withdrawn: bool) -> None:
        if is_withdrawn:
            self._db.execute("UPDATE rows SET withdrawn = 1 WHERE trial = ?", (trial,))
        else:
            self._db.execute("INSERT OR REPLACE INTO rows VALUES (?, ?, 0, NULL)", (trial, place))

    def _line(self, place: int) -> bytes:
        self._file.seek(place)
        return self._file.readline()

    def _row(self, line: bytes) -> Row:
        try:
            record = decode(line)
            return Row.from_json(record if isinstance(record, Mapping) else {})
        except ValueError as error:
            raise ConfigError(f"{self.path}: {line[:80]!r} is not a row of results: {error}") from None


class KeptItems:
    """Which items stand in an items.jsonl, by a hash of each line."""

    def __init__(self, path: Path) -> None:
        self._db = _private("CREATE TABLE lines (digest BLOB PRIMARY KEY)")
        weakref.finalize(self, self._db.close)
        if path.is_file():
            with path.open("rb") as file:
                self._db.executemany("INSERT OR IGNORE INTO lines VALUES (?)", ((_digest(line),) for line in file))

    def has(self, line: bytes) -> bool:
        """Whether this very line stands there."""
        return self._db.execute("SELECT 1 FROM lines WHERE digest = ?", (_digest(line),)).fetchone() is not None


def _digest(line: bytes) -> bytes:
    return hashlib.blake2b(line.rstrip(b"\n"), digest_size=16).digest()


def _private(table: str) -> sqlite3.Connection:
    """A database in a file without a name, which goes away with it."""
    # Whichever thread collects the garbage closes it.
    db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
    db.executescript(f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; {table}; BEGIN;")
    return db
