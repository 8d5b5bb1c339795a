"""What the benchmarks share: contenders in processes of their own, configurations, tables, the machine's line.

A contender is a child that runs the same script. It reads its task, prepares (imports, opens), says `ready`, waits for
`go`, measures, and writes its result. So imports disturb nobody, and contenders of one race start together.
"""

from __future__ import annotations

import asyncio
import os
import platform
import resource
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Generic, Literal, TypedDict, TypeVar, cast

from router.config.models import Config, Key, Provider, Secret
from router.jsonl import decode, encode
from router.rates import parse_rate
from router.simulator.endpoint import Endpoint
from router.simulator.process import LINE_LIMIT

CONTEND = "--contend"
STARTS_WITHIN_S = 60.0
SAMPLE_EVERY_S = 0.1
TICKS = os.sysconf("SC_CLK_TCK")
MODEL = "openai/simulated"

ResultT = TypeVar("ResultT", bound=Mapping[str, object])


@dataclass(frozen=True, slots=True)
class Vendor:
    """A simulated vendor as the caller declares it: rates as in `providers.yaml`, each key its own account."""

    name: str
    base_url: str
    keys: tuple[str, ...]
    rates: tuple[str, ...] = ()
    key_rates: tuple[str, ...] = ()
    concurrency: int | None = None
    door: Literal["auto", "litellm"] = "auto"

    def provider(self) -> Provider:
        """The same as the router takes it."""
        keys = (Key(f"{self.name}#{n}", Secret(key), f"{self.name}#{n}") for n, key in enumerate(self.keys, 1))
        return Provider(
            self.name,
            {"default": MODEL},
            tuple(keys),
            tuple(parse_rate(rate) for rate in self.rates),
            base_url=self.base_url,
            key_rates=tuple(parse_rate(rate) for rate in self.key_rates),
            concurrency=self.concurrency,
            door=self.door,
        )


def declared(endpoint: Endpoint, keys: Sequence[str], *, rates: Sequence[str] = (), key_rates: Sequence[str] = (),
             concurrency: int | None = None, door: Literal["auto", "litellm"] = "auto") -> Vendor:  # fmt: skip
    """A running vendor, declared with these keys and limits."""
    return Vendor(endpoint.name, endpoint.base_url, tuple(keys), tuple(rates), tuple(key_rates), concurrency, door)


def config(vendors: Sequence[Vendor], *, simulated: bool = True) -> Config:
    """A configuration of simulated vendors, which may pass for real ones."""
    return Config(Path("bench"), tuple(vendor.provider() for vendor in vendors), simulated=simulated)


@dataclass(frozen=True, slots=True)
class Task:
    """What a contender has to do; `number` is its own to interpret: items, calls or seconds."""

    contender: str
    vendors: tuple[Vendor, ...] = ()
    number: float = 0
    window: int = 0
    open_files: int = 0
    core: int | None = None

    @classmethod
    def from_json(cls, line: str | bytes) -> Task:
        """Read what `encode` wrote."""
        data = cast("TaskJson", decode(line))
        vendors = tuple(_vendor(vendor) for vendor in data["vendors"])
        return cls(data["contender"], vendors, data["number"], data["window"], data["open_files"], data["core"])


class VendorJson(TypedDict):
    """A vendor on its way to a child."""

    name: str
    base_url: str
    keys: list[str]
    rates: list[str]
    key_rates: list[str]
    concurrency: int | None
    door: Literal["auto", "litellm"]


class TaskJson(TypedDict):
    """A task on its way to a child."""

    contender: str
    vendors: list[VendorJson]
    number: float
    window: int
    open_files: int
    core: int | None


def _vendor(data: VendorJson) -> Vendor:
    keys, rates, key_rates = (tuple(texts) for texts in (data["keys"], data["rates"], data["key_rates"]))
    return Vendor(data["name"], data["base_url"], keys, rates, key_rates, data["concurrency"], data["door"])


# The child's side.

Contender = Callable[[Task], Awaitable[Mapping[str, object]]]


def contend(contenders: Mapping[str, Contender]) -> None:
    """Be one contender: the whole life of the child."""
    task = Task.from_json(sys.stdin.readline())
    if task.open_files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (task.open_files, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    if task.core is not None:
        os.sched_setaffinity(0, {task.core})

    async def whole() -> Mapping[str, object]:
        return await contenders[task.contender](task)

    print(encode(asyncio.run(whole())).decode(), flush=True)


async def ready() -> None:
    """Say that everything is prepared, and wait for the start."""
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)


@dataclass(slots=True)
class Spent:
    """What a stretch of work took."""

    wall_s: float = 0.0
    cpu_s: float = 0.0


