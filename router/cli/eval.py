"""`router eval`: the main job."""

from __future__ import annotations

import asyncio
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO, TypeAlias

import typer

from router.cli import eval_options as options
from router.cli import gate
from router.cli.continuing import cache_to_use, command_of, go_on, going_on_with, run_to_resume
from router.cli.eval_options import Across, BadRows, option
from router.cli.options import wants_color
from router.cli.planning import planned
from router.cli.report import write_beside
from router.cli.streams import put, say
from router.cli.troubles import TROUBLE_HELP, parse_troubles
from router.errors import CannotWrite, ConfigError

if TYPE_CHECKING:
    from router.evals import Evaluation, Plan
    from router.simulator.troubles import Trouble
    from router.types import Json, Message

    Troubles: TypeAlias = Sequence[tuple[str, Trouble]]


class Display(StrEnum):
    """How the run is shown."""

    AUTO = "auto"
    RICH = "rich"
    PLAIN = "plain"
    NONE = "none"


def evaluate(
    context: typer.Context,
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
    attempts: options.Attempts = None,
    timeout: options.Timeout = None,
    deadline: options.Deadline = None,
    max_wait: options.MaxWait = "15min",
    max_cost: options.MaxCost = None,
    fail_on_error: Annotated[
        float, option("--fail-on-error", "Exit 2 if a larger share of items has no answer.", min_=0, max_=1)
    ] = 0.05,
    min_accuracy: Annotated[
        float | None, option("--min-accuracy", "Exit 1 below this accuracy.", min_=0, max_=1)
    ] = None,
    rehearse: options.Rehearse = None,
    trouble: Annotated[list[str] | None, option("--trouble", TROUBLE_HELP)] = None,
    log_dir: Annotated[Path, option("--log-dir", "Where runs are kept.")] = Path("runs"),
    resume: Annotated[
        str | None,
        option("--resume", "Go on with a run: what it has is not asked again. Without PROMPT, as it began. [latest]"),
    ] = None,
    retry_errors: Annotated[bool, option("--retry-errors", "With --resume: ask again what has no answer.")] = False,
    cache: Annotated[
        str | None,
        option("--cache", "Take answers from this file, and keep them there. [answers.sqlite3 in the state]"),
    ] = None,
    output: Annotated[
        Path | None, option("--output", "Copy results.jsonl there at the end; - for stdout.", "-o")
    ] = None,
    display: Annotated[Display, option("--display", "What is shown while it runs.")] = Display.AUTO,
    json: Annotated[bool, option("--json", "Print the summary as JSON on stdout.")] = False,
    report: Annotated[bool, option("--report/--no-report", "Write report.html at the end.")] = True,
    dry_run: Annotated[bool, option("--dry-run", "Check everything, show the first question, send nothing.")] = False,
) -> int:
    """Evaluate prompts over all providers at once."""
    going_on = run_to_resume(resume, log_dir, retry_errors=retry_errors)
    answers = cache_to_use(cache)
    if going_on is not None and not prompts and data is None:
        return go_on(context, going_on)
    plan = planned(
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
        attempts=attempts,
        timeout=timeout,
        deadline=deadline,
        max_wait=max_wait,
        max_cost=max_cost,
        log_dir=log_dir,
    )
    plan = replace(plan, command=command_of(context), resume=going_on, retry_errors=retry_errors, cache=answers)
    rehearses = _rehearses(plan, min_accuracy, trouble, asked=rehearse)
    troubles = parse_troubles(trouble or [], plan.config)
    _check_output(output, as_json=json)
    first = plan.try_out()
    if dry_run:
        return _show_first(plan, first, rehearses=rehearses)
    evaluation = _run(plan, troubles if rehearses else None, display)
    _tell(evaluation, output, as_json=json, quiet=display is Display.NONE, report=report)
    return _exit_code(evaluation, fail_on_error, min_accuracy)


def _rehearses(plan: Plan, min_accuracy: float | None, trouble: list[str] | None, *, asked: bool | None) -> bool:
    """Whether the vendors are to be simulated; raises ConfigError for what does not go with that."""
    rehearses = plan.config.wants_rehearsal if asked is None else asked
    if trouble and not rehearses:
        raise ConfigError("--trouble is for simulated vendors; add --rehearse")
    if (rehearses or plan.config.simulated) and not asked:
        gate.refuse_simulated(min_accuracy, gate.why_simulated(plan.config))
    return rehearses


def _show_first(plan: Plan, first: Mapping[str, Sequence[Message]], *, rehearses: bool) -> int:
    from router.evals.fit import tried

    notes = (*plan.task.notes, *plan.notes, *asyncio.run(tried(plan)))
    where = "simulated vendors" if rehearses else ", ".join(plan.asked) or "nobody"
    say(f"nothing was sent; {plan.task.total or 'all'} items would go to {where}.")
    left = going_on_with(plan, rehearses=rehearses)
    for note in (*notes, *left, *(() if left else _foreseen(plan, rehearses=rehearses))):
        say(note)
    say("The first one:")
    put("".join(f"[{each['role']}]\n{_shown(each['content'])}\n" for messages in first.values() for each in messages))
    return 0


def _foreseen(plan: Plan, *, rehearses: bool) -> Iterator[str]:
    from router.cli.plan import foreseen
    from router.evals.expectations import Assumptions
    from router.reports.plan_text import short_lines

    forecast, _ = foreseen(plan, Assumptions(), rehearses=rehearses)
    return short_lines(forecast)


