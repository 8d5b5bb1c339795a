"""A trial: one item with one prompt, asked once. From its place in the plan to its row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from router.engine.router import Router
from router.errors import CallError, ConfigError, InternalError, ItemRefused, Outcome
from router.evals.answers import parted
from router.evals.items import Item
from router.evals.marks import FILTERED, Mark
from router.evals.plan import Plan
from router.evals.prompts import Prompt, with_words
from router.evals.results import Row
from router.faults import Fault, Kind
from router.types import Attempt, Completion, Request, Usage


class Trial(NamedTuple):
    """What is asked: item, prompt, epoch, model and, where every provider is asked, which one. `id` names all of it.

    `model` is a name of `--model`, None where there is none; `only` names the providers that may be asked, None for
    any; `words` are said behind the question.
    """

    id: str
    item: Item
    prompt: Prompt
    epoch: int
    model: str | None = None
    provider: str | None = None
    only: frozenset[str] | None = None
    words: str = ""

    def request(self) -> Request:
        """What is sent; raises ConfigError where the prompt cannot take the item."""
        messages = self.prompt.ask(self.item)
        messages = with_words(messages, self.words) if self.words else messages
        return Request(messages, self.id, self.only, {**self.item.params, **self.prompt.params})


def trials(plan: Plan) -> Iterator[Trial]:
    """All trials in order: prompts, models and providers interleave, so that the time of day hits them alike."""
    one_prompt, one_epoch, one_model = len(plan.prompts) == 1, plan.epochs == 1, len(plan.models) <= 1
    routes = plan.routes
    words = plan.schema.instructions if plan.schema and plan.in_words else ""
    for item in plan.task.items():
        for epoch in range(1, plan.epochs + 1):
            for prompt in plan.prompts:
                for model, name in routes:
                    parts = (
                        "" if one_prompt else f"/{prompt.name}",
                        "" if one_epoch else f"@{epoch}",
                        "" if one_model else f"/{model}",
                        f"/{name}" if name else "",
                    )
                    only = frozenset({name}) if name else plan.only
                    yield Trial(item.id + "".join(parts), item, prompt, epoch, model, name, only, words)


class Settled(NamedTuple):
    """How a trial ended: its row, and the error where there is no answer, or no mark for it."""

    trial: Trial
    row: Row
    error: CallError | None


async def settle(trial: Trial, plan: Plan, router: Router) -> Settled:
    """Ask and score. Nothing is raised: whatever breaks on the way is the error of this trial alone."""
    outcome = await _asked(trial, plan, router)
    bills: list[float | None] = [*_bills(outcome)]
    mark = await _marked(trial, plan, router, outcome, bills)
    row = _row(trial, outcome, mark, _sum(bills), simulated=plan.config.simulated)
    return Settled(trial, row, mark.error)


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


async def _marked(trial: Trial, plan: Plan, router: Router, outcome: Outcome, bills: list[float | None]) -> Mark:
    if outcome.completion is None:
        return Mark("error", reason=_reason(outcome.error), error=outcome.error)

    async def ask(request: Request, model: str | None) -> Completion:
        # Before the items that are not begun: what is answered is to be marked, and kept.
        asked = replace(request, id=f"{trial.id}/judge")
        judged = await router.complete(asked, model=model, priority=-1, deadline=plan.deadline_s)
        bills.extend(_bills(Outcome(asked, judged)))
        return judged

    return await plan.marker_of(trial.prompt).mark(trial.item, outcome.completion, ask)


def _reason(error: CallError | None) -> str | None:
    """Why there is no answer; what a vendor's filter took has the same name whether it came as an answer or not."""
    if error is not None and error.fault is not None and error.fault.kind is Kind.CONTENT_FILTER:
        return FILTERED
    return error.reason if error else None


async def _asked(trial: Trial, plan: Plan, router: Router) -> Outcome:
    unsent = Request((), trial.id)
    try:
        request = trial.request()
    except ConfigError as error:
        why = f"not sent: {error}"
        return Outcome(unsent, error=ItemRefused(why, fault=Fault(Kind.BAD_REQUEST, why)))
    except Exception as defect:  # noqa: BLE001 - one item must not end all others
        return Outcome(unsent, error=InternalError.of(defect))
    return await router.outcome(request, model=trial.model, deadline=plan.deadline_s)


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
    )


def _nothing(provider: str, last: Attempt | None) -> Completion:
    """What was said where nothing was."""
    key, model = (last.key, last.model) if last else ("", "")
    return Completion("", provider, key, "", model, Usage(), "", 0.0, 0.0, ())
