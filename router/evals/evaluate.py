"""Runs an evaluation: trials go through the router, answers through the scorer, rows into the run's files."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from router.clock import LoopClock
from router.config.models import Config
from router.engine.router import Router
from router.engine.status import LaneStatus
from router.errors import ConfigError, Outcome, Stopped
from router.evals.plan import Plan, Trial, trials
from router.evals.progress import Screen, Snapshot
from router.evals.record import Record, describe
from router.evals.results import Counts, Row, Tally
from router.evals.run_directory import create, kept_if_begun, mark_latest
from router.log.writer import iso
from router.simulator.rehearsal import rewritten
from router.simulator.stage import rehearsal
from router.store import StateStore
from router.types import Request

TICK_S = 0.25
LOADING = "loading LiteLLM, which takes some seconds"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How a run ended: its summary (the contents of summary.json), and where its files are."""

    summary: dict[str, object]
    directory: Path
    interrupted: bool
    items: int
    errors: int
    accuracy: float | None
    why: str | None = None


async def evaluate(plan: Plan, *, screen: Screen | None = None, handle_signals: bool = False) -> Evaluation:
    """Run a plan to its end and leave its files behind; raises ConfigError before anything is sent.

    With `handle_signals` the first SIGINT lets the calls in flight end and the second one ends at once.
    """
    takes_part = [each for each in plan.config.providers if (each.enabled if plan.rehearse else each.is_usable)]
    if not takes_part:
        raise ConfigError(_nobody(plan.config))
    directory = create(plan.log_dir, plan.label, datetime.now(UTC).astimezone())
    async with AsyncExitStack() as stack:
        stack.enter_context(kept_if_begun(directory))
        config = plan.config
        if plan.rehearse:
            config = await stack.enter_async_context(rehearsal(config, seed=plan.seed, troubles=plan.troubles))
        clock = LoopClock.start()
        record = Record(directory, plan, config, clock)
        stack.callback(record.close)
        record.whole("run.json", describe(plan, config, directory.name, clock.wall()))
        _tell_start(record, plan, config)
        memory = None if plan.rehearse else _memory(record)
        router = Router(config, log=record.log, clock=clock, rng=random.Random(plan.seed), memory=memory)
        run = _Run(plan, config, record, clock, router)
        if handle_signals:
            stack.enter_context(_stopping_on_sigint(run))
        if screen is not None:
            stack.callback(screen.close)
            await stack.enter_async_context(_ticking(run, screen))
        await stack.enter_async_context(router)
        mark_latest(directory)
        try:
            await run.work()
        finally:
            evaluation = run.finish()
    return evaluation


