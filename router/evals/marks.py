"""Marks: what becomes of an answer, and why there is no verdict where there is none."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from router.errors import CallError, ConfigError, InternalError
from router.evals.items import Item
from router.evals.judge import judge
from router.evals.prompts import Prompt
from router.evals.python_scorer import python_scorer
from router.evals.results import Row, Verdict
from router.evals.schemas import Schema
from router.evals.scorers import PLAIN, WITH_ARGUMENT
from router.evals.scores import Ask, Score, Scorer, ScorerFailed
from router.suggest import did_you_mean
from router.types import Answer, Completion, Usage

KNOWN = (
    *PLAIN,
    "json:FIELD",
    "exact:ignore_case,whitespace",
    "regex:PATTERN",
    "python:MODULE:FUNCTION",
    "judge:PROMPT",
)
FILTERED = "filtered"
_CUT_SHORT = frozenset({"length", "max_tokens", "MAX_TOKENS"})
_FILTER_ENDS = frozenset(
    {"content_filter", "content_filtered", "guardrail_intervened", "SAFETY", "RECITATION", "BLOCKLIST"}
)
REFUSED = "refused"
_REFUSAL = "refusal"


@functools.lru_cache(maxsize=64)
def scorer_named(name: str, directory: Path = Path()) -> Scorer:
    """The scorer called so, its files looked for in `directory`; raises ConfigError naming the nearest."""
    if name in PLAIN:
        return PLAIN[name]
    kind, colon, argument = name.partition(":")
    if colon and argument:
        if kind in WITH_ARGUMENT:
            return WITH_ARGUMENT[kind](name, argument)
        if kind == "python":
            return python_scorer(name, argument, directory)
        if kind == "judge":
            return judge(name, argument, directory)
    # Only the word before a colon is compared, lest a long pattern hide it.
    close = did_you_mean(kind, [*PLAIN, *WITH_ARGUMENT, "python", "judge"])
    raise ConfigError(f"there is no scorer {name!r}{close} (known: {', '.join(KNOWN)})")


def scorer_of(prompt: Prompt, name: str | None = None) -> Scorer:
    """The scorer called `name`, or the prompt's own; raises ConfigError naming the prompt's line."""
    if name is not None:
        return scorer_named(name)
    try:
        return scorer_named(prompt.scorer, prompt.path.parent)
    except ConfigError as error:
        raise ConfigError(f"{prompt.path}:{prompt.scorer_line}: {error}") from None


class Mark(NamedTuple):
    """What becomes of an answer: `score` is None where nobody marked it, `why` is for people."""

    outcome: Verdict
    score: float | None = None
    answer: str | None = None
    reason: str | None = None
    why: str = ""
    error: CallError | None = None


@dataclass(frozen=True, slots=True)
class Marker:
    """Marks answers by a scorer and, where there is one, a schema that they must keep."""

    scorer: Scorer
    schema: Schema | None = None

    async def mark(self, item: Item, completion: Completion, ask: Ask) -> Mark:
        """The mark of an answer; whatever breaks is an error of this mark and of no other."""
        try:
            return await self._mark(item, completion, ask)
        except ScorerFailed as failed:
            return Mark("error", reason=failed.reason, why=str(failed), error=failed)
        except Exception as defect:  # noqa: BLE001 - the answer is paid for and kept
            met = InternalError.of(defect)
            return Mark("error", reason=met.reason, why=str(met), error=met)

    async def _mark(self, item: Item, completion: Completion, ask: Ask) -> Mark:
        shortfall = shortfall_of(completion)
        if shortfall == REFUSED:
            return Mark("unparsable", 0.0, reason=REFUSED)
        if self.schema is not None and (why := self.schema.violation(completion.text)):
            return Mark("unparsable", 0.0, reason=shortfall or "schema", why=why)
        if self.scorer.needs_gold and not item.accepted:
            return Mark("unscored", reason=shortfall)
        return self._verdict(await self.scorer.score(item, completion, ask), shortfall)

    def _verdict(self, score: Score, shortfall: str | None) -> Mark:
        is_cut = shortfall == "truncated" and self.scorer.reads_end and score.outcome == "wrong"
        if score.answer is None or is_cut:
            return Mark("unparsable", 0.0, None, shortfall or "no_answer", score.explanation)
        return Mark(score.outcome, score.value, score.answer, None, score.explanation)


def shortfall_of(completion: Completion) -> str | None:
    """Why an answer may not be a whole one, by the vendor's own word: `truncated`, `filtered`, `refused`, or None."""
    if completion.finish_reason in _CUT_SHORT:
        return "truncated"
    if completion.finish_reason in _FILTER_ENDS:
        return FILTERED
    if completion.finish_reason == _REFUSAL or completion.message.get(_REFUSAL):
        return REFUSED
    return None


# --- what a row keeps -----------------------------------------------------------------------------


def completion_of(row: Row) -> Completion:
    """The answer that a row keeps, without what only the vendor's reply had."""
    usage = Usage(row.tokens_in, row.tokens_out, row.tokens_cached, row.tokens_reasoning)
    message = {"role": "assistant", "content": row.response, **_refusal(row)}
    answer = Answer(row.response, usage, row.finish_reason, row.model, reasoning=row.reasoning, message=message)
    latency_s = row.latency_s or 0.0
    return Completion(
        row.response, row.provider, row.key, "", row.model, usage, row.finish_reason, latency_s, row.waited_s, (),
        row.cost_usd, answer,
    )  # fmt: skip


def _refusal(row: Row) -> dict[str, str]:
    return {"refusal": row.response} if row.reason == "refused" else {}


def marked_row(row: Row, mark: Mark) -> Row:
    """The same answer with another mark."""
    return replace(
        row,
        outcome=mark.outcome,
        reason=mark.reason,
        score=mark.score,
        why=mark.why,
        answer=mark.answer,
        fault=mark.error.code if mark.error else None,
    )
