"""What an evaluation is to do: prompts, items, how often, with whom. Built by the command or by a program."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, NamedTuple

from router.config.models import Config
from router.errors import ConfigError
from router.evals.datasets import Item
from router.evals.prompts import Prompt
from router.evals.scorers import Scorer, get_scorer
from router.simulator.troubles import Trouble
from router.types import Json, Request

Across = Literal["spread", "every"]
"""`spread` gives each item to whichever provider can send first, `every` gives each item to every provider."""


@dataclass(frozen=True, slots=True)
class Task:
    """The items of an evaluation. `items` makes a fresh iterator each time; `total` is None where nobody counted."""

    name: str
    items: Callable[[], Iterator[Item]]
    variables: frozenset[str]
    total: int | None = None
    describes: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """One evaluation. Times in seconds; `rehearse` runs it against simulated vendors with their `troubles`."""

    config: Config
    prompts: tuple[Prompt, ...]
    task: Task
    log_dir: Path = Path("runs")
    epochs: int = 1
    model: str | None = None
    across: Across = "spread"
    scorer: str | None = None
    max_samples: int = 256
    deadline_s: float | None = None
    seed: int = 0
    rehearse: bool = False
    troubles: tuple[tuple[str, Trouble], ...] = ()

    def __post_init__(self) -> None:
        for prompt in self.prompts:
            prompt.check(self.task.variables)
        names = [prompt.name for prompt in self.prompts]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            paths = ", ".join(str(prompt.path) for prompt in self.prompts if prompt.name in twice)
            raise ConfigError(f"two prompts are called {twice[0]!r} ({paths}); rename one, results tell them by name")
        self._check_model()

    def _check_model(self) -> None:
        enabled = [provider for provider in self.config.providers if provider.enabled]
        if self.model is None or any(provider.model_for(self.model) for provider in enabled):
            return
        known = sorted({name for provider in enabled for name in provider.models})
        raise ConfigError(
            f"--model: no enabled provider of {self.config.path} has a model called {self.model!r}; "
            f"the names there are {', '.join(known)}"
        )

    @property
    def label(self) -> str:
        """The prompts' names, for the run's directory."""
        return "+".join(dict.fromkeys(prompt.name for prompt in self.prompts))

    def scorer_of(self, prompt: Prompt) -> Scorer:
        """The scorer asked for, or the prompt's own."""
        return get_scorer(self.scorer or prompt.scorer)

    def with_providers(self, names: tuple[str, ...]) -> Plan:
        """The same plan over some of the providers; raises ConfigError for a name that the file does not have."""
        known = [provider.name for provider in self.config.providers]
        if unknown := [name for name in names if name not in known]:
            raise ConfigError(
                f"--providers: {', '.join(unknown)} is not in {self.config.path}; it declares {', '.join(known)}"
            )
        providers = tuple(provider for provider in self.config.providers if provider.name in names)
        if not any(provider.enabled for provider in providers):
            raise ConfigError(
                f"--providers: {', '.join(names)} is `enabled: false` in {self.config.path}; enable it there"
            )
        return replace(self, config=replace(self.config, providers=providers))


class Trial(NamedTuple):
    """One item with one prompt, one epoch and, where every provider is asked, one provider."""

    item: Item
    prompt: Prompt
    epoch: int
    request: Request


def trials(plan: Plan, providers: tuple[str, ...]) -> Iterator[Trial]:
    """All trials in order: prompts and providers interleave, so that the time of day hits them alike."""
    one_prompt, one_epoch = len(plan.prompts) == 1, plan.epochs == 1
    whom: tuple[str | None, ...] = providers if plan.across == "every" else (None,)
    for item in plan.task.items():
        for epoch in range(1, plan.epochs + 1):
            for prompt in plan.prompts:
                messages = prompt.render(item.variables)
                for name in whom:
                    parts = ("" if one_prompt else f"/{prompt.name}", "" if one_epoch else f"@{epoch}")
                    id_ = item.id + "".join(parts) + (f"/{name}" if name else "")
                    only = frozenset({name}) if name else None
                    yield Trial(item, prompt, epoch, Request(messages, id_, only, prompt.params))
