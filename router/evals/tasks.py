"""Where items come from: the arithmetic of the article, or a data set."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from router.evals.arithmetic import arithmetic
from router.evals.datasets import Dataset, Reading, read
from router.evals.items import Item
from router.evals.plan import Task


def arithmetic_task(limit: int = 100, ops: int = 2, seed: int = 0) -> Task:
    """Expressions of `ops` operators from + - x over 1…100; item i is the same on every machine."""
    return Task(
        "arithmetic",
        lambda: arithmetic(limit, ops, seed),
        frozenset({"question"}),
        total=limit,
        describes={"limit": limit, "ops": ops, "seed": seed},
    )


def data_task(data: str | Path, how: Reading | None = None) -> Task:
    """The items of a data set, read to its end, so that a mistake in the last row is found before anything is paid."""
    how = how or Reading()
    dataset = read(data, how)
    first = next(dataset.items(), None)
    return Task(
        Path(data).name,
        dataset.items,
        frozenset(first.variables if first else ()),
        total=len(dataset),
        describes={
            "path": str(data),
            "sha256": dataset.sha256,
            "limit": how.limit,
            "shuffled": how.shuffled,
            "map": how.mapped.texts,
            "bad_rows": dataset.skipped,
            "without_gold": dataset.without_gold,
        },
        notes=tuple(_notes(dataset, first)),
    )


def file_task(path: Path, limit: int | None = None) -> Task:
    """The first `limit` items of a file; raises ConfigError for any row that is no item, or without one."""
    return data_task(path, Reading(limit))


def _notes(dataset: Dataset, first: Item | None) -> Iterator[str]:
    if dataset.skipped:
        rows = (
            f"{dataset.skipped} rows of {dataset.name} were" if dataset.skipped > 1 else f"a row of {dataset.name} was"
        )
        yield f"{rows} skipped; the first: {dataset.bad}"
    if dataset.without_gold:
        of = f"{dataset.without_gold} of {len(dataset.store)} items"
        fields = ", ".join(sorted(first.variables)) if first and dataset.without_gold == len(dataset.store) else ""
        hint = f". The fields are {fields}: --map expected=FIELD takes the answer from one of them" if fields else ""
        yield f"{of} have no expected answer; their answers are kept but not scored{hint}"
