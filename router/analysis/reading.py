"""Which log files a user means, and their rows in order."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from router import jsonl
from router.errors import ConfigError
from router.log.schema import Row

LOG = "log.jsonl"
LATEST = "latest"
SHOWN = 8


def find_logs(targets: Sequence[str], log_dir: Path) -> tuple[Path, ...]:
    """The files that are meant: runs under `log_dir` by name or by a prefix that only one has, directories, files.

    Nothing means the newest run. Raises ConfigError naming what exists where something does not.
    """
    found = [path for target in targets for path in _meant(target, log_dir)] if targets else [_newest(log_dir)]
    return tuple(dict.fromkeys(found))


def rows(paths: Sequence[Path], damaged: Callable[[int], None] = lambda _line: None) -> Iterator[Row]:
    """The rows of all files, one after the other; raises ConfigError for a file that cannot be read."""
    for path in paths:
        try:
            yield from jsonl.read(path, damaged)
        except OSError as error:
            raise ConfigError(f"{path}: the log cannot be read ({error.strerror})") from None


def _meant(target: str, log_dir: Path) -> tuple[Path, ...]:
    for place in (log_dir / target, Path(target)):
        if place.is_file():
            return (place,)
        if place.is_dir():
            return _in_directory(place)
    names = _runs(log_dir)
    match [name for name in names if name.startswith(target)]:
        case [only]:
            return (log_dir / only / LOG,)
        case []:
            raise ConfigError(f"{target}: no such file, and no such run in {log_dir}; {_instead(target, names)}")
        case several:
            raise ConfigError(f"{target}: this begins the names of several runs; say which: {_listed(several)}")


def _in_directory(place: Path) -> tuple[Path, ...]:
    """A run's log, or the logs of all runs in a directory of runs."""
    if (place / LOG).is_file():
        return (place / LOG,)
    if names := _runs(place):
        return tuple(place / name / LOG for name in names)
    inside = sorted(entry.name for entry in place.iterdir())
    raise ConfigError(f"{place}: there is no {LOG} in it; it holds {_listed(inside) or 'nothing'}")


def _newest(log_dir: Path) -> Path:
    latest = log_dir / LATEST / LOG
    if latest.is_file():
        return latest
    names = _runs(log_dir)
    if not names:
        raise ConfigError(f"{log_dir}: there is no run in it; make one with `router eval`, or name a run or a {LOG}")
    return max((log_dir / name / LOG for name in names), key=lambda path: path.stat().st_mtime)


def _runs(log_dir: Path) -> list[str]:
    """The runs under a directory that have a log, `latest` aside: it is one of them once more."""
    if not log_dir.is_dir():
        return []
    return sorted(entry.name for entry in log_dir.iterdir() if entry.name != LATEST and (entry / LOG).is_file())


def _instead(target: str, names: Sequence[str]) -> str:
    if close := difflib.get_close_matches(target, names, n=1, cutoff=0.5):
        return f"did you mean {close[0]}?"
    return f"there are {_listed(names)}" if names else "there is no run yet"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[-SHOWN:]) + more
