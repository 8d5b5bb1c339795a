"""The run's retry budget: an outage must multiply nothing.

Once FREE first tries are out, retries may be at most SHARE of them. Beyond that retries are not refused but go
one at a time: every item still gets its attempts, and the vendors see a trickle instead of a wave. One at a time of
those that ask for the same: one that waits for a vendor that rests must not hold up another that a vendor would take.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

FREE = 100
SHARE = 0.2


class RetryBudget:
    """Counts first tries and retries of a run."""

    def __init__(self) -> None:
        self.firsts = 0
        self.retries = 0
        self._one: defaultdict[Hashable, asyncio.Lock] = defaultdict(asyncio.Lock)

    @property
    def is_spent(self) -> bool:
        """Whether one more retry would be beyond the budget."""
        return self.firsts >= FREE and self.retries + 1 > SHARE * self.firsts

    @asynccontextmanager
    async def passing(self, selector: Hashable, *, first: bool) -> AsyncIterator[None]:
        """Let one call through: at once, or once the budget is spent one retry at a time per selector."""
        if first:
            self.firsts += 1
            yield
        elif self.is_spent:
            async with self._one[selector]:
                self.retries += 1
                yield
        else:
            self.retries += 1
            yield
