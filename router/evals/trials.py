"""A trial: one item with one prompt, asked once; and all trials of a plan, in order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from router.evals.items import Item
from router.evals.plan import Plan
from router.evals.prompts import Prompt, with_words
from router.types import Request


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
            for model, name in routes:
                for prompt in plan.prompts:
                    parts = (
                        "" if one_prompt else f"/{prompt.name}",
                        "" if one_epoch else f"@{epoch}",
                        "" if one_model else f"/{model}",
                        f"/{name}" if name else "",
                    )
                    only = frozenset({name}) if name else plan.only
                    yield Trial(item.id + "".join(parts), item, prompt, epoch, model, name, only, words)
