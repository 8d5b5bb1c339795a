from __future__ import annotations

import asyncio
import gc
import random
import re
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest
from conftest import make_config, make_provider

from router.clock import LoopClock
from router.config.models import Provider
from router.engine.health import DAY_S, State
from router.engine.router import Router
from router.engine.traffic import RecentTraffic
from router.errors import (
    AttemptsExhausted,
    DeadlineExceeded,
    InternalError,
    ItemRefused,
    NothingServes,
    Outcome,
    RouterError,
    Stopped,
)
from router.faults import Fault, Kind
from router.log.event import Event
from router.log.writer import NoLog
from router.rates import Rate
from router.testing import Script, ScriptedTransport, VirtualLoop, run_virtual
from router.transport import Call
from router.types import Answer, Completion, Request, Usage

T = TypeVar("T")
SEVEN = Answer("7", Usage(3, 4), "stop", cost_usd=0.5)
DOWN = Fault(Kind.SERVER_ERROR, "oops", 500)
ACME, BOLT = make_provider("acme"), make_provider("bolt")
FAST = make_provider("acme", rates=["20/s"]), make_provider("bolt", rates=["20/s"])


def now() -> float:
    return asyncio.get_running_loop().time()


class Bench:
    """Scripted vendors, and what they were asked."""

    def __init__(
        self, *providers: Provider, script: Script = lambda _call: SEVEN, latency_s: float = 1.0, attempts: int = 4
    ) -> None:
        self.transport = ScriptedTransport(script, latency_s)
        self.config = make_config(*(providers or (ACME,)), attempts=attempts)

    def run(self, main: Callable[[Router], Awaitable[T]]) -> T:
        async def enter() -> T:
            async with Router(self.config, transport=self.transport, rng=random.Random(0)) as router:
                result = await main(router)
                assert [view.in_flight for view in router.status()] == [0] * len(router.lanes)
                assert router._line.waiting == 0
                return result

        return run_virtual(enter())

    def ends(self, **options: object) -> tuple[Completion | RouterError, float]:
        """How one call ends, and after how many seconds."""

        async def main(router: Router) -> tuple[Completion | RouterError, float]:
            loop = asyncio.get_running_loop()
            try:
                return await router.complete("hi", **options), loop.time()  # type: ignore[arg-type]
            except RouterError as error:
                return error, loop.time()

        return self.run(main)

    @property
    def asked(self) -> list[str]:
        return [call.provider.name for _, call in self.transport.calls]


def by_provider(**results: Answer | Fault) -> Script:
    return lambda call: results[call.provider.name]


# One call.


def test_an_answer_says_where_it_came_from_and_what_it_took() -> None:
    completion, took = Bench().ends()
    assert isinstance(completion, Completion)
    assert (completion.text, completion.provider, completion.key, completion.model) == (
        "7",
        "acme",
        "acme#1",
        "openai/acme-small",
    )
    assert (completion.usage, completion.finish_reason, completion.cost_usd) == (Usage(3, 4), "stop", 0.5)
    assert completion.latency_s == pytest.approx(1, abs=0.001)
    assert completion.waited_s == pytest.approx(0, abs=0.001)
    assert completion.key_hash == ACME.keys[0].fingerprint
    assert [attempt.ok for attempt in completion.attempts] == [True]
    assert took == pytest.approx(1, abs=0.001)


def test_a_failed_call_goes_elsewhere_at_once_with_all_attempts_told() -> None:
    bench = Bench(ACME, BOLT, script=by_provider(acme=DOWN, bolt=SEVEN))
    completion, took = bench.ends()
    assert bench.asked == ["acme", "bolt"]
    assert took == pytest.approx(2, abs=0.001)
    assert isinstance(completion, Completion)
    assert [(a.number, a.provider, a.fault) for a in completion.attempts] == [(1, "acme", DOWN), (2, "bolt", None)]


@pytest.mark.parametrize(
    ("providers", "fault", "calls", "error"),
    [
        pytest.param((ACME, BOLT), Kind.BAD_REQUEST, ["acme"], ItemRefused, id="bad request: one call"),
        pytest.param((ACME, BOLT), Kind.CONTEXT_LENGTH, ["acme", "bolt"], ItemRefused, id="too long: one other vendor"),
        pytest.param((ACME, BOLT), Kind.CONTENT_FILTER, ["acme", "bolt"], ItemRefused, id="filter: one other vendor"),
        pytest.param(
            (ACME, BOLT),
            Kind.MALFORMED_REPLY,
            ["acme", "bolt", "acme", "acme"],
            AttemptsExhausted,
            id="malformed alike at two vendors that have answered nobody",
        ),
        pytest.param(
            (ACME, BOLT), Kind.TIMEOUT, ["acme", "bolt", "acme", "acme"], AttemptsExhausted, id="charged attempts"
        ),
        pytest.param((ACME, BOLT), Kind.INVALID_KEY, ["acme", "bolt"], NothingServes, id="all keys dead"),
        pytest.param((ACME, BOLT), Kind.MODEL_NOT_FOUND, ["acme", "bolt"], NothingServes, id="no model"),
        pytest.param((ACME, BOLT), Kind.REGION_BLOCKED, ["acme", "bolt"], NothingServes, id="no region"),
    ],
)
def test_how_a_hopeless_item_ends(
    providers: tuple[Provider, ...], fault: Kind, calls: list[str], error: type[RouterError]
) -> None:
    bench = Bench(*providers, script=lambda _call: Fault(fault, "no", 400))
    ended, _ = bench.ends()
    assert type(ended) is error
    assert sorted(bench.asked) == sorted(calls)
    assert [attempt.fault and attempt.fault.kind for attempt in ended.attempts] == [fault] * len(calls)
    assert ended.fault == Fault(fault, "no", 400)


