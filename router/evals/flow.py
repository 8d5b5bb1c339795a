"""Computes how long work takes when several providers share it, each with its own rate, rests and budgets.

Calls flow like water: nothing is random, and no call is looked at by itself. A plan asks it before a run, and the time
left during one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

MAX_STEPS = 20_000
NOTHING = 1e-6
"""So little of a call is a rounding error."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """A budget: `left` calls in the next `reset_s` seconds, then `amount` in every `period_s`."""

    name: str
    amount: float
    period_s: float
    left: float
    reset_s: float


@dataclass(frozen=True, slots=True)
class Supply:
    """What one provider can take: `at_once` calls when it begins, in `from_s` seconds, then `per_second`.

    `bound` says what keeps it from more. Where no rate is declared it begins with `at_once` in flight, and doubles that
    with every round of answers.
    """

    name: str
    per_second: float
    bound: str
    at_once: float = 1.0
    latency_s: float = 0.0
    from_s: float = 0.0
    rest: str = ""
    allowances: tuple[Allowance, ...] = ()
    is_felt_out: bool = False

    def rate_at(self, at: float) -> float:
        """Calls a second at `at` seconds from now, budgets left aside."""
        if at < self.from_s - NOTHING:
            return 0.0
        if not self.is_felt_out or not self.latency_s:
            return self.per_second
        rounds = min(64, math.floor((at - self.from_s) / self.latency_s + NOTHING))
        return min(self.per_second, self.at_once * 2.0 ** (rounds + 1) / self.latency_s)

    def changes_at(self, at: float) -> float:
        """When its rate is next another; `inf` for never."""
        if at < self.from_s - NOTHING:
            return self.from_s
        if self.rate_at(at) >= self.per_second:
            return math.inf
        return self.from_s + self.latency_s * (math.floor((at - self.from_s) / self.latency_s + NOTHING) + 1)


@dataclass(frozen=True, slots=True)
class Demand:
    """Calls that any of `suppliers` may take."""

    calls: float
    suppliers: frozenset[str]
    name: str = ""


@dataclass(frozen=True, slots=True)
class Wait:
    """Nobody can take what is left from `at_s` to `until_s`, in seconds from now, because of `why`."""

    at_s: float
    until_s: float
    left: float
    why: str


@dataclass(frozen=True, slots=True)
class Course:
    """How it went: `seconds` until the last call leaves (`inf` where some never do), who took how many of what.

    `bound` is what kept it from being over sooner, `waits` are the times in which nobody could take what was left,
    `used_up` says when a supply's budget was first empty and still wanted.
    """

    seconds: float
    bound: str
    taken: dict[tuple[str, str], float]
    waits: tuple[Wait, ...] = ()
    used_up: dict[tuple[str, str], float] = field(default_factory=dict)
    left: float = 0.0


def flow(supplies: Sequence[Supply], demands: Sequence[Demand], window: float = math.inf) -> Course:
    """Let the demands flow to the supplies, at most `window` calls in flight at any time."""
    return _Flow(supplies, demands, window).run()


@dataclass(slots=True)
class _Flow:
    """The water on its way; its mutable state is the time, what is left, and what budgets have left."""

    supplies: Sequence[Supply]
    demands: Sequence[Demand]
    window: float
    at: float = 0.0
    left: list[float] = field(default_factory=list)
    budgets: dict[tuple[str, str], tuple[float, float]] = field(default_factory=dict)
    begun: set[str] = field(default_factory=set)
    taken: dict[tuple[str, str], float] = field(default_factory=dict)
    waits: list[Wait] = field(default_factory=list)
    used_up: dict[tuple[str, str], float] = field(default_factory=dict)
    bound: str = ""

    def run(self) -> Course:
        self.left = [demand.calls for demand in self.demands]
        self.budgets = {(s.name, a.name): (a.left, a.reset_s) for s in self.supplies for a in s.allowances}
        for _ in range(MAX_STEPS):
            self._renew()
            self._begin()
            pairs = list(self._pairs())
            if sum(self.left) <= NOTHING:
                return self._course(self.at)
            if not self._step(pairs):
                break
        return self._course(math.inf)

    def _course(self, seconds: float) -> Course:
        longest = max(self.waits, key=lambda wait: wait.until_s - wait.at_s, default=None)
        waited = sum(wait.until_s - wait.at_s for wait in self.waits)
        bound = longest.why if longest and waited > seconds / 2 else self.bound
        return Course(seconds, bound, self.taken, tuple(self.waits), self.used_up, sum(self.left))

    def _renew(self) -> None:
        """Give budgets whose window is over what the next one has."""
        for supply in self.supplies:
            for each in supply.allowances:
                left, reset = self.budgets[supply.name, each.name]
                if self.at >= reset - NOTHING:
                    windows = math.floor((self.at - reset) / each.period_s + NOTHING) + 1
                    self.budgets[supply.name, each.name] = (each.amount, reset + windows * each.period_s)
                elif left <= NOTHING:
                    self.budgets[supply.name, each.name] = (0.0, reset)
                    if self._is_wanted(supply):
                        self.used_up.setdefault((supply.name, each.name), self.at)

    def _begin(self) -> None:
        """Let those who can begin now take what they take at once."""
        for supply in self.supplies:
            if supply.name not in self.begun and self._works(supply):
                self.begun.add(supply.name)
                first = min(supply.at_once, self.window)
                for index in self._wanted_of(supply):
                    calls = min(first, self.left[index], self._room(supply))
                    self._take(supply, index, calls)
                    first -= calls

    def _pairs(self) -> Iterator[tuple[Supply, int]]:
        """Who works on what now: everybody on what the fewest others can do."""
        for supply in self.supplies:
            wanted = self._wanted_of(supply)
            if wanted and self._works(supply):
                yield supply, wanted[0]

    def _works(self, supply: Supply) -> bool:
        return supply.rate_at(self.at) > 0 and self._room(supply) > NOTHING and self._is_wanted(supply)

    def _wanted_of(self, supply: Supply) -> list[int]:
        mine = [i for i, each in enumerate(self.demands) if supply.name in each.suppliers and self.left[i] > NOTHING]
        return sorted(mine, key=lambda index: len(self.demands[index].suppliers))

    def _is_wanted(self, supply: Supply) -> bool:
        return bool(self._wanted_of(supply))

    def _room(self, supply: Supply) -> float:
        return min((self.budgets[supply.name, each.name][0] for each in supply.allowances), default=math.inf)

    def _take(self, supply: Supply, index: int, calls: float) -> None:
        self.left[index] -= calls
        place = (supply.name, self.demands[index].name)
        self.taken[place] = self.taken.get(place, 0.0) + calls
        for each in supply.allowances:
            left, reset = self.budgets[supply.name, each.name]
            self.budgets[supply.name, each.name] = (left - calls, reset)

    def _step(self, pairs: list[tuple[Supply, int]]) -> bool:
        """Go on to the next moment in which something changes; False where nothing ever will."""
        in_flight = sum(supply.rate_at(self.at) * supply.latency_s for supply, _ in pairs)
        share = min(1.0, self.window / in_flight) if in_flight else 1.0
        rates = [supply.rate_at(self.at) * share for supply, _ in pairs]
        until = min([*self._ends(pairs, rates), *self._news(pairs)], default=math.inf)
        if math.isinf(until):
            return False
        if pairs:
            self.bound = _bound([supply for supply, _ in pairs], is_windowed=share < 1.0)
        else:
            self.waits.append(Wait(self.at, until, sum(self.left), self._why(until)))
        for (supply, index), rate in zip(pairs, rates, strict=True):
            self._take(supply, index, rate * (until - self.at))
        self.at = until
        return True

    def _ends(self, pairs: list[tuple[Supply, int]], rates: list[float]) -> Iterator[float]:
        """When a demand is met, or a budget used up, at these rates."""
        for index in {index for _, index in pairs}:
            yield self.at + self.left[index] / sum(r for (_, i), r in zip(pairs, rates, strict=True) if i == index)
        for (supply, _), rate in zip(pairs, rates, strict=True):
            yield self.at + self._room(supply) / rate

    def _news(self, pairs: list[tuple[Supply, int]]) -> Iterator[float]:
        """When a rest is over, a rate changes, or an empty budget is filled."""
        working = {supply.name for supply, _ in pairs}
        for supply in self.supplies:
            if not any(
                supply.name in d.suppliers and n > NOTHING for d, n in zip(self.demands, self.left, strict=True)
            ):
                continue
            yield supply.changes_at(self.at)
            for each in supply.allowances:
                left, reset = self.budgets[supply.name, each.name]
                if supply.name in working or left <= NOTHING:
                    yield reset

    def _why(self, until: float) -> str:
        """Whose rest or budget it is that ends at `until`."""
        for supply in self.supplies:
            if supply.rest and abs(supply.from_s - until) <= NOTHING:
                return supply.rest
            for each in supply.allowances:
                if abs(self.budgets[supply.name, each.name][1] - until) <= NOTHING:
                    return f"{supply.name}'s {each.name}"
        return "rests"


def _bound(supplies: Sequence[Supply], *, is_windowed: bool) -> str:
    """What keeps those who work from working faster: the words of the largest, and how many there are beside it."""
    if is_windowed:
        return "--max-samples"
    first, *others = sorted(supplies, key=lambda each: -each.per_second)
    return f"{first.name}'s {first.bound}" + (f" and {len(others)} more" if others else "")
