from __future__ import annotations

import asyncio
import math
import random
from dataclasses import replace

import pytest
from conftest import make_config, make_provider

from router.clock import LoopClock
from router.engine.health import Health, State
from router.engine.provider_state import Change
from router.engine.reporter import Reporter
from router.engine.router import Router
from router.faults import Fault, Kind
from router.log.writer import EVENTS
from router.testing import Script, ScriptedTransport, run_virtual
from router.types import Answer, Request, Usage


class StateStore:
    """A log that keeps its lines."""

    def __init__(self) -> None:
        self.lines: list[dict[str, object]] = []

    def event(self, name: str, level: str = "info", **fields: object) -> None:
        assert name in EVENTS
        self.lines.append({"event": name, "level": level, **fields})

    def named(self, name: str) -> list[dict[str, object]]:
        return [line for line in self.lines if line["event"] == name]


class Fixed:
    """A clock that stands still."""

    def now(self) -> float:
        return 100.0

    def wall(self) -> float:
        return 1_763_985_600.0


def asked(script: Script) -> StateStore:
    log = StateStore()

    async def main() -> None:
        config = make_config(make_provider(rates=["10/s"]), make_provider("bolt"), attempts=2)
        router = Router(config, transport=ScriptedTransport(script), log=log, rng=random.Random(0))
        async with router:
            await router.outcome(Request.of("hi"))

    run_virtual(main())
    return log


ATTEMPT_FIELDS = [
    "item",
    "attempt",
    "provider",
    "key",
    "key_hash",
    "model",
    "ok",
    "status",
    "fault",
    "family",
    "blame",
    "action",
    "vendor_code",
    "message",
    "retry_after_s",
    "limits",
    "latency_s",
    "waited_s",
    "waited_for",
    "tokens_in",
    "tokens_out",
    "cost_usd",
]
STATE_FIELDS = [
    "provider",
    "key",
    "before",
    "after",
    "fault",
    "until",
    "strikes",
    "status",
    "vendor_code",
    "message",
    "sent_1s",
    "sent_10s",
    "sent_60s",
    "in_flight",
    "declared_rate",
]


def test_an_answer_is_one_line_with_everything_about_it() -> None:
    log = asked(lambda _call: Answer("7", Usage(3, 4), cost_usd=0.1, limits={"x-left": "9"}))
    (line,) = log.lines
    assert set(line) == {"event", "level", *ATTEMPT_FIELDS}
    told = {
        "attempt": 1,
        "item": "",
        "ok": True,
        "status": 200,
        "tokens_in": 3,
        "tokens_out": 4,
        "cost_usd": 0.1,
        "limits": {"x-left": "9"},
    }
    assert told.items() <= line.items()
    assert line["level"] == "info"


def test_a_failure_is_told_before_what_follows_from_it() -> None:
    fault = Fault(Kind.RATE_LIMIT, "slow down", 429, "too_fast", retry_after_s=20, limits={"x-left": "0"})
    log = asked(lambda call: fault if call.provider.name == "acme" else Answer("7"))
    names = [line["event"] for line in log.lines]
    assert names[:2] == ["attempt.finished", "key.state"]
    failed, rested = log.lines[0], log.lines[1]
    told = {
        "ok": False,
        "status": 429,
        "fault": "rate_limit",
        "family": "throttle",
        "blame": "account",
        "action": "slow_down",
        "vendor_code": "too_fast",
        "message": "slow down",
        "retry_after_s": 20,
        "limits": {"x-left": "0"},
        "level": "warning",
    }
    assert told.items() <= failed.items()
    assert set(STATE_FIELDS) <= set(rested)
    assert rested["before"] == "ready"
    assert rested["after"] == "resting"
    assert rested["sent_10s"] == rested["key_sent_10s"] == 1
    assert rested["declared_rate"] == "10/s"
    assert isinstance(rested["until"], str)


def test_a_model_that_no_other_key_serves_drops_the_provider() -> None:
    denied = Fault(Kind.MODEL_NOT_FOUND, status=404)
    log = asked(lambda call: denied if call.provider.name == "acme" else Answer("7"))
    assert log.lines[0]["action"] == "drop_provider"


ACME = make_provider("acme")


def change(**changes: object) -> Change:
    base = Change(ACME, ACME.keys[0], State.READY, State.READY, 1.0, 1.0, Health(), {})
    return base._replace(**changes)  # type: ignore[arg-type]


RESTING = replace(Health(), state=State.RESTING, until=160.0, strikes=2, cause=Fault(Kind.RATE_LIMIT, "no", 429, "c"))


@pytest.mark.parametrize(
    ("told", "lines"),
    [
        pytest.param(change(), [], id="nothing changed"),
        pytest.param(
            change(after=State.RESTING, health=RESTING, fields={"sent_1s": 3}),
            [
                {
                    "event": "key.state",
                    "level": "warning",
                    "provider": "acme",
                    "key": "acme#1",
                    "key_hash": ACME.keys[0].fingerprint,
                    "before": State.READY,
                    "after": State.RESTING,
                    "fault": Kind.RATE_LIMIT,
                    "until": "2025-11-24T12:01:00.000Z",
                    "strikes": 2,
                    "status": 429,
                    "vendor_code": "c",
                    "message": "no",
                    "sent_1s": 3,
                }
            ],
            id="a rest",
        ),
        pytest.param(
            change(before=State.RAMPING, share_before=0.5),
            [
                {"event": "key.state", "level": "info", "before": State.RAMPING, "until": None, "fault": None},
                {"event": "pace.changed", "level": "info", "before": 0.5, "after": 1.0, "why": "ready"},
            ],
            id="ready again",
        ),
        pytest.param(
            change(key=None, before=State.READY, after=State.DROPPED),
            [{"event": "provider.state", "level": "error", "key": None}],
            id="a provider is dropped",
        ),
        pytest.param(
            change(key=None, after=State.RESTING, health=replace(RESTING, until=math.inf)),
            [{"event": "provider.state", "until": None}],
            id="a rest without an end",
        ),
        pytest.param(
            change(before=State.RAMPING, after=State.RAMPING, share_before=0.1, share_after=0.25),
            [{"event": "pace.changed", "before": 0.1, "after": 0.25, "why": "ramping"}],
            id="a step of the ramp",
        ),
    ],
)
def test_changes_become_lines(told: Change, lines: list[dict[str, object]]) -> None:
    log = StateStore()
    Reporter(log, Fixed()).change(told)
    assert len(log.lines) == len(lines)
    for line, fields in zip(log.lines, lines, strict=True):
        assert fields.items() <= line.items()


def test_loop_times_become_wall_times() -> None:
    async def main() -> str:
        log = StateStore()
        clock = LoopClock(asyncio.get_running_loop(), 0.0, 1_763_985_600.0)
        Reporter(log, clock).change(change(after=State.RESTING, health=replace(RESTING, until=clock.now() + 90)))
        return str(log.lines[0]["until"])

    assert run_virtual(main()) == "2025-11-24T12:01:30.000Z"