def test_an_item_that_is_answered_alike_with_nonsense_by_two_working_vendors_is_at_fault() -> None:
    nonsense = Fault(Kind.MALFORMED_REPLY, "<html>", 200)
    bench = Bench(ACME, BOLT, script=lambda call: nonsense if call.request.id == "odd" else SEVEN)

    async def main(router: Router) -> Outcome:
        for name in ("acme", "bolt"):
            await router.complete("hi", only={name})
        return await router.outcome(Request((), id="odd"))

    outcome = bench.run(main)
    assert isinstance(outcome.error, ItemRefused)
    assert sorted(attempt.provider for attempt in outcome.attempts) == ["acme", "bolt"]


def test_all_keys_dead_names_every_keys_reason_at_once() -> None:
    reasons = {"acme#1": Kind.INVALID_KEY, "acme#2": Kind.REVOKED_KEY, "bolt#1": Kind.ACCOUNT_BANNED}
    bench = Bench(
        make_provider("acme", keys=2),
        BOLT,
        script=lambda call: Fault(reasons[call.key.name], f"{call.key.name} says no"),
    )

    async def main(router: Router) -> tuple[NothingServes, float]:
        with pytest.raises(NothingServes):
            await router.complete("first")
        started = asyncio.get_running_loop().time()
        with pytest.raises(NothingServes) as raised:
            await router.complete("second")
        return raised.value, asyncio.get_running_loop().time() - started

    error, took = bench.run(main)
    assert took < 0.01
    for key, kind in reasons.items():
        assert f"{key}: {kind}: {key} says no" in str(error)
    assert len(bench.asked) == 3


@pytest.mark.parametrize(
    ("only", "message"),
    [
        pytest.param({"dune"}, "dune: takes no part in this run", id="unknown provider"),
        pytest.param(set(), "no provider takes part", id="nobody"),
    ],
)
def test_what_nobody_may_serve_fails_at_once(only: set[str], message: str) -> None:
    error, took = Bench().ends(only=only)
    assert isinstance(error, NothingServes)
    assert message in str(error)
    assert took < 0.01


def test_an_unknown_model_is_told_with_those_there_are() -> None:
    error, _ = Bench().ends(model="huge")
    assert "acme: has no model 'huge' (it has small)" in str(error)


def test_who_waits_is_told_when_the_last_key_dies() -> None:
    bench = Bench(make_provider(concurrency=1), script=lambda _call: Fault(Kind.REVOKED_KEY, "gone", 401))

    async def main(router: Router) -> list[type[BaseException]]:
        ended = await asyncio.gather(*(router.complete("hi") for _ in range(5)), return_exceptions=True)
        return [type(each) for each in ended if isinstance(each, BaseException)]

    assert bench.run(main) == [NothingServes] * 5
    assert len(bench.asked) == 1


@pytest.mark.parametrize(
    ("deadline", "ends"),
    [pytest.param(None, "7", id="none"), pytest.param(60, "7", id="long"), pytest.param(10, None, id="short")],
)
def test_when_everything_rests_the_earliest_is_waited_for_within_the_deadline(
    deadline: float | None, ends: str | None
) -> None:
    rests = {"acme": 30.0, "bolt": 50.0}
    seen = Counter[str]()

    def script(call: Call) -> Answer | Fault:
        seen[call.provider.name] += 1
        told = rests[call.provider.name]
        return Fault(Kind.RATE_LIMIT, "slow", 429, retry_after_s=told) if seen[call.provider.name] == 1 else SEVEN

    bench = Bench(ACME, BOLT, script=script)

    async def main(router: Router) -> tuple[Outcome, float]:
        both = (Request((), only=frozenset({name})) for name in rests)
        await asyncio.gather(*(router.outcome(request, deadline=1.5) for request in both))
        started = asyncio.get_running_loop().time()
        outcome = await router.outcome(Request.of("hi"), deadline=deadline)
        return outcome, asyncio.get_running_loop().time() - started

    outcome, took = bench.run(main)
    if ends is None:
        assert isinstance(outcome.error, DeadlineExceeded)
        assert took == pytest.approx(10, abs=0.001)
    else:
        assert outcome.completion is not None
        assert outcome.completion.provider == "acme"
        assert 29 <= took <= 32


