"""Statistics: intervals of an accuracy, percentiles, and durations as text."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Z_95 = 1.959963984540054
"""The 97.5 % point of the normal distribution: 95 % lie within it on both sides."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Both ends belong to it."""

    low: float
    high: float


def wilson(right: int, n: int, z: float = Z_95) -> Interval:
    """The score interval of a share `right / n`, (0, 1) for n = 0; raises ValueError unless 0 <= right <= n.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
    Journal of the American Statistical Association 22 (1927), 209-212.
    """
    if not 0 <= right <= n:
        raise ValueError(f"expected 0 <= right <= n, found right = {right}, n = {n}")
    if n == 0:
        return Interval(0.0, 1.0)
    share, spread = right / n, z * z / n
    middle = (share + spread / 2) / (1 + spread)
    half = math.sqrt(share * (1 - share) * spread + spread * spread / 4) / (1 + spread)
    # At the ends the two terms are equal, but for rounding.
    return Interval(0.0 if right == 0 else middle - half, 1.0 if right == n else middle + half)


def bounds(right: int, answered: int, unanswered: int) -> Interval:
    """The accuracy if all the unanswered had been wrong, and if all had been right; (0, 1) without items."""
    items = answered + unanswered
    if items == 0:
        return Interval(0.0, 1.0)
    return Interval(right / items, (right + unanswered) / items)


def clustered(values: Sequence[Sequence[float]]) -> Interval:
    """The 95 % interval of a mean over items that were each asked several times: one sequence of scores an item.

    (0, 1) with fewer than two items.
    """
    return clustered_sums(Counter((math.fsum(item), len(item)) for item in values))


def clustered_sums(sums: Mapping[tuple[float, int], int]) -> Interval:
    """The same from each item's sum and number of scores, with how many items have them.

    Answers to one item are alike, so the items count and not the answers: the standard error comes from the sums of
    each item's residuals, the quantile from Student's t with items - 1 degrees of freedom. Where all scores are 0, or
    all are 1, it is Wilson's over the items, since nothing can be estimated from residuals that are all 0.
    Source: E. Miller, "Adding error bars to evals", arXiv:2411.00640 (2024), section 2.2.
    """
    items, n = sum(sums.values()), sum(number * times for (_, number), times in sums.items())
    if items < 2 or not n:  # noqa: PLR2004 - one item says nothing about others
        return Interval(0.0, 1.0)
    from scipy.stats import t

    mean = math.fsum(total * times for (total, _), times in sums.items()) / n
    if mean in {0.0, 1.0}:
        return wilson(items if mean else 0, items)
    squares = (times * (total - number * mean) ** 2 for (total, number), times in sums.items())
    half = float(t.isf(0.025, items - 1)) * math.sqrt(math.fsum(squares)) / n
    return Interval(max(0.0, mean - half), min(1.0, mean + half))


def pass_at(k: int, n: int, right: int) -> float:
    """The chance that one of `k` answers drawn from `n`, of which `right` are right, is right.

    Source: M. Chen and others, "Evaluating large language models trained on code", arXiv:2107.03374 (2021), equation 1.
    Raises ValueError unless 1 <= k <= n and 0 <= right <= n.
    """
    if not 1 <= k <= n or not 0 <= right <= n:
        raise ValueError(f"expected 1 <= k <= n and 0 <= right <= n, found k = {k}, n = {n}, right = {right}")
    return 1.0 - math.comb(n - right, k) / math.comb(n, k)


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The smallest of ascending values that `percent` (0…100) of them do not exceed: nearest rank.

    A value that really occurred, never one between two. Raises ValueError without values.
    """
    if not ordered or not 0 <= percent <= 100:  # noqa: PLR2004 - a percent
        raise ValueError(f"expected values and a percent of 0…100, found {len(ordered)} and {percent}")
    # 64.4 * 250 / 100 comes out a hair above 161; no rank is that close above an integer by intent.
    rank = math.ceil(percent * len(ordered) / 100 - 1e-9)
    return ordered[max(rank, 1) - 1]


def format_hms(seconds: float) -> str:
    """A duration as `0:00:20.491`, hours unbounded; raises ValueError for a negative or infinite one."""
    if not 0 <= seconds < math.inf:
        raise ValueError(f"expected a duration of 0 seconds or more, found {seconds}")
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}.{milliseconds:03d}"
