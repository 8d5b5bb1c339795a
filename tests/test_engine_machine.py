"""The whole engine as one machine: whatever happens in whatever order, what it promises holds.

Everything is real but the vendors and the clock. The vendors answer as the machine says, and keep when each call
arrived; so the limits are checked at their end.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from conftest import make_config, make_provider, max_in_any_window
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from router.clock import BEAT_S, JUMP_S
from router.engine.lane import Opening
from router.engine.router import MAX_WAIT_S, Router
from router.errors import CallError, DeadlineExceeded, InternalError, NothingServes, Stopped
from router.faults import Fault, Kind
from router.rates import Rate
from router.testing import TICK_S, VirtualLoop
from router.transport import Call
from router.types import Answer, Completion, Request, Usage

T = TypeVar("T")

BEFORE_MIDNIGHT = 1_763_999_400.0
"""Ten minutes before 00:00 UTC, so that the day's budgets are new in the middle of many runs."""
DAY_S = 86_400.0
TIMEOUT_S = 60.0
ROUNDING_S = 1e-6
SETTLES = 12
"""Turns of the loop until nothing is half done."""
ATTEMPTS = 3
A_WHOLE_WINDOW = 10**9
NAMES = ("acme", "bolt", "cobalt")
WELL = Answer("7", Usage(5, 5))


@dataclass(frozen=True, slots=True)
class Mood:
    """How a vendor is to the calls that leave now: its replies in turn, and how late they are on the wire at most.

    A reply is an answer or a fault; None for nothing until the timeout, an exception for a defect of the transport.
    """

    says: Sequence[Answer | Fault | Exception | None] = (WELL,)
    latency_s: float = 0.3
    late_s: float = 0.3


@dataclass(slots=True)
class Sent:
    """A call as its vendor saw it; times are the loop's, `day` is the calendar's. `arrived_at` is None for never."""

    call: Call
    day: int
    arrived_at: float | None = None
    came: Answer | Fault | None = None