def test_a_deadline_cuts_a_call_short_and_its_attempts_are_told() -> None:
    bench = Bench(ACME, BOLT, script=lambda call: (2.0, DOWN) if call.provider.name == "acme" else (90.0, SEVEN))
    error, took = bench.ends(deadline=10)
    assert isinstance(error, DeadlineExceeded)
    assert took == pytest.approx(10, abs=0.001)
    assert [attempt.provider for attempt in error.attempts] == ["acme"]


def test_only_and_avoid() -> None:
    bench = Bench(ACME, BOLT)

    async def main(router: Router) -> None:
        for _ in range(3):
            await router.complete("hi", only={"bolt"})
        await router.complete(Request.of("hi"), avoid={"acme"})
        await router.complete(Request((), only=frozenset({"bolt"})))
        await router.complete("hi", only=["acme"], avoid=["acme"])

    bench.run(main)
    assert bench.asked == ["bolt"] * 5 + ["acme"]


def test_parameters_of_a_call_go_over_those_of_its_request() -> None:
    bench = Bench()

    async def main(router: Router) -> None:
        await router.complete(Request((), params={"seed": 1, "top_p": 1}), params={"seed": 2})
        await router.complete("hi", params={"seed": 3})

    bench.run(main)
    assert [call.request.params for _, call in bench.transport.calls] == [{"seed": 2, "top_p": 1}, {"seed": 3}]


def test_a_file_with_a_transport_of_ones_own_needs_no_network_and_no_key(tmp_path: Path) -> None:
    path = tmp_path / "providers.yaml"
    path.write_text("providers:\n  acme:\n    model: openai/small\n    keys: none\n    rate: 5/s\n", encoding="utf-8")
    transport = ScriptedTransport(lambda _call: SEVEN)

    async def main() -> str:
        async with Router.from_file(path, transport=transport) as router:
            return (await router.complete("hi")).text

    assert run_virtual(main()) == "7"
    assert transport.counts() == {"acme#1": 1}


def test_a_lower_priority_number_goes_first() -> None:
    bench = Bench(make_provider(concurrency=1))

    async def main(router: Router) -> list[str]:
        order: list[str] = []

        async def ask(name: str, priority: int) -> None:
            await router.complete(name, priority=priority)
            order.append(name)

        calls = [("a", 0), ("b", 5), ("c", 0), ("d", -1), ("e", 5)]
        await asyncio.gather(*(ask(name, priority) for name, priority in calls))
        return order

    assert bench.run(main) == ["d", "a", "c", "b", "e"]


def test_a_retry_goes_before_those_who_came_later() -> None:
    bench = Bench(make_provider(concurrency=1))
    first = []

    def script(call: Call) -> Answer | Fault:
        first.append(call.request.id)
        return Fault(Kind.RATE_LIMIT, retry_after_s=0) if len(first) == 1 else SEVEN

    bench.transport = ScriptedTransport(script)

    async def main(router: Router) -> None:
        await asyncio.gather(*(router.complete(Request((), id=str(number))) for number in range(4)))

    bench.run(main)
    assert first == ["0", "1", "0", "2", "3"]  # the slot that it gave back was taken in the same turn


# Going away.


@pytest.mark.parametrize("wait_s", [0.0, 1e-6, 3e-6, 5.0], ids=["at once", "soon", "a little later", "in flight"])
def test_300_callers_who_go_away_leak_no_slot(wait_s: float) -> None:
    bench = Bench(make_provider(concurrency=20), BOLT, latency_s=10.0)

    async def main(router: Router) -> None:
        loop = asyncio.get_running_loop()
        others = [asyncio.create_task(router.complete("stays")) for _ in range(30)]
        leavers = [asyncio.create_task(router.complete("leaves", only={"acme"})) for _ in range(300)]
        await asyncio.sleep(wait_s)
        random.Random(0).shuffle(leavers)
        for number, task in enumerate(leavers):
            task.cancel()
            if number % 10 == 0:
                await asyncio.sleep(0)
        ended = await asyncio.gather(*leavers, return_exceptions=True)
        assert all(isinstance(each, asyncio.CancelledError) for each in ended)
        assert all(each.text == "7" for each in await asyncio.gather(*others))
        started = loop.time()
        await asyncio.gather(*(router.complete("comes later", only={"acme"}) for _ in range(20)))
        assert loop.time() - started == pytest.approx(10, abs=0.01)

    bench.run(main)


