"""Where items come from: the arithmetic of the article, or a file."""

from __future__ import annotations

import hashlib
from itertools import islice
from pathlib import Path

from router.errors import ConfigError
from router.evals.arithmetic import arithmetic
from router.evals.datasets import load
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
    """The items of a file, read as they are needed; raises ConfigError for any line that is no item, or without one."""
    first = next(iter(islice(load(path), 1)), None)
    if first is None:
        raise ConfigError(f"{path}: there is no item in it")
    return Task(
        path.name,
        lambda: load(path, limit),
        frozenset(first.variables),
        # Read once to the end, so that a mistake in the last line is found before the first call is paid for.
        total=sum(1 for _ in load(path, limit)),
        describes={"path": str(path), "sha256": _digest(path), "limit": limit},
    )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
