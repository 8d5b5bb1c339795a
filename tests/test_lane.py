from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from itertools import pairwise

import pytest
from conftest import make_config, make_provider, max_in_any_window

from router.clock import LoopClock
from router.config.models import Provider
from router.engine.health import State
from router.engine.router import Router
from router.errors import DeadlineExceeded, ItemRefused, Outcome
from router.faults import Fault, Kind
from router.testing import Script, ScriptedTransport, run_virtual
from router.transport import Call
from router.types import Answer, Json, Request, Usage

NOON = 1_763_985_600.0
THROTTLED = Fault(Kind.RATE_LIMIT, "slow down", 429)
DOWN = Fault(Kind.SERVER_ERROR, "oops", 500)
DENIED = Fault(Kind.PERMISSION, "not yours", 403)


class Run:
    """What a run over scripted vendors left behind."""

    def __init__(
        self, *providers: Provider, script: Script = lambda _call: Answer("7"), latency_s: float = 1.0
    ) -> None:
        self.transport = ScriptedTransport(script, latency_s)
        self.config = make_config(*providers)
        self.outcomes: list[Outcome] = []
        self.max_wait = 900.0

    def __call__(self, main: Callable[[Router], Awaitable[None]]) -> Run:
        async def enter() -> None:
            loop = asyncio.get_running_loop()
            clock = LoopClock(loop, loop.time(), NOON)
            async with Router(
                self.config, transport=self.transport, rng=random.Random(0), clock=clock, max_wait=self.max_wait
            ) as router:
                await main(router)
                assert [view.in_flight for view in router.status()] == [0] * len(router.lanes)

        run_virtual(enter())
        return self

    def asks(self, count: int, *, window: int = 1000, deadline: float | None = None) -> Run:
        async def main(router: Router) -> None:
            requests = (Request.of(str(number)) for number in range(count))
            async for outcome in router.map(requests, window=window, deadline=deadline):
                self.outcomes.append(outcome)

        return self(main)

    def times(self, name: str = "") -> list[float]:
        return [at for at, call in self.transport.calls if name in {"", call.provider.name, call.key.name}]

    @property
    def spread(self) -> Counter[str]:
        return Counter(call.provider.name for _, call in self.transport.calls)


def test_load_spreads_in_proportion_to_the_rates() -> None:
    run = Run(
        *(make_provider(name, rates=[rate]) for name, rate in (("acme", "2/s"), ("bolt", "5/s"), ("cask", "10/s")))
    )
    spread = run.asks(1700).spread
    assert spread["acme"] == pytest.approx(200, rel=0.03)
    assert spread["bolt"] == pytest.approx(500, rel=0.03)
    assert spread["cask"] == pytest.approx(1000, rel=0.03)


def test_three_keys_share_alike() -> None:
    counts = Run(make_provider(keys=3, rates=["10/s"])).asks(100).transport.counts()
    assert set(counts) == {"acme#1", "acme#2", "acme#3"}
    assert max(counts.values()) - min(counts.values()) <= 1


@pytest.mark.parametrize(
    ("provider", "amount", "period_s"),
    [
        pytest.param(make_provider(rates=["20/s"]), 20, 1.0, id="a provider's rate"),
        pytest.param(make_provider(rates=["300/min"]), 300, 60.0, id="a minute"),
        pytest.param(make_provider(keys=4, key_rates=["5/s"]), 20, 1.0, id="four accounts"),
        pytest.param(make_provider(keys=4, rates=["12/s"], key_rates=["5/s"]), 12, 1.0, id="the provider's is tighter"),
        pytest.param(make_provider(rates=["20/s", "600/min"]), 600, 60.0, id="two limits"),
    ],
)
def test_nearly_all_of_the_rate_leaves_and_never_more(provider: Provider, amount: int, period_s: float) -> None:
    times = Run(provider).asks(1000).times()
    assert max_in_any_window(times, period_s) <= amount
    assert (len(times) - 1) / (times[-1] - times[0]) >= 0.98 * amount / period_s


