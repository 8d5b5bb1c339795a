"""Whether one prompt or vendor beats another on the same items: tests, intervals, and how many items it takes.

The decision is McNemar's mid-p test: it kept its level in all scenarios that Fagerland, Lydersen and Laake tried,
where the exact conditional test is too careful (BMC Medical Research Methodology 13:91, 2013). The interval of the
difference is Tango's score interval, which agrees with that test at its ends.

What a run needs at its end comes from scipy.special: scipy.stats takes three times as long to import.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from router.evals.stats import Z_95, Interval

ALPHA = 0.05
POWER = 0.8
RESAMPLES = 9_999
BOOTSTRAP_CELLS = 2_000_000
"""Numbers that a bootstrap holds at once: 16 MB."""
MAX_RESAMPLED = 5_000
"""With more items a mean is as good as normal, and Student's t takes the place of resampling."""
MAX_ITEMS = 1_000_000
"""Beyond this many items a difference is called out of reach."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """How the same items ended under two conditions, A and B: counts of items."""

    both: int
    only_a: int
    only_b: int
    neither: int

    @classmethod
    def of(cls, a: Sequence[bool], b: Sequence[bool]) -> Pairs:
        """Count pairs of verdicts, item by item; raises ValueError where the lengths differ."""
        ends = list(zip(a, b, strict=True))
        return cls(*(ends.count(pair) for pair in ((True, True), (True, False), (False, True), (False, False))))

    @property
    def items(self) -> int:
        """All items."""
        return self.both + self.only_a + self.only_b + self.neither

    @property
    def discordant(self) -> float:
        """The share of items that ended differently; 0 without items."""
        return (self.only_a + self.only_b) / self.items if self.items else 0.0

    @property
    def difference(self) -> float:
        """The accuracy of B less that of A; 0 without items."""
        return (self.only_b - self.only_a) / self.items if self.items else 0.0


@dataclass(frozen=True, slots=True)
class McNemar:
    """The two-sided p values of McNemar's test; 1 where no item ended differently."""

    mid_p: float
    exact: float

    @property
    def is_decided(self) -> bool:
        """Whether the difference is more than chance at the 5 % level, by mid-p."""
        return self.mid_p <= ALPHA


def mcnemar(pairs: Pairs) -> McNemar:
    """Test whether A and B are right equally often."""
    from scipy.special import bdtr

    changed, fewer = pairs.only_a + pairs.only_b, min(pairs.only_a, pairs.only_b)
    tail = 2.0 * float(bdtr(fewer, changed, 0.5))
    point = math.comb(changed, fewer) / 2**changed
    if pairs.only_a == pairs.only_b:
        return McNemar(mid_p=1.0 - 0.5 * point if changed else 1.0, exact=1.0)
    return McNemar(mid_p=tail - point, exact=min(1.0, tail))


def tango(pairs: Pairs, z: float = Z_95) -> Interval:
    """The score interval of the difference, B less A; (-1, 1) without items.

    Source: T. Tango, "Equivalence test and confidence interval for the difference in proportions for the paired-sample
    design", Statistics in Medicine 17 (1998), 891-908.
    """
    if not pairs.items:
        return Interval(-1.0, 1.0)
    return Interval(_tango_end(pairs, z), -_tango_end(Pairs(pairs.both, pairs.only_b, pairs.only_a, pairs.neither), z))


def _tango_end(pairs: Pairs, z: float) -> float:
    """The difference below the observed one at which the score statistic is `z`, by bisection to rounding."""
    low, high = -1.0, pairs.difference
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if _score(pairs, middle) > z else (low, middle)
    return (low + high) / 2


def _score(pairs: Pairs, difference: float) -> float:
    n, up, down = pairs.items, pairs.only_b, pairs.only_a
    a, b, c = 2 * n, -up - down + (2 * n - up + down) * difference, -down * difference * (1 - difference)
    nuisance = (math.sqrt(max(0.0, b * b - 4 * a * c)) - b) / (2 * a)
    variance = n * (2 * nuisance + difference * (1 - difference))
    return (up - down - n * difference) / math.sqrt(variance) if variance > 0 else math.inf


