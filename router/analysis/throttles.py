"""429s against the declared rates: how many calls had left when a vendor said that they were too many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from statistics import median_low

from router.analysis.rows import FOLLOWED, WINDOWS_S, family_of, fault_of, sent
from router.analysis.usage import Usage
from router.catalog.limits import ToldLimit, told_limits
from router.catalog.vendors import of_model
from router.faults import Family
from router.log.events import AttemptFinished, StateChanged
from router.rates import Rate, parse_rate

MAX_COUNTS = 10_000

_WINDOW_OF = {seconds: name for name, seconds in WINDOWS_S.items()}


@dataclass(slots=True)
class Throttle:
    """The 429s of one key.

    `status_429` counts replies with that status, `faults` those refused for rate, tokens or concurrency: a 429 may
    mean an empty balance, and another status a limit. `rests` is how often that made the key rest. The `sent_` figures
    are the calls that had left in `window` before such a rest, counted for the `scope` that the declared rate limits,
    where the key went at its full rate. `limits` are the limit headers of the last such call, to
    `model`; `told_s` is the longest wait named.
    """

    provider: str
    key: str
    declared: str | None
    scope: str = "provider"
    faults: Counter[str] = field(default_factory=Counter)
    calls: int = 0
    status_429: int = 0
    window: str | None = None
    rests: int = 0
    peak_1s: int | None = None
    in_flight: int | None = None
    told_s: float | None = None
    model: str = ""
    limits: dict[str, str] = field(default_factory=dict)
    _counts: list[int] = field(default_factory=list, repr=False)

    @property
    def about_rate(self) -> int:
        """Calls refused for rate, tokens or concurrency."""
        return self.faults.total()

    @property
    def sent_low(self) -> int | None:
        """The fewest calls before such a rest."""
        return min(self._counts, default=None)

    @property
    def sent_median(self) -> int | None:
        """The median of these counts."""
        return median_low(self._counts) if self._counts else None

    @property
    def sent_high(self) -> int | None:
        """The most."""
        return max(self._counts, default=None)

    @property
    def told(self) -> tuple[ToldLimit, ...]:
        """The limits that these headers tell, where their window is known."""
        return told_limits(of_model(self.model), self.limits)

    def add(self, call: AttemptFinished) -> None:
        """Count a refusal, and what it says about limits."""
        self.status_429 += call.status == HTTPStatus.TOO_MANY_REQUESTS
        if family_of(call.fault) is Family.THROTTLE:
            self.faults[fault_of(call)] += 1
            self.told_s = max(self.told_s or 0.0, call.retry_after_s or 0.0) or None
            self.limits = {str(name): str(value) for name, value in call.limits.items()} or self.limits
            self.model = call.model

    def rest(self, change: StateChanged, age_s: float, *, telling: bool) -> None:
        """Count a rest, and, where it tells about the declared rate, the calls before it."""
        self.rests += 1
        if not telling:
            return
        self.window = window_for(self.declared, age_s)
        found = sent(change, self.window, self.scope if change.scope != "provider" else "provider")
        if found is not None and len(self._counts) < MAX_COUNTS:
            self._counts.append(found)
        self.peak_1s = max((n for n in (self.peak_1s, change.peak_1s) if n is not None), default=None)
        self.in_flight = max((n for n in (self.in_flight, change.in_flight) if n is not None), default=None)


class Throttles:
    """Reads refused calls and changes of state."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], Throttle] = {}
        self._rates: Mapping[str, str] = {}
        self._down: set[str] = set()

    def begin(self, rates: Mapping[str, object]) -> None:
        """A run begins: what it declares."""
        self._down.clear()
        self._rates = {name: ", ".join(map(str, rate)) for name, rate in rates.items() if isinstance(rate, list)}

    def failed(self, call: AttemptFinished) -> None:
        """Count a refused call."""
        if family_of(call.fault) is Family.THROTTLE or call.status == HTTPStatus.TOO_MANY_REQUESTS:
            name = (call.provider, call.key)
            if name not in self._found:
                self._found[name] = Throttle(*name, self._rates.get(call.provider))
            self._found[name].add(call)

    def turn(self, change: StateChanged, age_s: float) -> None:
        """Count the calls before a throttle that made an account, or all of them alike, rest."""
        mine = (self._found.get((change.provider, str(key))) for key in change.keys)
        for throttle in filter(None, mine):
            throttle.declared = change.declared_rate or throttle.declared
            # A rate that is not the provider's own is each account's, `key_rate`.
            own = throttle.declared in {None, self._rates.get(change.provider, throttle.declared)}
            throttle.scope = "provider" if own else "account"
            is_own = change.after == "resting" and change.because not in FOLLOWED
            if is_own and family_of(change.fault) is Family.THROTTLE:
                # Where it was slowed down already, what had been sent says nothing about the declared rate.
                telling = change.before == "ready" and change.provider not in self._down
                throttle.rest(change, age_s, telling=telling)
        if change.scope == "provider":
            (self._down.discard if change.after == "ready" else self._down.add)(change.provider)

    def found(self, usage: tuple[Usage, ...]) -> tuple[Throttle, ...]:
        """By provider and key."""
        calls = {(each.provider, each.key): each.calls for each in usage}
        for name, throttle in self._found.items():
            throttle.calls = calls[name]
        return tuple(self._found[name] for name in sorted(self._found))


def declared_rates(declared: str | None) -> list[Rate]:
    """The rates of a `declared_rate` field, `300/min, 10000/day`; those that cannot be read are left out."""
    rates = []
    for words in (declared or "").split(","):
        try:
            rates.append(parse_rate(words))
        except ValueError:
            continue
    return rates


def paced_rate(declared: str | None) -> Rate | None:
    """The first declared rate that is paced, which is the one that a 429 within a minute is about."""
    return next((rate for rate in declared_rates(declared) if rate.is_paced), None)


def window_for(declared: str | None, age_s: float) -> str:
    """The counted window that a declared rate is judged by; a run younger than that is judged by a shorter one."""
    rate = paced_rate(declared)
    wanted_s = min(rate.period_s if rate else 60.0, max(1.0, age_s))
    return _WINDOW_OF[max((seconds for seconds in _WINDOW_OF if seconds <= wanted_s), default=1.0)]
