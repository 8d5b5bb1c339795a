"""Whole evaluations through real LiteLLM against real simulated vendors; each says what must hold at the end."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

from router.config.models import Config, Key, Provider
from router.engine.router import Router
from router.evals import Evaluation, Plan, evaluate
from router.evals.prompts import load as load_prompt
from router.evals.tasks import arithmetic_task
from router.jsonl import read
from router.log.writer import JsonLog
from router.rates import parse_rate
from router.simulator.process import SimulatorProcess
from router.simulator.rehearsal import rehearsed, specs_for
from router.simulator.stage import rehearsal
from router.simulator.troubles import parse_trouble

STEPWISE = Path(__file__).parent.parent / "prompts" / "stepwise.txt"


def provider(name: str, model: str, rate: str, keys: int = 1) -> Provider:
    names = tuple(Key(f"{name}#{number}", None, f"{name}#{number}") for number in range(1, keys + 1))
    return Provider(name, {"default": model}, (), (parse_rate(rate),), declared_keys=len(names), timeout_s=3.0)


def run(
    tmp_path: Path, providers: Sequence[Provider], items: int, troubles: Sequence[str] = ()
) -> tuple[Evaluation, list[dict[str, object]]]:
    planned = tuple((name, parse_trouble(what)) for name, _, what in (text.partition("=") for text in troubles))

    async def main() -> Evaluation:
        async with rehearsal(Config(tmp_path / "providers.yaml", tuple(providers)), troubles=planned) as config:
            prompts = (load_prompt(STEPWISE),)
            return await evaluate(Plan(config, prompts, arithmetic_task(items), log_dir=tmp_path / "runs"))

    evaluation = asyncio.run(main())
    return evaluation, list(read(evaluation.directory / "log.jsonl"))


def attempts(events: Sequence[dict[str, object]]) -> list[dict[str, object]]:
    return [event for event in events if event["event"] == "attempt.finished"]


def states(events: Sequence[dict[str, object]], name: str) -> list[tuple[object, object]]:
    """The states that one key, or its account, or a provider went to, with the fault behind each."""
    return [(event["after"], event["fault"]) for event in events if name in about(event)]


def about(event: Mapping[str, object]) -> Sequence[object]:
    if event["event"] not in {"key.state", "account.state"}:
        return [event["provider"]] if event["event"] == "provider.state" else []
    keys = event["keys"]
    return [event["key"], *(keys if isinstance(keys, list) else ())]


def test_strict_vendors_are_hardly_ever_asked_too_often_and_keys_take_turns(tmp_path: Path) -> None:
    providers = [
        provider("ten", "openai/gpt-4o-mini", "10/s", keys=3),
        provider("five", "deepseek/deepseek-flash", "5/s"),
        provider("two", "anthropic/claude-haiku-5-5", "2/s"),
        provider("minute", "gemini/gemini-3.5-flash-lite", "120/min"),
    ]
    evaluation, events = run(tmp_path, providers, 120)
    assert (evaluation.items, evaluation.errors) == (120, 0)
    statuses = Counter(event["status"] for event in attempts(events))
    assert (statuses[200], statuses.total() - statuses[429]) == (120, 120)
    assert statuses[429] < 60  # calls arrive in a bunch where the machine is busy, but most are paced
    of_ten = Counter(event["key"] for event in attempts(events) if event["provider"] == "ten")
    assert len(of_ten) == 3
    assert statuses[429] or max(of_ten.values()) - min(of_ten.values()) <= 1, "an account that rests misses its turn"


def test_five_troubles_at_once_cost_no_item_and_no_healthy_key(tmp_path: Path) -> None:
    providers = [
        provider("revoked", "openai/gpt-4o-mini", "8/s", keys=2),
        provider("dry", "anthropic/claude-haiku-5-5", "4/s", keys=2),
        provider("blocked", "gemini/gemini-3.5-flash-lite", "4/s", keys=2),
        provider("busy", "deepseek/deepseek-flash", "4/s", keys=2),
        provider("hanging", "moonshot/kimi-k2.5", "2/s", keys=2),
    ]
    # Times count from the vendors' start, some seconds before the first call, while LiteLLM is imported.
    troubles = [
        "revoked=revoked_key#1",
        "dry=no_credit#2",
        "blocked=ip_block@0s+12s",
        "busy=overloaded@0s+12s",
        "hanging=hang",
    ]
    evaluation, events = run(tmp_path, providers, 160, troubles)
    assert (evaluation.items, evaluation.errors) == (160, 0)
    # A 429 may come in between where the machine is busy.
    assert ("dropped", "invalid_key") in states(events, "revoked#1")
    assert ("resting", "no_credit") in states(events, "dry#2")
    assert ("resting", "ip_blocked") in states(events, "blocked")
    assert ("resting", "overloaded") in states(events, "busy")
    assert ("resting", "timeout") in states(events, "hanging")
    dropped = [event["key"] for event in events if event.get("after") == "dropped"]
    assert dropped == ["revoked#1"]


def test_a_vendor_killed_in_mid_run_loses_no_item(tmp_path: Path) -> None:
    """Its process gets a real SIGKILL, so its connections break and its port refuses."""
    doomed = provider("doomed", "openai/gpt-4o-mini", "20/s")
    steady = provider("steady", "deepseek/deepseek-flash", "20/s")

    async def main() -> None:
        async with AsyncExitStack() as stack:
            parts, processes = [], []
            for each in (doomed, steady):
                config = Config(tmp_path / "providers.yaml", (each,))
                specs = specs_for(config, seed=1)
                process = SimulatorProcess(specs)
                endpoints = await stack.enter_async_context(process)
                processes.append(process)
                parts.append(rehearsed(config, specs, endpoints))
            config = replace(parts[0], providers=tuple(p for part in parts for p in part.providers))
            log = JsonLog(tmp_path / "log.jsonl", "killed", scrub=str, wall=lambda: 0.0)
            stack.callback(log.close)
            router = await stack.enter_async_context(Router(config, log=log))
            answered = 0
            async for outcome in router.map((f"{n} + 1" for n in range(100)), window=50):
                assert outcome.completion is not None, outcome.error
                answered += 1
                if answered == 20:
                    pid = processes[0].pid
                    assert pid is not None
                    os.kill(pid, signal.SIGKILL)
            assert answered == 100

    asyncio.run(main())
    events = list(read(tmp_path / "log.jsonl"))
    assert states(events, "doomed")[0] == ("resting", "connection")
