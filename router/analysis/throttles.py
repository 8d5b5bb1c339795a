"""429s against the declared rates: how many calls had left when a vendor said «too many»."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median_low

from router.analysis.rows import WINDOWS_S, Call, Row, Turn, family_of, sent, text
from router.analysis.usage import TOO_MANY_REQUESTS
from router.faults import Family
from router.rates import Rate, parse_rate

SAME_INSTANT_S = 0.05
MAX_COUNTS = 10_000

_WINDOW_OF = {seconds: name for name, seconds in WINDOWS_S.items()}


@dataclass(frozen=True, slots=True)
class Throttle:
    """The 429s of one key, or of keys that were throttled together as one account.

    `status_429` counts replies with that status, `about_rate` the calls refused for rate, tokens or concurrency: a 429
    may mean an empty balance, and another status a limit. `rests` is how often that made the key rest. `sent_low`,
    `sent_median` and `sent_high` are the calls that had left in `window` before such a rest, counted for the `scope`
    that the declared rate limits, where the key went at its full rate. `limits` are the limit headers of the last
    such call, `told_s` is the longest wait named.
    """

    provider: str
    key: str
    faults: dict[str, int]
    calls: int
    status_429: int
    about_rate: int
    declared: str | None
    window: str | None
    scope: str
    rests: int
    sent_low: int | None
    sent_median: int | None
    sent_high: int | None
    peak_1s: int | None
    in_flight: int | None
    told_s: float | None
    limits: dict[str, str]


@dataclass(slots=True)
class _Counted:
    faults: dict[str, int] = field(default_factory=dict)
    status_429: int = 0
    about_rate: int = 0
    told_s: float | None = None
    limits: dict[str, str] = field(default_factory=dict)
    declared: str | None = None
    window: str | None = None
    scope: str = "provider"
    counts: list[int] = field(default_factory=list)
    rests: int = 0
    peak_1s: int | None = None
    in_flight: int | None = None


class Throttles:
    """Reads calls and changes of state."""

    def __init__(self) -> None:
        self._counted: dict[tuple[str, str], _Counted] = {}
        self._calls: dict[tuple[str, str], int] = {}
        self._rates: dict[str, str] = {}
        self._states: dict[str, str] = {}
        self._began_at = 0.0

    def begin(self, row: Row, at: float) -> None:
        """A run begins: what it declares."""
        self._began_at = at
        self._states.clear()
        rates = row.get("rates")
        if isinstance(rates, Mapping):
            self._rates = {name: ", ".join(map(str, rate)) for name, rate in rates.items() if isinstance(rate, list)}

    def call(self, call: Call) -> None:
        """Count a call, and what it says about limits."""
        name = (call.provider, call.key)
        self._calls[name] = self._calls.get(name, 0) + 1
        about_rate = not call.ok and call.family is Family.THROTTLE
        if not about_rate and call.status != TOO_MANY_REQUESTS:
            return
        counted = self._counted.setdefault(name, _Counted(declared=self._rates.get(call.provider)))
        counted.faults[call.fault] = counted.faults.get(call.fault, 0) + 1
        counted.status_429 += call.status == TOO_MANY_REQUESTS
        counted.about_rate += about_rate
        if about_rate:
            counted.told_s = max(counted.told_s or 0.0, call.retry_after_s or 0.0) or None
            counted.limits = {str(name): str(value) for name, value in call.limits.items()} or counted.limits

    def turn(self, turn: Turn) -> None:
        """Count the calls before a throttle that made a key, or all keys alike, rest."""
        for name, counted in self._counted.items():
            if name[0] == turn.provider and turn.key in {name[1], None}:
                self._note(turn, counted)
        if turn.key is None:
            self._states[turn.provider] = turn.after

    def _note(self, turn: Turn, counted: _Counted) -> None:
        counted.declared = text(turn.came_before, "declared_rate") or counted.declared
        if turn.after != "resting" or turn.by_keys or family_of(turn.fault) is not Family.THROTTLE:
            return
        counted.rests += 1
        if turn.before != "ready" or self._states.get(turn.provider, "ready") != "ready":
            return  # it was slowed down already, so what had been sent says nothing about the declared rate
        counted.scope = self._scope(turn.provider, counted.declared)
        counted.window = window_for(counted.declared, turn.at - self._began_at)
        scope = counted.scope if turn.key else "provider"
        found = sent(turn.came_before, counted.window, scope)
        if found is not None and len(counted.counts) < MAX_COUNTS:
            counted.counts.append(found)
        counted.peak_1s = _most(counted.peak_1s, turn.came_before.get("peak_1s"))
        counted.in_flight = _most(counted.in_flight, turn.came_before.get("in_flight"))

    def _scope(self, provider: str, declared: str | None) -> str:
        """A rate that is not the provider's own is each account's, `key_rate`."""
        return "provider" if declared is None or self._rates.get(provider, declared) == declared else "account"

    def frozen(self) -> tuple[Throttle, ...]:
        """By provider and key."""
        return tuple(self._throttle(name, counted) for name, counted in sorted(self._counted.items()))

    def _throttle(self, name: tuple[str, str], counted: _Counted) -> Throttle:
        counts = counted.counts
        return Throttle(
            provider=name[0],
            key=name[1],
            faults=counted.faults,
            calls=self._calls[name],
            status_429=counted.status_429,
            about_rate=counted.about_rate,
            declared=counted.declared,
            window=counted.window,
            scope=counted.scope,
            rests=counted.rests,
            sent_low=min(counts, default=None),
            sent_median=median_low(counts) if counts else None,
            sent_high=max(counts, default=None),
            peak_1s=counted.peak_1s,
            in_flight=counted.in_flight,
            told_s=counted.told_s,
            limits=counted.limits,
        )


def _most(known: int | None, found: object) -> int | None:
    return max(known or 0, found) if isinstance(found, int) else known


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
    fitting: Sequence[float] = [seconds for seconds in _WINDOW_OF if seconds <= wanted_s]
    return _WINDOW_OF[max(fitting)] if fitting else "1s"
