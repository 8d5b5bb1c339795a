"""`router compare`: whether one run, prompt, model or vendor beats another on the same items."""

from __future__ import annotations

import shutil
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from router.cli.options import wants_color
from router.cli.streams import put, say
from router.errors import ConfigError

if TYPE_CHECKING:
    from router.evals.comparison import Comparison

PASSED, REGRESSED = 0, 1


class By(StrEnum):
    """In what the arms within one run differ."""

    PROMPT = "prompt"
    MODEL = "model"
    PROVIDER = "provider"


def compare(
    runs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RUN] [RUN…]", help="The first one is what the others are measured by. [runs/latest]"),
    ] = None,
    log_dir: Annotated[Path, typer.Option("--log-dir", envvar="ROUTER_LOG_DIR", help="Where runs are kept.")] = Path(
        "runs"
    ),
    by: Annotated[
        By | None, typer.Option("--by", help="Within one run: compare these. [prompts, else models, else providers]")
    ] = None,
    prompt: Annotated[
        str | None, typer.Option("--prompt", metavar="NAME", help="Of several runs: this prompt alone.")
    ] = None,
    fail_on_regression: Annotated[
        bool, typer.Option("--fail-on-regression", help="Exit 1 where a later one is worse than the first.")
    ] = False,
    margin: Annotated[
        float | None,
        typer.Option("--margin", help="So much counts as the same: 0.02 is 2 points.", min=0.0, max=1.0),
    ] = None,
    rehearse: Annotated[bool, typer.Option("--rehearse", help="Let the gate take rehearsals, too.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")] = False,
) -> int:
    """Compare runs item by item, or the prompts, models or providers within one run."""
    found = _compared(runs or [], log_dir, by, prompt)
    if fail_on_regression and found.simulated and not rehearse:
        raise ConfigError(
            "--fail-on-regression: simulated vendors show no accuracy; to try the gate on them add --rehearse"
        )
    _print(found, margin, as_json=json)
    return _exit_code(found, margin) if fail_on_regression else PASSED


def _compared(runs: list[str], log_dir: Path, by: By | None, prompt: str | None) -> Comparison:
    from router.analysis.results import between, open_results, within

    if len(runs) <= 1:
        if prompt is not None:
            raise ConfigError("--prompt is for several runs; within one --by says what is compared")
        return within(open_results(runs[0] if runs else None, log_dir), by.value if by else None)
    if by is not None:
        raise ConfigError(f"--by {by} is for one run; several are compared with each other")
    return between([open_results(run, log_dir) for run in runs], prompt=prompt)


def _print(found: Comparison, margin: float | None, *, as_json: bool) -> None:
    if as_json:
        from router.jsonl import encode_pretty

        put(encode_pretty(found.to_json()).decode())
        return
    from router.reports.compare_text import render

    put(render(found, shutil.get_terminal_size().columns, color=wants_color(sys.stdout), margin=margin))


def _exit_code(found: Comparison, margin: float | None) -> int:
    """Whether none of the later arms is worse than the first; said where one is."""
    worse = found.regressions(margin)
    for each in worse:
        why = "is significantly worse than" if margin is None else f"may be {100 * margin:g} points worse than"
        say(f"router: --fail-on-regression: {each.b} {why} {each.a}")
    return REGRESSED if worse else PASSED
