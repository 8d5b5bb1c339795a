"""What lanes and calls tell the log: one function an event, flat fields."""

from __future__ import annotations

import math

from router.clock import Clock
from router.engine.health import State
from router.engine.permit import Permit
from router.engine.provider_state import Change
from router.faults import Fault
from router.log.writer import EventLog, iso
from router.types import Answer, Attempt

LEVELS = {State.READY: "info", State.DROPPED: "error"}


class Reporter:
    """Turns attempts and changes into events. Loop times become wall times here."""

    def __init__(self, log: EventLog, clock: Clock) -> None:
        self._log = log
        self._clock = clock

    def attempt(self, item: str, attempt: Attempt, permit: Permit, result: Answer | Fault) -> None:
        """Write `attempt.finished`."""
        fault = attempt.fault
        answer = result if isinstance(result, Answer) else Answer("")
        self._log.event(
            "attempt.finished",
            "info" if fault is None else "warning",
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
            action=permit.action(fault) if fault else None,
            vendor_code=fault.vendor_code if fault else None,
            message=fault.message if fault else None,
            retry_after_s=fault.retry_after_s if fault else None,
            limits=dict(fault.limits if fault else answer.limits),
            latency_s=round(attempt.latency_s, 4),
            waited_s=round(attempt.waited_s, 4),
            waited_for=attempt.waited_for,
            tokens_in=answer.usage.tokens_in,
            tokens_out=answer.usage.tokens_out,
            cost_usd=answer.cost_usd,
        )

    def change(self, change: Change) -> None:
        """Write `key.state` or `provider.state` where a state changed, `pace.changed` where a share did."""
        if change.before is not change.after:
            self._state(change)
        if change.share_before != change.share_after:
            self._log.event(
                "pace.changed",
                provider=change.provider.name,
                key=change.key.name if change.key else None,
                before=round(change.share_before, 4),
                after=round(change.share_after, 4),
                why=str(change.after),
            )

    def _state(self, change: Change) -> None:
        key, cause = change.key, change.health.cause
        self._log.event(
            "key.state" if change.key else "provider.state",
            LEVELS.get(change.after, "warning"),
            provider=change.provider.name,
            key=key.name if key else None,
            key_hash=key.fingerprint if key else None,
            account=key.account if key else None,
            before=change.before,
            after=change.after,
            fault=cause.kind if cause else None,
            until=self._until(change),
            strikes=change.health.strikes,
            status=cause.status if cause else None,
            vendor_code=cause.vendor_code if cause else None,
            message=cause.message if cause else None,
            **change.fields,
        )

    def _until(self, change: Change) -> str | None:
        until = change.health.until
        if change.after is not State.RESTING or math.isinf(until):
            return None
        return iso(self._clock.wall() + until - self._clock.now())
