"""What the engine tells the log: its values as events, loop times as wall times."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from typing import ParamSpec

from router.clock import Clock
from router.engine.announcer import Change
from router.engine.health import State
from router.engine.permit import Permit
from router.faults import Action, Fault
from router.log.event import Moment
from router.log.events import AttemptFinished, PaceChanged, StateChanged
from router.log.times import iso
from router.log.writer import EventLog
from router.types import Answer, Attempt

P = ParamSpec("P")


def tell(told: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
    """Tell the log or the store; one that fails costs no answer and ends no lane, and is the event loop's news."""
    try:
        told(*args, **kwargs)
    except Exception as error:  # noqa: BLE001 - whatever a log or store may raise
        said = {"message": f"router: what happened could not be recorded ({error})", "exception": error}
        asyncio.get_running_loop().call_exception_handler(said)


class Reporter:
    """Turns attempts and changes into events."""

    def __init__(self, log: EventLog, clock: Clock) -> None:
        self._log = log
        self._clock = clock

    def attempt(
        self, item: str, attempt: Attempt, permit: Permit, result: Answer | Fault, *, gave_up: bool = False
    ) -> None:
        """Write `attempt.finished`; `gave_up` says that this was the item's last."""
        fault = attempt.fault
        answer = result if isinstance(result, Answer) else Answer("")
        self._log.write(
            AttemptFinished(
                item=item,
                attempt=attempt.number,
                provider=attempt.provider,
                key=attempt.key,
                key_hash=attempt.key_hash,
                model=attempt.model,
                ok=attempt.ok,
                status=200 if fault is None else fault.status,
                fault=fault.kind if fault else None,
                family=fault.reaction.family if fault else None,
                blame=fault.reaction.blame if fault else None,
                action=_done(permit.action(fault), gave_up=gave_up) if fault else None,
                vendor_code=fault.vendor_code if fault else None,
                message=fault.message if fault else None,
                retry_after_s=fault.retry_after_s if fault else None,
                limits=dict(fault.limits if fault else answer.limits),
                service_tier=attempt.tier or None,
                latency_s=round(attempt.latency_s, 4),
                waited_s=round(attempt.waited_s, 4),
                waited_for=attempt.waited_for,
                tokens_in=answer.usage.tokens_in,
                tokens_out=answer.usage.tokens_out,
                cost_usd=fault.cost_usd if fault else answer.cost_usd,
            )
        )

    def change(self, change: Change) -> None:
        """Write how a state has changed, and `pace.changed` where the share of the rate did."""
        names = [key.name for key in change.keys]
        if change.fields is not None:
            self._log.write(self._state(change, names, change.fields))
        if change.share_before != change.share_after:
            self._log.write(
                PaceChanged(
                    provider=change.provider.name,
                    account=change.account,
                    key=names[0] if change.account is not None else None,
                    before=round(change.share_before, 4),
                    after=round(change.share_after, 4),
                    why=change.after,
                )
            )

    def _state(self, change: Change, names: list[str], before: Mapping[str, object]) -> StateChanged:
        cause = change.health.cause
        only = change.keys[0] if len(names) == 1 and change.scope != "provider" else None
        return StateChanged(
            scope=change.scope,
            because=change.because,
            provider=change.provider.name,
            account=change.account,
            key=only.name if only else None,
            key_hash=only.fingerprint if only else None,
            keys=names,
            before=change.before,
            after=change.after,
            fault=cause.kind if cause else None,
            until=self._until(change),
            strikes=change.health.strikes,
            status=cause.status if cause else None,
            vendor_code=cause.vendor_code if cause else None,
            message=cause.message if cause else None,
            **before,  # type: ignore[arg-type]
        )

    def _until(self, change: Change) -> Moment | None:
        until = change.health.until
        if change.after is not State.RESTING or math.isinf(until):
            return None
        return Moment(iso(self._clock.wall() + until - self._clock.now()))


def _done(action: Action, *, gave_up: bool) -> Action:
    """What was done: whether an item that failed goes elsewhere or is given up, its attempts so far have decided."""
    if action not in {Action.RETRY_ELSEWHERE, Action.GIVE_UP_ITEM}:
        return action
    return Action.GIVE_UP_ITEM if gave_up else Action.RETRY_ELSEWHERE
