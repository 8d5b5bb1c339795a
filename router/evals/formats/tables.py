"""Tables as text: cells parted by commas, semicolons or tabs, in CSV's quotes."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from router.errors import ConfigError
from router.evals.formats.stream import Rows, Stream, lines, peeked
from router.evals.items import BadRow, Place

MAX_CELL = 2**27
"""Characters of one cell; csv's own bound of 128 KiB is shorter than many a document."""

csv.field_size_limit(MAX_CELL)

_DELIMITERS = ",;\t"


def delimiter(header: str) -> str:
    """What parts the most columns; a comma where nothing does."""
    return max(_DELIMITERS, key=lambda each: len(next(csv.reader([header], delimiter=each), [])))


def read_table(stream: Stream) -> Rows:
    """The rows under a header that names their columns; raises ConfigError where rows cannot be told apart."""
    table = _table(stream)
    place, header = next(table, (str(stream.path), []))
    if isinstance(header, BadRow):
        raise header
    _check_header(header, place)
    for place, row in table:
        if isinstance(row, BadRow):
            yield place, row
        elif len(row) != len(header):
            yield (
                place,
                BadRow(
                    f"{place}: this row has {len(row)} cells, the header {len(header)}; "
                    "put a cell that holds the delimiter into double quotes"
                ),
            )
        else:
            yield place, dict(zip(header, row, strict=True))


def _table(stream: Stream) -> Iterator[tuple[Place, list[str] | BadRow]]:
    """The rows that are not blank, each with its first line."""
    file, head = peeked(stream.file)
    first = head.decode("utf-8-sig", errors="replace").partition("\n")[0]
    strict = _strict(lines(Stream(stream.path, file, is_file=False)))
    reader = csv.reader(strict, strict=True, delimiter=delimiter(first))
    while True:
        place = f"{stream.path}:{reader.line_num + 1}"
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise ConfigError(f"{place}: the row that begins here is not CSV: {error}") from None
        if row is None:
            return
        if row:
            yield place, row


def _strict(found: Iterable[tuple[Place, str | BadRow]]) -> Iterator[str]:
    """A table cannot be read past a broken line: its row may go on in the next one."""
    for _, line in found:
        if isinstance(line, BadRow):
            raise ConfigError(str(line))
        yield line


def _check_header(header: Sequence[str], place: Place) -> None:
    twin = next((name for name, times in Counter(header).items() if times > 1), None)
    if twin is not None:
        raise ConfigError(f"{place}: the column {twin!r} is in the header twice; rename one")