def _shown(content: Json) -> str:
    """A message's content for people: an image is only named."""
    if not isinstance(content, list):
        return str(content)
    return "\n".join(_shown_part(part) for part in content if isinstance(part, Mapping))


def _shown_part(part: Mapping[str, Json]) -> str:
    image = part.get("image_url")
    url = str(image.get("url")) if isinstance(image, Mapping) else ""
    size = f", {len(url):,} characters" if url.startswith("data:") else ""
    return f"[image {url[:40]}{size}]" if url else str(part.get("text", part))


def _run(plan: Plan, troubles: Troubles | None, display: Display) -> Evaluation:
    try:
        return asyncio.run(_evaluated(plan, troubles, display))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


async def _evaluated(plan: Plan, troubles: Troubles | None, display: Display) -> Evaluation:
    """Evaluate with the declared vendors, or where there are `troubles` (maybe none) with simulated ones."""
    from router.evals import evaluate as evaluate_plan
    from router.reports.screen import open_screen

    async with AsyncExitStack() as stack:
        if troubles is not None:
            from router.simulator.rehearsal import rewritten
            from router.simulator.stage import rehearsal

            if troubles:  # their times count from the vendors' start: LiteLLM is loaded before
                from router.transport.litellm_import import load

                await asyncio.to_thread(load)

            others = rewritten(plan.config)
            notes = (f"rehearsed in OpenAI's dialect instead of their own: {', '.join(others)}",) if others else ()
            config = await stack.enter_async_context(rehearsal(plan.config, seed=plan.seed, troubles=troubles))
            plan = replace(plan, config=config, notes=(*plan.notes, *notes))
        screen = None if sys.stderr is None else open_screen(display.value, stream=sys.stderr)
        return await evaluate_plan(plan, screen=screen, handle_signals=True)


def _tell(evaluation: Evaluation, output: Path | None, *, as_json: bool, quiet: bool, report: bool) -> None:
    with suppress(BrokenPipeError):  # whoever read it has gone; how the run ended is to be known all the same
        _print(evaluation, output, as_json=as_json, quiet=quiet)
    if report:
        has_stopped = evaluation.stopped is not None
        write_beside(evaluation.directory, evaluation.items, quiet=quiet, has_stopped=has_stopped)


def _print(evaluation: Evaluation, output: Path | None, *, as_json: bool, quiet: bool) -> None:
    results = evaluation.directory / "results.jsonl"
    has_rows_on_stdout = str(output) == "-"
    if has_rows_on_stdout:
        _put_rows(results)
    elif output is not None:
        _copy(results, output)
    if as_json:
        from router.jsonl import encode_pretty

        put(encode_pretty(evaluation.summary).decode())
    elif not has_rows_on_stdout:
        put(_summary_text(evaluation, sys.stdout) + "\n")
    elif not quiet:  # with the rows on stdout, the summary for people is talk
        say(_summary_text(evaluation, None))


def _summary_text(evaluation: Evaluation, stream: TextIO | None) -> str:
    from router.reports.summary_text import summary_text

    width = shutil.get_terminal_size().columns
    color = wants_color(stream)
    return summary_text(evaluation.summary, width=width, color=color, comparisons=evaluation.comparisons)


def _put_rows(results: Path) -> None:
    for line in _rows(results, "--output -"):
        put(line.decode())


def _rows(results: Path, place: str) -> Iterator[bytes]:
    """One line a trial, whatever was asked again; raises CannotWrite where they cannot be read."""
    from router.evals.kept import KeptRows

    try:
        yield from KeptRows(results).lines()
    except OSError as error:
        raise CannotWrite(f"{place}: {results} cannot be read: {error.strerror}") from None


def _check_output(output: Path | None, *, as_json: bool) -> None:
    """Find out before the first call, not after the last, that the results have no place to go."""
    if str(output) == "-" and as_json:
        raise ConfigError("--output - and --json both write to stdout; use one, or name a file")
    if output is not None and str(output) != "-" and not output.absolute().parent.is_dir():
        raise ConfigError(
            f"--output {output}: {output.absolute().parent} is not a directory; create it, or name another"
        )
    if output is not None and output.is_dir():
        raise ConfigError(f"--output {output}: this is a directory; name a file in it")


def _copy(results: Path, output: Path) -> None:
    try:
        with output.open("wb") as file:
            file.writelines(_rows(results, f"--output {output}"))
    except OSError as error:
        raise CannotWrite(f"--output {output}: {error.strerror}; the results are in {results}") from None


def _exit_code(evaluation: Evaluation, fail_on_error: float, min_accuracy: float | None) -> int:
    if evaluation.stopped is not None:
        say(f"router: {evaluation.stopped}")
    for misfit in () if evaluation.stopped else evaluation.misfits:
        say(f"router: {misfit}")
    if (command := evaluation.summary["continue"]) is not None:
        say(f"router: continue with: {command}")
    if evaluation.stopped is not None or evaluation.interrupted:
        return 2 if evaluation.stopped is not None else 130
    if evaluation.errors > fail_on_error * evaluation.items:
        say(_lost(evaluation))
        return 2
    return gate.exit_code(evaluation.accuracy, min_accuracy)


def _lost(evaluation: Evaluation) -> str:
    first = f"; the first of them: {evaluation.why}" if evaluation.why else ""
    directory = shlex.quote(str(evaluation.directory))
    return (
        f"router: {evaluation.errors} of {evaluation.items} items got no answer or no score{first}\n"
        f"`router logs {directory}` explains it; `router eval --resume {directory} --retry-errors` asks them again"
    )
