"""What a call asks of a lane."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Selector:
    """A model by its name of `--model`, only these providers, better not those."""

    model: str | None = None
    only: frozenset[str] | None = None
    avoid: frozenset[str] = frozenset()
