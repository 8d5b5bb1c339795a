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
A rest ends in `trial` (one call at a time) after a break, a block or a quota, and where it was after a throttle.
While ramping, calls leave at `share` of the declared rate.

One throttle is news about arrivals, not yet about the limit: after a window's rest it goes on as before, without a
step that has just been tried. Only where the next one comes within AGAIN_S of that rest is the share cut, to what was
granted since: the part of the calls that were answered, late ones included. An answer among them ends that rest with
its window too, since a vendor that grants some of the calls has not banned anybody; the longer rests are for one that
grants none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from router.faults import Fault, Kind, Signal


class State(StrEnum):
    """What a target may do now."""

    READY = "ready"
    RESTING = "resting"
    TRIAL = "trial"
    RAMPING = "ramping"
    DROPPED = "dropped"


OPEN = frozenset({State.READY, State.TRIAL, State.RAMPING})
BREAK_AFTER = 3
TRUSTED_RETRY_AFTERS = 2
RAMP = (0.10, 0.25, 0.50, 1.0)
ROUNDS: Mapping[float, int] = {0.10: 1, 0.25: 2, 0.50: 3}
"""Successes at a share before the next: few where calls are far apart, more as they come faster."""
ROUND = 3
AGAIN_S = 60.0
CUT = 0.7
MIN_SHARE = 0.05
"""Refusals alone cut the share no lower; answers beside them show what is granted, however little that is."""
MAX_GRANTED = 0.95
PRIOR = 0.5
"""Half an answer is believed beside those that were counted: a few refusals do not say too much."""
PAST_CEILING = 1.05
ROUND_PAST_CEILING = 20
MAX_CAUTION = 16
HOURS_6_S = 6 * 3600.0
DAY_S = 86400.0

RESTS_S: Mapping[Signal, tuple[float, ...]] = {
    Signal.THROTTLED: (10, 30, 60, 120, 300),
    Signal.EXHAUSTED: (HOURS_6_S,),
    Signal.FAILED: (2, 5, 10, 20, 30, 60),
    Signal.BLOCKED: (30, 60, 120, 300, 600),
}
"""How long to rest where the vendor names no time, by strikes in a row."""


