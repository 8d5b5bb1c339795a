"""What an evaluation is to do: prompts, items, how often, with whom. Built by the command or by a program."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from router.config.models import Config
from router.errors import ConfigError
from router.evals.items import Item
from router.evals.prompts import Prompt, render_in_time
from router.evals.scorers import Scorer, get_scorer
from router.types import Json, Message

Across = Literal["spread", "every"]
"""`spread` gives each item to whichever provider can send first, `every` gives each item to every provider."""


@dataclass(frozen=True, slots=True)
class Task:
    """The items of an evaluation. `items` makes a fresh iterator each time; `total` is None where nobody counted.

    `notes` are sentences that a person should see, such as that rows were skipped.
    """

    name: str
    items: Callable[[], Iterator[Item]]
    variables: frozenset[str]
    total: int | None = None
    describes: Mapping[str, Json] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """One evaluation. Times in seconds; `notes` are sentences that screens and the summary are to show.

    A run ends where nothing can be sent for longer than `max_wait_s`.
    """

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
    max_wait_s: float = 900.0
    seed: int = 0
    notes: tuple[str, ...] = ()

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

    @property
    def total(self) -> int | None:
        """How many trials there will be, None where nobody counted the items."""
        providers = len(self.config.usable) if self.across == "every" else 1
        items = self.task.total
        return None if items is None else items * self.epochs * len(self.prompts) * providers

    def try_out(self) -> Mapping[str, tuple[Message, ...]]:
        """The messages of the first item by prompt; raises ConfigError where it cannot be rendered, or not in time."""
        first = next(self.task.items(), None)
        return {prompt.name: render_in_time(prompt, first.variables) for prompt in self.prompts} if first else {}

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