@pytest.mark.parametrize("wire_s", [0.0005, 0.002, 0.005])
def test_time_to_the_wire_that_every_call_takes_costs_no_rate(wire_s: float) -> None:
    class Slow(ScriptedTransport):
        async def send(self, call: Call, on_sent: Callable[[], None]) -> Answer | Fault:
            await asyncio.sleep(wire_s)
            return await super().send(call, on_sent)

    run = Run(make_provider(rates=["100/s"]))
    run.transport = Slow(lambda _call: Answer("7"))
    times = run.asks(1000).times()
    assert (len(times) - 1) / (times[-1] - times[0]) >= 98.5
    assert max_in_any_window(times, 1.0) <= 100


class Connecting(ScriptedTransport):
    """A vendor to whom a part of the calls has to connect first; its clock is the wire's."""

    def __init__(self, share: float, latency_s: float = 1.0) -> None:
        super().__init__(lambda _call: Answer("7"), latency_s)
        self._share, self._rng = share, random.Random(3)

    async def send(self, call: Call, on_sent: Callable[[], None]) -> Answer | Fault:
        if not self.calls or self._rng.random() < self._share:
            await asyncio.sleep(self._rng.uniform(0.05, 0.3))
        return await super().send(call, on_sent)


@pytest.mark.parametrize(
    ("rate", "amount", "period_s"), [("1/s", 1, 1), ("5/s", 5, 1), ("50/10s", 50, 10), ("60/min", 60, 60)]
)
@pytest.mark.parametrize(("share", "used"), [(0.05, 0.95), (0.3, 0.85)])
@pytest.mark.parametrize("per_key", [False, True], ids=["a provider's", "an account's"])
def test_no_window_holds_more_arrivals_than_the_limit_whoever_has_to_connect(
    rate: str, amount: int, period_s: float, share: float, used: float, *, per_key: bool
) -> None:
    run = Run(make_provider(key_rates=[rate]) if per_key else make_provider(rates=[rate]))
    run.transport = Connecting(share)
    times = run.asks(200).times()
    assert max_in_any_window(times, period_s) <= amount
    assert (len(times) - 1) / (times[-1] - times[0]) >= used * amount / period_s


def test_a_client_that_cannot_be_watched_is_paced_from_when_its_calls_leave() -> None:
    class Blind(ScriptedTransport):
        async def send(self, call: Call, _on_sent: Callable[[], None]) -> Answer | Fault:
            return await super().send(call, lambda: None)

    run = Run(make_provider(rates=["10/s"]))
    run.transport = Blind(lambda _call: Answer("7"), latency_s=5.0)
    times = run.asks(100).times()
    assert times[-1] < 5 + 11
    assert max_in_any_window(times, 1.0) <= 10


def test_a_call_that_never_gets_to_the_wire_holds_nobody_up_for_ever() -> None:
    class Refusing(ScriptedTransport):
        async def send(self, call: Call, on_sent: Callable[[], None]) -> Answer | Fault:
            if len(self.calls) < 3:
                return await super().send(call, lambda: None)
            return await super().send(call, on_sent)

    run = Run(make_provider(rates=["1/s"]), script=lambda _call: Answer("7"))
    run.transport = Refusing(
        lambda _call: Fault(Kind.CONNECTION, "refused") if len(run.times()) <= 3 else Answer("7"), latency_s=2.0
    )
    run.asks(10)
    assert all(outcome.completion for outcome in run.outcomes)


def test_calls_keep_apart_after_idling_and_after_a_full_house() -> None:
    async def main(router: Router) -> None:
        for _ in range(3):
            await asyncio.gather(*(router.complete("hi") for _ in range(15)))
            await asyncio.sleep(30)

    run = Run(make_provider(rates=["10/s"], concurrency=3), latency_s=2.0)(main)
    assert max_in_any_window(run.times(), 1.0) <= 10
    assert min(after - before for before, after in pairwise(run.times())) > 0.09


def test_a_dead_key_costs_one_call() -> None:
    dead = Fault(Kind.INVALID_KEY, "no such key", 401)
    run = Run(make_provider(keys=3, rates=["10/s"]), script=lambda c: dead if c.key.name == "acme#2" else Answer("7"))
    counts = run.asks(60, window=1).transport.counts()
    assert counts["acme#2"] == 1
    assert counts["acme#1"] + counts["acme#3"] == 60
    assert all(outcome.completion for outcome in run.outcomes)