def bonett_price(pairs: Pairs, z: float = Z_95) -> Interval:
    """The adjusted Wald interval of the difference, B less A.

    Source: D. G. Bonett and R. M. Price, "Adjusted Wald confidence interval for a difference of binomial proportions
    based on paired data", Journal of Educational and Behavioral Statistics 37 (2012), 479-488.
    """
    n = pairs.items + 2
    up, down = (pairs.only_b + 1) / n, (pairs.only_a + 1) / n
    half = z * math.sqrt((up + down - (up - down) ** 2) / n)
    return Interval(max(-1.0, up - down - half), min(1.0, up - down + half))


def items_needed(discordant: float, difference: float, *, alpha: float = ALPHA, power: float = POWER) -> int | None:
    """How many items show a difference, where a share `discordant` of them ends differently; None beyond MAX_ITEMS.

    Source: R. J. Connor, "Sample size for testing differences in proportions for the paired-sample design", Biometrics
    43 (1987), 207-211. Raises ValueError where the difference is larger than the discordant share.
    """
    from scipy.special import ndtri

    if not 0 <= abs(difference) <= discordant <= 1:
        raise ValueError(f"expected |difference| <= discordant <= 1, found {difference} and {discordant}")
    if difference == 0:
        return None
    z_alpha, z_power = float(-ndtri(alpha / 2)), float(ndtri(power))
    spread = z_alpha * math.sqrt(discordant) + z_power * math.sqrt(discordant - difference**2)
    needed = math.ceil(spread**2 / difference**2)
    return needed if needed <= MAX_ITEMS else None


def discordance(accuracy_a: float, accuracy_b: float) -> float:
    """The share of items that end differently if the errors of A and B are independent: mostly more than in truth."""
    return accuracy_a * (1 - accuracy_b) + accuracy_b * (1 - accuracy_a)


def power_of(items: int, discordant: float, difference: float, *, mid_p: bool = True) -> float:
    """The chance that McNemar's test at the 5 % level decides with `items` items: all outcomes summed."""
    from scipy.stats import binom

    up = (discordant + difference) / 2
    if not discordant:
        return 0.0
    chance = 0.0
    for changed in range(items + 1):
        reach = _largest_tail(changed, mid_p=mid_p)
        if reach >= 0:
            share = up / discordant
            tails = binom.cdf(reach, changed, share) + binom.sf(changed - reach - 1, changed, share)
            chance += float(binom.pmf(changed, items, discordant) * tails)
    return chance


