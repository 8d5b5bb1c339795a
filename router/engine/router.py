"""`complete` and `map` over lanes. Rings, one concern each: complete > retry > permit > send."""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import ParamSpec, Self

from tenacity import AsyncRetrying, RetryCallState, retry_if_result, wait_none

from router.clock import Clock, Heartbeat, LoopClock
from router.config.loading import load
from router.config.models import Config
from router.config.parameters import first_refusal
from router.engine.amap import amap
from router.engine.assembly import lanes_of, remember
from router.engine.dispatch import Dispatcher, Ticket
from router.engine.lane import Lane
from router.engine.permit import Permit
from router.engine.provider_state import Change
from router.engine.reporter import Reporter
from router.engine.retry import Job, give_up
from router.engine.selector import Selector
from router.engine.status import LaneStatus, view
from router.engine.tokens import UNCOUNTED, Estimate, estimate
from router.errors import (
    AttemptsExhausted,
    CallError,
    DeadlineExceeded,
    InternalError,
    ItemRefused,
    Outcome,
    RouterError,
    Stopped,
)
from router.faults import Fault, Kind
from router.log.scrub import Scrubber
from router.log.writer import EventLog, NoLog
from router.rates import Rate
from router.simulator.stage import rehearsal
from router.store import StateStore
from router.transport import Call, Transport
from router.transport.litellm_transport import LiteLLMTransport
from router.types import Answer, Attempt, Completion, Json, Message, Request

MAX_WAIT_S = 900.0
UNHEARD = frozenset({Kind.TIMEOUT, Kind.CONNECTION})
"""What becomes of calls to which nobody listens, because this process stood still."""
NOT_ENTERED = "enter the router with `async with` before it is used"
SILENT = "taken back: nothing has come back from this vendor for far longer than usual"

