"""Short hashes of what a row answers, by which a resumed run sees what has changed since."""

from __future__ import annotations

import hashlib
from typing import NamedTuple, Self

from router.errors import ConfigError
from router.evals.judge import JudgeScorer
from router.evals.marks import Marker
from router.evals.plan import Plan
from router.evals.trials import Trial
from router.jsonl import encode
from router.types import Request

_SIZE = 4


class Fingerprint(NamedTuple):
    """Hashes of the prompt, the messages, the parameters, LiteLLM's name of the model, and how the answer is marked.

    A part is empty where there is nothing to tell: nobody was asked, or the messages cannot be made.
    """

    prompt: str = ""
    question: str = ""
    parameters: str = ""
    model: str = ""
    marking: str = ""

    def __str__(self) -> str:
        return "-".join(self)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read it from a row; a row of an earlier version has none, and nothing in it differs from anything."""
        parts = text.split("-")
        return cls(*parts) if len(parts) == len(cls._fields) else cls()

    def changed(self, now: Self) -> tuple[str, ...]:
        """The parts that are others now, as far as can be told; messages that could not be made before are."""
        could_not = any(self) and not self.question
        parts = zip(self._fields, self, now, strict=True)
        return tuple(
            name
            for name, before, after in parts
            if after and before != after and (before or (name == "question" and could_not))
        )


def fingerprint(trial: Trial, request: Request | None, plan: Plan, provider: str) -> Fingerprint:
    """What a trial asks of a provider: `request` is what it sends, None where that cannot be made."""
    whom = next((each for each in plan.config.providers if each.name == provider), None)
    model = whom.model_for(trial.model) if whom else None
    own = request.params if request else {}
    return Fingerprint(
        _hash(([turn.text.source for turn in trial.prompt.turns], trial.words)),
        _hash(request.messages) if request else "",
        _hash(sorted({**whom.params_of(model), **own}.items())) if whom and model else "",
        _hash(model) if model else "",
        _hash(_marking(trial, plan.marker_of(trial.prompt))),
    )


def fingerprint_now(trial: Trial, plan: Plan, provider: str) -> Fingerprint:
    """The same for a trial that is not to be asked."""
    try:
        request = trial.request()
    except ConfigError:
        request = None
    return fingerprint(trial, request, plan, provider)


def _marking(trial: Trial, marker: Marker) -> object:
    item, scorer = trial.item, marker.scorer
    judge = scorer.prompt.sha256 if isinstance(scorer, JudgeScorer) else ""
    schema = marker.schema.sha256 if marker.schema else ""
    return scorer.name, judge, schema, item.accepted, item.choice, item.choices


def _hash(value: object) -> str:
    return hashlib.blake2b(encode(value), digest_size=_SIZE).hexdigest()
