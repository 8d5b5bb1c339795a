"""`router export`: a run in other tools' shapes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from router.cli.streams import put, say
from router.errors import CannotWrite

if TYPE_CHECKING:
    from router.analysis.results import Results


class To(StrEnum):
    """The shapes."""

    JUNIT = "junit"
    CSV = "csv"
    PARQUET = "parquet"
    INSPECT = "inspect"
    OTEL = "otel"


def export(
    run: Annotated[str | None, typer.Argument(metavar="[RUN]", help="A run's name or directory. [runs/latest]")] = None,
    to: Annotated[To, typer.Option("--to", help="In which shape.")] = To.CSV,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            help="The file; of inspect a directory, of otel also a collector's address."
            " [stdout for junit and csv, else beside the results]",
        ),
    ] = None,
    log_dir: Annotated[Path, typer.Option("--log-dir", envvar="ROUTER_LOG_DIR", help="Where runs are kept.")] = Path(
        "runs"
    ),
) -> int:
    """Write a run as JUnit's XML, CSV, Parquet, logs that `inspect view` opens, or OpenTelemetry spans."""
    from router.analysis.results import open_results

    results = open_results(run, log_dir)
    try:
        if to is To.OTEL and output is not None and output.startswith(("http://", "https://")):
            _send(results, output)
        else:
            _WRITERS[to](results, Path(output) if output is not None else None)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise CannotWrite(f"--output {output}: {error.strerror or error}") from None
    return 0


def _junit(results: Results, output: Path | None) -> None:
    from router.analysis.exports import junit

    _write([junit(results)], output)


def _csv(results: Results, output: Path | None) -> None:
    from router.analysis.exports import csv_lines

    _write(csv_lines(results), output)


def _write(texts: Iterable[str], output: Path | None) -> None:
    if output is None:
        for text in texts:
            put(text)
        return
    with output.open("w", encoding="utf-8", newline="") as file:
        file.writelines(texts)
    say(f"written: {output}")


def _parquet(results: Results, output: Path | None) -> None:
    from router.evals.frames import to_parquet

    path = output or results.directory / "results.parquet"
    to_parquet(results.directory / "results.jsonl", path)
    say(f"written: {path}")


def _inspect(results: Results, output: Path | None) -> None:
    from router.analysis.exports import inspect_log
    from router.analysis.showing import Wish, shown
    from router.evals.rescoring import open_answers
    from router.jsonl import write_whole

    items = list(shown(open_answers(results.directory), Wish()))
    directory = output or results.directory / "inspect"
    directory.mkdir(parents=True, exist_ok=True)
    for prompt in results.prompts:
        path = directory / f"{results.name}_{prompt}.json"
        write_whole(path, inspect_log(results.header(prompt), items, prompt))
        say(f"written: {path}")
    say(f"look at it with: inspect view --log-dir {directory}")


def _otel(results: Results, output: Path | None) -> None:
    path = output or results.directory / "otel.jsonl"
    with path.open("wb") as file:
        file.writelines(line + b"\n" for line in _requests(results))
    say(f"written: {path}")


def _send(results: Results, address: str) -> None:
    from router.transport.collector import headers_of, post_traces

    headers = headers_of(os.environ.get("OTEL_EXPORTER_OTLP_HEADERS", ""))
    taken = asyncio.run(post_traces(address, _requests(results), headers))
    say(f"sent: {taken} {'request' if taken == 1 else 'requests'} to {address}")


def _requests(results: Results) -> Iterator[bytes]:
    from router.analysis.otlp import requests
    from router.analysis.reading import LOG, rows
    from router.analysis.rows import parse
    from router.analysis.spans import spans

    return requests(spans(line for row in rows([results.directory / LOG]) if (line := parse(row))))


_WRITERS: dict[To, Callable[[Results, Path | None], None]] = {
    To.JUNIT: _junit,
    To.CSV: _csv,
    To.PARQUET: _parquet,
    To.INSPECT: _inspect,
    To.OTEL: _otel,
}