def _largest_tail(changed: int, *, mid_p: bool) -> int:
    """The largest count on the smaller side that still decides; -1 where none does."""
    from scipy.stats import binom

    def decides(fewer: int) -> bool:
        test = mcnemar(Pairs(0, fewer, changed - fewer, 0)) if fewer >= 0 else McNemar(1.0, 1.0)
        return (test.mid_p if mid_p else test.exact) <= ALPHA

    guess = int(binom.ppf(ALPHA / 2, changed, 0.5))
    return next((fewer for fewer in range(min(guess + 1, changed // 2), guess - 3, -1) if decides(fewer)), -1)


def cochran_q(rows: Sequence[Sequence[bool]]) -> float:
    """The p value of Cochran's Q: whether conditions are right equally often. One row an item; 1 if none differs.

    Source: W. G. Cochran, "The comparison of percentages in matched samples", Biometrika 37 (1950), 256-266.
    """
    from scipy.special import chdtrc

    by_item = [sum(row) for row in rows]
    k = len(rows[0]) if rows else 0
    spread = k * sum(by_item) - sum(right * right for right in by_item)
    if not spread:
        return 1.0
    by_condition = [sum(column) for column in zip(*rows, strict=True)]
    q = (k - 1) * (k * sum(right * right for right in by_condition) - sum(by_item) ** 2) / spread
    return float(chdtrc(k - 1, q))


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """The p values adjusted for how many were looked at, in their own order.

    Source: S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6
    (1979), 65-70.
    """
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return tuple(adjusted)


def homogeneity(counts: Sequence[tuple[int, int]]) -> float:
    """The p value that groups of (right, wrong), each of other items, share one accuracy; 1 where none can differ."""
    from scipy.special import chdtrc

    table = [pair for pair in counts if sum(pair)]
    if len(table) < 2 or not all(map(sum, zip(*table, strict=True))):  # noqa: PLR2004 - nothing to compare
        return 1.0
    right, wrong = map(sum, zip(*table, strict=True))
    expected = [(sum(pair) * right / (right + wrong), sum(pair) * wrong / (right + wrong)) for pair in table]
    cells = zip(chain.from_iterable(table), chain.from_iterable(expected), strict=True)
    return float(chdtrc(len(table) - 1, sum((seen - due) ** 2 / due for seen, due in cells)))


def kruskal_wallis(groups: Sequence[Sequence[float]]) -> float:
    """The p value that groups of scores, each of other items, are alike; 1 where none can differ.

    Source: W. H. Kruskal and W. A. Wallis, "Use of ranks in one-criterion variance analysis", Journal of the American
    Statistical Association 47 (1952), 583-621.
    """
    from scipy.stats import kruskal

    some = [group for group in groups if group]
    if len(some) < 2 or len({score for group in some for score in group}) < 2:  # noqa: PLR2004 - nothing to compare
        return 1.0
    return float(kruskal(*some).pvalue)


def bootstrap(differences: Sequence[float], *, seed: int = 0) -> Interval:
    """The BCa interval of a mean difference of graded scores, one number an item; the number itself where all agree.

    Source: B. Efron, "Better bootstrap confidence intervals", Journal of the American Statistical Association 82
    (1987), 171-185. The same seed gives the same interval.
    """
    if len(set(differences)) <= 1:
        return Interval(differences[0], differences[0]) if differences else Interval(-1.0, 1.0)
    if len(differences) > MAX_RESAMPLED:
        mean, error = _mean_and_error(differences)
        return Interval(mean - Z_95 * error, mean + Z_95 * error)
    import numpy as np
    from scipy.stats import bootstrap as resample

    values = np.asarray(differences, dtype=float)
    batch = max(1, BOOTSTRAP_CELLS // len(values))
    found = resample((values,), np.mean, n_resamples=RESAMPLES, batch=batch, rng=np.random.default_rng(seed))
    return Interval(float(found.confidence_interval.low), float(found.confidence_interval.high))


def sign_flip(differences: Sequence[float], *, seed: int = 0) -> float:
    """The p value that graded scores differ by chance alone, one difference an item: its signs are drawn again.

    All signs are tried where there are few; the same seed gives the same value. 1 where nothing differs. Source:
    R. A. Fisher, "The design of experiments" (1935), section 21; for verdicts it is McNemar's exact test.
    """
    changed = [difference for difference in differences if difference]
    if len(changed) <= 1:
        return 1.0
    if len(differences) > MAX_RESAMPLED:
        from scipy.stats import norm

        mean, error = _mean_and_error(differences)
        return 2 * float(norm.sf(abs(mean) / error)) if error else 0.0
    import numpy as np
    from scipy.stats import permutation_test

    values = np.asarray(changed, dtype=float)
    found = permutation_test(
        (values,),
        np.mean,
        permutation_type="samples",
        n_resamples=RESAMPLES,
        batch=max(1, BOOTSTRAP_CELLS // len(values)),
        rng=np.random.default_rng(seed),
    )
    return float(found.pvalue)


def scores_needed(differences: Sequence[float], *, alpha: float = ALPHA, power: float = POWER) -> int | None:
    """How many items show a mean difference of graded scores as large as this one; None beyond MAX_ITEMS.

    Source: E. Miller, "Adding error bars to evals", arXiv:2411.00640 (2024), section 5.
    """
    from scipy.stats import norm

    mean, error = _mean_and_error(differences)
    if not mean:
        return None
    z = float(norm.isf(alpha / 2) + norm.isf(1 - power))
    needed = math.ceil((z * error / mean) ** 2 * len(differences))
    return needed if needed <= MAX_ITEMS else None


def _mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """The mean and its standard error; 0 and 0 without values."""
    n = len(values)
    mean = math.fsum(values) / n if n else 0.0
    return mean, math.sqrt(math.fsum((value - mean) ** 2 for value in values)) / n if n else 0.0