def test_cancelled_in_the_moment_of_pairing() -> None:
    """Whichever turn of the loop a caller goes away in, the next one is served."""

    async def main(router: Router) -> None:
        for turns in range(30):
            task = asyncio.create_task(router.complete("leaves"))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert [view.in_flight for view in router.status()] == [0]
            assert (await router.complete("stays", deadline=5)).text == "7"

    Bench(make_provider(concurrency=1)).run(main)


def test_stopping_fails_who_waits_and_lets_end_who_is_out() -> None:
    bench = Bench(make_provider(concurrency=3), script=lambda _call: SEVEN, latency_s=10.0)

    async def main(router: Router) -> tuple[list[Outcome], float]:
        tasks = [asyncio.create_task(router.outcome(Request.of("hi"))) for _ in range(8)]
        await asyncio.sleep(1)
        router.stop()
        late = await router.outcome(Request.of("late"))
        assert isinstance(late.error, Stopped)
        return await asyncio.gather(*tasks), asyncio.get_running_loop().time()

    outcomes, took = bench.run(main)
    assert sum(outcome.completion is not None for outcome in outcomes) == 3
    assert sum(isinstance(outcome.error, Stopped) for outcome in outcomes) == 5
    assert took == pytest.approx(10, abs=0.01)


def test_after_stopping_a_failed_call_is_not_sent_again() -> None:
    bench = Bench(script=lambda _call: DOWN, latency_s=10.0)

    async def main(router: Router) -> Outcome:
        task = asyncio.create_task(router.outcome(Request.of("hi")))
        await asyncio.sleep(1)
        router.stop()
        return await task

    outcome = bench.run(main)
    assert isinstance(outcome.error, Stopped)
    assert [attempt.fault for attempt in outcome.attempts] == [DOWN]
    assert len(bench.asked) == 1


def test_who_still_waits_when_the_router_is_left_is_told() -> None:
    bench = Bench(make_provider(concurrency=1), latency_s=10.0)

    async def main() -> list[Outcome]:
        async with Router(bench.config, transport=bench.transport) as router:
            tasks = [asyncio.create_task(router.outcome(Request.of("hi"))) for _ in range(3)]
            await asyncio.sleep(1)
        return list(await asyncio.gather(*tasks))

    outcomes = run_virtual(main())
    assert [type(outcome.error) for outcome in outcomes[1:]] == [Stopped, Stopped]


def test_the_router_can_be_left_in_any_turn_of_the_loop() -> None:
    class Connecting(ScriptedTransport):
        turns = 0

        async def send(self, call: Call, on_sent: Callable[[], None]) -> Answer | Fault:
            for _ in range(self.turns):
                await asyncio.sleep(0)
            return await super().send(call, on_sent)

    async def main(turns: int, connecting: int) -> None:
        transport = Connecting(lambda _call: SEVEN)
        transport.turns = connecting
        async with Router(make_config(make_provider(rates=["10/s"])), transport=transport) as router:
            task = asyncio.create_task(router.complete("hi"))
            for _ in range(turns):
                await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    for turns in range(20):
        for connecting in range(3):
            run_virtual(main(turns, connecting))


@pytest.mark.parametrize("error", [ItemRefused("no"), ValueError("mine"), asyncio.CancelledError()])
def test_an_error_leaves_the_block_as_it_is(error: BaseException) -> None:
    bench = Bench()

    async def main() -> None:
        try:
            async with Router(bench.config, transport=bench.transport):
                raise error  # noqa: TRY301 - out of the block, not out of a function
        except BaseException as left:  # noqa: BLE001 - any kind may leave
            assert left is error  # noqa: PT017 - the identity is the point

    run_virtual(main())


def test_a_lane_that_fails_is_no_silent_hang() -> None:
    bench = Bench()

    async def main() -> None:
        async with Router(bench.config, transport=bench.transport) as router:
            router.lanes[0]._line = None  # type: ignore[assignment]
            await router.complete("hi")

    with pytest.raises(BaseExceptionGroup) as raised:
        run_virtual(main())
    assert raised.group_contains(AttributeError)


def test_who_waits_when_a_lane_fails_is_told_though_the_router_was_entered_in_another_task() -> None:
    bench = Bench()
    ended: list[Outcome] = []

    async def ask(router: Router) -> None:
        ended.append(await router.outcome(Request.of("hi")))

    async def main() -> None:
        async with Router(bench.config, transport=bench.transport) as router:
            await router.complete("hi")
            router.lanes[0].provider_state.in_flight = "many"  # type: ignore[assignment]
            asking = asyncio.create_task(ask(router))
            try:
                await asyncio.Event().wait()
            finally:
                await asking
                await ask(router)

    with pytest.raises(BaseExceptionGroup) as raised:
        run_virtual(main())
    assert raised.group_contains(TypeError)
    assert isinstance(ended[-1].error, Stopped)
    assert "lane acme has failed: TypeError" in str(ended[-1].error)


class FullDisk(NoLog):
    def write(self, event: Event) -> None:
        raise OSError(28, "No space left on device", event)


