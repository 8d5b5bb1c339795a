"""Lanes are made as the file declares them and as earlier runs left them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from router.config.models import Config, Key, Provider, Secret
from router.config.rates import Rate
from router.engine.router import Router
from router.errors import NothingServes
from router.faults import Fault, Kind
from router.store import StateStore
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
