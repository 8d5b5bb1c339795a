"""Formats of data files: JSONL, JSON, CSV, Parquet and Arrow, packed or not, read record by record."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO, cast

from router.errors import ConfigError
from router.evals.formats.columns import read_arrow, read_parquet
from router.evals.formats.json_text import read_array, read_lines
from router.evals.formats.stream import Rows, Stream, peeked
from router.evals.formats.tables import delimiter, read_table

READERS: Mapping[str, Callable[[Stream], Rows]] = {
    ".jsonl": read_lines,
    ".ndjson": read_lines,
    ".json": read_array,
    ".csv": read_table,
    ".tsv": read_table,
    ".parquet": read_parquet,
    ".arrow": read_arrow,
}
"""By the end of the file's name."""
_GZIP = b"\x1f\x8b"
_FOREIGN = {
    b"PK\x03\x04": "a ZIP archive or an Excel file; save it as CSV",
    b"\x28\xb5\x2f\xfd": "packed with zstd; unpack it: zstd -dc FILE | router eval … --data -",
    b"BZh": "packed with bzip2; unpack it: bzip2 -dc FILE | router eval … --data -",
    b"\xfd7zXZ": "packed with xz; unpack it: xz -dc FILE | router eval … --data -",
}


def read(stream: Stream) -> Rows:
    """The records of a file, told by its content and its ending, unpacked where it is packed.

    Raises ConfigError for a file that cannot be read, or not any further.
    """
    suffix = stream.path.suffix.lower()
    file, head = peeked(stream.file)
    if head.startswith(_GZIP):
        name = stream.path.with_suffix("") if suffix == ".gz" else stream.path
        return _whole(stream.path, Stream(name, cast("BinaryIO", gzip.GzipFile(fileobj=file)), is_file=False))
    return READERS[_format(stream.path, suffix, head)](Stream(stream.path, file, stream.is_file))


def _whole(path: Path, packed: Stream) -> Rows:
    """The records of a packed file; raises ConfigError where it was cut or damaged."""
    place = ""
    try:
        for place, record in read(packed):
            yield place, record
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        behind = f" behind {place}" if place else ""
        raise ConfigError(f"{path}: this gzip file is cut or damaged{behind}: {error}") from None


def _format(path: Path, suffix: str, head: bytes) -> str:
    if head.startswith(b"PAR1"):
        return ".parquet"
    if head.startswith((b"ARROW1", b"\xff\xff\xff\xff")):
        return ".arrow"
    if foreign := next((what for magic, what in _FOREIGN.items() if head.startswith(magic)), None):
        raise ConfigError(f"{path}: this is {foreign}")
    if suffix in {".parquet", ".arrow"}:
        raise ConfigError(f"{path}: this is not a {suffix[1:].capitalize()} file; was it written to its end?")
    if b"\0" in head:
        raise ConfigError(f"{path}: this is a binary file, or not in UTF-8; save the data as UTF-8 text")
    return suffix if suffix in READERS and suffix != ".json" else _told_by_text(path, suffix, head)


def _told_by_text(path: Path, suffix: str, head: bytes) -> str:
    """JSON lines are often named .json; a stream has no ending at all."""
    text = head.decode("utf-8-sig", errors="replace").lstrip()
    first, _, rest = text.partition("\n")
    if text.startswith("{"):
        is_lines = first.rstrip().endswith("}") and (suffix != ".json" or rest.lstrip().startswith("{"))
        return ".jsonl" if is_lines or (suffix != ".json" and not first.startswith('{"data"')) else ".json"
    if text.startswith("[") or suffix == ".json":
        return ".json"
    if text and (suffix not in {"", ".txt"} or delimiter(first) not in first):
        known = ", ".join(READERS)
        raise ConfigError(f"{path}: a data file is one of {known}, each also compressed as .gz; this is none of them")
    return ".csv"