@pytest.mark.parametrize("told_s", [7.0, 45.0, 200.0])
def test_a_throttled_account_rests_the_vendors_time_and_everything_goes_elsewhere(told_s: float) -> None:
    fault = Fault(Kind.RATE_LIMIT, "slow down", 429, retry_after_s=told_s)
    thrown: list[float] = []

    def script(call: Call) -> Answer | Fault:
        if call.key.name == "acme#1" and not thrown:
            thrown.append(1.0)
            return fault
        return Answer("7")

    run = Run(make_provider(keys=2, rates=["4/s"]), make_provider("bolt", rates=["4/s"]), script=script)
    run.asks(round(2 * 4 * (told_s + 20)))
    times = run.times("acme#1")
    throttled_at = times[0] + 1
    back_at = next(at for at in times if at > throttled_at)
    at_rest = [at for at in run.times() if throttled_at <= at < back_at]
    assert told_s <= back_at - throttled_at <= told_s + 1.5
    assert len(at_rest) >= 0.95 * 2 * 4 * told_s
    assert all(outcome.completion for outcome in run.outcomes)


def test_ten_throttles_in_flight_are_one_strike() -> None:
    async def main(router: Router) -> None:
        await asyncio.gather(*(router.complete("hi") for _ in range(10)))
        (key,) = router.lanes[0].provider_state.ring
        assert key.account.health.generation == 2, "one rest, and what follows it"
        assert key.account.health.share == 1.0

    run = Run(
        make_provider(concurrency=10), script=lambda _call: THROTTLED if len(run.transport.calls) <= 10 else Answer("7")
    )
    run(main)
    assert len(run.times()) == 20
    assert 10 <= run.times()[10] - 1.0 <= 12.1


def test_an_outage_breaks_tries_once_at_a_time_and_ramps() -> None:
    run = Run(make_provider(rates=["20/s"]), make_provider("bolt", rates=["20/s"]))

    def script(call: Call) -> Answer | Fault:
        at = run.transport.calls[-1][0]
        return DOWN if call.provider.name == "acme" and at < 60 else Answer("7")

    run.transport = ScriptedTransport(script, latency_s=0.1)
    run.asks(3000)
    times = run.times("acme")
    trials = [at for at in times if 1 < at < 60]
    gaps = [after - before for before, after in pairwise(trials)]
    assert 2 <= len(trials) <= 8
    assert all(after >= before * 0.95 or after >= 20 for before, after in pairwise(gaps))
    back = next(at for at in times if at >= 60)
    ramp = [at for at in times if at > back][:9]
    steps = [after - before for before, after in pairwise(ramp)]
    assert steps[0] == pytest.approx(0.2, rel=0.1), "one answer at a tenth of the rate, then a quarter"
    assert steps[-1] < 0.11
    assert max_in_any_window(times, 1.0) <= 20
    assert all(outcome.completion for outcome in run.outcomes)
    assert max(len(outcome.attempts) for outcome in run.outcomes) <= 2


def test_one_trial_at_a_time() -> None:
    run = Run(make_provider(), script=lambda _call: DOWN if len(run.times()) < 30 else Answer("7"), latency_s=30)
    run.config = make_config(*run.config.providers, attempts=40)

    async def main(router: Router) -> None:
        await asyncio.gather(*(router.complete("hi") for _ in range(8)))

    trials = [at for at in run(main).times() if at > 1][:20]
    assert len(trials) == 20
    assert all(after - before >= 30 for before, after in pairwise(trials))


def test_in_flight_is_limited() -> None:
    out = most = 0

    class Counting(ScriptedTransport):
        async def send(self, call: Call, on_sent: Callable[[], None]) -> Answer | Fault:
            nonlocal out, most
            out += 1
            most = max(most, out)
            try:
                return await super().send(call, on_sent)
            finally:
                out -= 1

    run = Run(make_provider(concurrency=5))
    run.transport = Counting(lambda _call: Answer("7"))
    run.asks(50)
    assert most == 5


