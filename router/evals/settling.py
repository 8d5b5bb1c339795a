"""Turns a trial into its row: asks, receives the answer, and scores it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from router.errors import CallError, ConfigError, InternalError, ItemRefused, Outcome
from router.evals.answers import parted
from router.evals.asking import ANYWHERE, Asker, At
from router.evals.fingerprint import Fingerprint, fingerprint
from router.evals.marks import FILTERED, Mark, completion_of, marked_row
from router.evals.plan import Plan
from router.evals.results import Row
from router.evals.trials import Trial
from router.faults import Fault, Kind
from router.types import Attempt, Completion, Request, Usage


class Settled(NamedTuple):
    """How a trial ended: its row, and the error where there is no answer, or no mark for it."""

    trial: Trial
    row: Row
    error: CallError | None


async def settle(trial: Trial, plan: Plan, asker: Asker, at: At = ANYWHERE) -> Settled:
    """Ask, where that matters `at` a place, and score.

    Nothing is raised: whatever breaks on the way is the error of this trial alone.
    """
    request, outcome = await _asked(trial, plan, asker, at)
    bills: list[float | None] = [*_bills(outcome)]
    mark = await _mark_of(trial, plan, asker, outcome, bills)
    row = _row(trial, outcome, mark, _sum(bills), simulated=plan.config.simulated)
    print_ = fingerprint(trial, request, plan, row.provider)
    return Settled(trial, replace(row, fingerprint=str(print_)), mark.error)


async def mark_again(trial: Trial, row: Row, plan: Plan, asker: Asker) -> Settled:
    """Mark the answer that a row keeps, without a call to whom it came from. Nothing is raised."""
    bills = [row.cost_usd]
    mark = await _mark(trial, plan, asker, completion_of(row), bills)
    print_ = Fingerprint.parse(row.fingerprint)._replace(marking=fingerprint(trial, None, plan, "").marking)
    again = replace(marked_row(row, mark), cost_usd=_sum(bills), expected=trial.item.expected)
    return Settled(trial, replace(again, fingerprint=str(print_)), mark.error)


def _bills(outcome: Outcome) -> Iterator[float | None]:
    """What was paid for an answer: itself, and every call before it that failed and was charged all the same."""
    if outcome.completion is not None:
        yield outcome.completion.cost_usd
    for attempt in outcome.attempts:
        if attempt.fault is not None and attempt.fault.cost_usd is not None:
            yield attempt.fault.cost_usd


def _sum(bills: Sequence[float | None]) -> float | None:
    """All of them, None where there is none, or one is not known."""
    known = [bill for bill in bills if bill is not None]
    return sum(known) if known and len(known) == len(bills) else None


async def _mark_of(trial: Trial, plan: Plan, asker: Asker, outcome: Outcome, bills: list[float | None]) -> Mark:
    if outcome.completion is None:
        return Mark("error", reason=_reason(outcome.error), error=outcome.error)
    return await _mark(trial, plan, asker, outcome.completion, bills)


async def _mark(trial: Trial, plan: Plan, asker: Asker, completion: Completion, bills: list[float | None]) -> Mark:
    async def ask(request: Request, model: str | None) -> Completion:
        # Before the items that are not begun: what is answered is to be marked, and kept.
        asked = replace(request, id=f"{trial.id}/judge")
        judged = await asker.complete(asked, model=model, epoch=trial.epoch, priority=-1, deadline=plan.deadline_s)
        bills.extend(_bills(Outcome(asked, judged)))
        return judged

    return await plan.marker_of(trial.prompt).mark(trial.item, completion, ask)


def _reason(error: CallError | None) -> str | None:
    """Why there is no answer; what a vendor's filter took has the same name whether it came as an answer or not."""
    if error is not None and error.fault is not None and error.fault.kind is Kind.CONTENT_FILTER:
        return FILTERED
    return error.reason if error else None


async def _asked(trial: Trial, plan: Plan, asker: Asker, at: At) -> tuple[Request | None, Outcome]:
    unsent = Request((), trial.id)
    try:
        request = trial.request()
    except ConfigError as error:
        why = f"not sent: {error}"
        return None, Outcome(unsent, error=ItemRefused(why, fault=Fault(Kind.BAD_REQUEST, why)))
    except Exception as defect:  # noqa: BLE001 - one item must not end all others
        return None, Outcome(unsent, error=InternalError.of(defect))
    # What is begun is to be ended, before other items are begun.
    priority = -1 if at.provider else 0
    return request, await asker.outcome(
        request, model=trial.model, epoch=trial.epoch, deadline=plan.deadline_s, priority=priority, at=at
    )


def _row(trial: Trial, outcome: Outcome, mark: Mark, cost_usd: float | None, *, simulated: bool) -> Row:
    completion, attempts, error = outcome.completion, outcome.attempts, mark.error
    last = attempts[-1] if attempts else None
    said = completion or _nothing(last.provider if last else trial.provider or "", last)
    return Row(
        trial=trial.id,
        id=trial.item.id,
        epoch=trial.epoch,
        prompt=trial.prompt.name,
        provider=said.provider,
        key=said.key,
        model=said.model,
        asked_model=trial.model,
        outcome=mark.outcome,
        reason=mark.reason,
        score=mark.score,
        why=mark.why,
        expected=trial.item.expected,
        answer=mark.answer,
        response=said.text or str(said.message.get("refusal") or ""),
        reasoning=said.reasoning or parted(said.text)[1],
        fault=(error.fault.kind if error.fault else error.code) if error else None,
        attempts=len(attempts),
        latency_s=round(last.latency_s, 4) if last else None,
        waited_s=round(sum(attempt.waited_s for attempt in attempts), 4),
        tokens_in=said.usage.tokens_in,
        tokens_cached=said.usage.tokens_cached,
        tokens_reasoning=said.usage.tokens_reasoning,
        tokens_out=said.usage.tokens_out,
        cost_usd=cost_usd,
        finish_reason=said.finish_reason,
        simulated=simulated,
        cached=completion is not None and not attempts,
    )


def _nothing(provider: str, last: Attempt | None) -> Completion:
    """What was said where nothing was."""
    key, model = (last.key, last.model) if last else ("", "")
    return Completion("", provider, key, "", model, Usage(), "", 0.0, 0.0, ())