@dataclass(frozen=True, slots=True)
class Health:
    """The state of one target. Times are seconds of the event loop's clock; `until` is inf for the whole run.

    `share` is the part of the declared rate in use, `ceiling` the share that is known to be granted;
    `streak` counts successes at the present share, or failures in a row while ready. `answered` and `refused` count
    the calls since the last throttle's rest, which ended at `throttled_until`; `is_cut` says that the share will be
    what they show, and then the rest ends at `window_until` as soon as one of them is an answer. `caution` makes the
    rounds past the ceiling longer where steps were too much.
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
    throttled_until: float = -math.inf
    window_until: float = math.inf
    answered: int = 0
    refused: int = 0
    is_cut: bool = False
    caution: int = 1

    def at(self, now: float) -> Health:
        """The health as it is at `now`: a rest that is over has become what follows it."""
        if self.state is not State.RESTING or now < self.until:
            return self
        share = self._granted if self.is_cut else self.share
        return replace(
            self,
            state=self.then,
            generation=self.generation + 1,
            streak=0,
            share=share,
            ceiling=share if self.is_cut else self.ceiling,
            strikes=0 if self.is_cut and self.answered else self.strikes,
            answered=0,
            refused=0,
            is_cut=False,
        )

    @property
    def _granted(self) -> float:
        """The share that was granted in the end, of that in use."""
        if not self.answered:
            return max(min(MIN_SHARE, self.share), self.share * CUT)
        believed = self.answered + PRIOR
        return self.share * min(MAX_GRANTED, believed / (believed + self.refused))

    @property
    def is_open(self) -> bool:
        """Whether calls may leave, if only one at a time or slowly."""
        return self.state in OPEN


def told_until(now: float, told_s: float, jitter: float) -> float:
    """The end of a rest of a told length: never before it, and up to 5 % (a second at most) behind it."""
    return now + told_s + min(1.0, 0.05 * told_s) * jitter


def rest_s(signal: Signal, strikes: int, jitter: float) -> float:
    """The length of the `strikes`-th rest in a row without a told time, 0 to 20 % longer by `jitter` in [0, 1]."""
    ladder = RESTS_S[signal]
    return ladder[min(strikes, len(ladder)) - 1] * (1 + 0.2 * jitter)


class Observation(NamedTuple):
    """What a finished call says about a target: the signal, and the generation in which the call left.

    `told_s` is a rest that the vendor named, in seconds, `window_s` that of the declared limit; `jitter` is a random
    number in [0, 1].
    """

    signal: Signal
    at: float
    born: int
    jitter: float = 0.0
    fault: Fault | None = None
    told_s: float | None = None
    window_s: float = math.inf

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
        return _succeeded(current, news.at)
    if news.signal is Signal.FAILED and current.state is State.READY and current.streak + 1 < BREAK_AFTER:
        return replace(current, streak=current.streak + 1)
    return _rested(current, news)


def _moved(health: Health, state: State, **changes: object) -> Health:
    return replace(health, state=state, generation=health.generation + 1, streak=0, **changes)  # type: ignore[arg-type]


def _late(health: Health, news: Observation) -> Health:
    """Heed a late answer only where it names a time later than the rest under way, or counts for what was granted."""
    if health.state is not State.RESTING:
        return health
    if health.is_cut and news.born == health.generation - 1:
        health = _counted(health, news)
        if news.signal is Signal.OK:
            until = min(health.until, max(news.at, health.window_until))
            health = replace(health, until=until, throttled_until=until)
    if news.told_s is None or news.signal not in RESTS_S:
        return health
    until = told_until(news.at, news.told_s, news.jitter)
    return replace(health, until=until, cause=news.fault) if until > health.until else health


def _counted(health: Health, news: Observation) -> Health:
    if news.signal is Signal.OK:
        return replace(health, answered=health.answered + 1)
    return replace(health, refused=health.refused + (news.signal is Signal.THROTTLED))


def _rested(health: Health, news: Observation) -> Health:
    if news.signal is Signal.THROTTLED:
        return _throttled(health, news)
    until, strikes = news.rest_until(health.strikes + 1), health.strikes + 1
    return _moved(
        health, State.RESTING, until=until, then=State.TRIAL, strikes=strikes, share=RAMP[0], cause=news.fault
    )


def _throttled(health: Health, news: Observation) -> Health:
    is_step = health.share > health.ceiling
    is_again = not is_step and news.at < health.throttled_until + AGAIN_S
    until, strikes = news.rest_until(health.strikes + 1), health.strikes + 1
    window_until = news.at + news.window_s * (1 + 0.2 * news.jitter) if news.told_s is None else math.inf
    if window_until < until and (not is_again or health.answered):
        until, strikes = window_until, health.strikes
    share = min(health.share, health.ceiling)
    rest = _moved(
        health,
        State.RESTING,
        until=until,
        throttled_until=until,
        window_until=window_until,
        then=State.RAMPING if is_again or share < 1.0 else State.READY,
        strikes=strikes,
        share=share,
        is_cut=is_again,
        caution=min(MAX_CAUTION, health.caution * 2) if is_step else health.caution,
        cause=news.fault,
    )
    return _counted(rest, news)


def _succeeded(health: Health, at: float) -> Health:
    if at < health.throttled_until + AGAIN_S:
        health = replace(health, answered=health.answered + 1)
    if health.state is State.READY:
        return replace(health, streak=0, strikes=0) if health.streak or health.strikes else health
    if health.state is State.TRIAL:
        return _moved(health, State.RAMPING, share=RAMP[0])
    streak = health.streak + 1
    is_past = health.share >= health.ceiling
    # A few answers at a cut share end the row of strikes: else each careful step up that is one too many would cost a
    # longer rest than the last, and a rate that is declared too high could never be used well.
    strikes = 0 if is_past and streak >= ROUND else health.strikes
    if streak < (ROUND_PAST_CEILING * health.caution if is_past else ROUNDS.get(health.share, ROUND)):
        return replace(health, streak=streak, strikes=strikes)
    share = next_share(health.share, health.ceiling)
    if share < 1.0:
        ceiling = health.share if is_past else health.ceiling
        return replace(health, share=share, ceiling=ceiling, streak=0, strikes=strikes)
    return _moved(health, State.READY, share=1.0, ceiling=1.0, strikes=0, caution=1, cause=None)


def next_share(share: float, ceiling: float) -> float:
    """The next step up: along RAMP to the ceiling, then by a twentieth at a time, to 1."""
    if share < ceiling:
        return min(ceiling, next(step for step in RAMP if step > share))
    return min(1.0, share * PAST_CEILING)


def told_rest_s(fault: Fault, seconds_to_reset: float) -> float | None:
    """The rest that a fault asks for: the vendor's time, a quota's next reset, the whole run for a region.

    `seconds_to_reset` is the time to the next 00:00 UTC, which a daily quota without a stated reset waits for.
    """
    if fault.kind is Kind.REGION_BLOCKED:
        return math.inf
    if fault.retry_after_s is not None:
        return fault.retry_after_s
    return seconds_to_reset if fault.kind is Kind.DAILY_QUOTA else None
