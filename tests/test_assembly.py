"""Lanes are made as the file declares them and as earlier runs left them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import max_in_any_window

from router.config.models import Config, Key, Provider, Secret
from router.engine.router import Router
from router.errors import NothingServes, Outcome, Stopped
from router.faults import Fault, Kind
from router.log.event import Event
from router.log.events import StateChanged
from router.log.writer import NoLog
from router.rates import Rate
from router.store import StateStore, scope_of
from router.testing import ScriptedTransport, run_virtual
from router.transport import Call
from router.types import Answer, Request

KEYS = tuple(Key(f"acme#{number}", Secret(f"sk-acme-{number}"), "team") for number in (1, 2))
ACME = Provider("acme", {"default": "openai/small"}, KEYS, (Rate(100, 1.0),))
REFUSED = Fault(Kind.INVALID_KEY, "no such key", 401)
DENIED = Fault(Kind.PERMISSION, "not yours", 403)


def ask(transport: ScriptedTransport, memory: StateStore, times: int = 4, provider: Provider = ACME) -> int:
    async def main() -> int:
        answered = 0
        async with Router(Config(Path("x"), (provider,)), transport=transport, memory=memory) as router:
            for _ in range(times):
                answered += (await router.complete("?")).text == "fine"
        return answered

    return run_virtual(main())


def only_second_works(fault: Fault) -> ScriptedTransport:
    def script(call: Call) -> Answer | Fault:
        return fault if call.key.name == "acme#1" else Answer("fine")

    return ScriptedTransport(script)


def test_a_dead_key_costs_one_call_in_all_runs_together(tmp_path: Path) -> None:
    first, second = only_second_works(REFUSED), only_second_works(REFUSED)
    assert ask(first, StateStore.open(tmp_path / "state")) == 4
    assert ask(second, StateStore.open(tmp_path / "state")) == 4
    assert first.counts() == {"acme#1": 1, "acme#2": 4}
    assert second.counts() == {"acme#2": 4}


def test_a_missing_right_is_not_remembered(tmp_path: Path) -> None:
    first, second = only_second_works(DENIED), only_second_works(DENIED)
    ask(first, StateStore.open(tmp_path / "state"))
    ask(second, StateStore.open(tmp_path / "state"))
    assert second.counts()["acme#1"] == 1


def test_with_every_key_remembered_as_dead_it_says_so_at_once_and_how_to_forget(tmp_path: Path) -> None:
    memory = StateStore.open(tmp_path / "state")
    for key in KEYS:
        memory.drop(key, ACME, REFUSED, at=0.0)
    transport = only_second_works(REFUSED)
    with pytest.raises(NothingServes, match=r"acme#1: invalid_key.*--forget acme#1.*acme#2"):
        ask(transport, memory)
    assert transport.calls == []


def test_a_day_budget_is_one_for_all_runs(tmp_path: Path) -> None:
    daily = Provider("acme", {"default": "openai/small"}, KEYS, (Rate(100, 1.0), Rate(6, 86400.0)))

    async def main() -> str:
        memory = StateStore.open(tmp_path / "state")
        transport = ScriptedTransport(lambda _call: Answer("fine"))
        async with Router(Config(Path("x"), (daily,)), transport=transport, memory=memory) as router:
            for _ in range(4):
                await router.complete("?", deadline=5.0)
            return router.status()[0].waiting_for

    run_virtual(main())
    with pytest.raises(NothingServes, match="6/day is used up"):
        run_virtual(main())


class Lines(NoLog):
    """Keeps the changes of state."""

    def __init__(self) -> None:
        self.found: list[StateChanged] = []

    def write(self, event: Event) -> None:
        self.found += [event] if isinstance(event, StateChanged) else []


# One account under two providers.

ONE = replace(KEYS[0], account_id="the-one", account="mini#1")


def sharing(rates: tuple[Rate, ...] = (Rate(100, 1.0),), key_rates: tuple[Rate, ...] = ()) -> Config:
    """Two providers with one key, as two models of one vendor."""
    mini = Provider("mini", {"default": "openai/mini"}, (ONE,), rates, key_rates=key_rates)
    big = replace(mini, name="big", models={"default": "openai/big"}, keys=(replace(ONE, name="big#1", account="b"),))
    return Config(Path("x"), (mini, big))


def test_a_rest_of_a_shared_account_holds_for_both_providers() -> None:
    throttled = Fault(Kind.RATE_LIMIT, "slow down", 429, retry_after_s=30.0)
    transport = ScriptedTransport(lambda call: throttled if call.provider.name == "mini" else Answer("fine"))

    async def main() -> float:
        loop = asyncio.get_running_loop()
        async with Router(sharing(), transport=transport) as router:
            began = loop.time()
            await router.outcome(Request.of("?"))
            await router.complete("?", only={"big"})
            return loop.time() - began

    assert run_virtual(main()) >= 30.0


def test_a_long_rest_of_a_shared_account_is_known_to_the_other_provider_at_once() -> None:
    empty = Fault(Kind.NO_CREDIT, "top up", 402)
    transport = ScriptedTransport(lambda call: empty if call.provider.name == "mini" else Answer("fine"))

    async def main() -> float:
        loop = asyncio.get_running_loop()
        async with Router(sharing(), transport=transport) as router:
            await router.complete("?", only={"big"})
            await router.outcome(replace(Request.of("?"), only=frozenset({"mini"})))
            began = loop.time()
            with pytest.raises(NothingServes, match="top up"):
                await router.complete("?", only={"big"})
            return loop.time() - began

    assert run_virtual(main()) == 0.0


def test_the_key_rate_of_a_shared_account_holds_over_both_providers() -> None:
    transport = ScriptedTransport(lambda _call: Answer("fine"), latency_s=0.01)

    async def main() -> list[float]:
        async with Router(sharing(key_rates=(Rate(5, 1.0),)), transport=transport) as router:
            asks = [router.complete("?", only={name}) for name in ("mini", "big") * 10]
            await asyncio.gather(*asks)
        return [at for at, _ in transport.calls]

    times = run_virtual(main())
    assert len(times) == 20
    assert max_in_any_window(times, 1.0) <= 5


def test_the_daily_count_of_a_shared_account_is_one(tmp_path: Path) -> None:
    transport = ScriptedTransport(lambda _call: Answer("fine"))
    config = sharing(key_rates=(Rate(4, 86400.0),))

    async def main() -> int:
        answered = 0
        async with Router(config, transport=transport, memory=StateStore.open(tmp_path / "state")) as router:
            for name in ("mini", "big") * 4:
                request = replace(Request.of("?"), only=frozenset({name}))
                answered += (await router.outcome(request, deadline=5.0)).completion is not None
        return answered

    assert run_virtual(main()) == 4
    assert {scope_of(provider, provider.keys[0].account) for provider in config.providers} == {"account the-one"}


@pytest.mark.parametrize("names", [("mini", "big"), ("big", "mini")])
def test_who_waits_for_a_shared_account_is_told_whoever_lets_it_go(names: tuple[str, str]) -> None:
    """Without a rate the calls in flight are counted over both: each provider waits for calls of the other."""
    mini, big = (replace(provider, rates=(), concurrency=1) for provider in sharing().providers)
    transport = ScriptedTransport(lambda _call: Answer("fine"))
    events = Lines()

    async def main() -> float:
        async with Router(Config(Path("x"), (mini, big)), transport=transport, log=events) as router:
            asks = [router.complete("?", only={name}, deadline=60) for name in names * 3]
            await asyncio.gather(*asks)
            return asyncio.get_running_loop().time()

    assert run_virtual(main()) < 7


def test_a_rest_of_a_shared_account_is_told_of_both_providers_keys() -> None:
    throttled = Fault(Kind.RATE_LIMIT, "slow down", 429, retry_after_s=30.0)
    transport = ScriptedTransport(lambda _call: throttled)
    events = Lines()

    async def main() -> list[object]:
        async with Router(sharing(), transport=transport, log=events) as router:
            await router.outcome(Request.of("?"), deadline=5)
            return [view.state for view in router.status()]

    assert run_virtual(main()) == ["resting", "resting"]
    rests = {(event.key, event.because) for event in events.found if event.name == "account.state"}
    assert rests == {("acme#1", "own"), ("big#1", "account")}


def test_the_same_name_in_two_providers_is_two_accounts() -> None:
    first = replace(ACME, key_rates=(Rate(1, 86400.0),))
    second = replace(first, name="bolt")
    assert scope_of(first, "team") != scope_of(second, "team")


def test_runs_at_the_same_time_keep_a_day_budget_together(tmp_path: Path) -> None:
    daily = Provider("acme", {"default": "openai/small"}, KEYS, (Rate(100, 1.0), Rate(50, 86400.0)))
    sent: list[float] = []

    async def one(path: Path) -> None:
        transport = ScriptedTransport(lambda _call: Answer("fine"))
        async with Router(Config(Path("x"), (daily,)), transport=transport, memory=StateStore.open(path)) as router:
            with suppress(TimeoutError):
                async with asyncio.timeout(30.0):
                    await asyncio.gather(*(router.outcome(Request.of("?"), deadline=20.0) for _ in range(40)))
        sent.extend(at for at, _ in transport.calls)

    async def main() -> None:
        await asyncio.gather(*(one(tmp_path / "state") for _ in range(3)))

    run_virtual(main())
    assert len(sent) == 50


class Broken(StateStore):
    """A store with a defect in the middle of giving a permit."""

    def take(self, scope: str, period_s: float, window: int, limit: int) -> bool:
        raise ValueError("a defect", scope, period_s, window, limit)


def test_a_defect_while_a_permit_is_given_loses_nobody(tmp_path: Path) -> None:
    daily = Provider("acme", {"default": "openai/small"}, KEYS, (Rate(5, 86400.0),))
    transport = ScriptedTransport(lambda _call: Answer("fine"))
    ended: list[Outcome] = []

    async def main() -> None:
        async with Router(
            Config(Path("x"), (daily,)), transport=transport, memory=Broken.open(tmp_path / "s")
        ) as router:
            callers = [asyncio.ensure_future(router.outcome(Request.of("?"))) for _ in range(3)]
            with suppress(asyncio.CancelledError):
                await asyncio.wait(callers)
            ended.extend([await caller for caller in callers])

    with pytest.raises(ExceptionGroup):
        run_virtual(main())
    assert [type(outcome.error) for outcome in ended] == [Stopped] * 3
    assert transport.calls == []


@pytest.mark.parametrize("order", [("mini", "big"), ("big", "mini")])
def test_a_lane_is_told_what_the_other_lane_of_its_account_lets_go(order: tuple[str, str]) -> None:
    """Without a rate the account has a few calls in flight; with all of them out at one provider the other waits."""
    transport = ScriptedTransport(lambda _call: Answer("fine"), latency_s=10.0)
    first, second = order

    async def main() -> float:
        loop = asyncio.get_running_loop()
        async with Router(sharing(rates=()), transport=transport) as router:
            full = [asyncio.create_task(router.complete("?", only={first})) for _ in range(8)]
            await asyncio.sleep(1)
            await router.complete("?", only={second})
            took = loop.time()
            await asyncio.gather(*full)
        return took

    assert run_virtual(main()) == pytest.approx(20.0, abs=0.5)