def _tell_start(record: Record, plan: Plan, config: Config) -> None:
    record.log.event(
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
        record.log.event("provider.left_out", "warning", provider=provider.name, why=provider.why_left_out)


def _memory(record: Record) -> StateStore | None:
    """What earlier runs have learnt; a machine that cannot keep it still runs."""
    try:
        return StateStore.open()
    except ConfigError as error:
        record.log.event("store.unavailable", "warning", why=str(error))
        return None


def _nobody(config: Config) -> str:
    reasons = "; ".join(f"{provider.name}: {provider.why_left_out}" for provider in config.left_out)
    return (
        f"{config.path}: no provider can take part ({reasons}). Set a key in the environment or in "
        f"{config.path.parent / '.env'}, or rehearse with --rehearse"
    )


@dataclass(slots=True)
class _Run:
    """One evaluation under way; its mutable state is the tally and the trials that are out."""

    plan: Plan
    config: Config
    record: Record
    clock: LoopClock
    router: Router
    tally: Tally = field(default_factory=Tally)
    by_prompt: dict[str, Counts] = field(default_factory=dict)
    out: dict[str, tuple[Trial, float]] = field(default_factory=dict)
    interrupted: bool = False
    started: float = 0.0
    first_error: str | None = None

    @property
    def total(self) -> int | None:
        """How many trials there will be, None where nobody counted the items."""
        providers = len(self.config.usable) if self.plan.across == "every" else 1
        items = self.plan.task.total
        return None if items is None else items * self.plan.epochs * len(self.plan.prompts) * providers

    async def work(self) -> None:
        """Put every trial through the router and settle each as it comes back."""
        self.started = self.clock.now()
        plan = self.plan
        async for outcome in self.router.map(
            self._requests(), window=plan.max_samples, model=plan.model, deadline=plan.deadline_s
        ):
            if isinstance(outcome.error, Stopped):
                self.out.pop(outcome.request.id, None)
            else:
                self._settle(outcome)

    def stop(self) -> None:
        """Begin no more trials, and let the calls in flight end."""
        self.interrupted = True
        self.router.stop()

    def _requests(self) -> Iterator[Request]:
        names = tuple(provider.name for provider in self.config.usable)
        for trial in trials(self.plan, names):
            if self.interrupted:
                return
            self.out[trial.request.id] = (trial, self.clock.now())
            yield trial.request

    def _settle(self, outcome: Outcome) -> None:
        trial, asked_at = self.out.pop(outcome.request.id)
        row = self._row(trial, outcome)
        self.record.row(row)
        self.tally.add(row)
        self.by_prompt.setdefault(row.prompt, Counts()).add(row)
        if outcome.error is not None and self.first_error is None:
            self.first_error = str(outcome.error)
        self.record.log.event(
            "item.settled",
            "info" if outcome.completion else "error",
            item=outcome.request.id,
            outcome=row.outcome,
            attempts=row.attempts,
            elapsed_s=round(self.clock.now() - asked_at, 4),
            why=str(outcome.error) if outcome.error else None,
        )

    def _row(self, trial: Trial, outcome: Outcome) -> Row:
        completion, attempts = outcome.completion, outcome.attempts
        last = attempts[-1] if attempts else None
        score = self.plan.scorer_of(trial.prompt)(completion.text, trial.item.expected) if completion else None
        return Row(
            id=trial.item.id,
            epoch=trial.epoch,
            prompt=trial.prompt.name,
            provider=last.provider if last else "",
            key=last.key if last else "",
            model=completion.model if completion else last.model if last else "",
            outcome=score.outcome if score else "error",
            expected=trial.item.expected,
            answer=score.answer if score else None,
            response=completion.text if completion else "",
            fault=str(outcome.fault.kind) if outcome.fault else None if completion else "nothing_serves",
            attempts=len(attempts),
            latency_s=round(last.latency_s, 4) if last else None,
            waited_s=round(sum(attempt.waited_s for attempt in attempts), 4),
            tokens_in=completion.usage.tokens_in if completion else None,
            tokens_out=completion.usage.tokens_out if completion else None,
            cost_usd=completion.cost_usd if completion else None,
            finish_reason=completion.finish_reason if completion else "",
            simulated=self.config.simulated,
        )

    def snapshot(self) -> Snapshot:
        """How far the run has come."""
        verdicts = self.tally.total.verdicts
        return Snapshot(
            run=self.record.directory.name,
            total=self.total,
            right=verdicts["right"],
            wrong=verdicts["wrong"],
            unparsable=verdicts["unparsable"],
            error=verdicts["error"],
            elapsed_s=self.elapsed_s,
            wall=self.clock.wall(),
            lanes=self.router.status(),
            simulated=self.config.simulated,
            stopping=self.interrupted,
            notes=(*(() if self.router.lanes else (LOADING,)), *notes(self.plan, self.config)),
        )

    @property
    def elapsed_s(self) -> float:
        """Seconds since the first trial."""
        return self.clock.now() - self.started if self.started else 0.0

    def finish(self) -> Evaluation:
        """Write the summary, and say in the log how it ended."""
        summary = self._summary()
        self.record.whole("summary.json", summary)
        total = self.tally.total
        self.record.log.event(
            "run.finished",
            right=total.verdicts["right"],
            wrong=total.verdicts["wrong"],
            unparsable=total.verdicts["unparsable"],
            error=total.verdicts["error"],
            items=total.items,
            accuracy=total.accuracy,
            elapsed_s=round(self.elapsed_s, 3),
            interrupted=self.interrupted,
        )
        errors = total.verdicts["error"]
        return Evaluation(
            summary, self.record.directory, self.interrupted, total.items, errors, total.accuracy, self.first_error
        )

    def _summary(self) -> dict[str, object]:
        elapsed_s = self.elapsed_s
        whole = self.tally.summary()
        parts = whole["providers"]
        counted = parts if isinstance(parts, dict) else {}
        providers = {
            view.name: {**counted.get(view.name, Counts().summary()), **_traffic(view, elapsed_s)}
            for view in self.router.status()
        }
        return {
            "run": self.record.directory.name,
            "directory": str(self.record.directory),
            "prompt": self.plan.label,
            "started": iso(self.clock.wall() - elapsed_s),
            "elapsed_s": round(elapsed_s, 3),
            "items_per_s": round(self.tally.total.items / elapsed_s, 3) if elapsed_s else None,
            "interrupted": self.interrupted,
            **whole,
            "simulated": self.config.simulated,
            "notes": list(notes(self.plan, self.config)),
            "prompts": {name: counts.summary() for name, counts in self.by_prompt.items()},
            "providers": providers,
        }


def _traffic(view: LaneStatus, elapsed_s: float) -> dict[str, object]:
    """What the calls of one provider say about it: attempts, 429s, keys, and the share of its rate that was used."""
    rate = view.declared_per_second
    return {
        "attempts": view.sent,
        "throttled": view.throttled,
        "keys_alive": view.keys_alive,
        "keys": view.keys_alive + view.keys_dropped,
        # One call may leave at the very start of any window, so a rate is full at rate x time + 1.
        "rate_used": round(view.sent / (rate * elapsed_s + 1), 4) if rate and elapsed_s else None,
        "state": str(view.state),
    }


def notes(plan: Plan, config: Config) -> tuple[str, ...]:
    """What a person must know about this run: that it is simulated, and who takes no part."""
    said: list[str] = []
    if config.simulated:
        said.append("the vendors are simulated: no call leaves this machine, and the accuracy says nothing")
        if plan.rehearse and (others := rewritten(plan.config)):
            said.append(f"rehearsed in OpenAI's dialect instead of their own: {', '.join(others)}")
    said += [f"{provider.name} is left out: {provider.why_left_out}" for provider in config.left_out]
    return tuple(said)


@contextmanager
def _stopping_on_sigint(run: _Run) -> Iterator[None]:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()

    def interrupt() -> None:
        if run.interrupted and task is not None:
            task.cancel()
        run.stop()

    loop.add_signal_handler(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)


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