def test_a_log_that_cannot_be_written_costs_no_answer_and_no_lane() -> None:
    bench = Bench(ACME, BOLT, script=by_provider(acme=DOWN, bolt=SEVEN))
    told: list[str] = []

    async def main() -> list[Outcome]:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, said: told.append(said["message"]))
        async with Router(bench.config, transport=bench.transport, log=FullDisk()) as router:
            return [outcome async for outcome in router.map("hi" for _ in range(20))]

    assert [outcome.completion is not None for outcome in run_virtual(main())] == [True] * 20
    assert "No space left on device" in told[0]


def test_what_a_transport_raises_is_its_items_error_alone() -> None:
    def script(call: Call) -> Answer | Fault:
        if call.request.id == "3":
            raise ValueError("odd")
        return SEVEN

    bench = Bench(script=script)

    async def main(router: Router) -> list[Outcome]:
        return [outcome async for outcome in router.map(Request((), id=str(n)) for n in range(9))]

    outcomes = {outcome.request.id: outcome.error for outcome in bench.run(main)}
    assert isinstance(outcomes.pop("3"), InternalError)
    assert set(outcomes.values()) == {None}


class Stopped30(ScriptedTransport):
    """The process is stopped for 30 s while calls are out: some are answered meanwhile, others lost."""

    async def send(self, call: Call, on_sent: Callable[[], None]) -> Answer | Fault:
        result = await super().send(call, on_sent)
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        if call.request.id == "20":
            loop.virtual_time += 30
        return result


@pytest.mark.parametrize("fault", [None, *(Fault(kind, "lost") for kind in (Kind.CONNECTION, Kind.TIMEOUT))])
def test_a_process_that_was_stopped_blames_nobody(fault: Fault | None) -> None:
    def script(_call: Call) -> tuple[float, Answer | Fault]:
        was_out = 22 < len(bench.asked) < 28
        return (2.0, fault) if was_out and fault else (1.0, SEVEN)

    bench = Bench(*FAST, script=script, attempts=1)
    bench.transport = Stopped30(script)

    async def main(router: Router) -> None:
        requests = (Request((), id=str(number)) for number in range(60))
        async for outcome in router.map(requests, deadline=20):
            assert outcome.completion
        assert [lane.provider_state.health.state for lane in router.lanes] == [State.READY, State.READY]
        assert now() > 30

    bench.run(main)


# No hopeless waiting.


REFUSED = Fault(Kind.CONNECTION, "Connection refused")


@pytest.mark.parametrize("window", [1, 256])
def test_servers_that_are_not_there_end_it_within_half_a_minute(window: int) -> None:
    bench = Bench(*FAST, script=lambda _call: (0.01, REFUSED))

    async def main(router: Router) -> list[Outcome]:
        return [outcome async for outcome in router.map(("hi" for _ in range(20)), window=window)]

    outcomes = bench.run(main)
    assert bench.transport.calls[-1][0] < 30
    assert all("Connection refused" in str(outcome.error) for outcome in outcomes)
    assert isinstance(outcomes[-1].error, NothingServes | AttemptsExhausted)


@pytest.mark.parametrize(
    ("fault", "max_wait", "until_s"),
    [
        pytest.param(Fault(Kind.NO_CREDIT, "Insufficient Balance", 402), 900.0, 6 * 3600, id="no credit"),
        pytest.param(Fault(Kind.RATE_LIMIT, "come back", 429, retry_after_s=1000), 900.0, 1000, id="a long rest"),
        pytest.param(Fault(Kind.RATE_LIMIT, "come back", 429, retry_after_s=100), 60.0, 100, id="its own max_wait"),
    ],
)
def test_what_is_too_far_away_is_not_waited_for(fault: Fault, max_wait: float, until_s: float) -> None:
    bench = Bench(script=lambda _call: fault)

    async def main() -> tuple[RouterError | None, RouterError | None, float]:
        clock = LoopClock(asyncio.get_running_loop(), 0.0, 1_763_985_600.0)
        router = Router(bench.config, transport=bench.transport, rng=random.Random(0), clock=clock, max_wait=max_wait)
        async with router:
            errors = [(await router.outcome(Request.of("hi"))).error for _ in range(2)]
            return errors[0], errors[1], now()

    first, second, took_s = run_virtual(main())
    assert took_s < 1.1
    assert len(bench.asked) == 1
    for error in (first, second):
        assert isinstance(error, NothingServes)
        assert f"acme#1: {fault}" in str(error)
        assert "2025-11-24 1" in str(error)
        assert " UTC" in str(error)
        assert error.until is not None
        assert until_s <= error.until - 1_763_985_601.0 <= 1.2 * until_s
    assert first is not None
    assert [attempt.fault for attempt in first.attempts] == [fault]
    assert second is not None
    assert second.attempts == ()


