"""Opens an evaluation, runs it, closes it: directory, router, signals, screen."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from router.clock import Clock, LoopClock
from router.config.models import Config
from router.engine.router import Router
from router.errors import ConfigError
from router.evals.cache import AnswerCache
from router.evals.fit import Fit, tried
from router.evals.items import Item
from router.evals.money import purse_of
from router.evals.patience import Patience
from router.evals.plan import Plan
from router.evals.progress import Forgiving, Screen
from router.evals.record import describe
from router.evals.results import Row
from router.evals.resume import Before, survey
from router.evals.run import Evaluation, Run
from router.evals.run_directory import RunDirectory, mark_latest
from router.evals.summary import Tally
from router.log.events import ProviderLeftOut, RunStarted, StoreUnavailable
from router.log.scrub import Scrubber
from router.log.writer import EventLog
from router.store import StateStore

TICK_S = 0.25
SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""What ends a run: Ctrl-C, a batch system or container that stops, a terminal that goes away."""


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
    plan.require_takers()
    clock = LoopClock.start()
    with _directory(plan, clock) as files:
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


def _directory(plan: Plan, clock: Clock) -> RunDirectory:
    if plan.resume is not None:
        return RunDirectory.reopen(plan.resume, plan, clock)
    return RunDirectory.create(plan, datetime.now(UTC).astimezone(), clock)


async def _open(
    plan: Plan,
    files: RunDirectory,
    clock: Clock,
    open_router: OpenRouter,
    screen: Screen | None,
    opening: AsyncExitStack,
    *,
    handle_signals: bool,
) -> Run:
    tally, fit = Tally.of(plan), Fit(plan.scorers)

    def count(item: Item, row: Row) -> None:
        tally.add(row)
        fit.add(item, row)

    before = Before() if plan.resume is None else survey(plan, files.path, files, count)
    plan = replace(plan, notes=(*plan.notes, *before.notes))
    files.write("run.json", describe(plan, files.name, clock.wall(), before))
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
    cache = opening.enter_context(_cache(plan.cache, files.log))
    run = Run(plan, files, clock, router, Patience(plan), fit, purse_of(plan), tally, before, cache)
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
    log.write(
        RunStarted(
            prompts=[prompt.name for prompt in plan.prompts],
            task=plan.task.name,
            items=plan.task.total,
            providers=[provider.name for provider in config.usable],
            keys={key.name: key.fingerprint for provider in config.usable for key in provider.keys},
            rates={provider.name: [str(rate) for rate in provider.rates] for provider in config.usable},
            seed=plan.seed,
            resumed=plan.resume is not None,
        )
    )
    for provider in config.left_out:
        log.write(ProviderLeftOut(provider.name, str(provider.why_left_out)))


@contextmanager
def _cache(path: Path | None, log: EventLog) -> Iterator[AnswerCache | None]:
    """The answers of earlier runs, and those of this one for later; what could not be kept is told at the end."""
    if path is None:
        yield None
        return
    cache = AnswerCache(path)
    try:
        yield cache
    finally:
        cache.close()
        if cache.failure is not None:
            log.write(StoreUnavailable(cache.failure))


def _memory(log: EventLog) -> StateStore | None:
    """What earlier runs have learnt; a machine that cannot keep it still runs."""
    try:
        store = StateStore.open()
    except ConfigError as error:
        log.write(StoreUnavailable(str(error)))
        return None
    store.on_failure = lambda why: log.write(StoreUnavailable(why))
    return store


@contextmanager
def _stopping_on_signals(run: Run) -> Iterator[None]:
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
async def _ticking(run: Run, screen: Screen) -> AsyncIterator[None]:
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
