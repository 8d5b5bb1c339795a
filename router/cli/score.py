"""`router score`: marks the answers of a run again, without a call to whom they came from."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from router.cli import gate
from router.cli.options import wants_color
from router.cli.streams import put, say
from router.errors import ConfigError

if TYPE_CHECKING:
    from router.config.models import Config
    from router.evals import Evaluation
    from router.evals.marks import Marker
    from router.evals.rescoring import Answers


def score(
    run: Annotated[Path | None, typer.Argument(metavar="[RUN]", help="A run's directory. [runs/latest]")] = None,
    scorer: Annotated[
        str | None, typer.Option("--scorer", envvar="ROUTER_SCORER", help="As for eval. [what the prompt says now]")
    ] = None,
    schema: Annotated[
        Path | None, typer.Option("--schema", envvar="ROUTER_SCHEMA", help="A JSON Schema that answers must keep.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", envvar="ROUTER_CONFIG", help="Where a judge is asked. [providers.yaml]")
    ] = None,
    rehearse: Annotated[
        bool | None, typer.Option("--rehearse/--live", help="A judge that is simulated, or a real one. [the file's]")
    ] = None,
    log_dir: Annotated[Path, typer.Option("--log-dir", envvar="ROUTER_LOG_DIR", help="Where runs are kept.")] = Path(
        "runs"
    ),
    min_accuracy: Annotated[
        float | None, typer.Option("--min-accuracy", help="Exit 1 below this accuracy.", min=0, max=1)
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON on stdout.")] = False,
) -> int:
    """Mark the answers of a run again; they are written as a run of their own, and the old marks stay."""
    from router.evals.judge import JudgeScorer
    from router.evals.rescoring import markers, open_answers
    from router.evals.schemas import load_schema

    answers = open_answers(run or log_dir / "latest")
    marking = markers(answers, scorer, load_schema(schema) if schema else None)
    judged = any(isinstance(marker.scorer, JudgeScorer) for marker in marking.values())
    whom = _config(config, needed=judged)
    rehearses = judged and (whom.wants_rehearsal if rehearse is None else rehearse)
    if (answers.simulated or whom.simulated or rehearses) and not rehearse:
        gate.refuse_simulated(
            min_accuracy, f"{answers.directory} is a rehearsal" if answers.simulated else gate.why_simulated(whom)
        )
    evaluation = asyncio.run(_rescored(answers, marking, whom, log_dir, rehearse=rehearses))
    _print(evaluation, as_json=json)
    for misfit in evaluation.misfits:
        say(f"router: {misfit}")
    return _exit_code(evaluation, min_accuracy)


def _config(path: Path | None, *, needed: bool) -> Config:
    """The providers, where a judge is to be asked; else nobody."""
    from router.config.loading import load
    from router.config.models import Config

    return load(path, dict(os.environ)) if needed else Config(path or Path("providers.yaml"), ())


async def _rescored(
    answers: Answers, marking: Mapping[str, Marker], config: Config, log_dir: Path, *, rehearse: bool
) -> Evaluation:
    from router.evals.rescoring import rescore
    from router.simulator.stage import rehearsal

    async with AsyncExitStack() as stack:
        if rehearse:
            config = await stack.enter_async_context(rehearsal(config))
        return await rescore(answers, marking, config, log_dir=log_dir)


def _print(evaluation: Evaluation, *, as_json: bool) -> None:
    if as_json:
        from router.jsonl import encode_pretty

        put(encode_pretty(evaluation.summary).decode())
        return
    from router.reports.summary_text import summary_text

    width = shutil.get_terminal_size().columns
    color = wants_color(sys.stdout)
    put(summary_text(evaluation.summary, width=width, color=color, comparisons=evaluation.comparisons) + "\n")


def _exit_code(evaluation: Evaluation, min_accuracy: float | None) -> int:
    if evaluation.stopped is not None:
        raise ConfigError(evaluation.stopped)
    return gate.exit_code(evaluation.accuracy, min_accuracy)