def test_a_rest_within_max_wait_is_waited_for() -> None:
    slow = Fault(Kind.RATE_LIMIT, "come back", 429, retry_after_s=600)
    bench = Bench(script=lambda _call: slow if len(bench.asked) == 1 else SEVEN)
    completion, took_s = bench.ends()
    assert isinstance(completion, Completion)
    assert took_s > 600


@pytest.mark.parametrize("is_waiting", [True, False], ids=["who waits", "who comes"])
def test_a_night_that_the_machine_slept_through_is_over(*, is_waiting: bool) -> None:
    """Its clock goes on, and its loop's time does not; the day's budget is new."""
    bench = Bench(make_provider(rates=["5/s", "1/day"]))

    async def main(router: Router) -> float:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loop.sleep_through(DAY_S - loop.epoch() % DAY_S - 600)
        await router.complete("the only one today")
        if is_waiting:
            waits = asyncio.create_task(router.complete("tomorrow"))
            await asyncio.sleep(1)
            loop.sleep_through(600)
            await waits
            return now()
        assert isinstance((await router.outcome("too soon", deadline=10)).error, DeadlineExceeded)
        loop.sleep_through(600)
        await router.complete("tomorrow")
        return now()

    assert bench.run(main) < 20


def test_who_waits_for_an_account_is_told_what_another_providers_calls_did_to_it() -> None:
    """An account without money, of two providers, is back in 6 hours; nobody waits for that."""
    shared = [replace(each, keys=tuple(replace(key, account_id="one") for key in each.keys)) for each in (ACME, BOLT)]

    def script(call: Call) -> Answer | Fault:
        return SEVEN if call.provider.name == "bolt" else Fault(Kind.NO_CREDIT, "pay", 402)

    bench = Bench(shared[0], replace(shared[1], rates=(Rate(1, 60),)), script=script)

    async def main(router: Router) -> tuple[list[object], float]:
        at_acme, at_bolt = (Request((), only=frozenset({name})) for name in ("acme", "bolt"))
        waiting = asyncio.gather(*(router.outcome(at_bolt) for _ in range(2)))
        await router.outcome(at_acme)
        return [type(each.error) for each in await waiting], now()

    errors, ended_at = bench.run(main)
    assert errors == [type(None), NothingServes]
    assert ended_at < 2


def test_parameters_that_a_vendor_refuses_every_time_end_it_and_are_named() -> None:
    refused = Fault(Kind.BAD_REQUEST, "Unsupported parameter: 'temperature'", 400)
    bench = Bench(script=lambda _call: refused)

    async def main(router: Router) -> list[Outcome]:
        return [outcome async for outcome in router.map(("hi" for _ in range(100)), window=2)]

    outcomes = bench.run(main)
    assert len(bench.asked) == 6
    assert isinstance(outcomes[-1].error, NothingServes)
    assert str(outcomes[-1].error) == f"nothing can serve this: acme#1: {refused}"


# Many calls.


def test_map_yields_every_outcome_as_it_is_there() -> None:
    bench = Bench(
        script=lambda call: (float(call.request.id), SEVEN if call.request.id != "2" else Fault(Kind.BAD_REQUEST))
    )

    async def main(router: Router) -> list[Outcome]:
        return [outcome async for outcome in router.map(Request((), id=str(n)) for n in (3, 1, 2))]

    outcomes = bench.run(main)
    assert [outcome.request.id for outcome in outcomes] == ["1", "2", "3"]
    assert [type(outcome.error) for outcome in outcomes] == [type(None), ItemRefused, type(None)]


@pytest.mark.parametrize("kind", ["iterable", "async iterable"])
def test_map_is_lazy_and_keeps_its_window(kind: str) -> None:
    bench = Bench()
    made = done = most = 0

    def endless() -> Iterator[str]:
        nonlocal made, most
        while True:
            made += 1
            most = max(most, made - done)
            yield "hi"

    async def endless_later() -> AsyncIterator[str]:
        for prompt in endless():
            yield prompt

    async def main(router: Router) -> None:
        nonlocal done
        requests = endless() if kind == "iterable" else endless_later()
        async with aclosing(router.map(requests, window=10)) as outcomes:
            async for outcome in outcomes:
                assert outcome.completion
                done += 1
                if done == 200:
                    break

    bench.run(main)
    assert 10 <= most <= 12
    assert made <= 212


def test_leaving_map_early_cancels_what_is_in_flight() -> None:
    bench = Bench(latency_s=5.0)

    async def main(router: Router) -> tuple[int, float]:
        before = len(asyncio.all_tasks())
        async with aclosing(router.map("hi" for _ in range(10**9))) as outcomes:
            async for _ in outcomes:
                break
        return len(asyncio.all_tasks()) - before, asyncio.get_running_loop().time()

    left_over, took = bench.run(main)
    assert left_over == 0
    assert took == pytest.approx(5, abs=0.01)


