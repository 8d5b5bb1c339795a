"""Items on disk, in the order in which they came or in a drawn one: a million take the memory of ten thousand."""

from __future__ import annotations

import hashlib
import pickle
import sqlite3
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from router.errors import ConfigError
from router.evals.items import BadRow, Item, Place

_TABLES = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA temp_store = FILE;
CREATE TABLE items (number INTEGER PRIMARY KEY, id TEXT UNIQUE, place TEXT, draw INTEGER, item BLOB);
CREATE TABLE twins (content TEXT PRIMARY KEY, times INTEGER);
BEGIN;
"""


class ItemStore:
    """Items in a file without a name, which goes away with the store.

    The drawn order follows from `seed` and the items' ids alone: a draw of 100 is the beginning of a draw of 200, and
    the rows that a file gains or loses move no others.
    """

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        # An empty name means a private file on disk, and no lock: rendering looks on from a thread of its own.
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        weakref.finalize(self, self._db.close)
        self._db.executescript(_TABLES)

    def __len__(self) -> int:
        (count,) = self._db.execute("SELECT count(*) FROM items").fetchone()
        return int(count)

    def add(self, place: Place, item: Item, *, is_named: bool = True) -> None:
        """Keep an item; raises BadRow for an id that another one has.

        Of items that are known by their content, the second of a kind is `…-2`.
        """
        if not is_named:
            item = self._told_apart(item)
        with _on_a_full_disk():
            try:
                self._db.execute(
                    "INSERT INTO items (id, place, draw, item) VALUES (?, ?, ?, ?)",
                    (item.id, place, self._draw(item.id), pickle.dumps(item, pickle.HIGHEST_PROTOCOL)),
                )
            except sqlite3.IntegrityError:
                (earlier,) = self._db.execute("SELECT place FROM items WHERE id = ?", (item.id,)).fetchone()
                raise BadRow(
                    f"{place}: the id {item.id!r} stands already at {earlier}; an id belongs to one item"
                ) from None

    def put(self, place: Place, item: Item) -> None:
        """Keep an item in the place of one with its id."""
        self._db.execute("DELETE FROM items WHERE id = ?", (item.id,))
        self.add(place, item)

    def items(self, limit: int | None = None, *, shuffled: bool = False) -> Iterator[Item]:
        """The first `limit` items in either order, read as they are needed."""
        order = "draw, number" if shuffled else "number"
        numbers = self._db.execute(
            f"SELECT number FROM items ORDER BY {order} LIMIT ?",  # noqa: S608 - one of two
            (-1 if limit is None else limit,),
        )
        for (number,) in numbers:
            (item,) = self._db.execute("SELECT item FROM items WHERE number = ?", (number,)).fetchone()
            yield _item(item)

    def get(self, id_: str) -> Item | None:
        """The item with an id, if there is one."""
        found = self._db.execute("SELECT item FROM items WHERE id = ?", (id_,)).fetchone()
        return _item(found[0]) if found else None

    def _told_apart(self, item: Item) -> Item:
        with _on_a_full_disk():
            (times,) = self._db.execute(
                "INSERT INTO twins VALUES (?, 1) ON CONFLICT (content) DO UPDATE SET times = times + 1 RETURNING times",
                (item.id,),
            ).fetchone()
        return item if times == 1 else replace(item, id=f"{item.id}-{times}")

    def _draw(self, id_: str) -> int:
        digest = hashlib.blake2b(f"{self._seed}\0{id_}".encode(errors="replace"), digest_size=8).digest()
        return int.from_bytes(digest, signed=True)


def _item(pickled: bytes) -> Item:
    item: Item = pickle.loads(pickled)  # noqa: S301 - written by this process, into a file that nobody else can name
    return item


@contextmanager
def _on_a_full_disk() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise ConfigError(
            f"the items cannot be kept in {tempfile.gettempdir()}: {error}; set SQLITE_TMPDIR to a place with room"
        ) from None
