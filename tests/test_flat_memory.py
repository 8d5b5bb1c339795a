"""More items take no more memory: they are made or read as they are needed, and no row is kept.

`bench/items.py` measures the same with a million; here the allocations are counted, which takes no such machine.
"""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from items import AtOnce, plan_of  # the bench's own

from router.engine.router import Router
from router.evals import Task, evaluate
from router.evals.datasets import Reading
from router.evals.tasks import arithmetic_task, data_task
from router.jsonl import encode

SLACK = 150_000
"""Bytes: what the second of two like runs may hold more, by pools and caches that are filled once."""


@pytest.fixture(autouse=True)
def _state_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROUTER_STATE", str(tmp_path / "state.sqlite3"))


def peak_bytes(work: Callable[[], object]) -> int:
    """The most that was allocated at once while something ran, beyond what was there before."""
    gc.collect()
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def from_file(items: int, home: Path, *, shuffled: bool) -> Task:
    path = home / f"{items}.jsonl"
    with path.open("wb") as file:
        for number in range(items):
            file.write(encode({"id": f"i{number}", "question": f"{number} + 1? " * 20, "expected": number + 1}) + b"\n")
    return data_task(path, Reading(shuffled=shuffled))


@pytest.mark.parametrize("shuffled", [False, True], ids=["in order", "drawn"])
def test_reading_a_data_set(tmp_path: Path, shuffled: bool) -> None:  # noqa: FBT001 - a parameter of the table
    def read(items: int) -> None:
        assert sum(1 for _ in from_file(items, tmp_path, shuffled=shuffled).items()) == items

    read(10)
    few, many = (peak_bytes(partial(read, items)) for items in (150, 1500))
    assert many < few + SLACK


def test_an_evaluation(tmp_path: Path) -> None:
    def run(items: int) -> None:
        plan = plan_of(arithmetic_task(items), tmp_path)
        evaluation = asyncio.run(evaluate(plan, open_router=partial(Router, transport=AtOnce())))
        assert evaluation.items == items

    run(50)
    few, many = (peak_bytes(partial(run, items)) for items in (400, 1600))
    assert many < few + SLACK
