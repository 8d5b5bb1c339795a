"""A cache of paid answers in one SQLite file, keyed by question and model and shared by processes.

Questions are in it as hashes alone. It is read on the event loop, which takes some 20 microseconds, and written in a
thread of its own, since a disk may take its time.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from router.catalog.vendors import base_of, prefix_of
from router.config.models import Provider
from router.errors import ConfigError
from router.jsonl import decode, encode
from router.store import default_path
from router.types import Answer, Request, Usage

_MAGIC = b"SQLite format 3\0"
_FORM = 1
"""Goes into every key: another form of keys or answers finds nothing of this one."""
_TABLE = "CREATE TABLE IF NOT EXISTS answers (key BLOB PRIMARY KEY, answer BLOB, at REAL)"
READING_S, WRITING_S = 0.05, 10.0
"""How long another process may hold the file: the loop stands still for a reader, nobody waits for the writer."""


def cache_file(name: str) -> Path:
    """The file of that name, or where it is empty the usual one, beside what else outlives a run.

    Raises ConfigError for a file that is no cache, such as a prompt that stands behind `--cache`.
    """
    path = Path(name) if name else default_path().with_name("answers.sqlite3")
    if path.is_file():
        with path.open("rb") as file:
            head = file.read(len(_MAGIC))
        if head not in {b"", _MAGIC}:
            raise ConfigError(f"--cache {path}: this file holds no answers; write --cache=FILE, or put --cache last")
    return path


def key_of(request: Request, provider: Provider, model: str, epoch: int, *, simulated: bool) -> bytes:
    """The identity of a question: address and model, messages, parameters and headers as sent, and which epoch.

    Neither the provider's name nor its keys are in it; but simulated vendors, who have no address, are told by name.
    """
    place = provider.base_url or base_of(prefix_of(model)) or prefix_of(model)
    asked = (
        _FORM,
        f"simulated {provider.name}" if simulated else place.rstrip("/"),
        model,
        request.messages,
        sorted({**provider.params_of(model), **request.params}.items()),
        sorted(provider.headers.items()),
        epoch,
    )
    return hashlib.blake2b(encode(asked), digest_size=16).digest()


class AnswerCache:
    """The open file. Once open it never raises: what cannot be read is asked, what cannot be written is not kept.

    `failure` says why something was not kept, None while all is well.
    """

    def __init__(self, path: Path) -> None:
        """Open or make the file, for its owner's eyes only; raises ConfigError where that cannot be done."""
        self.failure: str | None = None
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with suppress(FileExistsError):
                os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o600))
            self._writer = sqlite3.connect(path, timeout=WRITING_S, isolation_level=None, check_same_thread=False)
            self._writer.execute("PRAGMA journal_mode = WAL")
            self._writer.execute("PRAGMA synchronous = NORMAL")
            self._writer.execute(_TABLE)
            self._reader = sqlite3.connect(path, timeout=READING_S, isolation_level=None, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(
                f"--cache {path}: answers cannot be kept there ({error}); name another file with --cache=FILE"
            ) from None
        self._disk = ThreadPoolExecutor(1, "cache")

    def get(self, keys: Sequence[bytes]) -> tuple[bytes, Answer] | None:
        """The answer to the first of these questions that has one, and which that is."""
        marks = ", ".join("?" * len(keys))
        try:
            found = dict(self._reader.execute(f"SELECT key, answer FROM answers WHERE key IN ({marks})", keys))  # noqa: S608 - marks alone
        except sqlite3.Error as error:
            self.failure = f"{self._path}: {error}"
            return None
        return next(
            ((key, answer) for key in keys if key in found and (answer := _answer(found[key])) is not None), None
        )

    def put(self, key: bytes, answer: Answer) -> None:
        """Keep an answer, soon; one that is there already stays."""
        self._disk.submit(self._write, key, encode(answer))

    def _write(self, key: bytes, answer: bytes) -> None:
        try:
            self._writer.execute("INSERT OR IGNORE INTO answers VALUES (?, ?, ?)", (key, answer, time.time()))
        except sqlite3.Error as error:
            self.failure = f"{self._path}: {error}"

    def close(self) -> None:
        """Wait until all is kept, and close the file."""
        self._disk.shutdown()
        self._writer.close()
        self._reader.close()


def _answer(kept: bytes) -> Answer | None:
    """What was kept; None for what this version cannot read."""
    try:
        fields = cast("Mapping[str, Any]", decode(kept))
        return Answer(**{**fields, "usage": Usage(**fields["usage"]), "limits": {}})
    except (TypeError, KeyError, ValueError):
        return None