@contextmanager
def spending() -> Iterator[Spent]:
    """Measure wall and CPU time of the block."""
    spent, wall, cpu = Spent(), time.perf_counter(), time.process_time()
    try:
        yield spent
    finally:
        spent.wall_s, spent.cpu_s = time.perf_counter() - wall, time.process_time() - cpu


def peak_rss_mb() -> float:
    """The most memory that this process has held, in MB (`ru_maxrss` would start at the parent's)."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


# The parent's side.


@dataclass(slots=True)
class Race(Generic[ResultT]):
    """Contenders that start together, each in a process of its own; `peak_fds`: what each had open beyond its start."""

    tasks: Sequence[Task]
    within_s: float
    peak_fds: list[int] = field(default_factory=list)
    _children: list[Process] = field(default_factory=list)

    async def run(self) -> list[ResultT | None]:
        """Run them; None for one that did not end in time."""
        self.peak_fds = [0] * len(self.tasks)
        try:
            for task in self.tasks:
                self._children.append(await _child(task))
            async with asyncio.timeout(STARTS_WITHIN_S):
                await asyncio.gather(*(_heard_ready(child) for child in self._children))
            return list(await asyncio.gather(*(self._one(number) for number in range(len(self.tasks)))))
        finally:
            for child in self._children:
                if child.returncode is None:
                    child.kill()
                    await child.wait()

    async def _one(self, number: int) -> ResultT | None:
        child = self._children[number]
        assert child.stdin is not None
        assert child.stdout is not None
        sampler = asyncio.create_task(self._watch(number, _open_files(child.pid)))
        child.stdin.write(b"go\n")
        try:
            line = await asyncio.wait_for(child.stdout.readline(), self.within_s)
        except TimeoutError:
            return None
        finally:
            sampler.cancel()
        assert line, f"{self.tasks[number].contender} died"
        await child.wait()
        return cast("ResultT", decode(line))

    async def _watch(self, number: int, before: int) -> None:
        pid = self._children[number].pid
        while True:
            self.peak_fds[number] = max(self.peak_fds[number], _open_files(pid) - before)
            await asyncio.sleep(SAMPLE_EVERY_S)


def _open_files(pid: int) -> int:
    """How many files and sockets a process has open; 0 where it has ended."""
    try:
        return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return 0


async def _child(task: Task) -> Process:
    child = await asyncio.create_subprocess_exec(
        sys.executable, sys.argv[0], CONTEND, stdin=PIPE, stdout=PIPE, limit=LINE_LIMIT
    )
    assert child.stdin is not None
    child.stdin.write(encode(task) + b"\n")
    return child


async def _heard_ready(child: Process) -> None:
    assert child.stdout is not None
    line = await child.stdout.readline()
    assert line == b"ready\n", f"a contender said {line!r} instead of being ready"


@asynccontextmanager
async def busy(share: float) -> AsyncIterator[None]:
    """Burn this share of every core in other processes while the block lasts."""
    cores = sorted(os.sched_getaffinity(0)) if share else []
    code = (
        "import os, sys, time\n"
        "core, share = int(sys.argv[1]), float(sys.argv[2])\n"
        "os.sched_setaffinity(0, {core})\n"
        "while os.getppid() == int(sys.argv[3]):\n"
        "    end = time.perf_counter() + 0.01 * share\n"
        "    while time.perf_counter() < end: pass\n"
        "    time.sleep(0.01 * (1 - share))\n"
    )
    burners = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", code, str(core), str(share), str(os.getpid()))
        for core in cores
    ]
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            await burner.wait()


def cpu_seconds(pid: int) -> float:
    """CPU time of a process so far (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


# What is printed.


def machine() -> str:
    """On what it ran, and that no real vendor was asked."""
    return f"All vendors are simulated, on loopback, in a process of their own. {host()}"


def host() -> str:
    """On what it ran."""
    cores = len(os.sched_getaffinity(0))
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return (
        f"{cores} cores ({platform.machine()}), "
        f"Python {platform.python_version()}, LiteLLM {version('litellm')}, openai {version('openai')}, "
        f"load before {os.getloadavg()[0]:.1f}, ulimit -n {files}"
    )


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Rows under columns as wide as they need to be; the first column to the left, numbers to the right."""
    cells = [[str(column) for column in columns], *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(columns))]
    return "\n".join(_line(row, widths) for row in cells)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    first = row[0].ljust(widths[0])
    return "  ".join([first, *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]).rstrip()


def _cell(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:.3g}" if isinstance(value, float) and abs(value) < 1 else f"{value:,.1f}" if isinstance(
        value, float
    ) else f"{value:,}" if isinstance(value, int) else str(value)  # fmt: skip
