"""What the number of items costs in memory and time: whole evaluations against a vendor that answers at once.

Run it as `uv run python bench/items.py [ITEMS…]`; each case is a process of its own. It prints a table, and writes
`items.json` beside this file. A million items through the whole engine take some twenty minutes; `--reading` leaves the
engine out and only reads, draws and renders every trial.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import lab

from router import Router
from router.evals import Plan, Task, evaluate
from router.evals.datasets import Reading
from router.evals.prompts import load
from router.evals.tasks import arithmetic_task, data_task
from router.evals.trials import trials
from router.jsonl import encode
from router.transport import Call
from router.types import Answer, Usage

SIZES = (10_000, 100_000)
SEVEN = Answer("The result is 7.", Usage(12, 8), "stop", cost_usd=1e-6)
BESIDE = Path(__file__).with_suffix(".json")
COLUMNS = ("items", "from", "how", "peak RSS MB", "above 10 k", "time s", "ms an item")


class AtOnce:
    """A transport that answers in the same turn of the loop, and keeps nothing."""

    async def prepare(self) -> None:
        """Nothing to warm up."""

    async def aclose(self) -> None:
        """Nothing to close."""

    async def send(self, call: Call, on_sent: Callable[[], None]) -> Answer:
        """Say that it is seven."""
        del call
        on_sent()
        return SEVEN

    stream = send


def _arithmetic(items: int, home: Path) -> Task:
    del home
    return arithmetic_task(items)


def _jsonl(items: int, home: Path, *, shuffled: bool = False) -> Task:
    path = home / "items.jsonl"
    with path.open("wb") as file:
        for number in range(items):
            record = {"id": f"i{number}", "question": f"What is {number} + {number % 97}? " + "Think. " * 20}
            file.write(encode({**record, "expected": str(number + number % 97)}) + b"\n")
    return data_task(path, Reading(shuffled=shuffled))


SOURCES: dict[str, Callable[[int, Path], Task]] = {
    "arithmetic": _arithmetic,
    "jsonl": _jsonl,
    "shuffled": partial(_jsonl, shuffled=True),
}


def plan_of(task: Task, home: Path) -> Plan:
    """An evaluation of a task, by one vendor with room for 64 calls."""
    (home / "ask.txt").write_text("---\nscorer: number\n---\n{{ question }}", encoding="utf-8")
    config = lab.config([lab.Vendor("acme", "", ("sk-acme-0",), concurrency=64)])
    return Plan(config, (load(home / "ask.txt"),), task, log_dir=home / "runs")


def play(items: int, source: str, *, reading: bool) -> None:
    """One case in this process."""
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        plan = plan_of(SOURCES[source](items, home), home)
        if reading:
            for trial in trials(plan):
                trial.request()
            return
        evaluation = asyncio.run(evaluate(plan, open_router=partial(Router, transport=AtOnce())))
        assert evaluation.items == items, evaluation


def _case(items: int, source: str, *, reading: bool) -> dict[str, object]:
    words = [sys.executable, __file__, "--one", source, str(items), *(["--reading"] if reading else [])]
    began = time.monotonic()
    said = subprocess.run(words, check=True, capture_output=True, text=True).stdout  # noqa: S603 - ourselves
    took_s = time.monotonic() - began
    how = "reading" if reading else "evaluating"
    return {"items": items, "from": source, "how": how, "rss_mb": float(said), "time_s": round(took_s, 1)}


def _row(case: dict[str, object], first: dict[str, object]) -> tuple[str, ...]:
    rss, base = float(str(case["rss_mb"])), float(str(first["rss_mb"]))
    items, took_s = int(str(case["items"])), float(str(case["time_s"]))
    above, each = f"{rss - base:+.1f}", f"{1000 * took_s / items:.2f}"
    return f"{items:,}", str(case["from"]), str(case["how"]), f"{rss:.1f}", above, f"{took_s:.0f}", each


def main() -> None:
    """Print the table and write it; with `--one`, play one case and print its peak in MB."""
    parser = argparse.ArgumentParser()
    parser.add_argument("sizes", nargs="*", type=int, default=list(SIZES))
    parser.add_argument("--one", choices=SOURCES)
    parser.add_argument("--reading", action="store_true")
    parser.add_argument("--sources", nargs="+", choices=SOURCES, default=list(SOURCES))
    asked = parser.parse_args()
    if asked.one:
        play(asked.sizes[0], asked.one, reading=asked.reading)
        print(lab.peak_rss_mb())
        return
    cases = [_case(size, name, reading=asked.reading) for name in asked.sources for size in asked.sizes]
    first = {str(case["from"]): case for case in reversed(cases)}
    print(lab.host())
    print(lab.table(COLUMNS, [_row(case, first[str(case["from"])]) for case in cases]))
    BESIDE.write_text(json.dumps({"host": lab.host(), "cases": cases}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
