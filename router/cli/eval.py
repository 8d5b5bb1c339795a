"""`router eval`: the main job."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO, TypeAlias

import typer

from router.cli import gate
from router.cli.options import wants_color
from router.cli.streams import put, say
from router.cli.troubles import TROUBLE_HELP, parse_troubles
from router.errors import CannotWrite, ConfigError

if TYPE_CHECKING:
    from router.config.models import Config
    from router.evals import Evaluation, Plan, Task
    from router.evals.prompts import Prompt
    from router.simulator.troubles import Trouble
    from router.types import Json, Message

    Troubles: TypeAlias = Sequence[tuple[str, Trouble]]


class Across(StrEnum):
    """Which providers an item goes to."""

    SPREAD = "spread"
    EVERY = "every"


class Level(StrEnum):
    """How much to think."""

    NONE = "none"
    MINIMAL = "minimal"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    XHIGH = "xhigh"
    MAX = "max"


class BadRows(StrEnum):
    """What becomes of rows that are no items."""

    REFUSE = "refuse"
    SKIP = "skip"


class Display(StrEnum):
    """How the run is shown."""

    AUTO = "auto"
    RICH = "rich"
    PLAIN = "plain"
    NONE = "none"


def _option(
    flag: str, help_: str, short: str | None = None, *, least: float | None = None, most: float | None = None
) -> Any:
    """An option with its environment twin: `--max-samples` is also `ROUTER_MAX_SAMPLES`."""
    name = flag.split("/", 1)[0].removeprefix("--").replace("-", "_").upper()
    flags = (flag,) if short is None else (flag, short)
    return typer.Option(*flags, envvar=f"ROUTER_{name}", help=help_, min=least, max=most)


def evaluate(
    prompts: Annotated[
        list[Path] | None,
        typer.Argument(metavar="PROMPT", help="Prompt files, such as prompts/plain.txt. [--data asked as it is]"),
    ] = None,
    config: Annotated[Path | None, _option("--config", "The providers' file [providers.yaml].")] = None,
    data: Annotated[
        str | None, _option("--data", "Items: JSONL, CSV, JSON, Parquet, a directory, - for stdin. [arithmetic]")
    ] = None,
    mapped: Annotated[
        list[str] | None,
        _option("--map", "FIELD=EXPRESSION: makes a field of others, expected='answer.strip()'. Repeat it."),
    ] = None,
    bad_rows: Annotated[
        BadRows, _option("--bad-rows", "What becomes of rows that are no items: end, or go on without.")
    ] = BadRows.REFUSE,
    limit: Annotated[
        int | None, _option("--limit", "So many items. [100 of arithmetic, all of --data]", least=1, most=10**9)
    ] = None,
    shuffle: Annotated[bool, _option("--shuffle", "Draw the items of --data by --seed.")] = False,
    ops: Annotated[int, _option("--ops", "Operators in an arithmetic item.", least=1, most=20)] = 2,
    seed: Annotated[
        int, _option("--seed", "Seed of the items and of a rehearsal.", least=-(2**63), most=2**63 - 1)
    ] = 0,
    epochs: Annotated[int, _option("--epochs", "How often each item is asked.", least=1, most=10_000)] = 1,
    model: Annotated[str | None, _option("--model", "A name under `models:`. [the first of each provider]")] = None,
    providers: Annotated[str | None, _option("--providers", "Only these, separated by commas.")] = None,
    across: Annotated[Across, _option("--across", "Each item to one provider, or to every one.")] = Across.SPREAD,
    scorer: Annotated[
        str | None,
        _option("--scorer", "json:FIELD, exact, number, choice, contains, set, regex:…, python:…, judge:… [prompt's]"),
    ] = None,
    reasoning: Annotated[Level | None, _option("--reasoning", "How much to think, in each vendor's own way.")] = None,
    schema: Annotated[Path | None, _option("--schema", "A JSON Schema that answers must keep.")] = None,
    max_samples: Annotated[int, _option("--max-samples", "Items under way at once.", least=1, most=100_000)] = 256,
    attempts: Annotated[
        int | None, _option("--attempts", "Charged attempts an item. [the file's]", least=1, most=1000)
    ] = None,
    timeout: Annotated[str | None, _option("--timeout", "Longest time for one call, 30s. [the file's]")] = None,
    deadline: Annotated[str | None, _option("--deadline", "Longest time for one item with all its waiting.")] = None,
    max_wait: Annotated[
        str, _option("--max-wait", "End the run where nothing can be sent for longer than this.")
    ] = "15min",
    fail_on_error: Annotated[
        float, _option("--fail-on-error", "Exit 2 if a larger share of items has no answer.", least=0, most=1)
    ] = 0.05,
    min_accuracy: Annotated[
        float | None, _option("--min-accuracy", "Exit 1 below this accuracy.", least=0, most=1)
    ] = None,
    rehearse: Annotated[
        bool | None, _option("--rehearse/--live", "Simulated vendors, or real ones. [the file's `rehearse:`]")
    ] = None,
    trouble: Annotated[list[str] | None, _option("--trouble", TROUBLE_HELP)] = None,
    log_dir: Annotated[Path, _option("--log-dir", "Where runs are kept.")] = Path("runs"),
    output: Annotated[
        Path | None, _option("--output", "Copy results.jsonl there at the end; - for stdout.", "-o")
    ] = None,
    display: Annotated[Display, _option("--display", "What is shown while it runs.")] = Display.AUTO,
    json: Annotated[bool, _option("--json", "Print the summary as JSON on stdout.")] = False,
    dry_run: Annotated[bool, _option("--dry-run", "Check everything, show the first question, send nothing.")] = False,
) -> int:
    """Evaluate prompts over all providers at once."""
    from router.config.loading import load
    from router.evals import Plan

    file = _overridden(load(config, _environment()), attempts, timeout)
    plan = Plan(
        file,
        _prompts(prompts or [], data),
        _task(data, mapped or [], limit, ops, seed, bad_rows, shuffle=shuffle),
        log_dir=log_dir,
        epochs=epochs,
        model=model,
        across=across.value,
        scorer=scorer,
        max_samples=max_samples,
        deadline_s=_seconds("--deadline", deadline),
        max_wait_s=_seconds("--max-wait", max_wait) or 0.0,
        seed=seed,
    )
    if providers:
        plan = plan.with_providers(tuple(name.strip() for name in providers.split(",")))
    if reasoning or schema:
        plan = _adapted(plan, reasoning, schema)
    rehearses = plan.config.wants_rehearsal if rehearse is None else rehearse
    if trouble and not rehearses:
        raise ConfigError("--trouble is for simulated vendors; add --rehearse")
    if (rehearses or plan.config.simulated) and not rehearse:
        gate.refuse_simulated(min_accuracy, gate.why_simulated(plan.config))
    troubles = parse_troubles(trouble or [], plan.config)
    _check_output(output, as_json=json)
    first = plan.try_out()
    if dry_run:
        return _show_first(plan, first, rehearses=rehearses)
    evaluation = _run(plan, troubles if rehearses else None, display)
    with suppress(BrokenPipeError):  # whoever read it has gone; how the run ended is to be known all the same
        _print(evaluation, output, as_json=json, quiet=display is Display.NONE)
    return _exit_code(evaluation, fail_on_error, min_accuracy)


def _environment() -> dict[str, str]:
    import os

    return dict(os.environ)


def _overridden(config: Config, attempts: int | None, timeout: str | None) -> Config:
    timeout_s = _seconds("--timeout", timeout)
    providers = config.providers
    if timeout_s is not None:
        providers = tuple(replace(provider, timeout_s=timeout_s) for provider in providers)
    return replace(config, providers=providers, attempts=config.attempts if attempts is None else attempts)


def _seconds(flag: str, text: str | None) -> float | None:
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
    data: str | None, mapped: list[str], limit: int | None, ops: int, seed: int, bad_rows: BadRows, *, shuffle: bool
) -> Task:
    from router.evals.datasets import Reading
    from router.evals.items import FieldMap
    from router.evals.tasks import arithmetic_task, data_task

    if data is not None:
        return data_task(data, Reading(limit, FieldMap.parse(mapped), bad_rows.value, shuffle, seed))
    if idle := [name for name, given in (("--map", mapped), ("--shuffle", shuffle)) if given]:
        raise ConfigError(f"{idle[0]} is for --data; arithmetic has no file and comes from --seed alone")
    return arithmetic_task(limit or 100, ops, seed)


def _adapted(plan: Plan, reasoning: Level | None, schema_path: Path | None) -> Plan:
    from router.evals.adapting import adapted
    from router.evals.schemas import load_schema

    schema = load_schema(schema_path) if schema_path else None
    made = adapted(plan.config, plan.model, reasoning=reasoning.value if reasoning else None, schema=schema)
    notes = (*plan.notes, *made.notes)
    return replace(plan, config=made.config, schema=schema, in_words=made.in_words, sent=made.sent, notes=notes)


def _prompts(paths: list[Path], data: str | None) -> tuple[Prompt, ...]:
    from router.evals.prompts import VERBATIM, load

    if not paths and data is None:
        raise ConfigError("name a prompt file, such as prompts/plain.txt; only the items of --data can do without")
    return tuple(load(path) for path in paths) or (VERBATIM,)


def _show_first(plan: Plan, first: Mapping[str, Sequence[Message]], *, rehearses: bool) -> int:
    from router.evals.fit import tried

    notes = (*plan.task.notes, *plan.notes, *asyncio.run(tried(plan)))
    where = "simulated vendors" if rehearses else ", ".join(plan.asked) or "nobody"
    say(f"nothing was sent; {plan.task.total or 'all'} items would go to {where}.")
    for note in notes:
        say(note)
    say("The first one:")
    put("".join(f"[{each['role']}]\n{_shown(each['content'])}\n" for messages in first.values() for each in messages))
    return 0


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

            others = rewritten(plan.config)
            notes = (f"rehearsed in OpenAI's dialect instead of their own: {', '.join(others)}",) if others else ()
            config = await stack.enter_async_context(rehearsal(plan.config, seed=plan.seed, troubles=troubles))
            plan = replace(plan, config=config, notes=(*plan.notes, *notes))
        screen = None if sys.stderr is None else open_screen(display.value, stream=sys.stderr)
        return await evaluate_plan(plan, screen=screen, handle_signals=True)


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
    return summary_text(evaluation.summary, width=width, color=wants_color(stream))


def _put_rows(results: Path) -> None:
    try:
        with results.open(encoding="utf-8") as rows:
            for row in rows:
                put(row)
    except OSError as error:
        raise CannotWrite(f"--output -: {results} cannot be read: {error.strerror}") from None


def _check_output(output: Path | None, *, as_json: bool) -> None:
    """Find out before the first call, not after the last, that the results have no place to go."""
    if str(output) == "-" and as_json:
        raise ConfigError("--output - and --json both want stdout; take one, or name a file")
    if output is not None and str(output) != "-" and not output.absolute().parent.is_dir():
        raise ConfigError(f"--output {output}: {output.absolute().parent} is no directory; make it, or name another")
    if output is not None and output.is_dir():
        raise ConfigError(f"--output {output}: this is a directory; name a file in it")


def _copy(results: Path, output: Path) -> None:
    try:
        shutil.copyfile(results, output)
    except OSError as error:
        raise CannotWrite(f"--output {output}: {error.strerror}; the results are in {results}") from None


def _exit_code(evaluation: Evaluation, fail_on_error: float, min_accuracy: float | None) -> int:
    for misfit in evaluation.misfits:
        say(f"router: {misfit}")
    if evaluation.stopped is not None:
        say(f"router: {evaluation.stopped}")
        return 2
    if evaluation.interrupted:
        return 130
    if evaluation.errors > fail_on_error * evaluation.items:
        lost = f"{evaluation.errors} of {evaluation.items} items got no answer, or no mark"
        say(f"router: {lost}; the first of them: {evaluation.why}\n`router logs {evaluation.directory}` explains it")
        return 2
    return gate.exit_code(evaluation.accuracy, min_accuracy)
