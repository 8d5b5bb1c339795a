"""The time left of a run, and what keeps it from being over sooner: from what its providers are doing now."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from router.engine.health import State
from router.engine.status import LaneStatus
from router.evals.flow import Allowance, Course, Demand, Supply, flow

RECENT_S = 30.0
MIN_SEEN_S = 3.0
USED = 0.986
"""The share of a declared rate that leaves under load; the pace keeps the rest for the way to the vendor."""
FULL = 0.95
_WORDS = {"tokens": "tokens", "key pace": "key_rate", "ramp": "ramp after a rest", "one trial": "trial after a rest"}
_UNASKED = frozenset({"idle", "nothing"})


@dataclass(frozen=True, slots=True)
class Outlook:
    """How long a run will still take, None where nobody can say, and what bounds it.

    `bound` is `fast's 5/s`, `--max-samples 256` or `fast rests`, and `until` when that is over, in seconds since the
    epoch, None where it is not foreseen.
    """

    seconds: float | None = None
    bound: str = ""
    until: float | None = None


UNKNOWN = Outlook()
"""Where nobody can say."""


@dataclass(slots=True)
class Speeds:
    """How many answers a second each provider has given lately."""

    _seen: deque[tuple[float, Mapping[str, int]]] = field(default_factory=deque)

    def see(self, at: float, lanes: Iterable[LaneStatus]) -> None:
        """Take a look at `at` seconds of the run; until the first answer there is nothing to see."""
        if self._seen and not any(self._seen[0][1].values()):
            self._seen.clear()
        if not self._seen or at >= self._seen[-1][0] + 1:
            self._seen.append((at, {lane.name: lane.answered for lane in lanes}))
        while len(self._seen) > 1 and self._seen[1][0] < at - RECENT_S:
            self._seen.popleft()

    def all(self) -> dict[str, float]:
        """Answers a second by provider; nothing until a few seconds were seen."""
        if not self._seen:
            return {}
        (first_at, first), (last_at, last) = self._seen[0], self._seen[-1]
        spent_s = last_at - first_at
        return {name: (last[name] - first.get(name, 0)) / spent_s for name in last} if spent_s >= MIN_SEEN_S else {}


def outlook(
    lanes: Sequence[LaneStatus],
    left: Sequence[Demand],
    speeds: Mapping[str, float],
    *,
    wall: float,
    max_samples: int,
) -> Outlook:
    """Let what is left flow to the providers as they stand at `wall`, in seconds since the epoch.

    Those who share a demand with nobody (each item goes to every provider) end by themselves; the last one counts.
    """
    is_full = sum(lane.in_flight for lane in lanes) >= FULL * max_samples
    able = {lane.name: supply_now(lane, speeds.get(lane.name), wall, is_full=is_full) for lane in lanes}
    courses = [_course(able, demand) for demand in left if demand.calls > 0]
    if left and not courses:
        return Outlook(0.0)
    known = [course for course in courses if not math.isinf(course.seconds)]
    if not known or len(known) < len(courses):
        return UNKNOWN
    last = max(known, key=lambda course: course.seconds)
    if last.bound and is_full:
        return Outlook(last.seconds, f"--max-samples {max_samples}")
    bound = last.waits[0].why if last.waits and not last.waits[0].at_s else last.bound
    return Outlook(last.seconds, bound, _until(bound, lanes, wall))


def _course(able: Mapping[str, Supply | None], demand: Demand) -> Course:
    names = [name for name in able if name in demand.suppliers]
    supplies = list(_merged([supply for name in names if (supply := able[name]) is not None]))
    return flow(supplies, [Demand(demand.calls, frozenset(each.name for each in supplies))])


def _merged(supplies: Sequence[Supply]) -> Iterator[Supply]:
    """Those who only work as one, so that a thousand cost no more than ten; rests and budgets are looked at each."""
    plain = [each for each in supplies if not each.from_s and not each.allowances]
    yield from (each for each in supplies if each not in plain)
    if plain:
        first = max(plain, key=lambda each: each.per_second)
        more = f" and {len(plain) - 1} more" if len(plain) > 1 else ""
        yield Supply(first.name, sum(each.per_second for each in plain), f"{first.bound}{more}", at_once=0.0)


def supply_now(lane: LaneStatus, speed: float | None, wall: float, *, is_full: bool = False) -> Supply | None:
    """What a provider gives from now on; None where nothing, or nobody knows. `is_full`: no more may be under way."""
    rests = lane.rests_until is not None and lane.rests_until > wall
    per_second = speed if is_full and speed else _per_second(lane, speed, rests=rests)
    if not per_second or lane.state is State.DROPPED or not lane.keys_alive:
        return None
    if lane.state is State.RESTING and not rests:
        return None
    allowances = tuple(
        Allowance(each.rate, each.amount, each.period_s, each.left, max(0.0, each.resets_at - wall))
        for each in lane.budgets
    )
    return Supply(
        lane.name,
        per_second,
        _bound(lane),
        at_once=0.0,
        from_s=max(0.0, lane.rests_until - wall) if lane.rests_until is not None and rests else 0.0,
        rest=f"{lane.name} rests" if rests else "",
        allowances=allowances,
    )


def _per_second(lane: LaneStatus, speed: float | None, *, rests: bool) -> float | None:
    """By what it did lately, unless that is not what it can do: it rests, is not asked, or is at its declared pace."""
    declared = None if lane.declared_per_second is None else USED * lane.declared_per_second
    if declared is not None and (not speed or rests or lane.waiting_for in _UNASKED or lane.waiting_for == "pace"):
        return declared
    return speed


def _bound(lane: LaneStatus) -> str:
    if lane.waiting_for == "in flight full":
        return f"{lane.max_in_flight} calls in flight"
    return _WORDS.get(lane.waiting_for) or lane.declared or "answers"


def _until(bound: str, lanes: Iterable[LaneStatus], wall: float) -> float | None:
    for lane in lanes:
        if bound == f"{lane.name} rests":
            return lane.rests_until
        for each in lane.budgets:
            if bound == f"{lane.name}'s {each.rate}" and not each.left and each.resets_at > wall:
                return each.resets_at
    return None
