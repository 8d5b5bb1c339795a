"""Reads a log once, in bounded memory, and says what went wrong, why, and what to change."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from router.analysis.advice import Advice, Seen, advise
from router.analysis.episode import Episode
from router.analysis.episodes import Episodes
from router.analysis.errors import ErrorCounts, Errors
from router.analysis.reading import rows
from router.analysis.rows import Call, Event, Note, Row, Settled, Share, Turn, iso, parse
from router.analysis.runs import OpenRun, Run
from router.analysis.stalls import Hang, Hangs
from router.analysis.throttles import Throttle, Throttles
from router.analysis.usage import Usage, Usages


@dataclass(frozen=True, slots=True)
class Analysis:
    """What `router logs` tells. Wall times (names in `_at`) are seconds since the epoch, in `to_json` ISO 8601."""

    files: tuple[str, ...]
    lines: int
    damaged: int
    runs: tuple[Run, ...]
    usage: tuple[Usage, ...]
    episodes: tuple[Episode, ...]
    hangs: tuple[Hang, ...]
    errors: tuple[Errors, ...]
    throttles: tuple[Throttle, ...]
    advice: tuple[Advice, ...]

    @property
    def simulated(self) -> bool:
        """Whether any of it is simulated."""
        return any(run.simulated for run in self.runs)

    @property
    def duration_s(self) -> float:
        """All runs' times together."""
        return sum(run.duration_s for run in self.runs)

    def to_json(self) -> dict[str, object]:
        """The same for programs, `simulated` first."""
        found = to_json(self)
        assert isinstance(found, dict)  # noqa: S101 - a dataclass becomes a dict
        for episode, plain in zip(self.episodes, found["episodes"], strict=True):
            plain["cost"]["unanswered"] = episode.cost.unanswered
        return {"simulated": self.simulated, **found}


def to_json(value: object) -> object:
    """A record as plain values for JSON: wall times, known by the names `at` and `…_at`, as ISO 8601."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: _field(each.name, getattr(value, each.name)) for each in dataclasses.fields(value)}
    if isinstance(value, tuple | list):
        return [to_json(each) for each in value]
    if isinstance(value, Mapping):
        return {str(name): _field(str(name), each) for name, each in value.items()}
    return value


def _field(name: str, value: object) -> object:
    return iso(value) if (name == "at" or name.endswith("_at")) and isinstance(value, float) else to_json(value)


def analyse(paths: Sequence[Path]) -> Analysis:
    """Read the files once, each by itself; raises ConfigError for one that cannot be read."""
    reader = _Reader()
    for path in paths:
        reader.file(rows([path], lambda _line: reader.skip()))
    return reader.frozen(tuple(str(path) for path in paths))


def analyse_rows(lines: Iterable[Row]) -> Analysis:
    """The same for rows at hand, as of one file."""
    reader = _Reader()
    reader.file(lines)
    return reader.frozen(())


class _Reader:
    """Hands each event to everybody who counts; its own state is the runs."""

    def __init__(self) -> None:
        self._lines = self._damaged = 0
        self._runs: list[OpenRun] = []
        self._run: OpenRun | None = None
        self._usages, self._episodes = Usages(), Episodes()
        self._errors, self._throttles, self._hangs = ErrorCounts(), Throttles(), Hangs()

    def skip(self) -> None:
        """Count a line that is no event."""
        self._damaged += 1

    def file(self, lines: Iterable[Row]) -> None:
        """Read one file: no state goes from one to the next."""
        for row in lines:
            event = parse(row)
            if event is None:
                self._damaged += 1
            else:
                self._lines += 1
                self._take(event, row)
        self._end()

    def _take(self, event: Event, row: Row) -> None:
        run = self._run
        started = isinstance(event, Note) and event.event == "run.started"
        if run is None or started or row.get("run") != run.run:
            run = self._begin(event, row)
        run.last_at = max(run.last_at, event.at)
        run.take(event)
        match event:
            case Call():
                for counts in (self._usages, self._episodes, self._errors, self._throttles, self._hangs):
                    counts.call(event)
            case Turn():
                for states in (self._usages, self._episodes, self._throttles, self._hangs):
                    states.turn(event)
            case Share():
                self._episodes.share(event)
            case Settled():
                self._episodes.settled(event)
                self._hangs.settled(event)
            case _:
                pass

    def _begin(self, event: Event, row: Row) -> OpenRun:
        self._end()
        run = self._run = OpenRun(str(row.get("run", "")), row.get("simulated") is True, event.at, event.at)
        self._runs.append(run)
        self._episodes.begin(run.run, event.at)
        self._hangs.begin(run.run)
        self._errors.start(event.at)
        self._throttles.begin(row, event.at)
        return run

    def _end(self) -> None:
        if self._run is not None:
            self._episodes.finish(self._run.last_at)
            self._usages.finish(self._run.last_at)
            self._run = None

    def frozen(self, files: tuple[str, ...]) -> Analysis:
        """What was read."""
        runs = tuple(run.frozen() for run in self._runs)
        usage, episodes = self._usages.frozen(), self._episodes.frozen()
        errors = self._errors.frozen(max((run.last_at for run in runs), default=0.0))
        throttles, hangs = self._throttles.frozen(), self._hangs.frozen()
        duration_s = sum(run.duration_s for run in runs)
        return Analysis(
            files=files,
            lines=self._lines,
            damaged=self._damaged,
            runs=runs,
            usage=usage,
            episodes=episodes,
            hangs=hangs,
            errors=errors,
            throttles=throttles,
            advice=advise(Seen(episodes, hangs, throttles, errors, usage, duration_s)),
        )
