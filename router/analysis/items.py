"""Items whose calls failed, and where they were answered afterwards."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from router.log.events import AttemptFinished

MAX_WAITING = 100_000


class Waits(Protocol):
    """Somebody who wants to know of an item's answer."""

    def answered(self, call: AttemptFinished) -> None:
        """It has come, with this call."""
        ...


@dataclass(slots=True)
class ItemCounts:
    """The items that failed at one provider, or with some of its keys; the rest had no answer when the log ends."""

    items: int = 0
    answered_elsewhere: int = 0
    answered_here: int = 0
    _provider: str = field(default="", repr=False)
    _keys: tuple[str, ...] | None = field(default=None, repr=False)

    def answered(self, call: AttemptFinished) -> None:
        """Count an answer, here or elsewhere."""
        here = call.provider == self._provider and (self._keys is None or call.key in self._keys)
        self.answered_here += here
        self.answered_elsewhere += not here

    @property
    def unanswered(self) -> int:
        """Items that failed here and were never answered."""
        return self.items - self.answered_elsewhere - self.answered_here


class Pending:
    """Who waits for which item's answer. Memory grows with the items in flight, not with the log."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[Waits]] = {}

    def clear(self) -> None:
        """A run begins: its items are others, though they may bear the same ids."""
        self._waiting.clear()

    def count(self, counts: ItemCounts, item: str) -> None:
        """Count an item once, and wait for its answer."""
        counts.items += self.wait(counts, item)

    def wait(self, whom: Waits, item: str) -> bool:
        """Wait for the answer of an item; False for who does so already, and for a call without one."""
        waiting = self._waiting.setdefault(item, []) if item else [whom]
        if any(each is whom for each in waiting):
            return False
        waiting.append(whom)
        if len(self._waiting) > MAX_WAITING:
            self._waiting.pop(next(iter(self._waiting)))
        return True

    def answered(self, call: AttemptFinished) -> None:
        """Tell everybody who waits."""
        for whom in self._waiting.pop(call.item, ()):
            whom.answered(call)

    def settled(self, item: str) -> None:
        """An item is over: nobody will answer it any more."""
        self._waiting.pop(item, None)
