"""`complete` and `map` over lanes. Rings, one concern each: complete > retry > permit > send."""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Collection, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_none

from router.clock import Clock, LoopClock
from router.config.loading import load
from router.config.models import Config
from router.config.parameters import first_refusal
from router.engine.amap import amap
from router.engine.assembly import Roster
from router.engine.dispatch import Dispatcher, Selector, Ticket
from router.engine.lane import Lane, Permit
from router.engine.reporter import Reporter
from router.engine.retries import RetryBudget
from router.engine.retry import Job, give_up
from router.engine.status import LaneStatus, view
from router.errors import (
    AttemptsExhausted,
    CallError,
    DeadlineExceeded,
    InternalError,
    ItemRefused,
    NothingServes,
    Outcome,
    Stopped,
)
from router.faults import Fault, Kind
from router.log.scrub import Scrubber
from router.log.writer import EventLog, NoLog
from router.simulator.stage import rehearsal
from router.store import StateStore
from router.transport import Call, Transport
from router.transport.litellm_transport import LiteLLMTransport
from router.types import Answer, Attempt, Completion, Message, Request


class _Failed(Exception):
    """One attempt failed; what the retry ring sees and nobody else."""


Vendors = Callable[[Config], AbstractAsyncContextManager[Config]]
"""Puts other vendors in the place of the declared ones for a while, as a rehearsal does."""