P = ParamSpec("P")

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
        max_wait: float = MAX_WAIT_S,
    ) -> None:
        """Nothing is opened before the router is entered.

        `max_wait` is in seconds: where the earliest provider that could serve a call is further away, it fails.
        """
        self.config = config
        self.lanes: tuple[Lane, ...] = ()
        self._tightest: tuple[Rate, ...] = ()
        self._vendors = vendors
        self._transport = transport
        self._log = log or NoLog()
        self._rng = rng or random.Random()
        self._clock = clock
        self._memory = memory
        self._scrub = scrub
        self._line = Dispatcher(max_wait)
        # Shared: one for each job would leave a cycle behind, whose collection holds the loop up. It keeps its state
        # for each thread, so nothing that it calls here may await.
        self._ring = AsyncRetrying(
            retry=retry_if_result(lambda completion: completion is None),
            stop=self._must_stop,
            wait=wait_none(),
            sleep=asyncio.sleep,
            retry_error_callback=lambda _state: None,
        )
        self._heartbeat: Heartbeat | None = None
        self._owned = AsyncExitStack()

    @classmethod
    def from_file(
        cls, path: str | Path | None = None, *, rehearse: bool | None = None, transport: Transport | None = None
    ) -> Router:
        """Read `providers.yaml`; raises ConfigError.

        Where the file says so (or `rehearse` does), the calls go to simulated vendors. With a `transport`, such as
        `router.testing.ScriptedTransport`, they go there, and nothing is remembered: tests need no network.
        """
        config = load(Path(path) if path else None, os.environ)
        if transport is not None:
            return cls(config, transport=transport)
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
        self._heartbeat = Heartbeat.start(self._stood_still)
        self._reporter = Reporter(self._log, clock)
        if self._vendors is not None:
            self.config = await self._owned.enter_async_context(self._vendors(self.config))
        transport = self._transport or LiteLLMTransport(
            self.config, clock.wall, self._scrub, timeout=self._heartbeat.timeout
        )
        self._transport = transport
        self._owned.push_async_callback(transport.aclose)
        if self._memory is not None:
            self._owned.callback(self._memory.close)
        await transport.prepare()
        group = await self._owned.enter_async_context(asyncio.TaskGroup())
        self.lanes = lanes_of(
            self.config, self._line, clock=clock, rng=self._rng, on_change=self._changed, memory=self._memory
        )
        self._line.open(self.lanes, clock)
        limits = sorted(
            (limit for lane in self.lanes for limit in lane.provider.tokens), key=lambda limit: limit.amount
        )
        self._tightest = tuple(limits[:1])
        tasks = [group.create_task(self._run(lane), name=f"lane {lane.name}") for lane in self.lanes]
        self._owned.callback(lambda: [task.cancel() for task in tasks])
        self._owned.callback(self.stop)

    def _stood_still(self, seconds: float) -> None:
        for lane in self.lanes:
            lane.provider_state.silence.stood_still(seconds)

    def _changed(self, change: Change) -> None:
        _tell(self._reporter.change, change)
        if self._memory is not None:
            _tell(remember, self._memory, change, self._time.wall())

    async def _run(self, lane: Lane) -> None:
        """Run a lane; where it ends by a defect, everybody who waits is told, and the block ends with its error."""
        try:
            await lane.run()
        except Exception as error:
            self._line.close(Stopped(f"lane {lane.name} has failed: {type(error).__name__}: {error}"))
            raise

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
        params: Mapping[str, Json] | None = None,
    ) -> Completion:
        """Ask one question and return its answer, from whichever provider can send first.

        `only` and `avoid` name providers, `model` is a name under `models:`, lower `priority` goes first, `deadline`
        is in seconds from now, `params` go over those of the request. Raises ItemRefused, AttemptsExhausted,
        DeadlineExceeded, NothingServes, Stopped or InternalError, each with all `attempts` and the last `fault`.
        """
        request = Request.of(prompt)
        if params:
            request = replace(request, params={**request.params, **params})
        if why := first_refusal(request.params):
            raise ItemRefused(why, fault=Fault(Kind.BAD_REQUEST, why))
        selector = Selector(model, request.only if only is None else frozenset(only), frozenset(avoid))
        tokens = estimate(request) if self._tightest else UNCOUNTED
        if tokens.never_fits(self._tightest):
            selector = self._fitting(selector, tokens)
        job = Job(request, selector, priority, self._line.next_number(), self.config.attempts, tokens.total)
        patience = self._pulse.timeout(deadline)
        try:
            async with patience:
                return await self._retry_ring(job)
        except TimeoutError:
            if not patience.expired():
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

    def _fitting(self, selector: Selector, tokens: Estimate) -> Selector:
        """Leave out providers under whose limit a request will never fit; raises ItemRefused where none is left."""
        able = {lane.name: tokens.never_fits(lane.provider.tokens) for lane in self.lanes if lane.could_serve(selector)}
        tight = {name: limit for name, limit in able.items() if limit is not None}
        if not tight:
            return selector
        if len(tight) == len(able):
            limits = ", ".join(f"`tokens: {limit}` of {name}" for name, limit in tight.items())
            why = f"about {tokens.text:,} tokens of text never fit under {limits}"
            raise ItemRefused(why, fault=Fault(Kind.CONTEXT_LENGTH, why))
        return replace(selector, only=frozenset(able.keys() - tight.keys()))

    # The rings.

    async def _retry_ring(self, job: Job) -> Completion:
        """Try again, at once: it is the lane that waits."""
        completion: Completion | None = await self._ring(self._attempt, job)
        if completion is None:
            raise (job.verdict or AttemptsExhausted)(_why(job.attempts), job.attempts)
        return completion

    def _must_stop(self, state: RetryCallState) -> bool:
        (job,) = state.args
        job.verdict = self._verdict(job)
        return job.verdict is not None

    def _verdict(self, job: Job) -> type[CallError] | None:
        proven = {lane.name for lane in self.lanes if lane.provider_state.answered}
        return give_up(job.attempts, job.max_charged, proven=proven, is_last=self._is_last(job))

    def _is_last(self, job: Job) -> bool:
        """Whether no provider is left that this job has not been at."""
        tried = {attempt.provider for attempt in job.attempts}
        return not any(lane.name not in tried and lane.could_serve(job.selector) for lane in self.lanes)

    async def _attempt(self, job: Job) -> Completion | None:
        """Send once; None where that failed."""
        asked_at = self._time.now()
        async with await self._permit(job) as permit:
            sent_at = self._time.now()
            stops = self._pulse.stops
            result = await self._send(job, permit)
            if isinstance(result, Fault) and result.kind in UNHEARD and self._pulse.stops != stops:
                result = replace(result, excused=True)
            permit.settle(result)
            attempt = self._attempted(job, permit, result, sent_at - asked_at, self._time.now() - sent_at)
            job.attempts = (*job.attempts, attempt)
            _tell(self._reporter.attempt, job.request.id, attempt, permit, result)
        if isinstance(result, Fault):
            return None
        return _completion(attempt, result, job.attempts)

    async def _send(self, job: Job, permit: Permit) -> Answer | Fault:
        """Send once, and wait for as long as the lane does; a transport that raises has cost this job and no other."""
        call = Call(permit.provider, permit.key.key, permit.model, job.request)
        permit.patience = patience = self._pulse.timeout(None)
        try:
            async with patience:
                return await self._sends.send(call, permit.sent)
        except Exception as error:
            if patience.expired() and isinstance(error, TimeoutError):
                return Fault(Kind.TIMEOUT, SILENT)
            raise InternalError.of(error).after(job.attempts) from error

    async def _permit(self, job: Job) -> Permit:
        """Wait in the line, with the old number."""
        paired: asyncio.Future[Permit] = asyncio.get_running_loop().create_future()
        ticket = Ticket(job.priority, job.number, job.next_selector, job.tokens, paired)
        self._line.submit(ticket)
        try:
            return await paired
        except CallError as error:
            raise error.after(job.attempts) from None
        except asyncio.CancelledError:
            # Paired in the same turn as the caller was cancelled: the permit is ours to give back.
            if paired.done() and not paired.cancelled() and paired.exception() is None:
                paired.result().lane.release(paired.result())
            self._line.withdraw(ticket)
            raise

    # Small parts.

    @property
    def _time(self) -> Clock:
        if self._clock is None:
            raise RouterError(NOT_ENTERED)
        return self._clock

    @property
    def _pulse(self) -> Heartbeat:
        if self._heartbeat is None:
            raise RouterError(NOT_ENTERED)
        return self._heartbeat

    @property
    def _sends(self) -> Transport:
        if self._transport is None:
            raise RouterError(NOT_ENTERED)
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


def _tell(tell: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
    """Tell the log or the store; one that fails costs no answer and ends no lane, and is the event loop's news."""
    try:
        tell(*args, **kwargs)
    except Exception as error:  # noqa: BLE001 - whatever a log or store may raise
        said = {"message": f"router: what happened could not be recorded ({error})", "exception": error}
        asyncio.get_running_loop().call_exception_handler(said)


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
