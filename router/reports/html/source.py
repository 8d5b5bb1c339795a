"""What a report is made of: a run's directory, read once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from router import jsonl
from router.analysis.analysis import Analysis, analyse
from router.analysis.reading import LOG, rows
from router.analysis.rows import Logged, parse
from router.analysis.timeline import Timeline, timeline
from router.errors import ConfigError
from router.evals.kept import KeptRows
from router.evals.results import Row
from router.log.events import AttemptFinished

RESULTS, ITEMS, ABOUT, SUMMARY = "results.jsonl", "items.jsonl", "run.json", "summary.json"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call of a trial that took more than one: when it ended (seconds since the epoch), and what it was."""

    at: float
    call: AttemptFinished


@dataclass(frozen=True, slots=True)
class Source:
    """One run. `items` are the lines of items.jsonl by id; `attempts` those of trials with a failed call.

    `described` and `summary` are run.json and summary.json, empty where there is none, as after a `kill -9`.
    """

    directory: Path
    described: Mapping[str, object]
    summary: Mapping[str, object]
    rows: Sequence[Row]
    items: Mapping[str, Mapping[str, object]]
    analysis: Analysis
    timeline: Timeline
    attempts: Mapping[str, Sequence[Attempt]]

    @property
    def name(self) -> str:
        """The run's name."""
        return str(self.described.get("run") or self.directory.resolve().name)

    def prompts(self) -> Iterator[tuple[str, Sequence[Mapping[str, object]]]]:
        """The prompts as run.json has them: each name with its turns, none in a run of an older version."""
        described = self.described.get("prompts")
        for each in described if isinstance(described, list) else ():
            turns = each.get("turns") if isinstance(each, dict) else None
            yield str(each.get("name")), turns if isinstance(turns, list) else ()

    def prompt_place(self, prompt: str) -> int:
        """Where a prompt was named: the first one at 0, one that nobody named last."""
        named = [name for name, _ in self.prompts()]
        return named.index(prompt) if prompt in named else len(named)

    @property
    def simulated(self) -> bool:
        """Whether any of it is simulated."""
        return bool(self.described.get("simulated")) or self.analysis.simulated or any(r.simulated for r in self.rows)


def read_source(directory: Path) -> Source:
    """Read a run's directory; raises ConfigError naming the file where it is none."""
    log = directory / LOG
    logs = [log] if log.is_file() else []
    analysis = analyse(logs)
    attempts: dict[str, list[Attempt]] = {}
    steps = timeline(_watched(_events(logs), attempts), analysis.runs)
    return Source(
        directory=directory,
        described=_document(directory / ABOUT),
        summary=_document(directory / SUMMARY),
        rows=_rows(directory / RESULTS),
        items={str(line.get("id")): line for line in _lines(directory / ITEMS)},
        analysis=analysis,
        timeline=steps,
        attempts=attempts,
    )


def _rows(path: Path) -> Sequence[Row]:
    if not path.is_file():
        raise ConfigError(f"{path.parent}: this is no run: there is no {path.name} in it")
    return tuple(KeptRows(path).rows())


def _lines(path: Path) -> Iterator[Mapping[str, object]]:
    try:
        yield from jsonl.read(path) if path.is_file() else ()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None


def _document(path: Path) -> Mapping[str, object]:
    try:
        found = jsonl.decode(path.read_bytes()) if path.is_file() else {}
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read ({error})") from None
    return found if isinstance(found, dict) else {}


def _events(logs: Sequence[Path]) -> Iterator[Logged]:
    return (logged for row in rows(logs) if (logged := parse(row)) is not None)


def _watched(events: Iterable[Logged], attempts: dict[str, list[Attempt]]) -> Iterator[Logged]:
    """Pass events on, and keep every call of a trial from its first failed one on."""
    for logged in events:
        call = logged.event
        if isinstance(call, AttemptFinished) and (not call.ok or call.item in attempts):
            attempts.setdefault(call.item, []).append(Attempt(logged.at, call))
        yield logged
