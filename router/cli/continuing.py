"""`--resume` and `--cache`: which run goes on, with which arguments, and where answers are kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from router.errors import ConfigError

if TYPE_CHECKING:
    from router.evals import Plan

NEWEST = "latest"
NOT_KEPT = frozenset({"resume", "retry_errors", "dry_run"})
"""Options that are about one part of a run."""


def run_to_resume(named: str | None, log_dir: Path, *, retry_errors: bool) -> Path | None:
    """The directory of the run that is meant, by path or by its name in `log_dir`; raises ConfigError for no run."""
    if named is None and retry_errors:
        raise ConfigError("--retry-errors is for continuing a run; add --resume")
    if named is None:
        return None
    place = next((each for each in (Path(named), log_dir / named) if each.is_dir()), None)
    if place is None:
        hint = "; put --resume last, or write --resume=RUN" if Path(named).is_file() else ""
        raise ConfigError(f"--resume {named}: there is no such run, here or in {log_dir}{hint}")
    # `latest` names another run tomorrow.
    return place.parent / place.resolve().name if place.is_symlink() else place


def cache_to_use(named: str | None) -> Path | None:
    """The file of answers that is meant; raises ConfigError for one that is none."""
    from router.evals.cache import cache_file

    return None if named is None else cache_file(named)


def command_of(context: typer.Context, left_out: frozenset[str] = NOT_KEPT) -> tuple[str, ...]:
    """The arguments that were given, by the command line or by the environment, in one form of the many."""
    given = [each for each in context.command.params if each.name not in left_out and _is_given(context, each.name)]
    return tuple(word for each in given for word in _words(each, context.params[str(each.name)]))


def go_on(context: typer.Context, directory: Path) -> int:
    """Run the command that began a run once more, with what was added to it; raises ConfigError where none is known."""
    from router.evals.resume import described

    began = described(directory).get("command")
    if not isinstance(began, list) or not began:
        raise ConfigError(
            f"{directory}: its run.json records no command; give PROMPT and the options again, with --resume"
        )
    added = command_of(context, frozenset({"resume"}))
    code: Any = context.command.main(
        [*map(str, began), *added, f"--resume={directory}"], prog_name="router eval", standalone_mode=False
    )
    return int(code or 0)


def going_on_with(plan: Plan, *, rehearses: bool) -> tuple[str, ...]:
    """What of a run that goes on is left, and what has changed, in words; nothing where a new one begins."""
    from router.evals.resume import foreseen
    from router.simulator.rehearsal import as_rehearsed

    if plan.resume is None:
        return ()
    return foreseen(replace(plan, config=as_rehearsed(plan.config)) if rehearses else plan, plan.resume)


def _is_given(context: typer.Context, name: str | None) -> bool:
    source = context.get_parameter_source(str(name))
    return source is not None and source.name in {"COMMANDLINE", "ENVIRONMENT"}


def _words(parameter: Any, value: object) -> Iterator[str]:
    """One option as it is written, or the words of an argument."""
    values: Sequence[object] = value if isinstance(value, list | tuple) else [value]
    if parameter.param_type_name == "argument":
        yield from map(_text, values)
    elif isinstance(value, bool):
        yield parameter.opts[0] if value else parameter.secondary_opts[0]
    else:
        yield from (f"{parameter.opts[0]}={_text(each)}" for each in values)


def _text(value: object) -> str:
    return str(value.value if isinstance(value, Enum) else value)
