"""Does a declared rate hold on a real clock? At the limiter, and as arrivals at a simulated vendor; about 6 minutes.

Run it as `uv run python bench/pace.py`. Each rate is kept saturated, first on idle cores, then with 80 % of every
core burnt by other processes. `most` may never exceed N; `share` is what left of what was allowed (aim: 98.5 %).
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from typing import TypedDict, cast

import lab

from router.engine.pace import Pace
from router.rates import Rate, parse_rate
from router.simulator.client import stats_of
from router.simulator.process import SimulatorProcess
from router.simulator.spec import VendorSpec

SHORT = ("5/s", "50/s", "200/s")
LONG = "300/min"
SHORT_RUN_S = 20.0
LONG_RUN_S = 66.0
PROBE_S = 0.02
LOAD = 0.8
AIM = 0.985


class Result(TypedDict):
    """The times at which calls left (at the limiter) or came back (from a vendor without latency), by rate."""

    times: dict[str, list[float]]
    late_s: list[float]


def max_in(times: Sequence[float], period_s: float) -> int:
    """The most of ascending `times` in any half-open window of `period_s`."""
    most = start = 0
    for end, at in enumerate(times):
        while times[start] <= at - period_s:
            start += 1
        most = max(most, end - start + 1)
    return most


def share_of(times: Sequence[float], rate: Rate) -> float:
    """What left from the first call to the last, as a share of what the rate allows in that time."""
    return (len(times) - 1) / ((times[-1] - times[0]) * rate.per_second)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of the values do not exceed."""
    ranked = sorted(values)
    return ranked[max(0, -(-int(share * 1000) * len(ranked) // 1000) - 1)]


Saturate = Callable[[str, float], Awaitable[None]]
"""Keeps one rate busy for some seconds."""


# The contenders.


async def limiter(_task: lab.Task) -> Result:
    """`Pace` with one waiter, which asks again at once."""

    async def saturate(text: str, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        pace = Pace.of_calls([parse_rate(text)])
        times = result["times"][text] = []
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            while (wait_s := pace.ready_at() - loop.time()) > 0:  # noqa: ASYNC110 - it is time that is waited for
                await asyncio.sleep(wait_s)
            now = loop.time()
            pace.take(now).arrive(now)
            times.append(time.perf_counter())

    result = Result(times={}, late_s=[])
    await lab.ready()
    await _all_rates(saturate, result["late_s"])
    return result


async def whole(task: lab.Task) -> Result:
    """`Router.map` over more than it can send, one router a rate, through the direct door."""
    from router.engine.router import Router

    result = Result(times={}, late_s=[])
    async with AsyncExitStack() as stack:
        routers = {
            vendor.rates[0]: await stack.enter_async_context(Router(lab.config([vendor]))) for vendor in task.vendors
        }

        async def saturate(text: str, seconds: float) -> None:
            times = result["times"][text] = []
            end = time.perf_counter() + seconds
            async with aclosing(routers[text].map(endless())) as outcomes:
                async for outcome in outcomes:
                    assert outcome.error is None, f"{text}: {outcome.error}"
                    times.append(time.perf_counter())
                    if times[-1] > end:
                        break

        await lab.ready()
        await _all_rates(saturate, result["late_s"])
    return result


def endless() -> Iterator[str]:
    """One question again and again."""
    while True:
        yield "12 + 7 x 3"


async def _all_rates(saturate: Saturate, late_s: list[float]) -> None:
    """The long window beside the short ones, which run one after another."""
    probe = asyncio.create_task(_probe(late_s))

    async def short() -> None:
        for text in SHORT:
            await saturate(text, SHORT_RUN_S)

    await asyncio.gather(saturate(LONG, LONG_RUN_S), short())
    probe.cancel()


async def _probe(late_s: list[float]) -> None:
    """How much later than asked a timer of this loop fires."""
    while True:
        asked = time.perf_counter()
        await asyncio.sleep(PROBE_S)
        late_s.append(time.perf_counter() - asked - PROBE_S)


CONTENDERS: Mapping[str, lab.Contender] = {"limiter": limiter, "router": whole}


# The table.

COLUMNS = ("where", "cores", "rate", "calls", "most in T", "of N", "share %", "429s", "verdict", "timer late ms p50",
           "p99", "max")  # fmt: skip


async def rows(contender: str, load: float) -> list[tuple[object, ...]]:
    """Measure one contender at every rate."""
    texts = (*SHORT, LONG)
    specs = [
        VendorSpec(text.replace("/", "-"), keys=(("sk-bench", "a"),), address_limits=(parse_rate(text),),
                   latency_median_s=0, suspend_after=0)
        for text in texts
    ]  # fmt: skip
    async with SimulatorProcess(specs) as endpoints, lab.busy(load):
        pairs = zip(endpoints, texts, strict=True)
        vendors = tuple(lab.declared(endpoint, ["sk-bench"], rates=[text]) for endpoint, text in pairs)
        race: lab.Race[Result] = lab.Race([lab.Task(contender, vendors)], LONG_RUN_S * 2)
        (result,) = await race.run()
        stats = [await stats_of(endpoint) for endpoint in endpoints]
    assert result is not None, f"{contender} did not end"
    return [_row(contender, load, text, result, seen) for text, seen in zip(texts, stats, strict=True)]


def _row(contender: str, load: float, text: str, result: Result, seen: Mapping[str, object]) -> tuple[object, ...]:
    rate, times = parse_rate(text), result["times"][text]
    most, refused = max_in(times, rate.period_s), 0
    if contender == "router":
        most = max(cast("dict[str, int]", seen["peaks"]).values())
        refused = sum(count["throttled"] for count in cast("dict[str, dict[str, int]]", seen["keys"]).values())
    share = share_of(times, rate)
    verdict = "over N" if most > rate.amount else "below aim" if share < AIM else "holds"
    late = [f"{1000 * percentile(result['late_s'], each):.2f}" for each in (0.5, 0.99, 1.0)]
    where = "the limiter" if contender == "limiter" else "arrivals at a vendor"
    cores = f"{load:.0%} busy" if load else "idle"
    return (where, cores, text, len(times), most, int(rate.amount), f"{100 * share:.2f}", refused, verdict, *late)


async def main() -> None:
    """Print the table."""
    print(lab.machine())
    found = [row for load in (0.0, LOAD) for contender in CONTENDERS for row in await rows(contender, load)]
    print(lab.table(COLUMNS, found))


if __name__ == "__main__":
    if lab.CONTEND in sys.argv:
        lab.contend(CONTENDERS)
    else:
        asyncio.run(main())
