"""Marks the answers of a run again, without a call: a new run beside the old one, which stays as it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from router.clock import LoopClock
from router.config.models import Config
from router.engine.amap import amap
from router.engine.router import Router
from router.errors import ConfigError
from router.evals.fit import Fit, nobody
from router.evals.item_store import ItemStore
from router.evals.items import Item
from router.evals.kept import KeptRows
from router.evals.marks import Marker, completion_of, marked_row, scorer_named, scorer_of
from router.evals.pairing import Pairing
from router.evals.prompts import load
from router.evals.results import Row
from router.evals.resume import NOT_MARKED
from router.evals.run import Evaluation
from router.evals.run_directory import RunDirectory, fresh_directory
from router.evals.schemas import Schema
from router.evals.scores import Ask
from router.evals.summary import Tally
from router.jsonl import decode, read
from router.log.times import iso
from router.types import Completion, Request

UNANSWERED = "error"


@dataclass(frozen=True, slots=True)
class Answers:
    """What a run left behind: its description, its items and its rows."""

    directory: Path
    described: Mapping[str, object]
    items: ItemStore

    def rows(self) -> Iterator[Row]:
        """The last row of every trial; raises ConfigError for one that is none."""
        return KeptRows(self.directory / "results.jsonl").rows()

    def item(self, row: Row) -> Item:
        """The item of a row; of one that is not kept, what the row says."""
        return self.items.get(row.id) or Item(row.id, "", row.expected, {})

    @property
    def simulated(self) -> bool:
        """Whether the vendors were."""
        return self.described.get("simulated") is True


def open_answers(directory: Path) -> Answers:
    """Read a run's directory; raises ConfigError where it is none."""
    if not (directory / "results.jsonl").is_file():
        raise ConfigError(f"{directory}: this is not a run: it has no results.jsonl")
    store = ItemStore()
    kept = directory / "items.jsonl"
    for number, record in enumerate(read(kept) if kept.is_file() else (), 1):
        try:
            item = Item.from_json(record)
        except ValueError as error:
            raise ConfigError(f"{kept}:{number}: {error}") from None
        store.put(f"{kept}:{number}", item)
    about = directory / "run.json"
    described = decode(about.read_bytes()) if about.is_file() else {}
    return Answers(directory, described if isinstance(described, dict) else {}, store)


def markers(answers: Answers, scorer: str | None, schema: Schema | None) -> Mapping[str, Marker]:
    """Who marks the answers to each prompt: the scorer called `scorer`, or what the prompt's file says now."""
    described = answers.described.get("prompts")
    prompts = [each for each in described if isinstance(each, dict)] if isinstance(described, list) else []
    found: dict[str, Marker] = {}
    for prompt in prompts:
        name, path = str(prompt.get("name")), Path(str(prompt.get("path")))
        found[name] = Marker(scorer_named(scorer) if scorer else scorer_of(load(path)), schema)
    return found


async def rescore(
    answers: Answers,
    marking: Mapping[str, Marker],
    config: Config,
    *,
    log_dir: Path = Path("runs"),
    max_samples: int = 256,
) -> Evaluation:
    """Mark every answer again, into a run of its own under `log_dir`; judges are asked at the providers of `config`."""
    simulated = answers.simulated or config.simulated
    clock = LoopClock.start()
    label = f"{answers.described.get('label') or '+'.join(marking)}-scored"
    path = fresh_directory(log_dir, label, datetime.now(UTC).astimezone())
    compared = (Pairing("prompt", marking),) if len(marking) > 1 else ()
    tally, fit = Tally(pairings=compared), Fit({name: marker.scorer for name, marker in marking.items()})
    async with AsyncExitStack() as opened:
        files = opened.enter_context(RunDirectory(path, replace(config, simulated=simulated), clock))
        scorers = {name: marker.scorer.name for name, marker in marking.items()}
        scored = {"run": files.name, "scored": str(answers.directory), "scorers": scorers}
        files.write("run.json", {**answers.described, **scored, "simulated": simulated})
        router = await opened.enter_async_context(Router(config, log=files.log)) if config.usable else None

        async def mark(row: Row) -> tuple[Item, Row]:
            item = answers.item(row)
            return item, await _marked(item, row, marking, _ask(router, row), simulated=simulated)

        async with aclosing(amap(mark, answers.rows(), max_samples)) as done:
            async for item, row in done:
                files.append(row)
                tally.add(row)
                fit.add(item, row)
        for item in answers.items.items():
            files.append_item(item)
        misfits = await fit.misfits(str(answers.directory))
        summary = _summary(files, answers, tally, iso(clock.wall()), misfits)
        files.write("summary.json", summary)
    total = tally.total
    return Evaluation(
        summary=summary,
        directory=path,
        interrupted=False,
        items=total.items,
        errors=total.verdicts["error"],
        accuracy=total.accuracy,
        stopped=files.failure,
        misfits=misfits,
        comparisons=tally.comparisons,
    )


async def _marked(item: Item, row: Row, marking: Mapping[str, Marker], ask: Ask, *, simulated: bool) -> Row:
    if row.prompt not in marking or (row.outcome == UNANSWERED and row.reason not in NOT_MARKED):
        return row
    mark = await marking[row.prompt].mark(item, completion_of(row), ask)
    return replace(marked_row(row, mark), simulated=simulated)


def _ask(router: Router | None, row: Row) -> Ask:
    if router is None:
        return nobody

    async def ask(request: Request, model: str | None) -> Completion:
        return await router.complete(replace(request, id=f"{row.trial}/judge"), model=model)

    return ask


def _summary(
    files: RunDirectory, answers: Answers, tally: Tally, started: str, misfits: tuple[str, ...]
) -> dict[str, object]:
    return {
        "run": files.name,
        "directory": str(files.path),
        "scored": str(answers.directory),
        "prompt": "+".join(tally.prompts),
        "started": started,
        "interrupted": False,
        **tally.summary(),
        "notes": list(misfits),
    }
