"""Runs as a user names them, and the comparison of what they hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from router import jsonl
from router.analysis.reading import find_logs
from router.errors import ConfigError
from router.evals.comparison import Comparison, compare
from router.evals.kept import KeptRows
from router.evals.pairing import FACTORS, Factor, Pairing
from router.evals.results import Row
from router.log.times import iso, seconds_of

RESULTS = "results.jsonl"


class Header(NamedTuple):
    """What other tools want to know of a run: its times, where its items are from, who marks a prompt, how it ended."""

    run: str
    started: str
    ended: str
    task: str
    scorer: str
    status: Literal["success", "cancelled"]


@dataclass(frozen=True, slots=True)
class Results:
    """The results of one run; `described` is its run.json, empty where that is not there."""

    directory: Path
    described: Mapping[str, object]

    @property
    def name(self) -> str:
        """The run's name."""
        return self.directory.name

    @property
    def prompts(self) -> tuple[str, ...]:
        """The names of its prompts in the order in which they were named."""
        prompts = self.described.get("prompts")
        found = prompts if isinstance(prompts, list) else []
        return tuple(str(each.get("name")) for each in found if isinstance(each, dict))

    @property
    def models(self) -> tuple[str, ...]:
        """The models that were named, in order."""
        models = self.described.get("models")
        return tuple(map(str, models)) if isinstance(models, list) else ()

    @property
    def is_spread(self) -> bool:
        """Whether each item went to one provider only."""
        return self.described.get("across") == "spread"

    def header(self, prompt: str) -> Header:
        """What other tools want to know of one prompt of the run."""
        task, scorers = self.described.get("task"), self.described.get("scorers")
        path = self.directory / "summary.json"
        found = jsonl.decode(path.read_bytes()) if path.is_file() else {}
        summary = found if isinstance(found, dict) else {}
        started, elapsed = str(self.described.get("started", "")), summary.get("elapsed_s")
        begun = seconds_of(started)
        ended = started if begun is None or not isinstance(elapsed, float) else iso(begun + elapsed)
        return Header(
            self.name,
            started,
            ended,
            str(task.get("name")) if isinstance(task, dict) else "",
            str(scorers.get(prompt, "score")) if isinstance(scorers, dict) else "score",
            "success" if summary and not summary.get("interrupted") and not summary.get("stopped") else "cancelled",
        )

    def rows(self) -> Iterator[Row]:
        """The last row of every trial; raises ConfigError for one that is none."""
        return KeptRows(self.directory / RESULTS).rows()


def open_results(target: str | None, log_dir: Path) -> Results:
    """The results of a run that is named as in `router logs`, of the newest where none is; raises ConfigError."""
    logs = find_logs([target] if target else [], log_dir)
    if len(logs) > 1:
        raise ConfigError(f"{target}: these are {len(logs)} runs; name one of them")
    directory = logs[0].parent.resolve()
    if not (directory / RESULTS).is_file():
        raise ConfigError(f"{directory}: there is no {RESULTS} in it, so nothing to compare; name a run")
    about = directory / "run.json"
    described = jsonl.decode(about.read_bytes()) if about.is_file() else {}
    return Results(directory, described if isinstance(described, dict) else {})


def within(results: Results, factor: Factor | None = None) -> Comparison:
    """Compare the arms within one run: its prompts, else its models, else its providers, or those of `factor`.

    Raises ConfigError where there are no two of them.
    """
    pairings = {
        name: Pairing(name, _named(results, name), is_spread=name == "provider" and results.is_spread)
        for name in FACTORS
    }
    for row in results.rows():
        for pairing in pairings.values():
            pairing.add(row)
    tables = {name: pairing.table() for name, pairing in pairings.items()}
    usual: tuple[Factor, ...] = ("prompt", *(("model",) if len(results.models) > 1 else ()), "provider")
    found = factor or next((name for name in usual if len(tables[name].arms) > 1), None)
    if found is None or len(tables[found].arms) < 2:  # noqa: PLR2004 - a comparison is of two
        raise ConfigError(
            f"{results.directory}: there are no two {f'{found}s' if found else 'prompts, models or providers'} in it; "
            "name a second run to compare it with"
        )
    return compare(tables[found])


def between(runs: Sequence[Results], *, prompt: str | None = None) -> Comparison:
    """Compare runs, item by item; `prompt` takes their rows of that prompt alone.

    Raises ConfigError where no two of them have an item in common, or none has the prompt.
    """
    names = _told_apart(runs)
    pairing = Pairing("run", names)
    for name, results in zip(names, runs, strict=True):
        for row in results.rows():
            if prompt is None or row.prompt == prompt:
                pairing.add(row, name)
    found = compare(pairing.table())
    if not any(each.items + each.left_out for each in found.differences):
        raise ConfigError(
            f"{names[0]} and {names[1]} have no item in common{f' with the prompt {prompt!r}' if prompt else ''}, "
            "so nothing can be paired; runs of the same --data, or of the same --ops and --seed, have"
        )
    return found


def _named(results: Results, factor: Factor) -> tuple[str, ...]:
    return {"prompt": results.prompts, "model": results.models}.get(factor, ())


def _told_apart(runs: Sequence[Results]) -> tuple[str, ...]:
    """Names for the arms: the runs' own, with their directories where these are the same."""
    names = [results.name for results in runs]
    return tuple(names if len(set(names)) == len(names) else [str(results.directory) for results in runs])