class Router:
    """Spreads calls over the providers of a configuration. Use it as `async with`: it owns the lanes' tasks."""

    def __init__(
        self,
        config: Config,
        *,
        vendors: Vendors | None = None,
        transport: Transport | None = None,
        log: EventLog | None = None,
        rng: random.Random | None = None,
        clock: Clock | None = None,
        memory: StateStore | None = None,
        scrub: Scrubber | None = None,
    ) -> None:
        self.config = config
        self.lanes: tuple[Lane, ...] = ()
        self.retries = RetryBudget()
        self._vendors = vendors
        self._transport = transport
        self._log = log or NoLog()
        self._rng = rng or random.Random()
        self._clock = clock
        self._memory = memory
        self._scrub = scrub
        self._line: Dispatcher[Lane, Permit] = Dispatcher(
            on_paired=lambda lane, permit, ticket: lane.paired(permit, ticket), hopeless=self._hopeless
        )
        # One ring for all jobs: one for each would leave a cycle behind, and collecting those holds the loop up.
        self._ring = AsyncRetrying(
            retry=retry_if_exception_type(_Failed),
            stop=self._must_stop,
            wait=wait_none(),
            sleep=asyncio.sleep,
            reraise=True,
        )
        self._owned = AsyncExitStack()

    @classmethod
    def from_file(cls, path: str | Path | None = None, *, rehearse: bool | None = None) -> Router:
        """Read `providers.yaml`; raises ConfigError.

        Where the file says so (or `rehearse` does), the calls go to simulated vendors.
        """
        config = load(Path(path) if path else None, os.environ)
        simulated = config.wants_rehearsal if rehearse is None else rehearse
        return cls(config, vendors=rehearsal) if simulated else cls(config, memory=StateStore.open())

    async def __aenter__(self) -> Self:
        await self._owned.__aenter__()
        try:
            await self._open()
        except BaseException:
            await self._owned.__aexit__(*sys.exc_info())
            raise
        return self

    async def _open(self) -> None:
        self._clock = clock = self._clock or LoopClock.start()
        self._reporter = Reporter(self._log, clock)
        if self._vendors is not None:
            self.config = await self._owned.enter_async_context(self._vendors(self.config))
        self._transport = transport = self._transport or LiteLLMTransport(self.config, clock.wall, self._scrub)
        self._owned.push_async_callback(transport.aclose)
        if self._memory is not None:
            self._owned.callback(self._memory.close)
        await transport.prepare()
        group = await self._owned.enter_async_context(asyncio.TaskGroup())
        roster = Roster(self.config, self._line, clock, self._rng, self._reporter.change, self._memory)
        self.lanes = self._line.lanes = roster.lanes()
        tasks = [group.create_task(lane.run(), name=f"lane {lane.name}") for lane in self.lanes]
        self._owned.callback(lambda: [task.cancel() for task in tasks])
        self._owned.callback(self.stop)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        try:
            return await self._owned.__aexit__(kind, error, trace)
        except BaseExceptionGroup as group:
            if group.exceptions != (error,):
                raise
            return False  # the block's own error and no lane's: it goes on as it is, not wrapped in the lanes' group

    def stop(self) -> None:
        """Send nothing more: who waits fails with Stopped, calls that are out end as they will."""
        self._line.close(Stopped("the run was stopped"))

    def status(self) -> tuple[LaneStatus, ...]:
        """What every lane is doing now, for a screen or a summary."""
        return tuple(view(lane, self._time) for lane in self.lanes)

    async def complete(
        self,
        prompt: str | Sequence[Message] | Request,
        *,
        only: Collection[str] | None = None,
        avoid: Collection[str] = (),
        model: str | None = None,
        priority: int = 0,
        deadline: float | None = None,
    ) -> Completion:
        """Ask one question and return its answer, from whichever provider can send first.

        `only` and `avoid` name providers, `model` is a name under `models:`, lower `priority` goes first, `deadline`
        is in seconds from now. Raises ItemRefused, AttemptsExhausted, DeadlineExceeded or NothingServes, each with
        all `attempts` and the last `fault`.
        """
        request = Request.of(prompt)
        if why := first_refusal(request.params):
            raise ItemRefused(why, fault=Fault(Kind.BAD_REQUEST, why))
        selector = Selector(model, request.only if only is None else frozenset(only), frozenset(avoid))
        job = Job(request, selector, priority, self._line.next_number(), self.config.attempts)
        try:
            async with asyncio.timeout(deadline):
                return await self._retry_ring(job)
        except TimeoutError:
            if deadline is None:
                raise
            raise DeadlineExceeded(f"no answer within {deadline:g} s", job.attempts) from None

    async def map(
        self,
        requests: Iterable[Request | str] | AsyncIterable[Request | str],
        *,
        window: int = 256,
        model: str | None = None,
        deadline: float | None = None,
    ) -> AsyncGenerator[Outcome, None]:
        """Ask many questions, `window` at a time, and yield each outcome as it is there; never raises for an item.

        `requests` is read lazily, so it may be endless. Break out of it under `contextlib.aclosing`, then what is
        in flight is cancelled at once.
        """
        async with aclosing(amap(partial(self.outcome, model=model, deadline=deadline), requests, window)) as outcomes:
            async for outcome in outcomes:
                yield outcome

    async def outcome(
        self, prompt: str | Request, *, model: str | None = None, deadline: float | None = None
    ) -> Outcome:
        """Like `complete`, with the error as a value; a defect on the way is this request's error and no other's."""
        request = Request.of(prompt)
        try:
            return Outcome(request, await self.complete(request, model=model, deadline=deadline))
        except CallError as error:
            return Outcome(request, error=error)
        except Exception as error:  # noqa: BLE001 - one request must not end all others
            return Outcome(request, error=InternalError.of(error))

    # The rings.

    async def _retry_ring(self, job: Job) -> Completion:
        """Try again, at once: it is the lane that waits."""
        try:
            return await self._ring(self._attempt, job)
        except _Failed:
            error = self._verdict(job) or AttemptsExhausted
            raise error(_why(job.attempts), job.attempts) from None

    def _must_stop(self, state: RetryCallState) -> bool:
        (job,) = state.args
        return self._verdict(job) is not None

    def _verdict(self, job: Job) -> type[CallError] | None:
        return give_up(job.attempts, job.max_charged, is_last=self._is_last(job))

    def _is_last(self, job: Job) -> bool:
        """Whether no provider is left that this job has not been at."""
        tried = {attempt.provider for attempt in job.attempts}
        return not any(lane.name not in tried and lane.could_serve(job.selector) for lane in self.lanes)

    async def _attempt(self, job: Job) -> Completion:
        async with self.retries.passing(job.next_selector, first=not job.attempts):
            asked_at = self._time.now()
            async with await self._permit(job) as permit:
                sent_at = self._time.now()
                result = await self._sends.send(
                    Call(permit.provider, permit.key.key, permit.model, job.request), permit.sent
                )
                permit.settle(result)
                attempt = self._attempted(job, permit, result, sent_at - asked_at, self._time.now() - sent_at)
                job.attempts = (*job.attempts, attempt)
                self._reporter.attempt(job.request.id, attempt, permit, result)
        if isinstance(result, Fault):
            raise _Failed
        return _completion(attempt, result, job.attempts)

    async def _permit(self, job: Job) -> Permit:
        """Wait in the line, with the old number."""
        paired: asyncio.Future[Permit] = asyncio.get_running_loop().create_future()
        ticket = Ticket(job.priority, job.number, job.next_selector, job.request.estimated_tokens, paired)
        self._line.submit(ticket)
        try:
            return await paired
        except CallError as error:
            raise type(error)(str(error), job.attempts, error.fault) from None
        except asyncio.CancelledError:
            # Paired in the same turn as the caller was cancelled: the permit is ours to give back.
            if paired.done() and not paired.cancelled() and paired.exception() is None:
                paired.result().lane.release(paired.result())
            self._line.withdraw(ticket)
            raise

    # Small parts.

    @property
    def _time(self) -> Clock:
        assert self._clock is not None, "enter the router with `async with` first"  # noqa: S101
        return self._clock

    @property
    def _sends(self) -> Transport:
        assert self._transport is not None, "enter the router with `async with` first"  # noqa: S101
        return self._transport

    def _attempted(
        self, job: Job, permit: Permit, result: Answer | Fault, waited_s: float, latency_s: float
    ) -> Attempt:
        return Attempt(
            number=len(job.attempts) + 1,
            provider=permit.provider.name,
            key=permit.key.key.name,
            key_hash=permit.key.key.fingerprint,
            model=permit.model,
            latency_s=latency_s,
            waited_s=waited_s,
            waited_for=permit.waited_for,
            fault=result if isinstance(result, Fault) else None,
        )

    def _hopeless(self, selector: Selector) -> NothingServes:
        lanes = [lane for lane in self.lanes if selector.only is None or lane.name in selector.only]
        reasons = [reason for lane in lanes for reason in lane.provider_state.reasons(selector)]
        unknown = sorted((selector.only or set()) - {lane.name for lane in self.lanes})
        reasons += [f"{name}: takes no part in this run" for name in unknown]
        return NothingServes("nothing can serve this: " + ("; ".join(reasons) or "no provider takes part"))


def _completion(attempt: Attempt, answer: Answer, attempts: tuple[Attempt, ...]) -> Completion:
    return Completion(
        text=answer.text,
        provider=attempt.provider,
        key=attempt.key,
        key_hash=attempt.key_hash,
        model=answer.model or attempt.model,
        usage=answer.usage,
        finish_reason=answer.finish_reason,
        latency_s=attempt.latency_s,
        waited_s=sum(each.waited_s for each in attempts),
        attempts=attempts,
        cost_usd=answer.cost_usd,
        answer=answer,
    )


def _why(attempts: Sequence[Attempt]) -> str:
    last = attempts[-1]
    tries = "attempt" if len(attempts) == 1 else "attempts"
    return f"no answer after {len(attempts)} {tries}; the last at {last.key}: {last.fault}"
