"""One evaluation under way: what has come back, whether it is to end, and what is said of it."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from router.clock import Clock
from router.engine.amap import amap
from router.engine.router import Router
from router.engine.status import LaneStatus
from router.errors import NothingServes, Stopped
from router.evals.ahead import Ahead
from router.evals.asking import ANYWHERE, Asker, At
from router.evals.cache import AnswerCache
from router.evals.comparison import Comparison
from router.evals.fit import Fit
from router.evals.frames import to_pandas, to_polars
from router.evals.money import Purse
from router.evals.patience import Patience
from router.evals.plan import Plan
from router.evals.progress import Snapshot
from router.evals.results import Row
from router.evals.resume import Before
from router.evals.run_directory import RunDirectory
from router.evals.settling import Settled, mark_again, settle
from router.evals.summary import Tally, notes, provider_summary
from router.evals.together import Ended, place_of, settle_together, together
from router.evals.trials import Trial
from router.log.events import ItemSettled, RunFinished
from router.log.times import iso

DONE_AT_ONCE = 1000
"""So many trials that are done are passed over before others have their turn."""
LOADING = "loading LiteLLM, which takes some seconds"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How a run ended: its summary (the contents of summary.json), and where its files are.

    `why` is the first error of an item. `stopped` says why the run ended before its items did, None where it did not
    or was interrupted: results had no place to go, nothing could be sent for too long, everything was refused.
    `misfits` say of which prompts the scorer found nothing, or nothing right. `comparisons` are those of the prompts,
    models and providers, where there are two or more.
    """

    summary: dict[str, object]
    directory: Path
    interrupted: bool
    items: int
    errors: int
    accuracy: float | None
    why: str | None = None
    stopped: str | None = None
    misfits: tuple[str, ...] = ()
    comparisons: tuple[Comparison, ...] = ()

    def to_pandas(self) -> Any:
        """Its results as a pandas DataFrame, a row for each trial; raises ConfigError where pandas is not installed."""
        return to_pandas(self.directory / "results.jsonl")

    def to_polars(self) -> Any:
        """The same as a polars DataFrame; raises ConfigError where polars is not installed."""
        return to_polars(self.directory / "results.jsonl")


