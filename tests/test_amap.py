"""A window of coroutines over a lazy source: bounded, lazy, and nothing left behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing

import pytest

from router.engine.amap import amap
from router.testing import run_virtual


class Work:
    """Takes so many seconds as the unit says, and keeps count."""

    def __init__(self) -> None:
        self.under_way = self.max_under_way = self.cancelled = 0

    async def __call__(self, seconds: float) -> float:
        self.under_way += 1
        self.max_under_way = max(self.max_under_way, self.under_way)
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.under_way -= 1
        if seconds < 0:
            raise ValueError("a negative time")
        return seconds


@pytest.mark.parametrize(
    ("units", "window", "expected"),
    [
        pytest.param([], 2, [], id="nothing"),
        pytest.param([3.0, 1.0, 2.0], 3, [1.0, 2.0, 3.0], id="as they finish"),
        pytest.param([3.0, 1.0, 2.0], 1, [3.0, 1.0, 2.0], id="one at a time"),
    ],
)
def test_results_come_as_they_finish(units: list[float], window: int, expected: list[float]) -> None:
    work = Work()

    async def main() -> list[float]:
        return [result async for result in amap(work, units, window)]

    assert run_virtual(main()) == expected
    assert work.max_under_way <= window


def test_a_source_may_be_asynchronous() -> None:
    async def units() -> AsyncIterator[float]:
        for seconds in (2.0, 1.0):
            await asyncio.sleep(0)
            yield seconds

    async def main() -> list[float]:
        return [result async for result in amap(Work(), units(), 2)]

    assert run_virtual(main()) == [1.0, 2.0]


def test_it_reads_no_further_than_its_window_and_leaves_nothing_under_way() -> None:
    work, read = Work(), 0

    def endless() -> Iterator[float]:
        nonlocal read
        while True:
            read += 1
            yield float(read)

    async def main() -> None:
        async with aclosing(amap(work, endless(), 3)) as results:
            async for result in results:
                if result == 5.0:
                    break

    run_virtual(main())
    assert read <= 5 + 3 + 1
    assert (work.under_way, work.max_under_way) == (0, 3)
    assert work.cancelled


@pytest.mark.parametrize("broken", ["work", "source"])
def test_what_is_raised_comes_out_as_it_was_raised_and_ends_the_rest(broken: str) -> None:
    work = Work()

    def units() -> Iterator[float]:
        yield 100.0
        if broken == "source":
            raise ValueError("no more")
        yield -1.0

    async def main() -> None:
        async for _ in amap(work, units(), 2):
            pass

    with pytest.raises(ValueError, match="no more" if broken == "source" else "negative"):
        run_virtual(main())
    assert work.under_way == 0
