"""`router show` and `router runs`: what was asked and answered, and what lies in `runs/`."""

from __future__ import annotations

import shutil
import sys
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from router.cli.options import wants_color
from router.cli.streams import put, say

LogDir = Annotated[Path, typer.Option("--log-dir", envvar="ROUTER_LOG_DIR", help="Where runs are kept.")]


def show(
    run: Annotated[str | None, typer.Argument(metavar="[RUN]", help="A run's name or directory. [runs/latest]")] = None,
    log_dir: LogDir = Path("runs"),
    wrong: Annotated[bool, typer.Option("--wrong", help="Items with a wrong or unreadable answer.")] = False,
    flipped: Annotated[
        bool, typer.Option("--flipped", help="Items that one prompt, model or vendor has right and another has not.")
    ] = False,
    item: Annotated[list[str] | None, typer.Option("--item", metavar="ID", help="This item, whole. Repeat it.")] = None,
    limit: Annotated[int, typer.Option("--limit", help="So many items.", min=1)] = 20,
    json: Annotated[bool, typer.Option("--json", help="Print all of them as JSON lines on stdout.")] = False,
) -> int:
    """Show questions, expected answers, and what was answered."""
    from router.analysis.results import open_results
    from router.analysis.showing import Wish, shown
    from router.evals.rescoring import open_answers

    answers = open_answers(open_results(run, log_dir).directory)
    found = shown(answers, Wish(wrong, flipped, frozenset(item or ())))
    if json:
        from router.jsonl import encode

        for each in found:
            put(f"{encode(each.to_json()).decode()}\n")
        return 0
    from router.reports.show_text import render_items

    items = list(islice(found, limit + 1))
    width = shutil.get_terminal_size().columns
    put(render_items(items[:limit], width, color=wants_color(sys.stdout), whole=bool(item)))
    if not items:
        say("no item matches these options")
    elif len(items) > limit:
        say(f"these are the first {limit}; --limit shows more")
    return 0


def runs(
    log_dir: LogDir = Path("runs"),
    json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")] = False,
) -> int:
    """List the runs that are kept, the newest last."""
    from router.analysis.listing import runs_in

    found = runs_in(log_dir)
    if json:
        from router.jsonl import encode_pretty

        put(encode_pretty([each.to_json() for each in found]).decode())
        return 0
    from router.reports.show_text import render_runs

    if not found:
        say(f"{log_dir}: there is no run in it; make one with `router eval`")
        return 0
    put(render_runs(found, shutil.get_terminal_size().columns, color=wants_color(sys.stdout)))
    return 0
