"""Runs an evaluation: trials go through the router, answers through the scorer, rows into the run's files."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from router.clock import Clock, LoopClock
from router.config.models import Config
from router.engine.amap import amap
from router.engine.router import Router
from router.errors import ConfigError, NothingServes, Stopped
from router.evals.fit import Fit, tried
from router.evals.patience import Patience
from router.evals.plan import Plan
from router.evals.progress import Forgiving, Screen, Snapshot
from router.evals.record import describe
from router.evals.run_directory import RunDirectory, mark_latest
from router.evals.summary import Tally, notes, provider_summary
from router.evals.trials import Settled, Trial, settle, trials
from router.log.scrub import Scrubber
from router.log.writer import EventLog, iso
from router.store import StateStore

TICK_S = 0.25
LOADING = "loading LiteLLM, which takes some seconds"
SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""What ends a run: Ctrl-C, a batch system or container that stops, a terminal that goes away."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How a run ended: its summary (the contents of summary.json), and where its files are.

    `why` is the first error of an item. `stopped` says why the run ended before its items did, None where it did not
    or was interrupted: results had no place to go, nothing could be sent for too long, everything was refused.
    `misfits` say of which prompts the scorer found nothing, or nothing right.
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


class OpenRouter(Protocol):
    """Makes the router of a run, as `Router` itself does."""

    def __call__(
        self,
        config: Config,
        *,
        log: EventLog,
        clock: Clock,
        rng: random.Random,
        memory: StateStore | None,
        scrub: Scrubber | None,
        max_wait: float,
    ) -> Router: ...


async def evaluate(
    plan: Plan, *, open_router: OpenRouter = Router, screen: Screen | None = None, handle_signals: bool = False
) -> Evaluation:
    """Run a plan to its end and leave its files behind; raises ConfigError before anything is sent.

    With `handle_signals` the first of SIGNALS lets the calls in flight end and the second one ends at once.
    """
    plan.try_out()
    plan = replace(plan, notes=(*plan.notes, *await tried(plan)))
    if not plan.config.usable:
        raise ConfigError(_nobody(plan.config))
    clock = LoopClock.start()
    with RunDirectory.create(plan, datetime.now(UTC).astimezone(), clock) as files:
        with files.removed_on_mistake():
            async with AsyncExitStack() as opening:
                run = await _open(plan, files, clock, open_router, screen, opening, handle_signals=handle_signals)
                owned = opening.pop_all()
        try:
            async with owned:
                await run.work()
        finally:
            evaluation = await run.finish()
    return evaluation


async def _open(
    plan: Plan,
    files: RunDirectory,
    clock: Clock,
    open_router: OpenRouter,
    screen: Screen | None,
    opening: AsyncExitStack,
    *,
    handle_signals: bool,
) -> _Run:
    files.write("run.json", describe(plan, files.name, clock.wall()))
    _tell_start(files.log, plan)
    memory = None if plan.config.simulated else _memory(files.log)
    rng = random.Random(plan.seed)
    router = open_router(
        plan.config,
        log=files.log,
        clock=clock,
        rng=rng,
        memory=memory,
        scrub=files.scrub,
        max_wait=plan.max_wait_s,
    )
    run = _Run(plan, files, clock, router, Patience(plan), Fit(plan.scorers))
    files.on_failure = router.stop
    if handle_signals:
        opening.enter_context(_stopping_on_signals(run))
    if screen is not None:
        await opening.enter_async_context(_ticking(run, Forgiving(screen)))
    await opening.enter_async_context(router)
    mark_latest(files.path)
    return run


def _tell_start(log: EventLog, plan: Plan) -> None:
    config = plan.config
    log.event(
        "run.started",
        prompts=[prompt.name for prompt in plan.prompts],
        task=plan.task.name,
        items=plan.task.total,
        providers=[provider.name for provider in config.usable],
        keys={key.name: key.fingerprint for provider in config.usable for key in provider.keys},
        rates={provider.name: [str(rate) for rate in provider.rates] for provider in config.usable},
        seed=plan.seed,
    )
    for provider in config.left_out:
        log.event("provider.left_out", "warning", provider=provider.name, why=provider.why_left_out)


def _memory(log: EventLog) -> StateStore | None:
    """What earlier runs have learnt; a machine that cannot keep it still runs."""
    try:
        store = StateStore.open()
    except ConfigError as error:
        log.event("store.unavailable", "warning", why=str(error))
        return None
    store.on_failure = lambda why: log.event("store.unavailable", "warning", why=why)
    return store


def _nobody(config: Config) -> str:
    reasons = "; ".join(f"{provider.name}: {provider.why_left_out}" for provider in config.left_out)
    return (
        f"{config.path}: no provider can take part ({reasons}). Set a key in the environment or in "
        f"{config.path.parent / '.env'}, or rehearse with --rehearse"
    )


@dataclass(slots=True)
class _Run:
    """One evaluation under way; its mutable state is the tally, and whether it is to end."""

    plan: Plan
    files: RunDirectory
    clock: Clock
    router: Router
    patience: Patience
    fit: Fit
    tally: Tally = field(default_factory=Tally)
    interrupted: bool = False
    hopeless: str | None = None
    started: float | None = None
    ended: float | None = None
    first_error: str | None = None
    working: asyncio.Timeout | None = None

    async def work(self) -> None:
        """Put every trial through the router and write down each as it comes back, until all are or `hurry`."""
        self.started = self.clock.now()
        self.working = working = asyncio.timeout(None)
        try:
            async with working, aclosing(amap(self._settle, self._trials(), self.plan.max_samples)) as done:
                async for settled, elapsed_s in done:
                    self._listen(settled)
                    if not (isinstance(settled.error, Stopped) or self._is_due(settled)):
                        self._write(settled, elapsed_s)
        except TimeoutError:
            if not working.expired():
                raise
        finally:
            self.working, self.ended = None, self.clock.now()

    async def _settle(self, trial: Trial) -> tuple[Settled, float]:
        began = self.clock.now()
        return await settle(trial, self.plan, self.router), self.clock.now() - began

    def _trials(self) -> Iterator[Trial]:
        last = ""
        for trial in trials(self.plan):
            if self.is_stopping:
                return
            if trial.item.id != last:
                last = trial.item.id
                self.files.append_item(trial.item)
            yield trial

    def _write(self, settled: Settled, elapsed_s: float) -> None:
        row, error = settled.row, settled.error
        self.files.append(row)
        self.tally.add(row)
        self.fit.add(settled.trial.item, row)
        if error is not None and self.first_error is None:
            self.first_error = str(error)
        self.files.log.event(
            "item.settled",
            "error" if error else "info",
            item=row.trial,
            outcome=row.outcome,
            attempts=row.attempts,
            elapsed_s=round(elapsed_s, 4),
            why=str(error) if error else row.why or None,
        )

    def _listen(self, settled: Settled) -> None:
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
        """How far the run has come."""
        verdicts = self.tally.total.verdicts
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
            lanes=self.router.status(),
            simulated=self.plan.config.simulated,
            stopping=self.is_stopping,
            notes=(*(() if self.router.lanes else (LOADING,)), *notes(self.plan)),
        )

    @property
    def elapsed_s(self) -> float:
        """Seconds from the first trial to the last, or to now."""
        if self.started is None:
            return 0.0
        return (self.clock.now() if self.ended is None else self.ended) - self.started

    async def finish(self) -> Evaluation:
        """Write the summary, say in the log how it ended, and close the files."""
        misfits = await self.fit.misfits(str(self.files.path))
        summary, total = self.summary(misfits), self.tally.total
        self.files.write("summary.json", summary)
        self.files.log.event(
            "run.finished",
            right=total.verdicts["right"],
            wrong=total.verdicts["wrong"],
            unparsable=total.verdicts["unparsable"],
            unscored=total.verdicts["unscored"],
            error=total.verdicts["error"],
            items=total.items,
            accuracy=total.accuracy,
            elapsed_s=round(self.elapsed_s, 3),
            interrupted=self.interrupted,
            why=self.stopped,
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
        )

    def summary(self, misfits: tuple[str, ...]) -> dict[str, object]:
        """The contents of summary.json."""
        elapsed_s, counts = self.elapsed_s, self.tally.providers
        return {
            "run": self.files.name,
            "directory": str(self.files.path),
            "prompt": self.plan.label,
            "started": iso(self.clock.wall() - self.clock.now() + (self.started or self.clock.now())),
            "elapsed_s": round(elapsed_s, 3),
            "items_per_s": round(self.tally.total.items / elapsed_s, 3) if elapsed_s else None,
            "interrupted": self.interrupted,
            "stopped": self.stopped,
            **self.tally.summary(),
            "simulated": self.plan.config.simulated,
            "notes": [*notes(self.plan), *misfits],
            "providers": {
                view.name: provider_summary(counts.get(view.name), view, elapsed_s) for view in self.router.status()
            },
        }


@contextmanager
def _stopping_on_signals(run: _Run) -> Iterator[None]:
    """The first signal stops the run, the second one hurries it; one that is ignored, as by `nohup`, stays so."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()

    def interrupt() -> None:
        if not run.interrupted:
            run.stop()
        elif not run.hurry() and task is not None:
            task.cancel()

    heeded = [each for each in SIGNALS if signal.getsignal(each) is not signal.SIG_IGN]
    for each in heeded:
        loop.add_signal_handler(each, interrupt)
    try:
        yield
    finally:
        for each in heeded:
            loop.remove_signal_handler(each)


@asynccontextmanager
async def _ticking(run: _Run, screen: Screen) -> AsyncIterator[None]:
    async def tick() -> None:
        while True:
            screen.show(run.snapshot())
            await asyncio.sleep(TICK_S)

    ticker = asyncio.create_task(tick(), name="screen")
    try:
        yield
    finally:
        ticker.cancel()
        with suppress(asyncio.CancelledError):
            await ticker
        screen.show(run.snapshot())
        screen.close()