def test_a_defect_on_the_way_of_one_request_is_its_own_error_and_no_other_s() -> None:
    """Such as a log line that cannot be made, or a text that no codec takes."""

    def script(call: Call) -> Answer:
        if call.request.id == "3":
            raise ValueError("oops")
        return SEVEN

    async def main(router: Router) -> list[Outcome]:
        return [outcome async for outcome in router.map(Request((), id=str(n)) for n in range(6))]

    outcomes = {outcome.request.id: outcome.error for outcome in Bench(ACME, script=script).run(main)}
    assert [name for name, error in outcomes.items() if error is not None] == ["3"]
    assert re.fullmatch(r"a defect of router: ValueError: oops \(test_router.py:\d+\)", str(outcomes["3"]))
    assert isinstance(outcomes["3"], InternalError)


def test_map_of_nothing() -> None:
    async def main(router: Router) -> list[Outcome]:
        return [outcome async for outcome in router.map([])]

    assert Bench().run(main) == []


def test_a_slow_consumer_does_not_pile_up_outcomes() -> None:
    bench = Bench()

    async def main(router: Router) -> None:
        async with aclosing(router.map(("hi" for _ in range(100)), window=5)) as outcomes:
            count = 0
            async for _ in outcomes:
                await asyncio.sleep(10)
                count += 1
                assert len(bench.asked) <= count + 6

    bench.run(main)


def test_memory_stays_flat_over_8_000_calls() -> None:
    bench = Bench(make_provider("acme", keys=2), BOLT)

    class Forgetful(ScriptedTransport):
        async def send(self, call: Call, on_sent: Callable[[], None]) -> Answer | Fault:
            result = await super().send(call, on_sent)
            self.calls.clear()
            return result

    bench.transport = Forgetful(lambda _call: SEVEN)

    def living() -> int:
        gc.collect()
        return len(gc.get_objects())

    async def main(router: Router) -> tuple[int, int]:
        counts, done, tasks = [], 0, 0
        async with aclosing(router.map(("hi" for _ in range(8_000)), window=100)) as outcomes:
            async for _ in outcomes:
                done += 1
                if done in {2_000, 7_500}:
                    for lane in router.lanes:
                        lane.provider_state.traffic = RecentTraffic()
                    counts.append(living())
                    tasks = max(tasks, len(asyncio.all_tasks()))
        assert tasks < 120
        return counts[0], counts[1]

    early, late = bench.run(main)
    assert late - early < 500


# Outages.


def took(bench: Bench, items: int, window: int = 256) -> float:
    """The seconds in which so many items are all answered."""

    async def main(router: Router) -> float:
        async for outcome in router.map(("hi" for _ in range(items)), window=window):
            assert outcome.completion
        return now()

    return bench.run(main)


def hangs(start: float, end: float, timeout_s: float, latency_s: float = 1.0) -> Script:
    """Acme never answers a call that it has from `start` to `end`."""

    def script(call: Call) -> tuple[float, Answer | Fault]:
        hung = call.provider.name == "acme" and now() < end and now() + latency_s > start
        return (timeout_s, Fault(Kind.TIMEOUT, "silent")) if hung else (latency_s, SEVEN)

    return script


def test_a_restart_that_cuts_every_call_costs_each_of_them_once() -> None:
    def restart(_call: Call) -> tuple[float, Answer | Fault]:
        cut = now() < 25 < now() + 20
        return (25 - now(), Fault(Kind.CONNECTION, "reset")) if cut else (20.0, SEVEN)

    bench = Bench(FAST[0], script=restart)
    assert took(bench, 600) < 125
    assert len(bench.asked) == 856


@pytest.mark.parametrize(
    ("script", "seconds"),
    [
        pytest.param(hangs(0, 30, 30), 64, id="from the start, until they time out"),
        pytest.param(hangs(0, 30, 120), 64, id="from the start, and long after that"),
        pytest.param(hangs(10, 40, 30), 50, id="later"),
        pytest.param(hangs(10, 40, 120), 50, id="later, with a long timeout"),
        pytest.param(hangs(10, 400, 120), 50, id="for ever"),
    ],
)
def test_a_vendor_that_hangs_costs_the_healthy_ones_time_and_no_more(script: Script, seconds: float) -> None:
    bench = Bench(*FAST, script=script)
    assert took(bench, 1000) < seconds


@pytest.mark.parametrize("start", [0, 10], ids=["from the start", "later"])
@pytest.mark.parametrize("lasting_s", [10, 30, 90])
def test_a_vendor_that_hung_is_used_again_soon_after(start: int, lasting_s: int) -> None:
    end = start + lasting_s
    slower = (make_provider(name, rates=["5/s"]) for name in ("acme", "bolt"))
    bench = Bench(*slower, script=hangs(start, end, 120))
    took(bench, 10 * (end + 30))
    times = [at for at, call in bench.transport.calls if call.provider.name == "acme" and at >= end]
    assert times[0] - end < 6 + lasting_s / 4
    assert times[50] - end < 25 + lasting_s / 4


