"""The rings around one call: deadline > retry > permit > send. A job goes in, an answer or an error comes out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from copy import copy
from dataclasses import replace

from tenacity import RetryCallState, Retrying, retry_if_result, wait_none

from router.clock import Clock, Heartbeat
from router.engine.dispatch import Dispatcher, Ticket
from router.engine.job import Job, give_up
from router.engine.lane import Lane
from router.engine.permit import Permit
from router.engine.reporter import Reporter, tell
from router.engine.tier import in_tier, judged, tier_of
from router.errors import AttemptsExhausted, CallError, DeadlineExceeded, InternalError
from router.faults import Fault, Kind
from router.transport import Call, Transport
from router.types import Answer, Attempt, Completion

UNHEARD = frozenset({Kind.TIMEOUT, Kind.CONNECTION})
"""What becomes of calls to which nobody listens, because this process stood still."""
SILENT = "taken back: nothing has come back from this vendor for far longer than usual"


def _has_failed(job: Job) -> bool:
    return job.completion is None


def _must_stop(state: RetryCallState) -> bool:
    return state.outcome is not None and state.outcome.result().verdict is not None


RING = Retrying(
    retry=retry_if_result(_has_failed),
    stop=_must_stop,
    wait=wait_none(),
    sleep=lambda _seconds: None,
    retry_error_callback=lambda _state: None,
)
"""Try again at once: it is the lane that waits. The result of each try is the job itself.

One for all jobs: one for each would leave a cycle behind, whose collection holds the loop up. Nothing in it waits, so
it is no AsyncRetrying, which asks each of its own steps whether it is a coroutine: that costs more than all the rest.
"""


Once = Callable[[Transport, Call, Job, Permit], Awaitable[Answer | Fault]]
"""Sends a call for a job once, and says that it is on the wire."""


async def _whole(transport: Transport, call: Call, _job: Job, permit: Permit) -> Answer | Fault:
    return await transport.send(call, permit.sent)


class RetryRing:
    """Sees jobs through, as many at once as are asked for."""

    def __init__(
        self,
        line: Dispatcher,
        lanes: Sequence[Lane],
        transport: Transport,
        *,
        clock: Clock,
        pulse: Heartbeat,
        reporter: Reporter,
    ) -> None:
        self._line = line
        self._lanes = lanes
        self._transport = transport
        self._clock = clock
        self._pulse = pulse
        self._reporter = reporter
        self._once: Once = _whole

    def with_once(self, once: Once) -> RetryRing:
        """The same rings around another way to send once."""
        ring = copy(self)
        ring._once = once  # noqa: SLF001 - a copy of this one
        return ring

    async def run(self, job: Job, deadline: float | None = None) -> Completion:
        """Send until there is an answer, for at most `deadline` seconds; raises the error that ends the job."""
        patience = self._pulse.timeout(deadline)
        try:
            async with patience:
                return await self._retry(job)
        except TimeoutError:
            if not patience.expired():
                raise
            raise DeadlineExceeded(f"no answer within {deadline:g} s", job.attempts) from None

    async def _retry(self, job: Job) -> Completion:
        for attempt in RING:
            if job.attempts:
                await asyncio.sleep(0)  # the lane where it failed looks out again, so that the lanes' rank decides
            await self._attempt(job)
            attempt.retry_state.set_result(job)
        if job.completion is None:
            raise (job.verdict or AttemptsExhausted)(_why(job.attempts), job.attempts)
        return job.completion

    async def _attempt(self, job: Job) -> None:
        """Send once, and put what came of it into the job."""
        asked_at = self._clock.now()
        async with await self._permit(job) as permit:
            sent_at = self._clock.now()
            call = in_tier(Call(permit.provider, permit.key.key, permit.model, job.request), job)
            result = judged(await self._send(call, job, permit), call)
            permit.settle(result)
            fault = result if isinstance(result, Fault) else None
            attempt = _attempted(job, permit, call, fault, sent_at - asked_at, self._clock.now() - sent_at)
            job.attempts = (*job.attempts, attempt)
            job.verdict = self._verdict(job) if fault else None
            tell(self._reporter.attempt, job.request.id, attempt, permit, result, gave_up=job.verdict is not None)
        if isinstance(result, Answer):
            job.completion = _completion(attempt, result, job.attempts)

    def _verdict(self, job: Job) -> type[CallError] | None:
        proven = {lane.name for lane in self._lanes if lane.provider_state.answered}
        return give_up(job.attempts, job.max_charged, proven=proven, is_last=self._is_last(job))

    def _is_last(self, job: Job) -> bool:
        """Whether no provider is left that this job has not been at."""
        tried = {attempt.provider for attempt in job.attempts}
        return not any(lane.name not in tried and lane.could_serve(job.selector) for lane in self._lanes)

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

    async def _send(self, call: Call, job: Job, permit: Permit) -> Answer | Fault:
        """Send once, and excuse what nobody could hear because this process stood still."""
        stops = self._pulse.stops
        result = await self._reply(call, job, permit)
        if isinstance(result, Fault) and result.kind in UNHEARD and self._pulse.stops != stops:
            return replace(result, excused=True)
        return result

    async def _reply(self, call: Call, job: Job, permit: Permit) -> Answer | Fault:
        """Wait for as long as the lane does; a transport that raises has cost this job and no other."""
        permit.patience = patience = self._pulse.timeout(None)
        try:
            async with patience:
                return await self._once(self._transport, call, job, permit)
        except Exception as error:
            if patience.expired() and isinstance(error, TimeoutError):
                return Fault(Kind.TIMEOUT, SILENT)
            raise InternalError.of(error).after(job.attempts) from error


def _attempted(job: Job, permit: Permit, call: Call, fault: Fault | None, waited_s: float, latency_s: float) -> Attempt:
    return Attempt(
        number=len(job.attempts) + 1,
        provider=permit.provider.name,
        key=permit.key.key.name,
        key_hash=permit.key.key.fingerprint,
        model=permit.model,
        latency_s=latency_s,
        waited_s=waited_s,
        waited_for=permit.waited_for,
        fault=fault,
        tier=tier_of(call),
    )


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
