"""Reads a log once, in bounded memory, and says what went wrong, why, and what to change."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from router.analysis.advice import Seen, advise
from router.analysis.episode import Episode
from router.analysis.episodes import Episodes
from router.analysis.errors import ErrorCounts, Errors
from router.analysis.items import Pending
from router.analysis.reading import rows
from router.analysis.rows import Logged, parse
from router.analysis.runs import Run
from router.analysis.stalls import Hang, Hangs
from router.analysis.suggestions import Advice
from router.analysis.throttles import Throttle, Throttles
from router.analysis.usage import Usage, Usages, Waited
from router.log.events import AttemptFinished, ItemSettled, PaceChanged, RunStarted, StateChanged
from router.log.schema import Row
from router.log.times import iso


@dataclass(frozen=True, slots=True)
class Analysis:
    """What `router logs` tells. Wall times (names in `_at`) are seconds since the epoch, in `to_json` ISO 8601."""

    files: tuple[str, ...]
    lines: int
    damaged: int
    runs: tuple[Run, ...]
    usage: tuple[Usage, ...]
    waited: tuple[Waited, ...]
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
        return {"simulated": self.simulated, **plain_record(self)}


def plain_record(record: object) -> dict[str, object]:
    """A record's public fields and properties as plain values for JSON."""
    names = [each.name for each in dataclasses.fields(record)]  # type: ignore[arg-type]
    names += [name for name, value in vars(type(record)).items() if isinstance(value, property)]
    return {name: _field(name, getattr(record, name)) for name in names if not name.startswith("_")}


def plain(value: object) -> object:
    """Records as objects, wall times (known by the names `at` and `…_at`) as ISO 8601, durations to 0.1 ms."""
    if dataclasses.is_dataclass(value):
        return plain_record(value)
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return plain(value._asdict())
    if isinstance(value, tuple | list):
        return [plain(each) for each in value]
    if isinstance(value, Mapping):
        return {str(name): _field(str(name), each) for name, each in value.items()}
    return value


def _field(name: str, value: object) -> object:
    if isinstance(value, float) and (name == "at" or name.endswith("_at")):
        return iso(value)
    return round(value, 4) if isinstance(value, float) and name.endswith("_s") else plain(value)


def analyse(paths: Sequence[Path]) -> Analysis:
    """Read the files once, each by itself; raises ConfigError for one that cannot be read."""
    reader = _Reader()
    for path in paths:
        reader.file(rows([path], lambda _line: reader.skip()))
    return reader.found(tuple(str(path) for path in paths))


def analyse_rows(lines: Iterable[Row]) -> Analysis:
    """The same for rows at hand, as of one file."""
    reader = _Reader()
    reader.file(lines)
    return reader.found(())


class _Reader:
    """Hands each event to everybody who counts; its own state is the runs."""

    def __init__(self) -> None:
        self._lines = self._damaged = 0
        self._runs: list[Run] = []
        self._run: Run | None = None
        self._pending = Pending()
        self._usages, self._throttles, self._errors = Usages(), Throttles(), ErrorCounts(self._pending)
        self._episodes, self._hangs = Episodes(self._pending), Hangs(self._pending)

    def skip(self) -> None:
        """Count a line that is no event."""
        self._damaged += 1

    def file(self, lines: Iterable[Row]) -> None:
        """Read one file: no state goes from one to the next."""
        for row in lines:
            logged = parse(row)
            if logged is None:
                self._damaged += 1
            else:
                self._lines += 1
                self._take(logged)
        self._end()

    def _take(self, logged: Logged) -> None:
        at, event, run = logged.at, logged.event, self._run
        if run is None or logged.run != run.run or isinstance(event, RunStarted):
            run = self._begin(logged)
        run.take(at, event)
        match event:
            case AttemptFinished():
                self._call(at, event)
            case StateChanged():
                self._turn(at, event, run.age_s(at))
            case PaceChanged():
                self._episodes.share(event)
            case ItemSettled():
                self._pending.settled(event.item)
            case _:
                pass

    def _call(self, at: float, call: AttemptFinished) -> None:
        self._usages.call(call)
        if call.ok:
            self._pending.answered(call)
            self._episodes.succeeded(call)
            self._hangs.succeeded(at, call)
        else:
            self._episodes.failed(at, call)
            self._errors.failed(at, call)
            self._throttles.failed(call)
            self._hangs.failed(at, call)

    def _turn(self, at: float, change: StateChanged, age_s: float) -> None:
        self._usages.turn(at, change)
        self._episodes.turn(at, change, age_s)
        self._throttles.turn(change, age_s)
        self._hangs.turn(change)

    def _begin(self, logged: Logged) -> Run:
        self._end()
        run = self._run = Run(logged.run, logged.simulated, logged.at, logged.at)
        self._runs.append(run)
        started = logged.event if isinstance(logged.event, RunStarted) else RunStarted()
        self._pending.clear()
        self._episodes.begin(run.run, started.keys)
        self._hangs.begin(run.run)
        self._throttles.begin(started.rates)
        return run

    def _end(self) -> None:
        if self._run is not None:
            self._episodes.finish(self._run.ended_at)
            self._usages.finish(self._run.ended_at)
            self._run = None

    def found(self, files: tuple[str, ...]) -> Analysis:
        """What was read."""
        runs, usage, errors = tuple(self._runs), self._usages.found(), self._errors.found()
        episodes, throttles, hangs = self._episodes.found(), self._throttles.found(usage), self._hangs.found()
        duration_s, simulated = sum(run.duration_s for run in runs), any(run.simulated for run in runs)
        return Analysis(
            files=files,
            lines=self._lines,
            damaged=self._damaged,
            runs=runs,
            usage=usage,
            waited=self._usages.waited(),
            episodes=episodes,
            hangs=hangs,
            errors=errors,
            throttles=throttles,
            advice=advise(Seen(episodes, hangs, throttles, errors, usage, duration_s, simulated)),
        )