@dataclass(slots=True)
class Run:
    """One evaluation under way; its mutable state is the tally, and whether it is to end.

    `before` is what was done of it by processes before this one; their rows are in the tally already. `moves` counts
    items that were asked again with all prompts, because one provider failed in between. `written` are the rows on
    disk of items that have not ended.
    """

    plan: Plan
    files: RunDirectory
    clock: Clock
    router: Router
    patience: Patience
    fit: Fit
    purse: Purse = field(default_factory=Purse)
    tally: Tally = field(default_factory=Tally)
    before: Before = field(default_factory=Before)
    cache: AnswerCache | None = None
    moves: int = 0
    interrupted: bool = False
    hopeless: str | None = None
    started: float | None = None
    ended: float | None = None
    first_error: str | None = None
    working: asyncio.Timeout | None = None
    written: dict[str, Row] = field(default_factory=dict)
    ahead: Ahead = field(init=False)

    def __post_init__(self) -> None:
        self.ahead = Ahead(self.plan, self.purse)

    async def work(self) -> None:
        """Put every trial through the router and write down each as it comes back, until all are or `hurry`."""
        self.started = self.clock.now()
        self.purse.has_spent(self.tally.total.cost_usd, self.tally.total.priced - self.tally.total.cached)
        self.working = working = asyncio.timeout(None)
        try:
            async with working, aclosing(amap(self._settle, self._groups(), self.plan.max_samples)) as done:
                async for ended in done:
                    self.moves += ended.moves > 0
                    for settled, elapsed_s in ended.settled:
                        self._listen(settled)
                        if not (isinstance(settled.error, Stopped) or self._is_due(settled)):
                            self._write(settled, elapsed_s)
        except TimeoutError:
            if not working.expired():
                raise
        finally:
            self.working, self.ended = None, self.clock.now()

    async def _settle(self, group: tuple[Trial, ...]) -> Ended:
        rows = [row for trial in group if (row := self.before.row(trial)) is not None]
        at = next((place for row in rows if (place := place_of(row)).provider), ANYWHERE)
        left = tuple(trial for trial in group if not self.before.is_done(trial))
        return await settle_together(left, at, self._settle_one, self.clock)

    async def _settle_one(self, trial: Trial, at: At) -> Settled:
        row, asker = self.before.to_mark(trial), Asker(self.router, self.cache)
        settled = await (
            settle(trial, self.plan, asker, at) if row is None else mark_again(trial, row, self.plan, asker)
        )
        if settled.row.outcome != "error":
            # What was paid for is on disk before the others of its item are asked, whatever becomes of them.
            self.files.append(settled.row)
            self.written[trial.id] = settled.row
        return settled

    async def _groups(self) -> AsyncIterator[tuple[Trial, ...]]:
        last = ""
        for number, group in enumerate(together(self.plan)):
            if self.is_stopping:
                return
            left = sum(not self.before.is_done(trial) for trial in group)
            if not left:
                if number % DONE_AT_ONCE == 0:
                    await asyncio.sleep(0)
                continue
            if not await self.purse.admit(left):
                if not self.is_stopping:
                    self.hopeless = self.purse.spent((self.plan.total or 0) - self.tally.total.items)
                return
            if group[0].item.id != last:
                last = group[0].item.id
                self.files.append_item(group[0].item)
            yield group

    def _write(self, settled: Settled, elapsed_s: float) -> None:
        row, error = settled.row, settled.error
        if self.written.pop(row.trial, None) != row:
            self.files.append(row)
        self.tally.add(row)
        self.fit.add(settled.trial.item, row)
        if error is not None and self.first_error is None:
            self.first_error = str(error)
        why = str(error) if error else row.why or None
        self.files.log.write(ItemSettled(row.trial, row.outcome, row.attempts, round(elapsed_s, 4), why))

    def _listen(self, settled: Settled) -> None:
        self.purse.settle(settled.row.cost_usd or None)
        why = self.patience.hear(settled, self.clock.wall())
        if why is not None and not self.is_stopping:
            self.hopeless = why
            self.router.stop()

    def _is_due(self, settled: Settled) -> bool:
        """Whether a trial belongs to those for which the run was given up: it is no error, but still to be asked."""
        return self.hopeless is not None and isinstance(settled.error, NothingServes)

    def stop(self) -> None:
        """Begin no more trials, and let the calls in flight end."""
        self.interrupted = True
        self.router.stop()

    @property
    def is_stopping(self) -> bool:
        """Whether no more trials are begun."""
        return self.interrupted or self.stopped is not None

    @property
    def stopped(self) -> str | None:
        """Why the run ends before its items do, None where it does not or was interrupted."""
        return f"{self.files.failure}; the run was stopped" if self.files.failure else self.hopeless

    def hurry(self) -> bool:
        """Let go of the calls in flight, too; False where there is nothing to let go of, or not any more."""
        if self.working is None or self.working.expired():
            return False
        self.working.reschedule(self.clock.now())
        return True

    def snapshot(self) -> Snapshot:
        """How far the run has come; what bounds it is remembered for the summary."""
        verdicts, lanes = self.tally.total.verdicts, self.router.status()
        ahead = self.ahead.look(lanes, self.tally, self.elapsed_s, self.clock.wall())
        return Snapshot(
            run=self.files.name,
            total=self.plan.total,
            right=verdicts["right"],
            wrong=verdicts["wrong"],
            unparsable=verdicts["unparsable"],
            unscored=verdicts["unscored"],
            error=verdicts["error"],
            elapsed_s=self.elapsed_s,
            wall=self.clock.wall(),
            lanes=lanes,
            simulated=self.plan.config.simulated,
            stopping=self.is_stopping,
            notes=(*(() if self.router.lanes else (LOADING,)), *notes(self.plan)),
            outlook=ahead,
        )

    @property
    def elapsed_s(self) -> float:
        """Seconds from the first trial to the last, or to now, with the time of the parts before this one."""
        return self.before.earlier.elapsed_s + self.part_s

    @property
    def part_s(self) -> float:
        """The same for this part alone."""
        if self.started is None:
            return 0.0
        return (self.clock.now() if self.ended is None else self.ended) - self.started

    async def finish(self) -> Evaluation:
        """Write the summary, say in the log how it ended, and close the files."""
        misfits = await self.fit.misfits(str(self.files.path))
        summary, total = self.summary(misfits), self.tally.total
        self.files.write("summary.json", summary)
        self.files.log.write(
            RunFinished(
                right=total.verdicts["right"],
                wrong=total.verdicts["wrong"],
                unparsable=total.verdicts["unparsable"],
                unscored=total.verdicts["unscored"],
                error=total.verdicts["error"],
                items=total.items,
                accuracy=total.accuracy,
                elapsed_s=round(self.part_s, 3),
                interrupted=self.interrupted,
                why=self.stopped,
            )
        )
        self.files.close()
        return Evaluation(
            summary,
            self.files.path,
            self.interrupted,
            total.items,
            total.verdicts["error"],
            total.accuracy,
            self.first_error,
            self.stopped,
            misfits,
            self.tally.comparisons,
        )

    def summary(self, misfits: tuple[str, ...]) -> dict[str, object]:
        """The contents of summary.json."""
        elapsed_s, taking_part = self.elapsed_s, {view.name for view in self.router.status()}
        return {
            "run": self.files.name,
            "directory": str(self.files.path),
            "prompt": self.plan.label,
            "started": self.before.started
            or iso(self.clock.wall() - self.clock.now() + (self.started or self.clock.now())),
            "elapsed_s": round(elapsed_s, 3),
            "items_per_s": round(self.tally.total.items / elapsed_s, 3) if elapsed_s else None,
            "interrupted": self.interrupted,
            "stopped": self.stopped,
            "bound": self.ahead.bound,
            "continue": self._continues(),
            **self.tally.summary(),
            "moved": self.moves,
            "simulated": self.plan.config.simulated,
            "notes": [*notes(self.plan), *misfits],
            "providers": {
                **{view.name: self._part_of(view) for view in self.router.status()},
                **{name: self.tally.of_provider(name) for name in self.tally.providers if name not in taking_part},
            },
        }

    def _part_of(self, view: LaneStatus) -> dict[str, object]:
        return {
            **self.tally.of_provider(view.name),
            **provider_summary(view, self.elapsed_s, self.before.earlier),
        }

    def _continues(self) -> str | None:
        """The command that goes on with the run, where it ends before its items do."""
        if not self.plan.command or not self.is_stopping:
            return None
        command = f"router eval --resume {shlex.quote(str(self.files.path))}"
        return command if self.purse.needed_usd is None else f"{command} --max-cost {self.purse.needed_usd:g}"
