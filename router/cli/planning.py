"""From the options of `eval` and `plan` to the evaluation that they ask for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from router.cli.eval_options import Across, BadRows, Level
from router.errors import ConfigError

if TYPE_CHECKING:
    from router.config.models import Config
    from router.evals import Plan, Task
    from router.evals.prompts import Prompt


def planned(
    *,
    prompts: Sequence[Path],
    config: Path | None,
    data: str | None,
    mapped: Sequence[str],
    bad_rows: BadRows,
    limit: int | None,
    shuffle: bool,
    ops: int,
    seed: int,
    epochs: int,
    model: str | None,
    providers: str | None,
    across: Across,
    scorer: str | None,
    reasoning: Level | None,
    schema: Path | None,
    max_samples: int,
    attempts: int | None,
    timeout: str | None,
    deadline: str | None,
    max_wait: str,
    max_cost: float | None,
    log_dir: Path,
) -> Plan:
    """Read the files and put the evaluation together; raises ConfigError."""
    from router.config.loading import load
    from router.evals import Plan
    from router.evals.models import asking

    models = tuple(dict.fromkeys(filter(None, map(str.strip, (model or "").split(",")))))
    file = asking(_overridden(load(config, dict(os.environ)), attempts, timeout), models)
    plan = Plan(
        file,
        _prompts(prompts, data),
        _task(data, mapped, limit, ops, seed, bad_rows, shuffle=shuffle),
        log_dir=log_dir,
        epochs=epochs,
        models=models,
        across=across.value,
        scorer=scorer,
        max_samples=max_samples,
        deadline_s=seconds_of("--deadline", deadline),
        max_wait_s=seconds_of("--max-wait", max_wait) or 0.0,
        max_cost_usd=max_cost,
        seed=seed,
    )
    if providers:
        plan = plan.with_providers(tuple(name.strip() for name in providers.split(",")))
    return _adapted(plan, reasoning, schema) if reasoning or schema else plan


def _overridden(config: Config, attempts: int | None, timeout: str | None) -> Config:
    timeout_s = seconds_of("--timeout", timeout)
    providers = config.providers
    if timeout_s is not None:
        providers = tuple(replace(provider, timeout_s=timeout_s) for provider in providers)
    return replace(config, providers=providers, attempts=config.attempts if attempts is None else attempts)


def seconds_of(flag: str, text: str | None) -> float | None:
    """An option's duration in seconds; raises ConfigError for what is none, or not above zero."""
    from router.rates import parse_duration

    if text is None:
        return None
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise ConfigError(f"{flag}: {text!r} is not {error}") from None
    if seconds <= 0:
        raise ConfigError(f"{flag}: {text!r} is not above zero")
    return seconds


def _task(
    data: str | None, mapped: Sequence[str], limit: int | None, ops: int, seed: int, bad_rows: BadRows, *, shuffle: bool
) -> Task:
    from router.evals.datasets import Reading
    from router.evals.items import FieldMap
    from router.evals.tasks import arithmetic_task, data_task

    if data is not None:
        return data_task(data, Reading(limit, FieldMap.parse(mapped), bad_rows.value, shuffle, seed))
    if idle := [name for name, given in (("--map", mapped), ("--shuffle", shuffle)) if given]:
        raise ConfigError(f"{idle[0]} is for --data; the built-in arithmetic is generated from --seed alone")
    return arithmetic_task(limit or 100, ops, seed)


def _adapted(plan: Plan, reasoning: Level | None, schema_path: Path | None) -> Plan:
    from router.evals.adapting import adapted
    from router.evals.schemas import load_schema

    schema = load_schema(schema_path) if schema_path else None
    made = adapted(plan.config, plan.models, reasoning=reasoning.value if reasoning else None, schema=schema)
    notes = (*plan.notes, *made.notes)
    return replace(plan, config=made.config, schema=schema, in_words=made.in_words, sent=made.sent, notes=notes)


def _prompts(paths: Sequence[Path], data: str | None) -> tuple[Prompt, ...]:
    from router.evals.prompts import VERBATIM, load

    if not paths and data is None:
        raise ConfigError(
            "name a prompt file, such as prompts/plain.txt; only items of --data can be asked without one"
        )
    return tuple(load(path) for path in paths) or (VERBATIM,)
