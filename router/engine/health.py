"""What a key, an account or a provider may do now: one state machine for all three, pure, and the only file on bans.

Everything that changes a state lives here, and nothing here does I/O or looks at a clock: the time comes in.
Two rules hold the table together.

1. *State that expires is read, never fired.* A rest that is over is found by `health.at(now)`; no timer can be lost.
2. *Late answers speak about the past.* Each change raises the generation. A call remembers the generation it left
   in, and what it reports after a change is neutral, so ten calls that fail in one blip are one strike and one cut.
   Two exceptions: a refusal (the key is dead whenever it was said), and a told time later than the rest under way.

    state     ok        throttled  exhausted  refused   failed       blocked   neutral
    ready     ready     resting    resting    dropped   ready/rest¹  resting   same
    resting   same      longer²    longer²    dropped   same         longer²   same
    trial     ramping   resting    resting    dropped   resting      resting   same
    ramping   up/ready  resting    resting    dropped   resting      resting   same
    dropped   same      same       same       same      same         same      same

¹ resting at the BREAK_AFTER-th failure in a row. ² only where the vendor names a later time.
A rest ends in `trial` (one call at a time) after a break, a block or a quota, in `ramping` after a throttle.
While ramping, calls leave at `share` of the declared rate.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from router.faults import Fault, Kind, Signal


class State(StrEnum):
    """What a target may do now."""

    READY = "ready"
    RESTING = "resting"
    TRIAL = "trial"
    RAMPING = "ramping"
    DROPPED = "dropped"


BREAK_AFTER = 3
TRUSTED_RETRY_AFTERS = 2
RAMP = (0.10, 0.25, 0.50, 1.0)
ROUNDS: Mapping[float, int] = {0.10: 1, 0.25: 2, 0.50: 3}
"""Successes at a share before the next: few where calls are far apart, more as they come faster."""
ROUND = 3
CUT = 0.7
MIN_SHARE = 0.05
PAST_CEILING = 0.05
ROUND_PAST_CEILING = 20
HOURS_6_S = 6 * 3600.0

RESTS_S: Mapping[Signal, tuple[float, ...]] = {
    Signal.THROTTLED: (10, 30, 60, 120, 300),
    Signal.EXHAUSTED: (HOURS_6_S,),
    Signal.FAILED: (2, 5, 10, 20, 30, 60),
    Signal.BLOCKED: (30, 60, 120, 300, 600),
}
"""How long to rest where the vendor names no time, by strikes in a row."""

AFTER_REST: Mapping[Signal, State] = {
    Signal.THROTTLED: State.RAMPING,
    Signal.EXHAUSTED: State.TRIAL,
    Signal.FAILED: State.TRIAL,
    Signal.BLOCKED: State.TRIAL,
}


@dataclass(frozen=True, slots=True)
class Health:
    """The state of one target. Times are seconds of the event loop's clock; `until` is inf for the whole run.

    `share` is the part of the declared rate in use, `ceiling` the share below which the last throttle struck;
    `streak` counts successes at the present share, or failures in a row while ready.
    """

    state: State = State.READY
    generation: int = 0
    until: float = 0.0
    then: State = State.READY
    strikes: int = 0
    share: float = 1.0
    ceiling: float = 1.0
    streak: int = 0
    cause: Fault | None = None

    def at(self, now: float) -> Health:
        """The health as it is at `now`: a rest that is over has become what follows it."""
        if self.state is State.RESTING and now >= self.until:
            return replace(self, state=self.then, generation=self.generation + 1, streak=0)
        return self

    @property
    def is_open(self) -> bool:
        """Whether calls may leave, if only one at a time or slowly."""
        return self.state in {State.READY, State.TRIAL, State.RAMPING}


def told_until(now: float, told_s: float, jitter: float) -> float:
    """The end of a rest of a told length: never before it, and up to 5 % (a second at most) behind it."""
    return now + told_s + min(1.0, 0.05 * told_s) * jitter


def rest_s(signal: Signal, strikes: int, jitter: float) -> float:
    """The length of the `strikes`-th rest in a row without a told time, 0 to 20 % longer by `jitter` in [0, 1]."""
    ladder = RESTS_S[signal]
    return ladder[min(strikes, len(ladder)) - 1] * (1 + 0.2 * jitter)


@dataclass(frozen=True, slots=True)
class Observation:
    """What a finished call says about a target: the signal, and the generation in which the call left.

    `told_s` is a rest that the vendor named, in seconds; `jitter` is a random number in [0, 1].
    """

    signal: Signal
    at: float
    born: int
    jitter: float = 0.0
    fault: Fault | None = None
    told_s: float | None = None

    def rest_until(self, strikes: int) -> float:
        """The end of the rest that this news calls for.

        A told time is believed twice in a row; a vendor that still refuses after that lies about it (a constant
        second, a per-minute wait for a daily quota), and the ladder holds too.
        """
        if self.told_s is None:
            return self.at + rest_s(self.signal, strikes, self.jitter)
        told = told_until(self.at, self.told_s, self.jitter)
        doubted = strikes - TRUSTED_RETRY_AFTERS
        return told if doubted <= 0 else max(told, self.at + rest_s(self.signal, doubted, self.jitter))


def transition(health: Health, news: Observation) -> Health:
    """The health after the news: the table at the top of this file."""
    current = health.at(news.at)
    if current.state is State.DROPPED or news.signal is Signal.NEUTRAL:
        return current
    if news.signal is Signal.REFUSED:
        return _moved(current, State.DROPPED, until=math.inf, cause=news.fault)
    if news.born < current.generation or current.state is State.RESTING:
        return _late(current, news)
    if news.signal is Signal.OK:
        return _succeeded(current)
    if news.signal is Signal.FAILED and current.state is State.READY and current.streak + 1 < BREAK_AFTER:
        return replace(current, streak=current.streak + 1)
    return _rested(current, news)


def _moved(health: Health, state: State, **changes: object) -> Health:
    return replace(health, state=state, generation=health.generation + 1, streak=0, **changes)  # type: ignore[arg-type]


def _late(health: Health, news: Observation) -> Health:
    """Heed a late answer only where it names a time later than the rest under way."""
    if news.told_s is None or news.signal not in RESTS_S or health.state is not State.RESTING:
        return health
    until = told_until(news.at, news.told_s, news.jitter)
    return replace(health, until=until, cause=news.fault) if until > health.until else health


def _rested(health: Health, news: Observation) -> Health:
    throttled = news.signal is Signal.THROTTLED
    cut = max(MIN_SHARE, health.share * CUT)
    return _moved(
        health,
        State.RESTING,
        until=news.rest_until(health.strikes + 1),
        then=AFTER_REST[news.signal],
        strikes=health.strikes + 1,
        share=cut if throttled else RAMP[0],
        ceiling=cut if throttled else health.ceiling,
        cause=news.fault,
    )


def _succeeded(health: Health) -> Health:
    if health.state is State.READY:
        return replace(health, streak=0, strikes=0) if health.streak or health.strikes else health
    if health.state is State.TRIAL:
        return _moved(health, State.RAMPING, share=RAMP[0])
    streak = health.streak + 1
    is_cut = health.share >= health.ceiling
    # A few answers at a cut share end the row of strikes: else each careful step up that is one too many would cost a
    # longer rest than the last, and a rate that is declared too high could never be used well.
    strikes = 0 if is_cut and streak >= ROUND else health.strikes
    if streak < (ROUND_PAST_CEILING if is_cut else ROUNDS.get(health.share, ROUND)):
        return replace(health, streak=streak, strikes=strikes)
    share = next_share(health.share, health.ceiling)
    if share < 1.0:
        return replace(health, share=share, streak=0, strikes=strikes)
    return _moved(health, State.READY, share=1.0, ceiling=1.0, strikes=0, cause=None)


def next_share(share: float, ceiling: float) -> float:
    """The next step up: along RAMP to the ceiling, then PAST_CEILING at a time, to 1."""
    if share < ceiling:
        return min(ceiling, next(step for step in RAMP if step > share))
    return min(1.0, share + PAST_CEILING)


def told_rest_s(fault: Fault, seconds_to_reset: float) -> float | None:
    """The rest that a fault asks for: the vendor's time, a quota's next reset, the whole run for a region.

    `seconds_to_reset` is the time to the next 00:00 UTC, which a daily quota without a stated reset waits for.
    """
    if fault.kind is Kind.REGION_BLOCKED:
        return math.inf
    if fault.retry_after_s is not None:
        return fault.retry_after_s
    return seconds_to_reset if fault.kind is Kind.DAILY_QUOTA else None
