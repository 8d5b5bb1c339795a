"""Random weather over the real engine on a virtual clock: faults, hangs, cancellations, jumps, late connections.

Each seed is one scenario. What must hold in all of them: every question has exactly one outcome, nothing else is
raised, nothing waits for ever, every permit comes back, and no window holds more arrivals than were declared. A call
arrives when it is on the wire, which may be up to 300 ms after it left.
"""

from __future__ import annotations

import asyncio
import random
import signal
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Protocol

import attack_product as product
from attack_product import Answer, Call, Fault, Kind, Request, Router, RouterError, Usage, load, run_virtual
from attack_table import Row

SIMULATIONS = 500
WORKERS = 2
DAY_S = 86_400.0
FOR_EVER_S = 200 * DAY_S
TOO_SLOW_S = 60
LATE_S = (0.05, 0.3)
EPSILON_S = 1e-6
RATES = (
    ("1/s", [(1, 1.0)]), ("5/s", [(5, 1.0)]), ("20/s", [(20, 1.0)]), ("100/s", [(100, 1.0)]),
    ("50/10s", [(50, 10.0)]), ("60/min", [(60, 60.0)]), ("[5/s, 100/min]", [(5, 1.0), (100, 60.0)]),
)  # fmt: skip
PASSING = ("rate_limit", "token_limit", "concurrency", "overloaded", "server_error", "connection", "timeout",
           "malformed_reply", "unknown")  # fmt: skip
LASTING = ("daily_quota", "no_credit", "invalid_key", "revoked_key", "permission", "model_not_found", "ip_blocked",
           "region_blocked", "bad_request", "context_length", "content_filter")  # fmt: skip


class _TooSlow(BaseException):
    """The scenario takes so long on a real clock that it will not end."""


class _Jumping(Protocol):
    virtual_time: float


@dataclass(frozen=True, slots=True)
class Vendor:
    """One provider of a scenario: what the file declares, and how its vendor behaves."""

    name: str
    limits: tuple[tuple[int, float], ...]
    key_limits: tuple[tuple[int, float], ...]
    yaml: str
    latency_s: float
    faulty: float
    late: float


def vendor(rng: random.Random, number: int) -> Vendor:
    """Make one up."""
    rate, limits = rng.choice(RATES)
    key_rate, key_limits = rng.choice(RATES[:4])
    keys = rng.choice((1, 1, 2, 5))
    has_key_rate = rng.random() < 0.3  # noqa: PLR2004 - a share
    lines = [
        f"  v{number}:",
        "    model: openai/m",
        f"    keys: [{', '.join(f'sk-{number}-{k}-long' for k in range(keys))}]",
    ]
    smallest = min(amount for amount, _ in (*limits, *key_limits))
    burst = min(rng.choice((1, 1, 2, 3)), max(1, smallest - 1))
    lines += [f"    rate: {rate}", f"    burst: {burst}", f"    timeout: {rng.choice((5, 30))}s"]
    lines += [f"    key_rate: {key_rate}"] * has_key_rate
    lines += [f"    concurrency: {rng.choice((1, 3, 40))}"] * (rng.random() < 0.5)  # noqa: PLR2004 - a share
    lines += ["    tokens: 20k/min"] * (rng.random() < 0.2)  # noqa: PLR2004 - a share
    return Vendor(
        f"v{number}",
        tuple(limits),
        tuple(key_limits) if has_key_rate else (),
        "\n".join([*lines, ""]),
        latency_s=rng.choice((0.05, 0.5, 3.0)),
        faulty=rng.choice((0.0, 0.05, 0.4)),
        late=rng.choice((0.0, 0.05, 0.3)),
    )


@dataclass(slots=True)
class Weather:
    """The vendors' side: a transport that answers as it likes and keeps every arrival by provider and by key."""

    vendors: dict[str, Vendor]
    rng: random.Random
    is_over: bool = False
    arrivals: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    async def prepare(self) -> None:
        """Nothing to warm up."""

    async def aclose(self) -> None:
        """Nothing to close."""

    async def send(self, call: Call, on_sent: Callable[[], None]) -> Answer | Fault:
        """Connect, perhaps late; arrive; answer, fail or hang until the timeout."""
        rng, name = self.rng, call.provider.name
        it = self.vendors[name]
        if rng.random() < it.late:
            await asyncio.sleep(rng.uniform(*LATE_S))
        now = asyncio.get_running_loop().time()
        self.arrivals[name].append(now)
        self.arrivals[call.key.name].append(now)
        on_sent()
        latency_s = rng.expovariate(1 / it.latency_s) * (50 if rng.random() < it.faulty / 10 else 1)
        if latency_s > call.provider.timeout_s:
            await asyncio.sleep(call.provider.timeout_s)
            return Fault(Kind("timeout"), "no reply")
        await asyncio.sleep(latency_s)
        return self._said(it)

    def _said(self, it: Vendor) -> Answer | Fault:
        rng = self.rng
        if self.is_over or rng.random() >= it.faulty:
            return Answer("7", Usage(10, 10), "stop")
        kind = rng.choice(LASTING if rng.random() < 0.1 else PASSING)  # noqa: PLR2004 - a share
        return Fault(Kind(kind), "no", 429, retry_after_s=rng.choice((None, None, 0.0, 0.5, 20.0)))

    def beyond(self) -> dict[str, int]:
        """How many arrivals were one too many in a window, by provider or key."""
        found = {}
        for name, times in self.arrivals.items():
            owner, _, key = name.partition("#")
            limits = self.vendors[owner].key_limits if key else self.vendors[owner].limits
            found[name] = sum(_too_many(times, amount, period_s) for amount, period_s in limits)
        return {name: count for name, count in found.items() if count}


