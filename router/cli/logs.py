"""`router logs`: what happened in a run, from its log alone."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from router.cli.options import wants_color
from router.cli.streams import put
from router.errors import ConfigError


def logs(
    targets: Annotated[
        list[str] | None, typer.Argument(metavar="[RUN|FILE]", help="Runs, directories or files. [runs/latest]")
    ] = None,
    log_dir: Annotated[Path, typer.Option("--log-dir", envvar="ROUTER_LOG_DIR", help="Where runs are kept.")] = Path(
        "runs"
    ),
    item: Annotated[str | None, typer.Option("--item", metavar="ID", help="Tell the story of one item.")] = None,
    sql: Annotated[
        str | None, typer.Option("--sql", metavar="QUERY", help='Ask the view `events`: "SELECT fault, count(*) …"')
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Tell of changes and faults as they come.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="With --sql: print CSV on stdout.")] = False,
) -> int:
    """Explain bans, rests and errors: when, who, why, what came before, what to change."""
    from router import analysis

    if sum([item is not None, sql is not None, follow]) > 1:
        raise ConfigError("--item, --sql and --follow cannot be combined; use one")
    if csv and (sql is None or json):
        raise ConfigError("--csv goes with --sql, and without --json")
    paths = analysis.find_logs(targets or [], log_dir)
    if follow:
        _follow(paths)
    elif sql is not None:
        _query(paths, sql, "json" if json else "csv" if csv else "text")
    elif item is not None:
        from router.reports.item_text import render_story

        story = analysis.item_story(paths, item)
        _print(story.to_json() if json else render_story(story, _width(), color=wants_color(sys.stdout)))
    else:
        from router.reports.logs_text import render

        found = analysis.analyse(paths)
        _print(found.to_json() if json else render(found, _width(), color=wants_color(sys.stdout)))
    return 0


def _follow(paths: tuple[Path, ...]) -> None:
    from router.analysis import follow

    if len(paths) > 1:
        raise ConfigError(f"--follow takes one log, but there are {len(paths)}; name one of them")

    follow(paths[0], lambda line: put(f"{line}\n"))


def _query(paths: tuple[Path, ...], query: str, form: Literal["text", "json", "csv"]) -> None:
    from router.analysis import csv_lines, json_lines, run_sql
    from router.reports.query_text import render_found

    found = run_sql(paths, query)
    if form == "text":
        _print(render_found(found, _width() if sys.stdout.isatty() else None, color=wants_color(sys.stdout)))
        return
    for line in csv_lines(found) if form == "csv" else json_lines(found):
        put(f"{line}\n")


def _print(value: object) -> None:
    from router.jsonl import encode_pretty

    text = value if isinstance(value, str) else encode_pretty(value).decode()
    put(text.rstrip("\n") + "\n")


def _width() -> int:
    return shutil.get_terminal_size().columns