@dataclass(slots=True)
class Vendors:
    """All vendors, as a transport: they answer by their mood, and keep what they saw."""

    loop: VirtualLoop
    unseen: frozenset[str]
    """Whose client cannot tell when a call is on the wire."""
    moods: defaultdict[str, Mood] = field(default_factory=lambda: defaultdict(Mood))
    sent: list[Sent] = field(default_factory=list)
    out: Counter[str] = field(default_factory=Counter)
    most_out: Counter[str] = field(default_factory=Counter)

    async def prepare(self) -> None: ...

    async def aclose(self) -> None: ...

    async def send(self, call: Call, on_sent: Callable[[], None]) -> Answer | Fault:
        name, sent = call.provider.name, Sent(call, int(self.loop.epoch() // DAY_S))
        self.sent.append(sent)
        self.out[name] += 1
        self.most_out[name] = max(self.most_out[name], self.out[name])
        try:
            sent.came = await self._answered(sent, len(self.sent), on_sent)
        finally:
            self.out[name] -= 1
        return sent.came

    async def _answered(self, sent: Sent, number: int, on_sent: Callable[[], None]) -> Answer | Fault:
        name = sent.call.provider.name
        mood = self.moods[name]
        if name not in self.unseen:
            await asyncio.sleep(mood.late_s * (number * 7 % 11) / 10)
            on_sent()
        sent.arrived_at = self.loop.time()
        reply = mood.says[number % len(mood.says)]
        await asyncio.sleep(TIMEOUT_S if reply is None else mood.latency_s)
        if isinstance(reply, Exception):
            raise reply
        return reply or Fault(Kind.TIMEOUT, "no reply")


@dataclass(slots=True)
class Asked:
    """A call of `complete`: what was asked, every end that it has had, and how long it took.

    `excused_s` is the time in which the process stood still meanwhile, as far as it must be noticed.
    """

    only: frozenset[str] | None
    model: str | None
    deadline: float | None
    took_s: float = 0.0
    excused_s: float = 0.0
    ends: list[Completion | BaseException] = field(default_factory=list)


DECLARED = st.fixed_dictionaries(
    {
        "accounts": st.sampled_from(["aaaa", "aabb", "abcd"]),
        "rates": st.sampled_from([(), ("2/s",), ("5/s",), ("30/min",), ("5/s", "40/min"), ("5/s", "4/day")]),
        "key_rates": st.sampled_from([(), (), ("2/s",), ("20/min",), ("2/s", "3/day")]),
        "tokens": st.sampled_from([(), ("2000/min",)]),
        "burst": st.integers(1, 2),
        "concurrency": st.sampled_from([None, None, 1, 3]),
    }
)
PASSING = (Kind.RATE_LIMIT, Kind.CONCURRENCY, Kind.OVERLOADED, Kind.CONNECTION, Kind.MALFORMED_REPLY, Kind.UNKNOWN)
LASTING = (Kind.DAILY_QUOTA, Kind.NO_CREDIT, Kind.INVALID_KEY, Kind.PERMISSION, Kind.IP_BLOCKED, Kind.REGION_BLOCKED,
           Kind.BAD_REQUEST, Kind.CONTENT_FILTER)  # fmt: skip
RESTS_S = st.sampled_from([None, None, 0.0, 1.0, 30.0, 600.0])


def _faults(kinds: Iterable[Kind]) -> st.SearchStrategy[Fault]:
    status = st.sampled_from([None, 400, 429, 503])
    return st.builds(Fault, st.sampled_from(list(kinds)), st.just("no"), status, retry_after_s=RESTS_S)


DEFECT = RuntimeError("a defect of the transport")
REPLIES = st.one_of(st.just(WELL), _faults(PASSING), _faults(PASSING), _faults(LASTING), st.none(), st.just(DEFECT))
MOODS = st.builds(
    Mood,
    says=st.lists(REPLIES, min_size=1, max_size=5),
    latency_s=st.sampled_from([0.3, 0.01, 5.0]),
    late_s=st.sampled_from([3.0, 0.3, 0.0]),
)
SECONDS = st.sampled_from([3.0, 0.05, 0.7, 20.0, 90.0])


class Engine(RuleBasedStateMachine):
    """A router over vendors whose moods change, and callers who come, wait, and go away."""

    @initialize(
        declared=st.lists(DECLARED, min_size=1, max_size=3),
        moods=st.lists(MOODS, max_size=2),
        unseen=st.frozensets(st.sampled_from(NAMES), max_size=1),
        seed=st.integers(0, 9),
    )
    def begins(self, declared: list[dict[str, Any]], moods: list[Mood], unseen: frozenset[str], seed: int) -> None:
        models = ("small", "big")
        self.providers = [
            make_provider(name, keys=4, models=models, **each) for name, each in zip(NAMES, declared, strict=False)
        ]
        self.loop = VirtualLoop(BEFORE_MIDNIGHT)
        self.loop.set_exception_handler(lambda _loop, context: self.told.append(context))
        self.vendors = Vendors(self.loop, unseen)
        self.vendors.moods.update(zip(NAMES, moods, strict=False))
        config = make_config(*self.providers, attempts=ATTEMPTS)
        self.router = Router(config, transport=self.vendors, rng=random.Random(seed))
        self.leaving = self.loop.create_future()
        self.owner = self.loop.create_task(self._own())
        self.told: list[object] = []
        self.asked: list[Asked] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.lost_s = self.excused_s = 0.0
        self.is_stopped = False
        self._passes(0.0)

    # What happens.

    @precondition(lambda self: not self.is_stopped or len(self.asked) < len(self.vendors.sent))
    @rule(
        count=st.sampled_from([20, 12, 1]),
        only=st.sampled_from([None, None, 1, 2]),
        avoid=st.sampled_from([frozenset(), frozenset(NAMES[:1])]),
        model=st.sampled_from([None, None, None, "big", "big", "big", "none has it"]),
        priority=st.integers(0, 1),
        deadline=st.sampled_from([None, None, None, None, 2.0, 30.0]),
        seconds=SECONDS,
    )
    def ask(
        self,
        count: int,
        *,
        only: int | None,
        model: str | None,
        deadline: float | None,
        seconds: float,
        **how: Any,
    ) -> None:
        """Callers come, and time passes."""
        named = None if only is None else frozenset(each.name for each in self.providers[:only])
        for _ in range(count):
            self.asked.append(Asked(named, model, deadline))
            self.tasks.append(self.loop.create_task(self._complete(len(self.asked) - 1, **how)))
        self._passes(seconds)

    @rule(count=st.sampled_from([1, 9]), turns=st.sampled_from([2, 1, 3, 4]))
    def pass_by(self, count: int, turns: int) -> None:
        """Callers come, and go away again while the loop has turned a few times."""
        for _ in range(count):
            self.asked.append(Asked(None, None, None))
            self.tasks.append(self.loop.create_task(self._complete(len(self.asked) - 1)))
        self._turns(turns)
        for task in self.tasks[-count:]:
            task.cancel()
        self._turns(SETTLES)

    @rule(number=st.integers(0, 2), mood=MOODS, seconds=SECONDS)
    def turns(self, number: int, mood: Mood, seconds: float) -> None:
        """A vendor's mood changes, and time passes."""
        self.vendors.moods[NAMES[number % len(self.providers)]] = mood
        self._passes(seconds)

    @rule(which=st.integers(0, 6))
    def go_away(self, which: int) -> None:
        """Some of the callers who are still there go away."""
        for task in self.tasks[which::7]:
            task.cancel()
        self._turns(SETTLES)

    @rule(seconds=st.sampled_from([0.5, 30.0, 400.0]))
    def stands_still(self, seconds: float) -> None:
        """The process is stopped, and continued."""
        self.lost_s += seconds
        self.excused_s += max(0.0, seconds - 2 * JUMP_S)
        self.loop.stand_still(seconds)
        self._turns(SETTLES)

    @rule(seconds=st.sampled_from([90.0, 3600.0]))
    def sleeps(self, seconds: float) -> None:
        """A lid is shut, and opened."""
        self.loop.sleep_through(seconds)
        self._passes(2 * BEAT_S)

    @precondition(lambda self: len(self.vendors.sent) > 40 and not self.is_stopped)
    @rule()
    def stops(self) -> None:
        """Nothing more is to be sent."""
        self.is_stopped = True
        self.router.stop()
        self._passes(0.0)
        self.sent_before = len(self.vendors.sent)

    # What always holds.

    @invariant()
    def what_is_out_is_counted(self) -> None:
        if self._is_settled:
            assert {lane.name: lane.in_flight for lane in self.router.status()} == {
                provider.name: self.vendors.out[provider.name] for provider in self.providers
            }

    @invariant()
    def nobody_waits_whom_a_lane_could_serve(self) -> None:
        if self._is_settled:
            a_moment_ago = self.loop.time() - 10 * SETTLES * TICK_S
            assert not any(isinstance(lane.obstacle(a_moment_ago), Opening) for lane in self.router.lanes)

    @invariant()
    def no_task_of_the_router_has_died(self) -> None:
        assert not self.owner.done()
        assert not self.told

    @invariant()
    def nothing_is_sent_after_the_stop(self) -> None:
        assert not self.is_stopped or len(self.vendors.sent) == self.sent_before

    def teardown(self) -> None:
        """Everybody gets well, and within a while everybody who waits has ended, and a vendor that may be used is."""
        if not hasattr(self, "owner"):
            return
        try:
            self.vendors.moods.clear()
            self._passes(TIMEOUT_S + MAX_WAIT_S)
            assert all(task.done() for task in self.tasks)
            self._check_ends()
            self._check_limits()
            self._check_that_nothing_is_kept()
            self._run(self._leave())
        finally:
            self.owner.cancel()
            self._run(asyncio.wait([self.owner, *self.tasks]))
            self.loop.close()

    # How it is checked.

    def _check_ends(self) -> None:
        """Each caller has one end, in time; who was asked was named, with the model's name there, and not too often."""
        assert all(task.cancelled() or task.exception() is None for task in self.tasks)
        begun = [asked for asked, task in zip(self.asked, self.tasks, strict=True) if not task.cancelled()]
        assert all(len(asked.ends) == 1 for asked in begun)
        for asked, (end,) in ((asked, asked.ends) for asked in begun):
            if asked.deadline is not None:
                # Lost time is not counted. It is noticed within a second, or by those who come soon after it.
                assert asked.took_s <= asked.deadline + self.lost_s + 1.0
                late_s = asked.took_s - asked.deadline
                assert not isinstance(end, DeadlineExceeded) or late_s >= asked.excused_s - ROUNDING_S
            assert not isinstance(end, InternalError) or str(DEFECT) in str(end)
            faults = [each.fault for each in end.attempts if each.fault] if hasattr(end, "attempts") else []
            assert sum(fault.reaction.charged for fault in faults) <= ATTEMPTS
        for call in (sent.call for sent in self.vendors.sent):
            asked = self.asked[int(call.request.id)]
            assert asked.only is None or call.provider.name in asked.only
            assert call.model == call.provider.model_for(asked.model)
        answered = sum(isinstance(sent.came, Answer) for sent in self.vendors.sent)
        assert sum(isinstance(end, Completion) for asked in begun for end in asked.ends) <= answered

    def _check_limits(self) -> None:
        for provider in self.providers:
            mine = [sent for sent in self.vendors.sent if sent.call.provider.name == provider.name]
            assert self.vendors.most_out[provider.name] <= provider.max_in_flight
            assert all(_max_in(rate, mine) <= rate.amount for rate in provider.rates)
            for account in {key.account for key in provider.keys}:
                of_account = [sent for sent in mine if sent.call.key.account == account]
                assert all(_max_in(rate, of_account) <= rate.amount for rate in provider.key_rates)

    def _check_that_nothing_is_kept(self) -> None:
        """All slots, windows and tokens are free again, and who may still be asked is asked at once."""
        self._passes(2 * DAY_S)
        assert self.router._line.waiting == 0
        for lane in self.router.lanes:
            accounts = lane.provider_state.ring.accounts
            assert lane.provider_state.in_flight == sum(account.in_flight for account in accounts) == 0
            paces = (lane._pace, *(account.pace for account in accounts))
            assert lane._tokens.obstacle(A_WHOLE_WINDOW, self.loop.time()) is None
            assert all(pace.ready_at(A_WHOLE_WINDOW) <= self.loop.time() for pace in paces)
            error = self._run(self._once_more(lane.name))
            assert error is None or isinstance(error, Stopped if self.is_stopped else NothingServes)

    # How it is done.

    async def _complete(self, number: int, **how: Any) -> None:
        asked, began, excused_s = self.asked[number], self.loop.time(), self.excused_s
        text = "long " * 900 if number % 3 == 1 else "12 + 7"
        request = Request(({"role": "user", "content": text},), id=str(number), only=asked.only)
        try:
            asked.ends.append(await self.router.complete(request, model=asked.model, deadline=asked.deadline, **how))
        except (CallError, asyncio.CancelledError) as error:
            asked.ends.append(error)
        asked.took_s, asked.excused_s = self.loop.time() - began, self.excused_s - excused_s

    async def _once_more(self, name: str) -> CallError | None:
        self.asked.append(Asked(None, None, None))
        request = Request(({"role": "user", "content": "once more"},), id="-1", only=frozenset({name}))
        return (await self.router.outcome(request, deadline=4.0)).error

    async def _own(self) -> None:
        async with self.router:
            await self.leaving

    async def _leave(self) -> None:
        self.leaving.set_result(None)
        await self.owner

    def _passes(self, seconds: float) -> None:
        self._run(asyncio.sleep(seconds))
        self._turns(SETTLES)

    def _turns(self, count: int) -> None:
        """Let the loop turn; after SETTLES turns nothing is half done."""
        for _ in range(count):
            self.loop.call_soon(self.loop.stop)
            self.loop.run_forever()
        self._is_settled = count == SETTLES

    def _run(self, main: Coroutine[object, object, T] | asyncio.Task[T]) -> T:
        return self.loop.run_until_complete(main)


def _max_in(rate: Rate, sent: Sequence[Sent]) -> int:
    """The most calls in any window of a limit; long windows are the calendar's."""
    if not rate.is_paced:
        return max(Counter(each.day for each in sent).values(), default=0)
    arrived = sorted(each.arrived_at for each in sent if each.arrived_at is not None)
    return max_in_any_window(arrived, rate.period_s - ROUNDING_S)


TestEngine = Engine.TestCase
TestEngine.settings = settings(max_examples=70, stateful_step_count=50, deadline=None, derandomize=True)
