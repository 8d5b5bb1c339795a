"""The directory of a run: named by time and prompt, kept once something is sent, and found again as `latest`."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from router.errors import ConfigError

_UNSAFE = re.compile(r"[^\w.+-]+")


def create(log_dir: Path, label: str, at: datetime) -> Path:
    """Make `runs/<time>-<prompt>/`; raises ConfigError where that cannot be done, and leaves nothing behind."""
    stem = f"{at:%Y-%m-%dT%H-%M-%S}-{_UNSAFE.sub('-', label)[:80]}"
    try:
        log_dir.mkdir(parents=True, exist_ok=True)
        directory = _fresh(log_dir, stem)
    except OSError as error:
        raise ConfigError(
            f"{log_dir}: cannot write the run there ({error.strerror or error}); name another place with --log-dir"
        ) from None
    return directory


def _fresh(log_dir: Path, stem: str) -> Path:
    """Two runs may start in one second; each has a directory of its own."""
    for number in range(1, 1000):
        directory = log_dir / (stem if number == 1 else f"{stem}-{number}")
        with suppress(FileExistsError):
            directory.mkdir()
            return directory
    raise FileExistsError(f"1000 runs named {stem}")


def mark_latest(directory: Path) -> None:
    """Let `latest` name the newest run. Where links are not to be had, the run itself is what counts."""
    fresh = directory.with_name(f".latest-{os.getpid()}")
    with suppress(OSError):
        fresh.symlink_to(directory.name, target_is_directory=True)
        fresh.replace(directory.with_name("latest"))


@contextmanager
def kept_if_begun(directory: Path) -> Iterator[None]:
    """Take the directory away again where a mistake is found before anything was sent."""
    try:
        yield
    except ConfigError:
        shutil.rmtree(directory, ignore_errors=True)
        raise
