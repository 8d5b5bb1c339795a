from __future__ import annotations

import asyncio

import pytest

from router.clock import BEAT_S, Heartbeat, LoopClock, Patience
from router.testing import VirtualLoop, run_virtual


def test_both_clocks_go_on_together() -> None:
    async def main() -> tuple[float, float]:
        clock = LoopClock.start()
        now, wall = clock.now(), clock.wall()
        await asyncio.sleep(3600)
        return clock.now() - now, clock.wall() - wall

    passed, wall_passed = run_virtual(main())
    assert abs(passed - 3600) < 0.001
    assert abs(wall_passed - passed) < 0.001


@pytest.mark.parametrize(
    ("ahead_s", "believed_s"),
    [
        pytest.param(0.5, 0.0, id="a correction"),
        pytest.param(-3600.0, 0.0, id="set back"),
        pytest.param(7200.0, 7200.0, id="the machine slept, and its loop stood still"),
    ],
)
def test_the_calendar_is_believed_where_it_has_run_ahead(ahead_s: float, believed_s: float) -> None:
    async def main() -> float:
        epoch = [1000.0]
        clock = LoopClock(asyncio.get_running_loop(), 0.0, 1000.0, lambda: epoch[0])
        epoch[0] += ahead_s
        return clock.wall() - 1000.0

    assert abs(run_virtual(main()) - believed_s) < 0.001


def loop() -> VirtualLoop:
    running = asyncio.get_running_loop()
    assert isinstance(running, VirtualLoop)
    return running


async def stand_still(seconds: float) -> None:
    """The process is stopped now, and continued later: all that is due then is due in one turn."""
    loop().virtual_time += seconds
    await asyncio.sleep(0)


async def ends(patience: Patience, seconds: float | None = None) -> float | None:
    """When a wait for ever, or for so long, is cut short; None where it is not."""
    try:
        async with patience:
            await (asyncio.Event().wait() if seconds is None else asyncio.sleep(seconds))
    except TimeoutError:
        assert patience.expired()
        return loop().time()
    return None


@pytest.mark.parametrize(
    ("stopped_s", "ended_at"),
    [
        pytest.param(0.0, 30.0, id="no stop"),
        pytest.param(0.9, 30.0, id="a moment, which counts"),
        pytest.param(10.0, 40.0, id="less than the time"),
        pytest.param(300.0, 330.0, id="more"),
    ],
)
def test_a_timeout_does_not_count_the_time_in_which_the_process_stood_still(stopped_s: float, ended_at: float) -> None:
    async def main() -> tuple[float | None, list[float]]:
        stops: list[float] = []
        heartbeat = Heartbeat.start(stops.append)
        waiting = asyncio.create_task(ends(heartbeat.timeout(30.0)))
        await asyncio.sleep(7.2)
        await stand_still(stopped_s)
        return await waiting, stops

    ended, stops = run_virtual(main())
    assert ended == pytest.approx(ended_at, abs=2 * BEAT_S)
    assert stops == ([pytest.approx(stopped_s, abs=BEAT_S)] if stopped_s > 1 else [])


def test_what_was_answered_meanwhile_is_read_first() -> None:
    async def main() -> float | None:
        waiting = asyncio.create_task(ends(Heartbeat.start(lambda _lost_s: None).timeout(30.0), 29.0))
        await asyncio.sleep(20)
        await stand_still(1000)
        return await waiting

    assert run_virtual(main()) is None


def test_a_machine_that_slept_is_noticed_though_the_loop_was_not_late() -> None:
    async def main() -> tuple[int, float]:
        asleep = [0.0]
        running = asyncio.get_running_loop()
        heartbeat = Heartbeat(running, lambda: running.time() + asleep[0], lambda _lost_s: None)
        heartbeat.watch()
        await asyncio.sleep(5)
        asleep[0] = 7200.0
        await asyncio.sleep(5)
        heartbeat.unwatch()
        return heartbeat.stops, heartbeat.lost_s

    assert run_virtual(main()) == (1, 0.0)


def test_who_begins_to_watch_notices_that_the_machine_slept_before() -> None:
    async def main() -> tuple[int, float]:
        heartbeat = Heartbeat.start(lambda _lost_s: None)
        await asyncio.sleep(100)
        loop().sleep_through(7200)
        async with heartbeat.timeout(10):
            return heartbeat.stops, heartbeat.lost_s

    assert run_virtual(main()) == (1, 0.0)


def test_nobody_watching_nothing_beats() -> None:
    async def main() -> int:
        heartbeat = Heartbeat.start(lambda _lost_s: None)
        async with heartbeat.timeout(10), heartbeat.timeout(None):
            await asyncio.sleep(1)
        await stand_still(100)
        async with heartbeat.timeout(10):
            await asyncio.sleep(1)
        return heartbeat.stops

    assert run_virtual(main()) == 0


def test_a_wait_can_be_ended() -> None:
    async def main() -> float | None:
        patience = Heartbeat.start(lambda _lost_s: None).timeout(None)
        asyncio.get_running_loop().call_later(3, patience.end)
        return await ends(patience)

    assert run_virtual(main()) == pytest.approx(3, abs=0.01)