def test_a_days_budget_is_kept_and_goes_on_the_next_day() -> None:
    run = Run(make_provider(rates=["5/s", "20/day"]))
    run.max_wait = 86400.0
    run.asks(50)
    assert [sum(day <= (NOON + at) // 86400 - NOON // 86400 < day + 1 for at in run.times()) for day in range(3)] == [
        20,
        20,
        10,
    ]


def test_a_days_tokens_are_kept_by_what_was_counted_and_go_on_the_next_day() -> None:
    """Each call is estimated at more than the ten tokens that it turns out to have used."""
    answer = Answer("7", usage=Usage(6, 4))
    run = Run(make_provider(rates=["5/s"], tokens=["5000/day"]), script=lambda _call: answer)
    run.max_wait = 86400.0
    run.asks(700)
    days = [int((NOON + at) // 86400 - NOON // 86400) for at in run.times()]
    assert days.count(0) * 10 <= 5000
    assert days.count(0) > 300
    assert set(days) == {0, 1}


def test_a_ticket_that_avoids_a_lane_goes_there_while_the_other_has_no_budget_left() -> None:
    run = Run(make_provider("acme"), make_provider("bolt", rates=["1/day"]))

    async def main(router: Router) -> None:
        await router.complete("hi", only={"bolt"})
        await router.complete("hi", avoid={"acme"}, deadline=60)

    run(main)
    assert run.spread == {"acme": 1, "bolt": 1}


def test_who_waits_for_a_key_of_one_model_holds_up_nobody_of_another() -> None:
    def script(call: Call) -> Answer | Fault:
        if call.key.name == "acme#1":
            return Fault(Kind.RATE_LIMIT, "slow down", 429, retry_after_s=600) if rested.pop() else Answer("7")
        return Fault(Kind.PERMISSION, "not yours", 403) if call.model.endswith("big") else Answer("7")

    rested = [False] * 200 + [True]
    ended: dict[str, list[float]] = {"small": [], "big": []}

    async def ask(router: Router, model: str) -> None:
        await router.complete("hi", model=model)
        ended[model].append(asyncio.get_running_loop().time())

    async def main(router: Router) -> None:
        await asyncio.gather(*(ask(router, model) for _ in range(50) for model in ("big", "small")))

    Run(make_provider(keys=2, models=["small", "big"], rates=["5/s"]), script=script)(main)
    assert max(ended["small"]) < 30
    assert max(ended["big"]) > 600


def test_a_lane_whose_fitting_key_rests_is_no_reason_to_avoid_an_idle_one() -> None:
    def script(call: Call) -> Answer | Fault:
        if call.provider.name == "bolt" and call.model.endswith("big"):
            return Fault(Kind.RATE_LIMIT, "slow down", 429, retry_after_s=600) if call.key.name == "bolt#1" else DENIED
        return Answer("7")

    async def main(router: Router) -> None:
        with pytest.raises(DeadlineExceeded):
            await router.complete("hi", model="big", only={"bolt"}, deadline=5)
        await router.complete("hi", only={"bolt"})
        completion = await router.complete("hi", model="big", avoid={"acme"}, deadline=60)
        assert completion.provider == "acme"

    models = ["small", "big"]
    Run(make_provider(models=models), make_provider("bolt", keys=2, models=models), script=script)(main)


def test_tokens_are_kept_and_corrected() -> None:
    usage = Usage(40, 60)
    run = Run(make_provider(tokens=["10000/min"]), script=lambda _call: Answer("7", usage)).asks(300)
    assert max_in_any_window(run.times(), 60) <= 100
    assert (len(run.times()) - 1) / (run.times()[-1] - run.times()[0]) >= 0.95 * 100 / 60


def test_a_large_item_does_not_leave_on_a_small_ones_tokens() -> None:
    def item(tokens: int) -> Request:
        return Request((), params={"max_tokens": tokens})

    async def main(router: Router) -> None:
        await router.complete(item(600))
        small = asyncio.create_task(router.complete(item(10)))
        await asyncio.sleep(5)
        small.cancel()
        await asyncio.gather(small, return_exceptions=True)
        await router.complete(item(900))

    run = Run(make_provider(tokens=["1000/min"], rates=["1/50s"]))(main)
    first, second = run.times()
    assert second - first >= 60


@pytest.mark.parametrize("deadline", [None, 5.0], ids=["another lane serves it", "its caller goes away"])
def test_a_small_item_waits_behind_a_large_one_for_only_as_long_as_that_waits(deadline: float | None) -> None:
    def item(tokens: int, *only: str) -> Request:
        return Request((), params={"max_tokens": tokens}, only=frozenset(only) or None)

    async def main(router: Router) -> None:
        busy = asyncio.gather(router.complete(item(200, "acme")), router.complete(item(1, "bolt")))
        await asyncio.sleep(0.1)
        large = asyncio.create_task(
            router.outcome(item(900, *(("acme",) if deadline else ())), model="big", deadline=deadline)
        )
        await asyncio.sleep(0.1)
        await router.complete(item(10, "acme"))
        assert asyncio.get_running_loop().time() < 20
        assert (await large).error is None or deadline
        await busy

    models = ("small", "big")
    providers = make_provider(models=models, tokens=["1000/min"]), make_provider("bolt", models=models, concurrency=1)
    Run(*providers, latency_s=5.0)(main)


def test_a_caller_who_went_away_has_taken_no_tokens() -> None:
    async def main(router: Router) -> None:
        await router.complete("hi")
        with pytest.raises(DeadlineExceeded):
            await router.complete("x" * 4500, deadline=10)
        started = asyncio.get_running_loop().time()
        await router.complete("hi")
        assert asyncio.get_running_loop().time() - started < 20

    Run(make_provider(tokens=["1000/min"]), script=lambda _call: Answer("7", Usage(5, 5)))(main)


def test_what_can_never_fit_is_refused_at_once_and_goes_where_it_fits() -> None:
    async def main(router: Router) -> None:
        with pytest.raises(ItemRefused, match=r"2,333 tokens of text never fit under `tokens: 1000/min` of acme"):
            await router.complete("x" * 7000, only={"acme"})
        assert asyncio.get_running_loop().time() < 0.001
        assert {(await router.complete("x" * 7000)).provider for _ in range(3)} == {"bolt"}
        await router.complete("x" * 5000, only={"acme"})

    Run(make_provider(tokens=["1000/min"]), make_provider("bolt", tokens=["100k/min"]))(main)


def test_a_picture_does_not_wait_as_if_it_were_text() -> None:
    picture: Json = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 200_000}}
    requests = [Request(({"role": "user", "content": [picture]},)) for _ in range(12)]

    async def main(router: Router) -> None:
        await asyncio.gather(*map(router.complete, requests))
        assert asyncio.get_running_loop().time() < 10

    Run(make_provider(tokens=["200k/min"]), script=lambda _call: Answer("7", Usage(5, 5)))(main)


def test_an_empty_request_without_tokens_does_not_hang_the_loop() -> None:
    async def main(router: Router) -> None:
        await router.complete(Request((), params={"max_tokens": 0}))

    assert len(Run(make_provider(tokens=["1000/min"]))(main).times()) == 1


@pytest.mark.parametrize(
    ("kind", "accounts"),
    [
        pytest.param(Kind.IP_BLOCKED, 3, id="said so"),
        pytest.param(Kind.INVALID_KEY, 3, id="looks like dead keys"),
        pytest.param(Kind.PERMISSION, 4, id="looks like permissions"),
    ],
)
def test_a_blocked_address_costs_no_key(kind: Kind, accounts: int) -> None:
    blocked = Fault(kind, "go away", 403)
    run = Run(make_provider(keys=accounts, rates=["10/s"]), make_provider("bolt", rates=["10/s"]))

    def script(call: Call) -> Answer | Fault:
        at = run.transport.calls[-1][0]
        return blocked if call.provider.name == "acme" and 10 <= at < 20 else Answer("7")

    run.transport = ScriptedTransport(script)

    async def main(router: Router) -> None:
        async for outcome in router.map((str(number) for number in range(1500)), window=200):
            assert outcome.completion
        ring = router.lanes[0].provider_state.ring
        assert [key.state(asyncio.get_running_loop().time()) for key in ring] == [State.READY] * accounts
        assert all(key.account.health.strikes == 0 for key in ring)

    run(main)
    assert run.times("acme")[-1] > 60


def test_a_lane_shows_what_it_is() -> None:
    async def main(router: Router) -> None:
        assert repr(router.lanes[0]) == "<Lane acme ready in_flight=0 waiting for idle>"

    Run(make_provider())(main)
