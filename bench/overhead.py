"""CPU per call, from bare aiohttp up to the whole router, against one simulated vendor without latency; 1 to 2 minutes.

Run it as `uv run python bench/overhead.py`. The client has one core, the vendor another; every contender runs in a
process of its own, has CONNECTIONS callers (LINE in one row), and shows the median of its rounds. Names of contenders
run only those. With `--profile NAME` one contender runs under cProfile instead.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from pathlib import Path
from typing import Literal, TypedDict

import lab

from router.faults import Fault
from router.log.writer import JsonLog
from router.simulator.process import SimulatorProcess
from router.simulator.spec import VendorSpec
from router.types import Request

CONNECTIONS = 32
ROUNDS = 3
LANES = 8
LINE = 2_000
IN_LINE = f"Router.complete, {LINE} in line"
MANY_CALLS = 3_000
CALLS = {"litellm.acompletion": 400, "wide door": 400, IN_LINE: 3 * LINE}
CALLERS = {IN_LINE: LINE}
CONTENT = "Work out the following expression and answer with JSON such as {'infer': 5}: 12 + 7 x 3"
KEY = "sk-bench-overhead"

Ask = Callable[[], Awaitable[None]]
"""One call; raises where it gets no answer."""
Opening = Callable[[lab.Task], AbstractAsyncContextManager[Ask]]
"""Opens a client, and yields how to call with it."""


class Result(TypedDict):
    """A round each: calls a second, CPU milliseconds a call."""

    calls_s: list[float]
    cpu_ms: list[float]


@asynccontextmanager
async def aiohttp_alone(task: lab.Task) -> AsyncIterator[Ask]:
    """The least that a call can cost here."""
    import aiohttp

    from router.jsonl import decode, encode

    url = task.vendors[0].base_url + "/chat/completions"
    headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
    body = {"model": "simulated", "messages": [{"role": "user", "content": CONTENT}]}
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:

        async def ask() -> None:
            async with session.post(url, data=encode(body), headers=headers) as response:
                assert isinstance(decode(await response.read()), dict)

        yield ask


def door(name: Literal["auto", "litellm"], *, simulated: bool = True) -> Opening:
    """The transport alone, through one of its doors, with what it makes of the reply."""

    @asynccontextmanager
    async def through(task: lab.Task) -> AsyncIterator[Ask]:
        from dataclasses import replace

        from router.transport import Call
        from router.transport.litellm_transport import LiteLLMTransport

        config = lab.config([replace(task.vendors[0], door=name)], simulated=simulated)
        (provider,) = config.providers
        request = Request.of(CONTENT)
        transport = LiteLLMTransport(config)
        await transport.prepare()

        async def ask() -> None:
            result = await transport.send(Call(provider, provider.keys[0], lab.MODEL, request), lambda: None)
            assert not isinstance(result, Fault), result

        yield ask
        await transport.aclose()

    return through


@asynccontextmanager
async def litellm_alone(task: lab.Task) -> AsyncIterator[Ask]:
    """`litellm.acompletion` as its documentation has it, but without retries, and nothing of ours around it."""
    os.environ |= {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MODE": "PRODUCTION"}
    import litellm

    async def ask() -> None:
        response = await litellm.acompletion(
            model=lab.MODEL,
            messages=[{"role": "user", "content": CONTENT}],
            api_key=KEY,
            api_base=task.vendors[0].base_url,
            max_retries=0,
            num_retries=0,
        )
        assert response.choices

    yield ask


def whole(*, lanes: int = 1, logs: bool = False) -> Opening:
    """`Router.complete` over lanes of CONNECTIONS calls each, with a log on the disk or without."""

    @asynccontextmanager
    async def through(task: lab.Task) -> AsyncIterator[Ask]:
        from dataclasses import replace

        from router.config.masking import secrets
        from router.engine.router import Router
        from router.log.scrub import Scrubber

        vendors = [replace(task.vendors[0], name=f"v{number}", concurrency=CONNECTIONS) for number in range(lanes)]
        config = lab.config(vendors)
        scrub = Scrubber(secrets(config))
        with tempfile.TemporaryDirectory() as place, ExitStack() as stack:
            log: JsonLog | None = None
            if logs:
                log = JsonLog(Path(place) / "log.jsonl", "bench", scrub=scrub.line, wall=time.time, simulated=True)
                stack.callback(log.close)
            async with Router(config, log=log) as router:

                async def ask() -> None:
                    await router.complete(CONTENT)

                yield ask

    return through


OPENINGS: Mapping[str, Opening] = {
    "aiohttp alone": aiohttp_alone,
    "direct door": door("auto"),
    "direct door, real configuration": door("auto", simulated=False),
    "wide door": door("litellm"),
    "litellm.acompletion": litellm_alone,
    "Router.complete": whole(),
    f"Router.complete, {LANES} lanes": whole(lanes=LANES),
    "Router.complete, log on disk": whole(logs=True),
    IN_LINE: whole(),
}


async def rounds(task: lab.Task) -> Result:
    """Keep every caller asking until `number` calls have come back, ROUNDS times, after a shorter one to warm up."""
    result = Result(calls_s=[], cpu_ms=[])
    calls, callers = int(task.number), CALLERS.get(task.contender, CONNECTIONS)
    async with OPENINGS[task.contender](task) as ask:
        await _asked(ask, max(CONNECTIONS, calls // 10), callers)
        await lab.ready()
        for _ in range(ROUNDS):
            with lab.spending() as spent:
                await _asked(ask, calls, callers)
            result["calls_s"].append(calls / spent.wall_s)
            result["cpu_ms"].append(1000 * spent.cpu_s / calls)
    return result


async def _asked(ask: Ask, calls: int, callers: int) -> None:
    left = iter(range(calls))

    async def worker() -> None:
        for _ in left:
            await ask()

    await asyncio.gather(*(worker() for _ in range(callers)))


CONTENDERS: Mapping[str, lab.Contender] = dict.fromkeys(OPENINGS, rounds)


async def main() -> None:
    """Print the table."""
    print(lab.machine())
    cores = sorted(os.sched_getaffinity(0))
    found: list[tuple[object, ...]] = []
    min_ms = 0.0
    chosen = [name for name in OPENINGS if name in sys.argv] or list(OPENINGS)
    vendors = SimulatorProcess([VendorSpec("v", keys=((KEY, "a"),), latency_median_s=0)])
    async with vendors as (endpoint,):
        assert vendors.pid is not None
        os.sched_setaffinity(vendors.pid, {cores[0]})
        for name in chosen:
            task = lab.Task(name, (lab.declared(endpoint, [KEY]),), CALLS.get(name, MANY_CALLS), core=cores[-1])
            race: lab.Race[Result] = lab.Race([task], 60)
            (result,) = await race.run()
            assert result is not None, f"{name} did not end"
            cpu_ms = statistics.median(result["cpu_ms"])
            min_ms = min_ms or cpu_ms
            spread = f"{min(result['cpu_ms']):.2f}-{max(result['cpu_ms']):.2f}"
            found.append((name, int(task.number), round(statistics.median(result["calls_s"])), f"{cpu_ms:.3f}", spread,
                          f"{cpu_ms - min_ms:.3f}"))  # fmt: skip
    columns = ("client", "calls a round", "calls/s", "CPU ms/call", "of 3 rounds", "over aiohttp")
    print(lab.table(columns, found))


async def profile(name: str) -> None:
    """Print where one contender spends its time."""
    import cProfile
    import pstats

    profiler = cProfile.Profile()
    async with (
        SimulatorProcess([VendorSpec("v", keys=((KEY, "a"),), latency_median_s=0)]) as (endpoint,),
        OPENINGS[name](lab.Task(name, (lab.declared(endpoint, [KEY]),))) as ask,
    ):
        await _asked(ask, CONNECTIONS, CONNECTIONS)
        profiler.enable()
        await _asked(ask, CALLS.get(name, MANY_CALLS), CALLERS.get(name, CONNECTIONS))
        profiler.disable()
    pstats.Stats(profiler).sort_stats("tottime").print_stats(35)


if __name__ == "__main__":
    if lab.CONTEND in sys.argv:
        lab.contend(CONTENDERS)
    elif "--profile" in sys.argv:
        asyncio.run(profile(sys.argv[-1]))
    else:
        asyncio.run(main())
