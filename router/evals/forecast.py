"""Forecasts an evaluation from its configuration alone: time, cost, and whether daily caps suffice."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from router.config.models import Config, Provider
from router.evals.flow import Course, Demand, flow
from router.evals.supplies import Estimate, allowances_of, scaled, supply_of
from router.transport.price import PriceList, cost_usd, tariffs_of
from router.types import Usage


class Work(NamedTuple):
    """Calls of one kind: how many, who may take them (by provider), and which name under `models:` they ask for."""

    name: str
    calls: float
    providers: frozenset[str]
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Share:
    """One provider's part: calls, calls a second at work, what bounds it, and dollars (None without a price)."""

    provider: str
    calls: float
    per_second: float
    bound: str
    cost_usd: float | None


@dataclass(frozen=True, slots=True)
class Stop:
    """The run ends early: `after_s` seconds, with `left` calls to go on with in `until_s` seconds from the start."""

    after_s: float
    until_s: float
    left: float
    why: str


@dataclass(frozen=True, slots=True)
class Cap:
    """A budget of a provider, and how many calls it is to bear within one of its windows."""

    provider: str
    rate: str
    amount: float
    used: float
    after_s: float | None

    @property
    def suffices(self) -> bool:
        """Whether it is not used up."""
        return self.after_s is None


