from __future__ import annotations

import asyncio
import math
import random
from dataclasses import replace

import pytest
from conftest import make_config, make_provider

from router.clock import LoopClock
from router.config.models import Key, Secret
from router.engine.announcer import Change
from router.engine.health import Health, State
from router.engine.reporter import Reporter
from router.engine.router import Router
from router.faults import Fault, Kind
from router.log.event import Event
from router.testing import Script, ScriptedTransport, run_virtual
from router.types import Answer, Request, Usage


class Kept:
    """A log that keeps its lines."""

    def __init__(self) -> None:
        self.lines: list[dict[str, object]] = []

    def write(self, event: Event) -> None:
        self.lines.append({"event": event.name, "level": event.level, **vars(event)})


class Fixed:
    """A clock that stands still."""

    def now(self) -> float:
        return 100.0

    def wall(self) -> float:
        return 1_763_985_600.0


def asked(script: Script) -> Kept:
    log = Kept()

    async def main() -> None:
        config = make_config(make_provider(rates=["10/s"]), make_provider("bolt"), attempts=2)
        router = Router(config, transport=ScriptedTransport(script), log=log, rng=random.Random(0))
        async with router:
            await router.outcome(Request.of("hi"))

    run_virtual(main())
    return log


def test_an_answer_is_one_line_with_everything_about_it() -> None:
    log = asked(lambda _call: Answer("7", Usage(3, 4), cost_usd=0.1, limits={"x-left": "9"}))
    (line,) = log.lines
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
    assert names == ["attempt.finished", "account.state", "provider.state", "attempt.finished"]
    failed, rested, follows, _ = log.lines
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
    assert (rested["scope"], rested["because"], rested["keys"]) == ("account", "own", ["acme#1"])
    assert (follows["because"], follows["keys"], follows["until"]) == ("keys", ["acme#1"], rested["until"])
    assert rested["before"] == "ready"
    assert rested["after"] == "resting"
    assert rested["sent_10s"] == rested["account_sent_10s"] == 1
    assert rested["declared_rate"] == "10/s"
    assert isinstance(rested["until"], str)


def test_a_model_that_no_other_key_serves_drops_the_provider() -> None:
    denied = Fault(Kind.MODEL_NOT_FOUND, status=404)
    log = asked(lambda call: denied if call.provider.name == "acme" else Answer("7"))
    assert log.lines[0]["action"] == "drop_provider"


KEYS = tuple(Key(f"acme#{number}", Secret(f"sk-{number}"), "main") for number in (1, 2))
READY = (State.READY, State.READY, 1.0, 1.0, Health())
BASE = Change(make_provider("acme"), "account", "own", "main", KEYS[:1], *READY, None)


def change(**changes: object) -> Change:
    return BASE._replace(**changes)  # type: ignore[arg-type]


RESTING = replace(Health(), state=State.RESTING, until=160.0, strikes=2, cause=Fault(Kind.RATE_LIMIT, "no", 429, "c"))


@pytest.mark.parametrize(
    ("told", "lines"),
    [
        pytest.param(change(), [], id="nothing changed"),
        pytest.param(
            change(after=State.RESTING, health=RESTING, fields={"sent_1s": 3}),
            [
                {
                    "event": "account.state",
                    "level": "warning",
                    "scope": "account",
                    "because": "own",
                    "provider": "acme",
                    "account": "main",
                    "key": "acme#1",
                    "key_hash": KEYS[0].fingerprint,
                    "keys": ["acme#1"],
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
            change(keys=KEYS, after=State.RESTING, health=RESTING, fields={}),
            [{"event": "account.state", "key": None, "key_hash": None, "keys": ["acme#1", "acme#2"]}],
            id="several keys of an account are one line",
        ),
        pytest.param(
            change(before=State.RAMPING, share_before=0.5, fields={}),
            [
                {"event": "account.state", "level": "info", "before": State.RAMPING, "until": None, "fault": None},
                {
                    "event": "pace.changed",
                    "level": "info",
                    "account": "main",
                    "key": "acme#1",
                    "before": 0.5,
                    "after": 1.0,
                    "why": "ready",
                },
            ],
            id="ready again",
        ),
        pytest.param(
            change(scope="provider", because="keys", account=None, keys=KEYS, after=State.DROPPED, fields={}),
            [
                {
                    "event": "provider.state",
                    "level": "error",
                    "key": None,
                    "because": "keys",
                    "keys": ["acme#1", "acme#2"],
                }
            ],
            id="a provider is dropped with its keys",
        ),
        pytest.param(
            change(
                scope="provider",
                account=None,
                keys=(),
                after=State.RESTING,
                health=replace(RESTING, until=math.inf),
                fields={},
            ),
            [{"event": "provider.state", "until": None, "keys": []}],
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
    log = Kept()
    Reporter(log, Fixed()).change(told)
    assert len(log.lines) == len(lines)
    for line, fields in zip(log.lines, lines, strict=True):
        assert fields.items() <= line.items()


def test_loop_times_become_wall_times() -> None:
    async def main() -> str:
        log = Kept()
        clock = LoopClock(asyncio.get_running_loop(), 0.0, 1_763_985_600.0)
        rest = replace(RESTING, until=clock.now() + 90)
        Reporter(log, clock).change(change(after=State.RESTING, health=rest, fields={}))
        return str(log.lines[0]["until"])

    assert run_virtual(main()) == "2025-11-24T12:01:30.000Z"
