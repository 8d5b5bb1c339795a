"""Estimates the calls of an evaluation before any is sent, from its questions and from assumptions."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp
from statistics import fmean

from router.config.models import Config, Provider
from router.engine.tokens import REPLY_TOKENS, estimate
from router.errors import ConfigError
from router.evals.forecast import Work
from router.evals.items import text_of
from router.evals.judge import JudgeScorer
from router.evals.plan import Plan
from router.evals.supplies import Estimate
from router.evals.trials import trials
from router.simulator.arithmetic import reply
from router.simulator.endpoint import Endpoint
from router.simulator.rehearsal import rehearsed, specs_for
from router.simulator.spec import VendorSpec
from router.types import Json, Request

SAMPLED = 1000
LATENCY_S = 2.0
"""What a call of a model that does not think is taken to last, where nobody says otherwise."""
CEILINGS = ("max_tokens", "max_completion_tokens")


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What nobody can know from a file; None where it is to be guessed."""

    tokens_out: int | None = None
    latency_s: float | None = None


def works(plan: Plan) -> tuple[Work, ...]:
    """The calls of a plan; a judge asks once more for each answer. Raises ConfigError where items are not counted."""
    if plan.task.total is None:
        raise ConfigError(f"{plan.task.name}: the number of items is not known")
    return tuple(_works(plan, plan.task.total * plan.epochs))


def _works(plan: Plan, asked: int) -> Iterator[Work]:
    for number, (model, provider) in enumerate(plan.routes):
        names = frozenset({provider}) if provider else _able(plan, plan.asked, model)
        yield Work(f"route {number}", asked * len(plan.prompts), names, model)
    judges = [scorer.prompt for scorer in plan.scorers.values() if isinstance(scorer, JudgeScorer)]
    for number, judge in enumerate(judges):
        named = (judge.provider,) if judge.provider else tuple(each.name for each in plan.config.usable)
        yield Work(f"judge {number}", asked * len(plan.routes), _able(plan, named, judge.model), judge.model)


def _able(plan: Plan, names: Sequence[str], model: str | None) -> frozenset[str]:
    return frozenset(each.name for each in plan.config.usable if each.name in names and each.model_for(model))


def estimates(plan: Plan, assumed: Assumptions) -> Mapping[str, Estimate]:
    """What a call is taken to be at each provider, in the mean over a sample of the questions."""
    asked = list(_sample(plan))
    return {provider.name: _estimate(provider, plan, asked, assumed) for provider in plan.config.usable}


def _sample(plan: Plan) -> Iterator[Request]:
    """Some SAMPLED of the requests, drawn by the seed."""
    share, rng = SAMPLED / max(1, plan.total or 0), random.Random(plan.seed)
    for trial in trials(plan):
        if rng.random() < share:
            try:
                yield trial.request()
            except ConfigError:
                continue  # it will be an error of this item, and cost nothing


def _estimate(provider: Provider, plan: Plan, asked: Sequence[Request], assumed: Assumptions) -> Estimate:
    is_simulated = plan.config.simulated
    into = [estimate(replace(each, params={"max_tokens": 0})).total for each in asked]
    out = [_tokens_out(provider, each, plan) for each in asked] if assumed.tokens_out is None else [assumed.tokens_out]
    latency_s = assumed.latency_s or (_simulated_latency_s() if is_simulated else LATENCY_S)
    return Estimate(
        fmean(into or [0]), fmean(out or [0]), latency_s, fmean([estimate(each).total for each in asked] or [0])
    )


def _tokens_out(provider: Provider, request: Request, plan: Plan) -> int:
    if plan.config.simulated:
        return _simulated_reply(provider.name, request, plan.seed)
    return ceiling({**provider.params, **request.params}) or REPLY_TOKENS


def ceiling(params: Mapping[str, Json]) -> int | None:
    """The ceiling that parameters put on a reply, in tokens."""
    return next((value for name in CEILINGS if isinstance(value := params.get(name), int)), None)


def _simulated_reply(name: str, request: Request, seed: int) -> int:
    """How many tokens the simulated vendor will say: it says the same every time."""
    texts = [text_of(message) for message in request.messages]
    said = reply(texts[-1], "\n".join(texts), accuracy=VendorSpec(name).accuracy, seed=seed, name=name)
    return len(said.encode()) // 3 + 1


def _simulated_latency_s() -> float:
    spec = VendorSpec("")
    return spec.latency_median_s * exp(spec.latency_sigma**2 / 2)


def told(plan: Plan, assumed: Assumptions, expected: Mapping[str, Estimate]) -> tuple[str, ...]:
    """In words what was assumed, and how to say otherwise."""
    into = fmean(each.tokens_in for each in expected.values()) if expected else 0.0
    out = fmean(each.tokens_out for each in expected.values()) if expected else 0.0
    latency_s = fmean(each.latency_s for each in expected.values()) if expected else 0.0
    simulated = " of a simulated vendor" if plan.config.simulated else ""
    return (
        f"{into:.0f} tokens in, the mean of {_drawn(plan)}",
        f"{out:.0f} tokens out, {_source(plan, assumed)}",
        f"{latency_s:.2g} s a call{simulated or ' (--latency)'}",
        "no failures, nothing in caches, nothing used of daily caps",
    )


def _drawn(plan: Plan) -> str:
    return f"{SAMPLED} drawn questions" if (plan.total or 0) > SAMPLED else "all questions"


def _source(plan: Plan, assumed: Assumptions) -> str:
    if assumed.tokens_out is not None:
        return "by --tokens-out"
    if plan.config.simulated:
        return "of a simulated vendor"
    return f"max_tokens where it is set, else {REPLY_TOKENS} (--tokens-out)"


def with_all_keys(config: Config, *, simulated: bool) -> Config:
    """The configuration as if every key were set, for a rehearsal or for a plan before there are any."""
    specs = specs_for(config, 0)
    rehearsal = rehearsed(config, specs, [Endpoint(spec.name, spec.dialect, "http://127.0.0.1:9") for spec in specs])
    pairs = zip(config.providers, rehearsal.providers, strict=True)
    return replace(config, providers=tuple(replace(mine, keys=its.keys) for mine, its in pairs), simulated=simulated)
