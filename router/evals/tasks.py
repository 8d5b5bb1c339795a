"""Where items come from: the arithmetic of the article, or a file."""

from __future__ import annotations

from pathlib import Path

from router.errors import ConfigError
from router.evals.arithmetic import arithmetic
from router.evals.datasets import read
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


def file_task(path: Path, limit: int | None = None) -> Task:
    """The items of a file, read once; raises ConfigError for any line that is no item, or without one."""
    source = read(path)
    first = next(source.items(1), None)
    if first is None:
        raise ConfigError(f"{path}: there is no item in it")
    return Task(
        path.name,
        lambda: source.items(limit),
        frozenset(first.variables),
        # Gone through to the end, so that a mistake in the last line is found before the first call is paid for.
        total=sum(1 for _ in source.items(limit)),
        describes={"path": str(path), "sha256": source.sha256, "limit": limit},
    )
