from __future__ import annotations

import asyncio

from router.clock import LoopClock
from router.testing import run_virtual


def test_both_clocks_go_on_together() -> None:
    async def main() -> tuple[float, float]:
        clock = LoopClock.start()
        now, wall = clock.now(), clock.wall()
        await asyncio.sleep(3600)
        return clock.now() - now, clock.wall() - wall

    passed, wall_passed = run_virtual(main())
    assert abs(passed - 3600) < 0.001
    assert abs(wall_passed - passed) < 0.001
