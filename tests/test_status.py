from __future__ import annotations

import asyncio
import random

from conftest import make_config, make_provider

from router.config.models import Provider
from router.engine.health import State
from router.engine.router import Router
from router.engine.status import LaneStatus
from router.faults import Fault, Kind
from router.testing import Script, ScriptedTransport, run_virtual
from router.types import Answer


def seen(provider: Provider, script: Script, *, calls: int, after_s: float) -> LaneStatus:
    """The lane's view `after_s` seconds after `calls` callers came."""

    async def main() -> LaneStatus:
        async with Router(make_config(provider), transport=ScriptedTransport(script), rng=random.Random(0)) as router:
            tasks = [asyncio.create_task(router.complete("hi")) for _ in range(calls)]
            await asyncio.sleep(after_s)
            (view,) = router.status()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            return view

    return run_virtual(main())


def test_a_lane_at_rest() -> None:
    view = seen(make_provider(keys=2, rates=["10/s"], concurrency=3), lambda _call: Answer("7"), calls=0, after_s=1)
    assert view.waiting_for == "idle"
    assert view.waiting_until is None
    assert (view.state, view.keys_ready, view.keys_alive, view.max_in_flight) == (State.READY, 2, 2, 3)
    assert view.declared_per_second == 10
    assert view.sent == view.in_flight == view.answered == 0
    assert view.because == ""


def test_a_lane_at_work() -> None:
    view = seen(make_provider(concurrency=3), lambda _call: (10.0, Answer("7")), calls=5, after_s=15)
    assert (view.sent, view.answered, view.in_flight) == (5, 3, 2)
    assert view.declared_per_second is None


def test_a_full_lane_says_so() -> None:
    view = seen(make_provider(concurrency=3), lambda _call: (10.0, Answer("7")), calls=5, after_s=5)
    assert (view.in_flight, view.waiting_for) == (3, "in flight full")


def test_keys_by_state_and_until_when_it_waits() -> None:
    throttled = Fault(Kind.RATE_LIMIT, status=429, retry_after_s=100)
    faults = {"acme#1": throttled, "acme#2": Fault(Kind.INVALID_KEY, status=401)}
    view = seen(make_provider(keys=2), lambda call: faults[call.key.name], calls=1, after_s=5)
    assert (view.keys_ready, view.keys_resting, view.keys_dropped, view.keys_alive) == (0, 1, 1, 1)
    assert (view.state, view.faults, view.throttled) == (State.RESTING, 2, 1)
    assert view.waiting_for == "key rests"
    assert view.waiting_until is not None
    assert view.because == "rate_limit (HTTP 429)"


def test_a_lane_without_a_living_key_is_dropped() -> None:
    view = seen(make_provider(), lambda _call: Fault(Kind.REVOKED_KEY, status=401), calls=1, after_s=5)
    assert (view.state, view.keys_alive, view.sent) == (State.DROPPED, 0, 1)
    assert view.because == "revoked_key (HTTP 401)"
