"""`complete` and `map` over lanes, and all that a router owns while it is open: the lanes, the line, the transport."""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections.abc import AsyncGenerator, AsyncIterable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from router.clock import Clock, Heartbeat, LoopClock
from router.config.loading import load
from router.config.models import Config
from router.config.parameters import first_refusal
from router.engine.amap import amap
from router.engine.announcer import Change
from router.engine.assembly import lanes_of, remember
from router.engine.dispatch import Dispatcher
from router.engine.job import Job
from router.engine.lane import Lane
from router.engine.reporter import Reporter, tell
from router.engine.retry import RetryRing
from router.engine.selector import Selector
from router.engine.status import LaneStatus, view
from router.engine.stream import Stream
from router.engine.tokens import UNCOUNTED, Estimate, estimate
from router.errors import CallError, InternalError, ItemRefused, Outcome, RouterError, Stopped
from router.faults import Fault, Kind
from router.log.scrub import Scrubber
from router.log.writer import EventLog, NoLog
from router.rates import Rate
from router.store import StateStore
from router.transport import Transport
from router.transport.litellm_transport import LiteLLMTransport
from router.types import Completion, Json, Message, Request

MAX_WAIT_S = 900.0
NOT_ENTERED = "enter the router with `async with` before it is used"


class Router:
    """Spreads calls over the providers of a configuration. Use it as `async with`: it owns the lanes' tasks."""

    def __init__(
        self,
        config: Config,
        *,
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
        self._stage: AbstractAsyncContextManager[Config] = nullcontext(config)
        self._transport = transport
        self._log = log or NoLog()
        self._rng = rng or random.Random()
        self._clock = clock
        self._memory = memory
        self._scrub = scrub
        self._line = Dispatcher(max_wait)
        self._ring: RetryRing | None = None
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
        if not simulated:
            return cls(config, memory=StateStore.open())
        from router.simulator.stage import rehearsal

        router = cls(config)
        router._stage = rehearsal(config)
        return router

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
        pulse = Heartbeat.start(self._stood_still)
        self._reporter = reporter = Reporter(self._log, clock)
        self.config = config = await self._owned.enter_async_context(self._stage)
        transport = self._transport or LiteLLMTransport(config, clock.wall, self._scrub, timeout=pulse.timeout)
        self._owned.push_async_callback(transport.aclose)
        if self._memory is not None:
            self._owned.callback(self._memory.close)
        await transport.prepare()
        group = await self._owned.enter_async_context(asyncio.TaskGroup())
        self.lanes = lanes_of(
            config, self._line, clock=clock, rng=self._rng, on_change=self._changed, memory=self._memory
        )
        self._line.open(self.lanes, clock)
        limits = sorted(
            (limit for lane in self.lanes for limit in lane.provider.tokens), key=lambda limit: limit.amount
        )
        self._tightest = tuple(limits[:1])
        self._ring = RetryRing(self._line, self.lanes, transport, clock=clock, pulse=pulse, reporter=reporter)
        tasks = [group.create_task(self._run(lane), name=f"lane {lane.name}") for lane in self.lanes]
        self._owned.callback(lambda: [task.cancel() for task in tasks])
        self._owned.callback(self.stop)

    def _stood_still(self, seconds: float) -> None:
        for lane in self.lanes:
            lane.stood_still(seconds)

    def _changed(self, change: Change) -> None:
        tell(self._reporter.change, change)
        if self._memory is not None:
            tell(remember, self._memory, change, self._time.wall())

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
        key: str | None = None,
        model: str | None = None,
        priority: int = 0,
        deadline: float | None = None,
        params: Mapping[str, Json] | None = None,
    ) -> Completion:
        """Ask one question and return its answer, from whichever provider can send first.

        `only` and `avoid` name providers, `model` is a name under `models:`, lower `priority` goes first, `deadline`
        is in seconds from now, `params` go over those of the request. `key` (that of a completion, `openai#2`) asks its
        account alone: once, and it fails where that is not up while others are. Raises ItemRefused, AttemptsExhausted,
        DeadlineExceeded, NothingServes, Stopped or InternalError, each with all `attempts` and the last `fault`.
        """
        job = self._job(prompt, only=only, avoid=avoid, key=key, model=model, priority=priority, params=params)
        return await self._rings.run(job, deadline)

    def stream(
        self,
        prompt: str | Sequence[Message] | Request,
        *,
        only: Collection[str] | None = None,
        avoid: Collection[str] = (),
        key: str | None = None,
        model: str | None = None,
        priority: int = 0,
        deadline: float | None = None,
        params: Mapping[str, Json] | None = None,
    ) -> Stream:
        """Ask one question and read its answer while it comes: `async with router.stream(…) as chunks`, then iterate.

        The arguments and errors are those of `complete`; they are raised by the iteration. Nothing is sent before it.
        """
        job = self._job(prompt, only=only, avoid=avoid, key=key, model=model, priority=priority, params=params)
        return Stream(self._rings, job, deadline)

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
        self,
        prompt: str | Request,
        *,
        avoid: Collection[str] = (),
        key: str | None = None,
        model: str | None = None,
        priority: int = 0,
        deadline: float | None = None,
    ) -> Outcome:
        """Like `complete`, with the error as a value; a defect on the way is this request's error and no other's."""
        request = Request.of(prompt)
        try:
            completion = await self.complete(
                request, avoid=avoid, key=key, model=model, priority=priority, deadline=deadline
            )
            return Outcome(request, completion)
        except CallError as error:
            return Outcome(request, error=error)
        except Exception as error:  # noqa: BLE001 - one request must not end all others
            return Outcome(request, error=InternalError.of(error))

    def _job(
        self,
        prompt: str | Sequence[Message] | Request,
        *,
        only: Collection[str] | None,
        avoid: Collection[str],
        key: str | None,
        model: str | None,
        priority: int,
        params: Mapping[str, Json] | None,
    ) -> Job:
        """What is to be done; raises ItemRefused where nobody could do it."""
        request = Request.of(prompt)
        if params:
            request = replace(request, params={**request.params, **params})
        if request.params and (why := first_refusal(request.params)):
            raise ItemRefused(why, fault=Fault(Kind.BAD_REQUEST, why))
        selector = Selector(model, request.only if only is None else frozenset(only), frozenset(avoid), key)
        tokens = estimate(request) if self._tightest else UNCOUNTED
        if tokens.never_fits(self._tightest):
            selector = self._fitting(selector, tokens)
        charged = 1 if key is not None and self._has_others(selector) else self.config.attempts
        return Job(request, selector, priority, self._line.next_number(), charged, tokens.total)

    def _has_others(self, selector: Selector) -> bool:
        """Whether a selector would have a choice, were it not for its key."""
        able = [lane for lane in self.lanes if lane.could_serve(selector.free)]
        return len(able) > 1 or any(len(lane.provider_state.ring.accounts) > 1 for lane in able)

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
        return selector._replace(only=frozenset(able.keys() - tight.keys()))

    @property
    def _time(self) -> Clock:
        if self._clock is None:
            raise RouterError(NOT_ENTERED)
        return self._clock

    @property
    def _rings(self) -> RetryRing:
        if self._ring is None:
            raise RouterError(NOT_ENTERED)
        return self._ring
