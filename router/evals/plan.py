"""What an evaluation is to do: prompts, items, how often, with whom. Built by the command or by a program."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, NamedTuple

from router.config.models import Config, Provider
from router.errors import ConfigError
from router.evals.items import Item
from router.evals.judge import VARIABLES, JudgeScorer
from router.evals.marks import Marker, scorer_of
from router.evals.models import refuse
from router.evals.prompts import Prompt, with_words
from router.evals.schemas import Schema
from router.evals.scores import Scorer
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


class Route(NamedTuple):
    """With which of the named models an item is asked, and at which provider; None leaves it open."""

    model: str | None = None
    provider: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """One evaluation. Times in seconds; `notes` are sentences that screens and the summary are to show.

    Every item goes to each of `models`, names that some provider has; none means the first of each provider.
    A run ends where nothing can be sent for longer than `max_wait_s`, and where more would cost above `max_cost_usd`
    (dollars). `only` names the providers that items go to, None for all; the others may be asked to judge. Answers must
    keep `schema`, which stands in the messages, too, where `in_words` says so; `sent` is what providers are sent for
    such wishes, for run.json. `resume` is the directory of a run to go on with, whose errors are asked again with
    `retry_errors`; `command` are the arguments of this plan. `cache` is the file in which answers are kept over runs.
    """

    config: Config
    prompts: tuple[Prompt, ...]
    task: Task
    log_dir: Path = Path("runs")
    epochs: int = 1
    models: tuple[str, ...] = ()
    across: Across = "spread"
    scorer: str | None = None
    max_samples: int = 256
    deadline_s: float | None = None
    max_wait_s: float = 900.0
    max_cost_usd: float | None = None
    seed: int = 0
    schema: Schema | None = None
    in_words: bool = False
    sent: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    only: frozenset[str] | None = None
    notes: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    resume: Path | None = None
    retry_errors: bool = False
    cache: Path | None = None

    def __post_init__(self) -> None:
        for prompt in self.prompts:
            prompt.check(self.task.variables)
        names = [prompt.name for prompt in self.prompts]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            paths = ", ".join(str(prompt.path) for prompt in self.prompts if prompt.name in twice)
            raise ConfigError(
                f"two prompts are called {twice[0]!r} ({paths}); rename one: results refer to prompts by name"
            )
        for name in self.models:
            self._check_model("--model", name)
        for prompt in self.prompts:
            self._check_scorer(prompt)

    def _check_scorer(self, prompt: Prompt) -> None:
        """Raise ConfigError for a scorer that is none, or a judge who cannot be asked."""
        scorer = self.marker_of(prompt).scorer
        for name, value in (("provider", prompt.provider), ("model", prompt.model)):
            if value is not None:
                raise ConfigError(f"{prompt.path}: {name} in front matter is for a judge's prompt; use --{name} here")
        if isinstance(scorer, JudgeScorer):
            scorer.prompt.check(self.task.variables | VARIABLES)
            self._check_model(f"{scorer.prompt.path}: model", scorer.prompt.model)
            if scorer.prompt.provider is not None:
                self._check_providers((scorer.prompt.provider,), f"{scorer.prompt.path}: provider")

    def _check_model(self, place: str, model: str | None) -> None:
        if model is not None and not any(each.model_for(model) for each in self.config.providers if each.enabled):
            refuse(self.config, model, place)

    @property
    def label(self) -> str:
        """The prompts' names, for the run's directory."""
        return "+".join(dict.fromkeys(prompt.name for prompt in self.prompts))

    def marker_of(self, prompt: Prompt) -> Marker:
        """Marks the answers to a prompt, by the scorer asked for or the prompt's own."""
        return Marker(scorer_of(prompt, self.scorer), self.schema)

    @property
    def scorers(self) -> Mapping[str, Scorer]:
        """Every prompt's scorer by the prompt's name."""
        return {prompt.name: self.marker_of(prompt).scorer for prompt in self.prompts}

    @property
    def total(self) -> int | None:
        """How many trials there will be, None where nobody counted the items."""
        items = self.task.total
        return None if items is None else items * self.epochs * len(self.prompts) * len(self.routes)

    def try_out(self) -> Mapping[str, tuple[Message, ...]]:
        """The messages of the first item by prompt; raises ConfigError where it cannot be rendered."""
        first = next(self.task.items(), None)
        words = self.schema.instructions if self.schema and self.in_words else ""
        asked = {prompt.name: prompt.ask(first) for prompt in self.prompts} if first else {}
        return {name: with_words(messages, words) if words else messages for name, messages in asked.items()}

    @property
    def routes(self) -> tuple[Route, ...]:
        """Every way that each item goes: with which model and, where every provider is asked, to which of them."""
        if self.across == "spread":
            return tuple(Route(model) for model in self.models or (None,))
        return tuple(
            Route(model, each.name)
            for model in self.models or (None,)
            for each in self._takers
            if each.model_for(model) is not None
        )

    @property
    def asked(self) -> tuple[str, ...]:
        """The providers that items go to."""
        models = self.models or (None,)
        return tuple(each.name for each in self._takers if any(each.model_for(model) for model in models))

    @property
    def _takers(self) -> tuple[Provider, ...]:
        return tuple(each for each in self.config.usable if self.only is None or each.name in self.only)

    def require_takers(self) -> None:
        """Raise ConfigError where nobody, or for some model nobody, takes part."""
        if not self.config.usable:
            raise ConfigError(_nobody(self.config, "no provider can take part", self.config.left_out))
        for model in self.models:
            if not any(each.model_for(model) for each in self._takers):
                having = [each for each in self.config.left_out if each.model_for(model)]
                raise ConfigError(_nobody(self.config, f"no provider that takes part has the model {model!r}", having))

    def with_providers(self, names: tuple[str, ...]) -> Plan:
        """The same plan over some of the providers; raises ConfigError for a name that the file does not have.

        A provider that only judges stays, and is asked for nothing else.
        """
        self._check_providers(names, "--providers")
        judges = {scorer.prompt.provider for scorer in self.scorers.values() if isinstance(scorer, JudgeScorer)}
        providers = tuple(each for each in self.config.providers if each.name in names or each.name in judges)
        only = None if judges <= {*names, None} else frozenset(names)
        return replace(self, config=replace(self.config, providers=providers), only=only)

    def _check_providers(self, names: tuple[str, ...], place: str) -> None:
        known = [provider.name for provider in self.config.providers]
        if unknown := [name for name in names if name not in known]:
            raise ConfigError(
                f"{place}: {', '.join(unknown)} is not in {self.config.path}; it declares {', '.join(known)}"
            )
        if not any(provider.enabled for provider in self.config.providers if provider.name in names):
            raise ConfigError(f"{place}: {', '.join(names)} is `enabled: false` in {self.config.path}; enable it there")


def _nobody(config: Config, what: str, left_out: Iterable[Provider]) -> str:
    reasons = "; ".join(f"{provider.name}: {provider.why_left_out}" for provider in left_out)
    return (
        f"{config.path}: {what} ({reasons}). Set a key in the environment or in "
        f"{config.path.parent / '.env'}, or rehearse with --rehearse"
    )
