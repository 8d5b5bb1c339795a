"""What a call asks of a lane."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias


class Selector(NamedTuple):
    """A model by its name of `--model`, only these providers, better not those.

    With `key` (such as `openai#2`) only that key's provider and account, for as long as they are up; where they are not
    and others are, it fails.
    """

    model: str | None = None
    only: frozenset[str] | None = None
    avoid: frozenset[str] = frozenset()
    key: str | None = None

    @property
    def free(self) -> Selector:
        """The same, at any account."""
        return self if self.key is None else self._replace(key=None)


class Pinned(NamedTuple):
    """A model by LiteLLM's name, with the keys of one account alone."""

    model: str
    account: str


Wanted: TypeAlias = str | Pinned
"""What is wanted of a provider: a model by LiteLLM's name, with any of its keys or with those of one account."""