def grants(per_s: int, told_s: float | None, *, fixed: bool = False, each: bool = False) -> Script:
    """A vendor that takes so many calls in a second, whatever is declared: in any second, or in each.

    From all accounts together, or from `each`.
    """
    taken: defaultdict[str, list[float]] = defaultdict(list)

    def script(call: Call) -> tuple[float, Answer | Fault]:
        at_all = taken[call.key.account if each else ""]
        since = now() // 1 if fixed else now() - 1 + 1e-9
        if sum(at >= since for at in at_all[-per_s:]) >= per_s:
            return 0.2, Fault(Kind.RATE_LIMIT, "slow", 429, retry_after_s=told_s)
        at_all.append(now())
        return 1.0, SEVEN

    return script


@pytest.mark.parametrize("fixed", [False, True], ids=["in any second", "in each second"])
@pytest.mark.parametrize("told_s", [None, 1.0], ids=["no time", "a second"])
@pytest.mark.parametrize(
    ("declared", "granted"), [pytest.param("100/s", 2, id="50 times"), pytest.param("20/s", 5, id="4 times")]
)
def test_a_rate_declared_too_high_costs_half_of_what_is_granted_at_most(
    declared: str, granted: int, told_s: float | None, *, fixed: bool
) -> None:
    bench = Bench(make_provider(rates=[declared]), script=grants(granted, told_s, fixed=fixed))
    assert took(bench, 200 * granted) < 1.5 * 200


@pytest.mark.parametrize("fixed", [False, True], ids=["in any second", "in each second"])
@pytest.mark.parametrize("each", [False, True], ids=["from all accounts", "from each"])
@pytest.mark.parametrize(
    "provider",
    [
        pytest.param(make_provider(keys=3, rates=["300/s"]), id="of all"),
        pytest.param(make_provider(keys=3, key_rates=["100/s"]), id="of each"),
    ],
)
def test_nor_do_the_rates_of_three_accounts(provider: Provider, *, each: bool, fixed: bool) -> None:
    bench = Bench(provider, script=grants(2, None, fixed=fixed, each=each))
    assert took(bench, 100 * (6 if each else 2)) < 1.5 * 100


@pytest.mark.parametrize("told_s", [None, 1.0], ids=["no time", "a second"])
def test_one_stray_throttle_costs_less_than_two_windows(told_s: float | None) -> None:
    def script(_call: Call) -> Answer | Fault:
        return Fault(Kind.RATE_LIMIT, "slow", 429, retry_after_s=told_s) if len(bench.asked) == 100 else SEVEN

    bench = Bench(FAST[0])
    calm = took(bench, 600)
    bench = Bench(FAST[0], script=script)
    assert took(bench, 600) < calm + 2


def test_a_slow_vendor_alone_is_waited_for() -> None:
    bench = Bench(make_provider(concurrency=4), script=lambda _call: (300.0 if len(bench.asked) > 12 else 1.0, SEVEN))
    took(bench, 20)
    assert len(bench.asked) == 20


def test_an_outage_does_not_multiply_calls() -> None:
    config = [make_provider(name, concurrency=200) for name in ("acme", "bolt")]
    bench = Bench(*config, script=lambda _call: DOWN, latency_s=0.5, attempts=3)

    async def main(router: Router) -> None:
        async for _ in router.map(("hi" for _ in range(400)), window=400, deadline=300):
            pass

    bench.run(main)
    bursts = Counter(round(at * 2) for at, _ in bench.transport.calls if at > 2)
    assert max(bursts.values(), default=0) <= 4


def test_a_retry_that_waits_for_a_resting_vendor_holds_up_nobody_else() -> None:
    rested = Fault(Kind.NO_CREDIT, "pay", 402)
    bench = Bench(ACME, BOLT)
    failed: set[str] = set()

    def script(call: Call) -> Answer | Fault:
        if call.provider.name == "acme":
            return rested
        if call.request.id and call.request.id not in failed:
            failed.add(call.request.id)
            return Fault(Kind.RATE_LIMIT, retry_after_s=0)
        return SEVEN

    bench.transport = ScriptedTransport(script)

    async def main(router: Router) -> None:
        stuck = asyncio.create_task(router.complete("hi", only={"acme"}))
        await asyncio.sleep(5)
        await router.complete(Request((), id="x"), only={"bolt"}, deadline=60)
        stuck.cancel()
        await asyncio.gather(stuck, return_exceptions=True)

    bench.run(main)


def test_a_router_is_entered_before_it_is_used() -> None:
    async def main() -> None:
        await Router(make_config(ACME)).complete("hi")

    with pytest.raises(RouterError, match="enter the router"):
        run_virtual(main())
