"""A trial: one item with one prompt, asked once. From its place in the plan to its row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from router.engine.router import Router
from router.errors import CallError, ConfigError, InternalError, ItemRefused, Outcome
from router.evals.items import Item
from router.evals.plan import Plan
from router.evals.prompts import Prompt
from router.evals.results import Row
from router.evals.scorers import Score
from router.faults import Fault, Kind
from router.types import Request


class Trial(NamedTuple):
    """What is asked: item, prompt, epoch and, where every provider is asked, which one. `id` names all of it."""

    id: str
    item: Item
    prompt: Prompt
    epoch: int
    provider: str | None = None

    def request(self) -> Request:
        """What is sent; raises ConfigError where the prompt cannot take the item."""
        only = frozenset({self.provider}) if self.provider else None
        return Request(self.prompt.render(self.item.variables), self.id, only, self.prompt.params)


def trials(plan: Plan) -> Iterator[Trial]:
    """All trials in order: prompts and providers interleave, so that the time of day hits them alike."""
    one_prompt, one_epoch = len(plan.prompts) == 1, plan.epochs == 1
    everybody = tuple(provider.name for provider in plan.config.usable)
    whom: tuple[str | None, ...] = everybody if plan.across == "every" else (None,)
    for item in plan.task.items():
        for epoch in range(1, plan.epochs + 1):
            for prompt in plan.prompts:
                for name in whom:
                    parts = ("" if one_prompt else f"/{prompt.name}", "" if one_epoch else f"@{epoch}")
                    yield Trial(item.id + "".join(parts) + (f"/{name}" if name else ""), item, prompt, epoch, name)


class Settled(NamedTuple):
    """How a trial ended: its row, and the error where there is no answer."""

    trial: Trial
    row: Row
    error: CallError | None


async def settle(trial: Trial, plan: Plan, router: Router) -> Settled:
    """Ask and score. Nothing is raised: whatever breaks on the way is the error of this trial alone."""
    outcome = await _asked(trial, plan, router)
    score, error = None, outcome.error
    if outcome.completion is not None:
        try:
            score = plan.scorer_of(trial.prompt)(outcome.completion.text, trial.item.expected)
        except Exception as defect:  # noqa: BLE001 - the answer is paid for and kept
            error = InternalError.of(defect)
    return Settled(trial, _row(trial, outcome, score, error, simulated=plan.config.simulated), error)


async def _asked(trial: Trial, plan: Plan, router: Router) -> Outcome:
    unsent = Request((), trial.id)
    try:
        request = trial.request()
    except ConfigError as error:
        why = f"not sent: {error}"
        return Outcome(unsent, error=ItemRefused(why, fault=Fault(Kind.BAD_REQUEST, why)))
    except Exception as defect:  # noqa: BLE001 - one item must not end all others
        return Outcome(unsent, error=InternalError.of(defect))
    return await router.outcome(request, model=plan.model, deadline=plan.deadline_s)


def _row(trial: Trial, outcome: Outcome, score: Score | None, error: CallError | None, *, simulated: bool) -> Row:
    completion, attempts = outcome.completion, outcome.attempts
    last = attempts[-1] if attempts else None
    return Row(
        trial=trial.id,
        id=trial.item.id,
        epoch=trial.epoch,
        prompt=trial.prompt.name,
        provider=last.provider if last else trial.provider or "",
        key=last.key if last else "",
        model=completion.model if completion else last.model if last else "",
        outcome=score.outcome if score else "error",
        reason=error.reason if error else None,
        expected=trial.item.expected,
        answer=score.answer if score else None,
        response=completion.text if completion else "",
        fault=(error.fault.kind if error.fault else error.code) if error else None,
        attempts=len(attempts),
        latency_s=round(last.latency_s, 4) if last else None,
        waited_s=round(sum(attempt.waited_s for attempt in attempts), 4),
        tokens_in=completion.usage.tokens_in if completion else None,
        tokens_out=completion.usage.tokens_out if completion else None,
        cost_usd=completion.cost_usd if completion else None,
        finish_reason=completion.finish_reason if completion else "",
        simulated=simulated,
    )