@dataclass(frozen=True, slots=True)
class Variant:
    """What another configuration would take; seconds until its last call is answered, `inf` where it never is."""

    what: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """What an evaluation will take, as long as nothing fails.

    `seconds` run from the first call to the last answer, rests for budgets included; `inf` where some are never
    taken. `stop` says that it ends before, by --max-wait or --max-cost. `cost_usd` is in dollars, without those who
    have no price (`unpriced`).
    """

    calls: float
    seconds: float
    bound: str
    cost_usd: float
    shares: tuple[Share, ...]
    caps: tuple[Cap, ...] = ()
    stop: Stop | None = None
    unpriced: tuple[str, ...] = ()
    variants: tuple[Variant, ...] = ()


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for the whole run: items under way at once, `--max-wait` in seconds, `--max-cost` in dollars, now."""

    max_samples: int = 256
    max_wait_s: float = 900.0
    max_cost_usd: float | None = None
    wall: float = 0.0


@dataclass(frozen=True, slots=True)
class Forecaster:
    """Everything that a forecast follows from; `estimates` are by provider, `listed` is LiteLLM's price list."""

    config: Config
    work: Sequence[Work]
    estimates: Mapping[str, Estimate]
    terms: Terms = field(default_factory=Terms)
    listed: PriceList = field(default_factory=dict)

    def forecast(self) -> Forecast:
        """Work it out."""
        course = self._course()
        shares = tuple(self._share(provider, course) for provider in self._providers)
        seconds = course.seconds + self._last_s(course)
        cost = math.fsum(share.cost_usd or 0.0 for share in shares)
        return Forecast(
            calls=sum(work.calls for work in self.work),
            seconds=seconds,
            bound=course.bound,
            cost_usd=cost,
            shares=shares,
            caps=tuple(self._caps(course)),
            stop=self._stop(course, seconds, cost),
            unpriced=tuple(share.provider for share in shares if share.calls and share.cost_usd is None),
            variants=tuple(self._variants(course)),
        )

    @property
    def _providers(self) -> tuple[Provider, ...]:
        asked = frozenset[str]().union(*(work.providers for work in self.work))
        return tuple(provider for provider in self.config.usable if provider.name in asked)

    def _course(self) -> Course:
        supplies = [supply_of(each, self.estimates[each.name], self.terms.wall) for each in self._providers]
        return flow(
            supplies, [Demand(work.calls, work.providers, work.name) for work in self.work], self.terms.max_samples
        )

    def _last_s(self, course: Course) -> float:
        """How long the last answer takes."""
        used = [self.estimates[name].latency_s for (name, _), calls in course.taken.items() if calls]
        return max(used, default=0.0)

    def _share(self, provider: Provider, course: Course) -> Share:
        supply = supply_of(provider, self.estimates[provider.name], self.terms.wall)
        taken = [(work, course.taken.get((provider.name, work.name), 0.0)) for work in self.work]
        prices = [(self._price(provider, work), calls) for work, calls in taken if calls]
        cost = math.fsum(calls * price for price, calls in prices if price is not None)
        is_priced = all(price is not None for price, _ in prices)
        calls = sum(calls for _, calls in taken)
        return Share(provider.name, calls, supply.per_second, supply.bound, cost if is_priced else None)

    def _price(self, provider: Provider, work: Work) -> float | None:
        """Dollars for one call."""
        model = provider.model_for(work.model)
        if model is None:
            return None
        tier = str(provider.params_of(model).get("service_tier", ""))
        tariffs = tariffs_of(provider, model, self.listed, simulated=self.config.simulated, tier=tier)
        each = self.estimates[provider.name]
        # By the thousand, so that parts of a token count.
        usage = Usage(round(1000 * each.tokens_in), round(1000 * each.tokens_out))
        cost = cost_usd(usage, [replace(tariff, above=1000 * tariff.above) for tariff in tariffs])
        return None if cost is None else cost / 1000

    def _caps(self, course: Course) -> Iterator[Cap]:
        for provider in self._providers:
            calls = sum(taken for (name, _), taken in course.taken.items() if name == provider.name)
            for each in allowances_of(provider, self.estimates[provider.name], self.terms.wall):
                out = course.used_up.get((provider.name, each.name))
                yield Cap(provider.name, each.name, each.amount, min(calls, each.amount), out)

    def _stop(self, course: Course, seconds: float, cost: float) -> Stop | None:
        """Which of --max-wait and --max-cost ends it first, if any does."""
        stops = [*self._waits_too_long(course), *self._money_ends(seconds, cost)]
        return min(stops, key=lambda stop: stop.after_s, default=None)

    def _waits_too_long(self, course: Course) -> Iterator[Stop]:
        for wait in course.waits:
            if wait.until_s - wait.at_s > self.terms.max_wait_s:
                yield Stop(wait.at_s, wait.until_s, wait.left, f"{wait.why} is used up, and --max-wait is over")
                return

    def _money_ends(self, seconds: float, cost: float) -> Iterator[Stop]:
        limit = self.terms.max_cost_usd
        if limit is not None and cost > limit:
            calls = sum(work.calls for work in self.work)
            yield Stop(
                seconds * limit / cost, seconds * limit / cost, calls * (1 - limit / cost), f"--max-cost {limit:g}"
            )

    def _variants(self, course: Course) -> Iterator[Variant]:
        """What would change it: an account more or half the rate where most is done, and nobody there."""
        by_calls = sorted(
            self._providers, key=lambda each: -sum(n for (p, _), n in course.taken.items() if p == each.name)
        )
        if course.bound == "--max-samples":
            yield self._variant(
                f"--max-samples {2 * self.terms.max_samples}", self._with_samples(2 * self.terms.max_samples)
            )
        short = {name for name, _ in course.used_up}
        for provider in [each for each in by_calls if each.name in short or course.bound.startswith(f"{each.name}'s ")]:
            accounts = len({key.account for key in provider.keys}) or 1
            more = scaled(provider, (accounts + 1) / accounts)
            yield self._variant(f"one account more at {provider.name}, with limits like its others", self._with(more))
            yield self._variant(f"half of what {provider.name} may do", self._with(scaled(provider, 0.5)))
        if len(by_calls) > 1 and all(len(work.providers) > 1 for work in self.work):
            yield self._variant(f"without {by_calls[0].name}", self._without(by_calls[0].name))

    def _variant(self, what: str, other: Forecaster) -> Variant:
        course = other._course()
        return Variant(what, course.seconds + other._last_s(course))

    def _with(self, provider: Provider) -> Forecaster:
        others = tuple(provider if each.name == provider.name else each for each in self.config.providers)
        return replace(self, config=replace(self.config, providers=others))

    def _with_samples(self, number: int) -> Forecaster:
        return replace(self, terms=replace(self.terms, max_samples=number))

    def _without(self, name: str) -> Forecaster:
        work = [each._replace(providers=each.providers - {name}) for each in self.work]
        return replace(self, work=work)
