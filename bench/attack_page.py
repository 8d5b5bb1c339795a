"""The page of what was tried: the table of an attack as a document, with what each section does."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence

from attack_table import Row, failures

WHAT: Mapping[str, str] = {
    "replies": "A vendor answers with every kind of reply that we could think of, through both doors and in three "
    "dialects. Each has to end in time as an answer or as one fault that does not blame the item for the vendor's "
    "doing, in bounded memory, with the event loop free, sent once, and fit to be written down.",
    "redirects": "A vendor sends the call elsewhere, or to itself. Nobody is followed.",
    "beside": "The same vendors beside a good one, through `router eval` as a user runs it: TLS, a proxy, a `.netrc` "
    "with a word for every host. No item is lost, and no fault is taken for an answer.",
    "kills": "`kill -9` at a random moment: no line is torn, no answer that had come is lost, and the run is read "
    "again. Signals that ask a run to stop: it ends whole, with exit code 130.",
    "disks": "The disk is full, or a file may not grow: the run stops and says so in one line with exit code 2; what "
    "was answered before is there.",
    "engine": "Random providers, faults, cancellations, deadlines and slow connections on a virtual clock: each job "
    "ends once, nothing stays in flight, and no window holds more arrivals than its limit.",
    "inputs": "Files that are nearly right, after random changes: a message and an exit code, never a traceback, "
    "within bounds of time and memory.",
    "secrets": "Markers in the environment, keys in every place of the file, prompts that point elsewhere: no marker "
    "arrives where the file does not send it, and none stands in a file or on a screen.",
    "tls": "Vendors over TLS that greet late and hang up after three replies, so that every third call connects anew: "
    "no window holds more requests, as they arrive at the vendor, than was declared. Where the vendor's own process "
    "came late to see a request (the figure says by how much), that much is not the sender's doing.",
}
"""What each section does, and what counts as a failure."""


def page(machine: str, rows: Sequence[Row]) -> str:
    """The document, in Markdown."""
    return "\n".join(_lines(machine, rows)) + "\n"


def _lines(machine: str, rows: Sequence[Row]) -> Iterator[str]:
    tried, failed = sum(row.tried for row in rows), sum(len(row.failures) for row in rows)
    yield from ("# Reliability", "", "What was tried to break `router`, how often, and what failed.", "")
    yield "This page is written by `uv run python bench/attack.py --page docs/reliability.md`, which takes about a"
    yield "quarter of an hour; a fast part of it is in the test suite (`tests/test_attack.py`)."
    yield from (f"Last run on {dt.datetime.now(dt.UTC).date()}. {machine}", "")
    yield from ("| section | what was tried | tried | failed | figures |", "|---|---|---:|---:|---|")
    yield from map(_row, rows)
    yield from (f"| | in all | {tried:,} | {failed:,} | |", "")
    if failed:
        yield from ("What failed:", "", "```text", failures(rows), "```", "")
    yield "## What each section does"
    for name in dict.fromkeys(row.section for row in rows):
        yield from ("", f"**{name}.** {WHAT[name]}")


def _row(row: Row) -> str:
    figures = ", ".join(f"{name} {value:,.3g}" for name, value in row.figures.items())
    return f"| {row.section} | {row.what} | {row.tried:,} | {len(row.failures):,} | {figures} |"
