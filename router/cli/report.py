"""`router report`: one HTML file of a run, or of several compared with each other."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from router.cli.streams import put, say
from router.errors import CannotWrite, RouterError

MAX_ROWS = 100_000


def report(
    runs: Annotated[
        list[str] | None, typer.Argument(metavar="[RUN] [RUN…]", help="Several are compared. [runs/latest]")
    ] = None,
    log_dir: Annotated[Path, typer.Option("--log-dir", envvar="ROUTER_LOG_DIR", help="Where runs are kept.")] = Path(
        "runs"
    ),
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The file. [report.html in the run; of several runs, here]"),
    ] = None,
) -> int:
    """Write the report: verdict, plots over time, and a table of all items, in one file that works offline."""
    from router.analysis.results import open_results

    directories = [open_results(run, log_dir).directory for run in runs or ()] or [
        open_results(None, log_dir).directory
    ]
    put(f"{_written(directories, output)}\n")
    return 0


def write_beside(directory: Path, rows: int, *, quiet: bool, has_stopped: bool) -> None:
    """Write a run's report into its directory; that it cannot be written is said, and changes nothing.

    Nor is it said of a run that `has_stopped`: that has told its own reason, most often the same one. More than
    MAX_ROWS rows would keep a run waiting, and its memory is not to grow with them.
    """
    if rows > MAX_ROWS:
        say(f"report: not written automatically for {rows:,} rows; write it with `router report {directory}`")
        return
    try:
        path = _written([directory], None)
    except RouterError as error:
        if not has_stopped:
            say(f"router: the report was not written: {error}")
        return
    if not quiet:
        say(f"report: {path}")


def _written(directories: list[Path], output: Path | None) -> Path:
    from router.reports.html.report import NAME, write_report

    target = output or (directories[0] / NAME if len(directories) == 1 else Path(NAME))
    try:
        write_report(directories, target)
    except OSError as error:
        raise CannotWrite(f"{target}: the report cannot be written: {error.strerror}; name another with -o") from None
    return target
