"""`router plan`: what an evaluation will take, before it spends anything."""

from __future__ import annotations

import shutil
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from router.cli import eval_options as options
from router.cli.eval_options import Across, BadRows, option
from router.cli.options import wants_color
from router.cli.planning import planned, seconds_of
from router.cli.streams import put

if TYPE_CHECKING:
    from router.evals import Plan
    from router.evals.detection import Detection
    from router.evals.expectations import Assumptions
    from router.evals.forecast import Forecast


def plan(
    prompts: options.Prompts = None,
    config: options.ConfigFile = None,
    data: options.Data = None,
    mapped: options.Mapped = None,
    bad_rows: options.OfBadRows = BadRows.REFUSE,
    limit: options.Limit = None,
    shuffle: options.Shuffle = False,
    ops: options.Ops = 2,
    seed: options.Seed = 0,
    epochs: options.Epochs = 1,
    model: options.Model = None,
    providers: options.Providers = None,
    across: options.OfAcross = Across.SPREAD,
    scorer: options.Scorer = None,
    reasoning: options.Reasoning = None,
    schema: options.SchemaFile = None,
    max_samples: options.MaxSamples = 256,
    max_wait: options.MaxWait = "15min",
    max_cost: options.MaxCost = None,
    rehearse: options.Rehearse = None,
    tokens_out: Annotated[
        int | None, option("--tokens-out", "Tokens of an answer. [max_tokens, else 256]", min_=0)
    ] = None,
    latency: Annotated[str | None, option("--latency", "How long a call lasts. [2s]")] = None,
    detect: Annotated[
        float | None,
        option(
            "--detect", "Say how many items a difference between prompts needs: 0.05 is 5 points.", min_=0.0001, max_=1
        ),
    ] = None,
    accuracy: Annotated[
        float, option("--accuracy", "With --detect: what the worse prompt has, about.", min_=0, max_=1)
    ] = 0.8,
    json: Annotated[bool, typer.Option("--json", help="Print the plan as JSON on stdout.")] = False,
) -> int:
    """Say what an evaluation will take, and send nothing: time, money, bottleneck, daily caps."""
    from router.evals.expectations import Assumptions
    from router.evals.money import purse_of

    asked = planned(
        prompts=prompts or [],
        config=config,
        data=data,
        mapped=mapped or [],
        bad_rows=bad_rows,
        limit=limit,
        shuffle=shuffle,
        ops=ops,
        seed=seed,
        epochs=epochs,
        model=model,
        providers=providers,
        across=across,
        scorer=scorer,
        reasoning=reasoning,
        schema=schema,
        max_samples=max_samples,
        attempts=None,
        timeout=None,
        deadline=None,
        max_wait=max_wait,
        max_cost=max_cost,
        log_dir=Path("runs"),
    )
    asked.try_out()
    purse_of(asked)  # what `router eval` refuses is no plan
    rehearses = asked.config.wants_rehearsal if rehearse is None else rehearse
    assumed = Assumptions(tokens_out, seconds_of("--latency", latency))
    forecast, notes = foreseen(asked, assumed, rehearses=rehearses)
    found = None if detect is None else _detection(detect, accuracy, asked.task.total)
    _print(forecast, notes, found, as_json=json)
    return 0


def _detection(difference: float, accuracy: float, planned_items: int | None) -> Detection:
    from router.evals.detection import detection

    return detection(difference, accuracy, planned_items)


def foreseen(plan: Plan, assumed: Assumptions, *, rehearses: bool) -> tuple[Forecast, tuple[str, ...]]:
    """The forecast of a plan, and in words what it assumes. Where no key is set, as if all were."""
    from router.evals.expectations import estimates, told, with_all_keys, works
    from router.evals.forecast import Forecaster, Terms
    from router.transport.price import price_list

    has_keys = bool(plan.config.usable)
    if rehearses or not has_keys:
        plan = replace(plan, config=with_all_keys(plan.config, simulated=rehearses))
    terms = Terms(plan.max_samples, plan.max_wait_s, plan.max_cost_usd, time.time())
    expected = estimates(plan, assumed)
    forecaster = Forecaster(plan.config, works(plan), expected, terms, price_list())
    notes = told(plan, assumed, expected)
    return forecaster.forecast(), notes if has_keys or rehearses else (*notes, "that every key is set; none is")


def _print(forecast: Forecast, notes: tuple[str, ...], found: Detection | None, *, as_json: bool) -> None:
    if as_json:
        from router.jsonl import encode_pretty

        told = {} if found is None else {"detect": asdict(found)}
        put(encode_pretty({**asdict(forecast), "assumes": notes, **told}).decode())
        return
    from router.reports.plan_text import plan_text

    width = shutil.get_terminal_size().columns
    put(plan_text(forecast, notes, found, width=width, color=wants_color(sys.stdout)))
