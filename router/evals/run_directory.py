"""The directory of a run: run.json, log.jsonl, items.jsonl, results.jsonl and summary.json, none with a key in it.

It is named by time and prompt, kept from the first call on, and found again as `latest`.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from router.clock import Clock
from router.config.masking import secrets
from router.config.models import Config
from router.errors import ConfigError
from router.evals.items import Item
from router.evals.kept import WITHDRAWN, KeptItems
from router.evals.lock import Lock
from router.evals.plan import Plan
from router.evals.results import Row
from router.jsonl import Appender, decode, encode, write_whole
from router.log.scrub import Scrubber
from router.log.writer import JsonLog

_UNSAFE = re.compile(r"[^\w.+-]+")


class RunDirectory:
    """The files of one run; every line goes through the scrubber, which the run's transport uses too.

    Writing never raises. Once a file cannot be written, `failure` says so, `on_failure` is called, and rows and
    events are kept for a last try in `close`.
    """

    def __init__(self, path: Path, config: Config, clock: Clock, *, is_fresh: bool = True) -> None:
        self.path = path
        self.name = path.name
        self._lock = Lock(path / "results.jsonl")
        self._is_fresh = is_fresh
        self._kept_items = None if is_fresh else KeptItems(path / "items.jsonl")
        self.on_failure: Callable[[], None] = lambda: None
        self._error: OSError | None = None
        self._documents: dict[str, object] = {}
        self.scrub = Scrubber(secrets(config))
        self._results = Appender(path / "results.jsonl", on_failure=self._failed)
        self._items = Appender(path / "items.jsonl", on_failure=self._failed)
        self.log = JsonLog(
            path / "log.jsonl",
            path.name,
            scrub=self.scrub.line,
            wall=clock.wall,
            simulated=config.simulated,
            on_failure=self._failed,
        )

    @classmethod
    def create(cls, plan: Plan, at: datetime, clock: Clock) -> Self:
        """Make `runs/<time>-<prompt>/`; raises ConfigError where that cannot be done."""
        try:
            return cls(fresh_directory(plan.log_dir, plan.label, at), plan.config, clock)
        except OSError as error:
            raise ConfigError(_not_there(plan.log_dir, error)) from None

    @classmethod
    def reopen(cls, path: Path, plan: Plan, clock: Clock) -> Self:
        """Open the directory of a run that is to go on; raises ConfigError for what is none, or is worked on."""
        if not (path / "run.json").is_file() or not (path / "results.jsonl").is_file():
            raise ConfigError(f"{path}: there is no run to continue: it has no run.json with results.jsonl beside it")
        try:
            return cls(path, plan.config, clock, is_fresh=False)
        except OSError as error:
            raise ConfigError(f"{path}: cannot be written ({error.strerror or error}); the run cannot go on") from None

    def append(self, row: Row) -> None:
        """Add one line to results.jsonl."""
        self._results.append_line(self._clean(row.to_json()))

    def withdraw(self, trial: str) -> None:
        """Take the row of a trial out of the results, by a line that says so."""
        self._results.append_line(self._clean({"trial": trial, WITHDRAWN: True}))

    def append_item(self, item: Item) -> None:
        """Add one line to items.jsonl, by which answers can be understood and marked again, unless it stands there."""
        line = self._clean(item.to_json())
        if self._kept_items is None or not self._kept_items.has(line):
            self._items.append_line(line)

    def write(self, name: str, value: Mapping[str, object]) -> None:
        """Write one JSON file, whole or not at all."""
        self._documents[name] = decode(self._clean(value))
        self._write_document(name)

    @property
    def failure(self) -> str | None:
        """Why the run has no place for its results, and after `close` how many are lost; None while all is well."""
        if self._error is None:
            return None
        lost = len(self._results.kept)
        rest = f"; {lost} results could not be kept" if lost else ""
        return f"{self.path}: cannot be written ({self._error.strerror or self._error}){rest}"

    @contextmanager
    def removed_on_mistake(self) -> Iterator[None]:
        """Take a fresh directory away again where a mistake is found, or a file cannot be begun.

        To be left before the first call is sent: from then on nothing removes a file of a run.
        """
        try:
            yield
            self._require()
        except ConfigError:
            self.close()
            if self._is_fresh:
                shutil.rmtree(self.path, ignore_errors=True)
            raise

    def close(self) -> None:
        """Put everything on the disk, what could not be written before included; a second call does nothing."""
        for file in (self._results, self._items, self.log):
            try:
                file.close()
            except OSError as error:
                self._failed(error)
        if self._error is not None:
            for name in self._documents:
                self._write_document(name)
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _write_document(self, name: str) -> None:
        try:
            write_whole(self.path / name, self._documents[name])
        except OSError as error:
            self._failed(error)

    def _require(self) -> None:
        if self._error is not None:
            raise ConfigError(_not_there(self.path.parent, self._error))

    def _failed(self, error: OSError) -> None:
        if self._error is None:
            self._error = error
            self.on_failure()

    def _clean(self, value: object) -> bytes:
        return self.scrub.line(encode(value).decode()).encode()


def fresh_directory(log_dir: Path, label: str, at: datetime) -> Path:
    """Make a directory for one run, for its owner's eyes; two runs may start in one second. Raises OSError."""
    stem = f"{at:%Y-%m-%dT%H-%M-%S}-{_UNSAFE.sub('-', label)[:80]}"
    log_dir.mkdir(parents=True, exist_ok=True)
    for number in range(1, 1000):
        directory = log_dir / (stem if number == 1 else f"{stem}-{number}")
        with suppress(FileExistsError):
            directory.mkdir(mode=0o700)
            return directory
    raise FileExistsError(f"1000 runs named {stem}")


def mark_latest(directory: Path) -> None:
    """Let `latest` name the newest run. Where links are not to be had, the run itself is what counts."""
    fresh = directory.with_name(f".latest-{os.getpid()}")
    with suppress(OSError):
        fresh.symlink_to(directory.name, target_is_directory=True)
        fresh.replace(directory.with_name("latest"))


def _not_there(log_dir: Path, error: OSError) -> str:
    return f"{log_dir}: cannot write the run there ({error.strerror or error}); name another place with --log-dir"
