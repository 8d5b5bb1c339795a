"""What a call asks of a lane."""

from __future__ import annotations

from typing import NamedTuple


class Selector(NamedTuple):
    """A model by its name of `--model`, only these providers, better not those."""

    model: str | None = None
    only: frozenset[str] | None = None
    avoid: frozenset[str] = frozenset()
