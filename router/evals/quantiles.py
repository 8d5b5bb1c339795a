"""Percentiles of any number of values in bounded memory."""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass, field
from math import ceil, log

from router.evals.stats import percentile

EXACT = 4096
"""Values that are kept as they are; more of them are only counted."""
GROWTH = 1.01
MIN_VALUE = 1e-6
"""Smaller values count as this one."""


@dataclass(slots=True)
class Quantiles:
    """Percentiles: exact up to EXACT values, beyond within half a percent of the value.

    Beyond, values are counted in buckets that grow by one percent each: Masson, Rim and Lee, DDSketch, VLDB 2019.
    """

    count: int = 0
    _values: array[float] = field(default_factory=lambda: array("d"))
    _buckets: Counter[int] = field(default_factory=Counter)

    def add(self, value: float) -> None:
        """Take one value, not below zero."""
        self.count += 1
        if self._buckets:
            self._buckets[_bucket(value)] += 1
            return
        self._values.append(value)
        if len(self._values) > EXACT:
            self._buckets.update(map(_bucket, self._values))
            self._values = array("d")

    def percentile(self, percent: float) -> float | None:
        """The value that `percent` of all do not exceed, None where there is none."""
        if not self.count:
            return None
        if not self._buckets:
            return percentile(sorted(self._values), percent)
        left = ceil(self.count * percent / 100)
        for bucket in sorted(self._buckets):
            left -= self._buckets[bucket]
            if left <= 0:
                break
        return 2 * GROWTH**bucket / (GROWTH + 1)


def _bucket(value: float) -> int:
    return ceil(log(max(value, MIN_VALUE), GROWTH))