def _too_many(times: Sequence[float], amount: int, period_s: float) -> int:
    return sum(last - first < period_s - EPSILON_S for first, last in zip(times, times[amount:], strict=False))


@dataclass(slots=True)
class Scenario:
    """One seed at work; `whys` collects what did not hold."""

    rng: random.Random
    weather: Weather
    items: int
    whys: list[str] = field(default_factory=list)

    async def run(self, router: Router) -> None:
        """Ask everything in one of two ways, then once more when the weather is over."""
        async with asyncio.timeout(FOR_EVER_S):
            async with router:
                jumps = asyncio.create_task(self._jump())
                await (self._mapped(router) if self.rng.random() < 0.5 else self._completed(router))  # noqa: PLR2004 - a share
                jumps.cancel()
                self.weather.is_over = True
                with suppress(RouterError):
                    await router.complete("once more")
                await asyncio.sleep(0)
                if left := sum(lane.in_flight for lane in router.status()):
                    self.whys.append(f"{left} permits leaked")

    async def _jump(self) -> None:
        """The machine sleeps, and its clock goes on."""
        loop: _Jumping = asyncio.get_running_loop()  # type: ignore[assignment]
        while self.rng.random() < 0.5:  # noqa: PLR2004 - a share
            await asyncio.sleep(self.rng.uniform(0.1, 20))
            loop.virtual_time += self.rng.choice((2.0, 30.0, 3600.0))

    async def _mapped(self, router: Router) -> None:
        requests = [Request.of(f"question {number}") for number in range(self.items)]
        deadline = self.rng.choice((None, None, 5.0, 60.0))
        told: Counter[int] = Counter()
        async with aclosing(router.map(requests, window=self.rng.choice((1, 16, 256)), deadline=deadline)) as outcomes:
            async for outcome in outcomes:
                told[id(outcome.request)] += 1
        if any(told[id(request)] != 1 for request in requests):
            self.whys.append("outcomes lost or doubled")

    async def _completed(self, router: Router) -> None:
        ends: Counter[str] = Counter()

        async def ask(number: int) -> None:
            await asyncio.sleep(self.rng.uniform(0, 5))
            try:
                await router.complete(f"question {number}", deadline=self.rng.choice((None, 5.0)))
            except (RouterError, asyncio.CancelledError):
                pass
            finally:
                ends["told"] += 1

        tasks = [asyncio.create_task(ask(number)) for number in range(self.items)]
        for task in tasks:
            if self.rng.random() < 0.3:  # noqa: PLR2004 - a share
                asyncio.get_running_loop().call_later(self.rng.uniform(0, 15), task.cancel)
        for ended in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(ended, Exception):
                self.whys.append(f"raised {type(ended).__name__}")
        cancelled_unborn = sum(task.cancelled() for task in tasks)
        if not self.items - cancelled_unborn <= ends["told"] <= self.items:
            self.whys.append("outcomes lost")


@dataclass(frozen=True, slots=True)
class Simulated:
    """What one seed showed."""

    seed: int
    whys: tuple[str, ...]
    calls: int


def simulate(seed: int) -> Simulated:
    """Run one scenario; the same seed is the same scenario."""
    rng = random.Random(seed)
    vendors = {made.name: made for made in (vendor(rng, number) for number in range(rng.randint(1, 4)))}
    weather = Weather(vendors, random.Random(seed + 1))
    scenario = Scenario(random.Random(seed + 2), weather, rng.randint(10, 150))
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "providers.yaml")
        path.write_text(product.config_yaml([each.yaml for each in vendors.values()]), encoding="utf-8")
        router = Router(load(path, {}), transport=weather, rng=random.Random(seed))
    scenario.whys += _ended(scenario, router)
    beyond = weather.beyond()
    if beyond:
        scenario.whys.append("too many in a window")
    calls = sum(len(weather.arrivals[name]) for name in vendors)
    return Simulated(seed, tuple(dict.fromkeys(scenario.whys)), calls)


def _ended(scenario: Scenario, router: Router) -> Iterator[str]:
    def too_slow(_number: int, _frame: object) -> None:
        raise _TooSlow

    before = signal.signal(signal.SIGALRM, too_slow)
    signal.alarm(TOO_SLOW_S)
    try:
        run_virtual(scenario.run(router))
    except _TooSlow:
        yield f"not over after {TOO_SLOW_S} s of real time"
    except TimeoutError:
        yield "waits for ever"
    except Exception as error:  # noqa: BLE001 - whatever comes out is a finding
        yield f"raised {type(error).__name__}: {error}"[:150]
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


async def engine(share: float) -> list[Row]:
    """Random scenarios in processes of their own."""
    count = max(1, round(SIMULATIONS * share))
    outcomes, windows = Row("engine", "random simulations: outcomes, permits, ends"), Row("engine", "the same: windows")
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(WORKERS, get_context("spawn")) as pool:
        for done in asyncio.as_completed([loop.run_in_executor(pool, simulate, seed) for seed in range(count)]):
            result = await done
            too_many = [why for why in result.whys if "window" in why]
            outcomes.add(f"seed {result.seed}", [why for why in result.whys if why not in too_many])
            windows.add(f"seed {result.seed}", too_many)
            outcomes.figures["calls"] = outcomes.figures.get("calls", 0) + result.calls
    return [outcomes, windows]
