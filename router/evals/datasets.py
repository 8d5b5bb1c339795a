"""Data sets: files, streams and directories, read once; their items are then taken as they are needed."""

from __future__ import annotations

import hashlib
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal, TypeAlias, cast

from router.errors import ConfigError
from router.evals import formats
from router.evals.data_paths import STDIN, data_paths
from router.evals.files import open_bytes
from router.evals.formats.stream import CHUNK, Rows, Stream
from router.evals.item_store import ItemStore
from router.evals.items import NO_MAP, BadRow, FieldMap, Item, item_of

if TYPE_CHECKING:
    from hashlib import _Hash

BadRows: TypeAlias = Literal["refuse", "skip"]
"""What to do with an invalid row: refuse the data set, or skip and count the row."""


@dataclass(slots=True)
class Dataset:
    """Items as they were when their files were read: what happens to the files later changes nothing.

    `sha256` (hex) is that of the files' bytes; of a stream, of those that were read. `bad` is the first row that was
    skipped, in words, and `without_gold` counts the items for which nothing is expected.
    """

    name: str
    store: ItemStore
    limit: int | None = None
    shuffled: bool = False
    sha256: str = ""
    skipped: int = 0
    bad: str = ""
    without_gold: int = 0

    def items(self) -> Iterator[Item]:
        """The items in their order, a fresh iterator each time."""
        return self.store.items(self.limit, shuffled=self.shuffled)

    def __len__(self) -> int:
        return len(self.store) if self.limit is None else min(len(self.store), self.limit)


@dataclass(frozen=True, slots=True)
class Reading:
    """How a data set is to be read. `limit` items are its first, or with `shuffled` those that `seed` draws."""

    limit: int | None = None
    mapped: FieldMap = field(default=NO_MAP)
    bad_rows: BadRows = "refuse"
    shuffled: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 0:
            raise ConfigError(f"limit is {self.limit}; expected 0 or more items")


def read(data: str | Path, how: Reading | None = None) -> Dataset:
    """Read the items of a file, of stdin (`-`), of a pattern such as `test-*.parquet`, or of a directory.

    Takes the memory of one row. With a limit, reading ends at the last item that is needed, unless they are drawn.
    Raises ConfigError where there is no item, or a row is none and is not to be skipped.
    """
    how = how or Reading()
    dataset = Dataset(str(data), ItemStore(how.seed), how.limit, how.shuffled)
    digest = hashlib.sha256()
    for path in data_paths(data):
        with _opened(path, digest) as stream:
            _fill(dataset, formats.read(stream), how, path.parent)
    if not len(dataset.store) and how.limit != 0:
        skipped = f"; all of its {dataset.skipped} rows are bad, the first: {dataset.bad}" if dataset.bad else ""
        raise ConfigError(f"{data}: the data file holds no items{skipped}")
    dataset.sha256 = digest.hexdigest()
    return dataset


def _fill(dataset: Dataset, rows: Rows, how: Reading, directory: Path) -> None:
    is_enough = None if how.shuffled else how.limit
    count = len(dataset.store)
    for place, record in rows:
        if count == is_enough:
            return
        try:
            if isinstance(record, BadRow):
                raise record
            item, is_named = item_of(place, record, how.mapped, directory)
            dataset.store.add(place, item, is_named=is_named)
        except BadRow as bad:
            if how.bad_rows == "refuse":
                raise
            dataset.skipped += 1
            dataset.bad = dataset.bad or str(bad)
        else:
            count += 1
            dataset.without_gold += not item.accepted


@contextmanager
def _opened(path: Path, digest: _Hash) -> Iterator[Stream]:
    """The bytes of a file or stream; they go into the digest, those of a file whether they are needed or not."""
    if path == STDIN:
        yield Stream(Path("stdin"), _hashed(sys.stdin.buffer, digest), is_file=False)
        return
    with open_bytes(path, "data file", streams=True) as file:
        if not path.is_file():
            yield Stream(path, _hashed(file, digest), is_file=False)
            return
        while piece := file.read(CHUNK):
            digest.update(piece)
        file.seek(0)
        yield Stream(path, file, is_file=True)


def _hashed(file: BinaryIO, digest: _Hash) -> BinaryIO:
    return cast("BinaryIO", io.BufferedReader(_Hashed(file, digest)))


class _Hashed(io.RawIOBase):
    """A stream that is told to a digest as it is read."""

    def __init__(self, file: BinaryIO, digest: _Hash) -> None:
        self._file = file
        self._digest = digest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._file.read(len(buffer))
        self._digest.update(data)
        buffer[: len(data)] = data
        return len(data)
