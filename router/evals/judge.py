"""A model grades: the scorer `judge:PROMPT` asks through the run's own router."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from router.errors import CallError, ConfigError, Stopped
from router.evals.answers import last_object_with, number_in, without_thinking
from router.evals.items import Item
from router.evals.prompts import Prompt, load
from router.evals.scores import Ask, MarkingStopped, Score, ScorerFailed
from router.types import Completion, Request

VARIABLES = frozenset({"question", "expected", "answer", "reasoning"})
"""What a judge's prompt may name beside the fields of the item; `answer` is what is to be graded."""
_WORDS = {"true": 1.0, "right": 1.0, "correct": 1.0, "false": 0.0, "wrong": 0.0, "incorrect": 0.0}
_FORM = '{"score": …} with a number from 0 to 1, true or false'


@dataclass(frozen=True, slots=True)
class JudgeScorer:
    """Has each answer graded by a model; an answer that the judge says nothing usable about gets no mark."""

    name: str
    prompt: Prompt
    lacks: str = "text"
    wants: str = ""
    needs_gold: bool = False
    reads_end: bool = False

    def ideal(self, item: Item) -> str | None:  # noqa: ARG002 - what a judge likes, it alone knows
        """Nobody can say."""
        return None

    async def score(self, item: Item, completion: Completion, ask: Ask) -> Score:
        """Ask the judge; raises ScorerFailed where it cannot be asked or does not grade."""
        answer = without_thinking(completion.text).strip()
        if not answer:
            return Score(0.0, None)
        try:
            said = await ask(self._request(item, answer, completion), self.prompt.model)
        except Stopped as error:
            raise MarkingStopped(f"the judge of {self.prompt.path} was not asked: {error}") from error
        except (CallError, ConfigError) as error:
            raise ScorerFailed(f"the judge of {self.prompt.path} could not be asked: {error}") from error
        return Score(self._grade(said.text), answer, without_thinking(said.text).strip())

    def _request(self, item: Item, answer: str, completion: Completion) -> Request:
        values = {
            **item.variables,
            "question": item.question,
            "expected": item.expected or "",
            "answer": answer,
            "reasoning": getattr(completion, "reasoning", ""),
        }
        only = frozenset({self.prompt.provider}) if self.prompt.provider else None
        return Request(self.prompt.render(values), "", only, self.prompt.params)

    def _grade(self, text: str) -> float:
        holder = last_object_with("score", without_thinking(text))
        value = str(holder["score"]).strip().lower() if holder else ""
        number = number_in(value)
        grade = _WORDS.get(value, float(number) if number is not None else None)
        if grade is None or not 0 <= grade <= 1:
            raise ScorerFailed(
                f"the judge of {self.prompt.path} did not answer with {_FORM}; it answered {text[:200]!r}"
            )
        return grade


def judge(name: str, argument: str, directory: Path) -> JudgeScorer:
    """The scorer `judge:PROMPT`, whose prompt is looked for in `directory`; raises ConfigError."""
    prompt = load(directory / argument)
    if '"score"' not in "".join(turn.text.source for turn in prompt.turns):
        raise ConfigError(f"{prompt.path}: the prompt of a judge must ask for an answer such as {_FORM}")
    return JudgeScorer(name, prompt)
