"""The experiments of an article on asynchronous LLM calls, and what the router makes of them; 3 minutes at most.

Run it as `uv run python bench/article.py` for experiments a, b, c, d and f, and as `bench/article.py e` for thousands
at once; `bench/article.py g` is 2,000 at once where the system allows 1,024 open files, as many do, and `h` compares
the article's two prompts. Each of them ends within 3 minutes and says what it had no time for. Vendors are simulated
in a process of their own; every contender runs in another. `gather` is what the article does: one `AsyncOpenAI` for
each key, with its default retries, and `asyncio.gather` over everything at once.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypedDict, cast

import article_prompts
import lab

from router.rates import Rate
from router.simulator.client import stats_of
from router.simulator.endpoint import Endpoint
from router.simulator.process import SimulatorProcess
from router.simulator.spec import VendorSpec
from router.types import Request

MEDIAN_S = 0.4
PROMPT = 'Work out the expression. Answer with JSON only, {{"infer": number}}: {question} = ?'
CROWDS = (2_000, 5_000, 10_000)
USUAL_FILES = 1_024
CROWD_WITHIN_S = 20.0
LIMITS_WITHIN_S = 45.0
WHOLE_S = 175.0
TO_START_S = 12.0
MIN_S = 5.0
STRICT_ITEMS = 400
STRICT_RATES = (10, 5, 2)


class Result(TypedDict):
    """What a contender writes; `failures` counts those who got no answer by what they got instead."""

    wall_s: float
    cpu_s: float
    rss_mb: float
    ok: int
    failures: dict[str, int]


def questions(count: int) -> Iterator[Request]:
    """Prompts of the article's arithmetic."""
    from router.evals.arithmetic import arithmetic

    for item in arithmetic(count):
        yield Request.of(PROMPT.format(question=item.question))


# The contenders.

Ask = Callable[[Request, int], Awaitable[str | None]]


async def plain(task: lab.Task) -> Result:
    """The article's shape: a client for each key, everything gathered at once; window 1 asks one after another."""
    from openai import APIStatusError, AsyncOpenAI, OpenAIError

    vendor = task.vendors[0]
    clients = [AsyncOpenAI(api_key=key, base_url=vendor.base_url) for key in vendor.keys]

    async def ask(request: Request, number: int) -> str | None:
        """None for an answer, else what came instead."""
        content = str(request.messages[0]["content"])
        try:
            await clients[number % len(clients)].chat.completions.create(
                model="simulated", messages=[{"role": "user", "content": content}]
            )
        except APIStatusError as error:
            return f"{error.status_code}"
        except OpenAIError as error:
            return type(error).__name__
        return None

    requests = list(questions(int(task.number)))
    await lab.ready()
    with lab.spending() as spent:
        if task.window == 1:
            ends = [await ask(request, number) for number, request in enumerate(requests)]
        else:
            ends = await asyncio.gather(*(ask(request, number) for number, request in enumerate(requests)))
    for client in clients:
        await client.close()
    return _result(spent, ends)


async def mapped(task: lab.Task) -> Result:
    """`router.map`, with a window over everything or the given one."""
    from router.engine.router import Router

    requests = list(questions(int(task.number)))
    ends: list[str | None] = []
    async with Router(lab.config(task.vendors)) as router:
        await lab.ready()
        with lab.spending() as spent:
            async for outcome in router.map(requests, window=task.window or len(requests)):
                fault, error = outcome.fault, outcome.error
                ends.append(str(fault.kind) if fault else type(error).__name__ if error else None)
    return _result(spent, ends)


def _result(spent: lab.Spent, ends: Sequence[str | None]) -> Result:
    failures = Counter(end for end in ends if end is not None)
    return Result(
        wall_s=spent.wall_s,
        cpu_s=spent.cpu_s,
        rss_mb=lab.peak_rss_mb(),
        ok=len(ends) - failures.total(),
        failures=dict(failures),
    )


CONTENDERS: Mapping[str, lab.Contender] = {"plain": plain, "mapped": mapped}


# The experiments.


@dataclass(frozen=True, slots=True)
class Case:
    """One row: a vendor set of its own and a contender."""

    title: str
    specs: tuple[VendorSpec, ...]
    task: lab.Task
    rates: tuple[tuple[str, ...], ...] = ()
    key_rates: tuple[str, ...] = ()
    concurrency: int | None = None

    def on(self, endpoints: Sequence[Endpoint]) -> lab.Task:
        """The task against running vendors."""
        rates = self.rates or ((),) * len(self.specs)
        vendors = tuple(
            lab.declared(
                endpoint,
                [key for key, _ in spec.keys],
                rates=of_vendor,
                key_rates=self.key_rates,
                concurrency=self.concurrency,
            )
            for spec, endpoint, of_vendor in zip(self.specs, endpoints, rates, strict=True)
        )
        return replace(self.task, vendors=vendors)


@dataclass(frozen=True, slots=True)
class Run:
    """What a case came to: its result, None where it did not end, and what its vendors saw."""

    case: Case
    result: Result | None
    peak_fds: int
    stats: tuple[Mapping[str, object], ...]

    def seen(self, field: str) -> dict[str, int]:
        """One count of every key, such as `arrivals`, `ok` or `throttled`."""
        keys: dict[str, int] = {}
        for stats in self.stats:
            for key, counts in cast("dict[str, dict[str, int]]", stats["keys"]).items():
                keys[key] = counts[field]
        return keys

    def total(self, field: str) -> int:
        """The same over all keys."""
        return sum(self.seen(field).values())

    @property
    def suspended(self) -> int:
        """How many keys the vendors have suspended for ignored 429s."""
        return sum(len(cast("list[str]", stats["suspended"])) for stats in self.stats)

    @property
    def in_flight(self) -> int:
        """The most calls that one vendor worked on at once."""
        return max((cast("int", stats["peak_in_flight"]) for stats in self.stats), default=0)

    @property
    def why_no_result(self) -> str:
        """What happened to a case that has no result."""
        return "did not end" if self.stats else "not run: the time was over"

    @property
    def peaks(self) -> str:
        """The most arrivals in any window of each limit."""
        tops: dict[str, int] = {}
        for stats in self.stats:
            for name, most in cast("dict[str, int]", stats["peaks"]).items():
                owner = f"{name.split()[0]} {name.split()[-1]}"
                tops[owner] = max(tops.get(owner, 0), most)
        return ", ".join(f"{most} of {owner}" for owner, most in tops.items()) or "–"


def keys(count: int) -> tuple[tuple[str, str], ...]:
    """Made-up keys, each of an account of its own."""
    return tuple((f"sk-bench-{number}", f"account-{number}") for number in range(1, count + 1))


def vendor(name: str, key_count: int, **limits: object) -> VendorSpec:
    """A simulated vendor of the article's latency."""
    return replace(VendorSpec(name, keys=keys(key_count), latency_median_s=MEDIAN_S), **limits)  # type: ignore[arg-type]


def task(contender: str, items: int, window: int = 0, open_files: int = 0) -> lab.Task:
    """A task whose vendors are not running yet."""
    return lab.Task(contender, number=items, window=window, open_files=open_files)


PER_5 = (Rate(5, 1),)
PER_15 = (Rate(15, 1),)


def case_a(items: int = 90) -> list[Case]:
    """One after another against all at once."""
    return [
        Case("a  one after another, openai", (vendor("a1", 1),), task("plain", items, 1)),
        Case("a  all at once, openai gather", (vendor("a2", 1),), task("plain", items)),
        Case("a  all at once, router.map", (vendor("a3", 1),), task("mapped", items)),
    ]


def case_b(items: int = 90) -> list[Case]:
    """No limit declared where each account has one; the vendor forgives 429s, or suspends a key after 20 in a row."""
    return [
        Case(
            f"b  {contender}, {count} key{'s'[: count > 1]}, vendor {'suspends' if suspends else 'forgives'}",
            (vendor(f"b-{contender[0]}{count}{suspends}", count, account_limits=PER_5, suspend_after=suspends),),
            task("plain" if contender == "openai gather" else "mapped", items),
        )
        for suspends, counts in ((0, (1, 3)), (20, (3,)))
        for contender in ("openai gather", "router.map")
        for count in counts
    ]


def case_c() -> list[Case]:
    """A declared limit at a vendor that enforces it."""
    return [Case("c  5/s, 1 key", (vendor("c", 1, address_limits=PER_5),), task("mapped", 100, 256), (("5/s",),))]


def case_d() -> list[Case]:
    """A limit over three keys that have their own."""
    both = vendor("d1", 3, address_limits=PER_15, account_limits=PER_5)
    return [
        Case("d  15/s over 3 keys", (both,), task("mapped", 100, 256), (("15/s",),)),
        Case("d  15/s and 5/s a key", (replace(both, name="d2"),), task("mapped", 100, 256), (("15/s",),), ("5/s",)),
    ]


def case_f() -> list[Case]:
    """Three strict vendors of different rates."""
    specs = tuple(vendor(f"f{rate}", 1, address_limits=(Rate(rate, 1),)) for rate in STRICT_RATES)
    rates = tuple((f"{rate}/s",) for rate in STRICT_RATES)
    return [Case("f  10/s + 5/s + 2/s", specs, task("mapped", STRICT_ITEMS, 256), rates)]


def case_e(items: int, open_files: int = 0) -> list[Case]:
    """Thousands at once at a vendor without limits that takes a second."""
    spec = vendor("e", 3, latency_median_s=1.0, latency_sigma=0.0)
    named = f"e  {items:,}"
    tail = f", ulimit -n {open_files}" if open_files else ""
    return [
        Case(f"{named} openai gather{tail}", (spec,), task("plain", items, 0, open_files)),
        Case(f"{named} router.map, window=all, concurrency={items}{tail}", (spec,),
             task("mapped", items, 0, open_files), concurrency=items),
        Case(f"{named} router.map, as it is (256){tail}", (spec,), task("mapped", items, 256, open_files)),
    ]  # fmt: skip


async def run(cases: Sequence[Case], within_s: float, ends_at: float) -> list[Run]:
    """Run cases together, each against vendors of its own; not at all where it is too late to start."""
    within_s = min(within_s, ends_at - time.monotonic() - TO_START_S)
    if within_s < MIN_S:
        return [Run(case, None, 0, ()) for case in cases]
    specs = [spec for case in cases for spec in case.specs]
    async with SimulatorProcess(specs) as endpoints:
        left = iter(endpoints)
        groups = [tuple(next(left) for _ in case.specs) for case in cases]
        race: lab.Race[Result] = lab.Race([case.on(group) for case, group in zip(cases, groups, strict=True)], within_s)
        results = await race.run()
        stats = [tuple([await stats_of(endpoint) for endpoint in group]) for group in groups]
    return [Run(*row) for row in zip(cases, results, race.peak_fds, stats, strict=True)]


# The tables.


def limits_table(runs: Sequence[Run]) -> str:
    """Experiments a to d and f."""
    columns = ("experiment", "items", "time s", "answered", "rate /s", "calls", "429s", "keys lost", "calls by key",
               "most in a window", "failed")  # fmt: skip
    return lab.table(columns, [_limits_row(run) for run in runs])


def _limits_row(run: Run) -> tuple[object, ...]:
    items = int(run.case.task.number)
    arrivals = run.seen("arrivals")
    by_key = "/".join(str(count) for count in arrivals.values())
    if run.result is None:
        return (run.case.title, items, None, None, None, run.total("arrivals"), run.total("throttled"), run.suspended,
                by_key, run.peaks, run.why_no_result)  # fmt: skip
    wall_s, ok = run.result["wall_s"], run.result["ok"]
    return (run.case.title, items, wall_s, ok, f"{ok / wall_s:.2f}", run.total("arrivals"), run.total("throttled"),
            run.suspended, by_key, run.peaks, failed(run.result["failures"]))  # fmt: skip


def crowd_table(runs: Sequence[Run]) -> str:
    """Experiment e."""
    columns = ("experiment", "time s", "answered", "calls", "most in flight", "peak fds", "peak RSS MB", "CPU s",
               "CPU ms/item", "failed")  # fmt: skip
    return lab.table(columns, [_crowd_row(run) for run in runs])


def _crowd_row(run: Run) -> tuple[object, ...]:
    if run.result is None:
        return (run.case.title, None, None, run.total("arrivals"), run.in_flight, run.peak_fds, None, None, None,
                run.why_no_result)  # fmt: skip
    result = run.result
    return (run.case.title, result["wall_s"], result["ok"], run.total("arrivals"), run.in_flight, run.peak_fds,
            round(result["rss_mb"]), result["cpu_s"], f"{1000 * result['cpu_s'] / run.case.task.number:.2f}",
            failed(result["failures"]))  # fmt: skip


def failed(failures: Mapping[str, int]) -> str:
    """`12 429, 3 timeout`, or a dash."""
    return ", ".join(f"{count} {kind}" for kind, count in failures.items()) or "–"


def demand(runs: Sequence[Run]) -> str:
    """Whether experiment f is within its bound: no 429, and at most 1.05 times what the limits allow."""
    lines = []
    for run in runs:
        if run.case.title.startswith("f") and run.result is not None:
            bound_s = STRICT_ITEMS / sum(STRICT_RATES) + MEDIAN_S
            ratio = run.result["wall_s"] / bound_s
            met = ratio <= 1.05 and not run.total("throttled")  # noqa: PLR2004 - the demand itself
            lines.append(
                f"f: {run.result['wall_s']:.2f} s of at least {bound_s:.2f} s = {ratio:.3f} (at most 1.05), "
                f"{run.total('throttled')} 429s (none allowed): {'met' if met else 'NOT MET'}"
            )
    return "\n".join(lines)


async def limits(letters: str, ends_at: float) -> list[Run]:
    """Experiments a to d and f. What only waits runs together, first; each burst of `a` runs alone, `b` last."""
    one_after_another, *bursts = case_a() if "a" in letters else [None]
    waiting = {"c": case_c, "d": case_d, "f": case_f}
    calm = [case for name, made in waiting.items() if name in letters for case in made()]
    groups = [calm + ([one_after_another] if one_after_another else []), *([burst] for burst in bursts if burst)]
    groups.append(case_b() if "b" in letters else [])
    runs = [found for group in groups if group for found in await run(group, LIMITS_WITHIN_S, ends_at)]
    return sorted(runs, key=lambda one: one.case.title[0])


async def crowds(files: int, ends_at: float) -> list[Run]:
    """Experiment e: each contender alone, the next size only for those that ended; the default window in one go."""
    sizes = CROWDS[:1] if files else CROWDS
    runs: list[Run] = []
    given_up: set[str] = set()
    for items in sizes:
        for case in case_e(items, files)[:2]:
            if case.task.contender not in given_up:
                runs += await run([case], CROWD_WITHIN_S, ends_at)
                given_up |= {case.task.contender} if runs[-1].result is None else set()
    windowed = [case_e(items, files)[2] for items in sizes[:2]]
    return runs + await run(windowed, 2 * CROWD_WITHIN_S, ends_at)


async def main(letters: str) -> None:
    """Print the tables."""
    began = time.monotonic()
    ends_at = began + WHOLE_S
    print(lab.machine())
    if runs := await limits(letters, ends_at):
        print(limits_table(runs))
        print(demand(runs))
    for letter, files in (("e", 0), ("g", USUAL_FILES)):
        if letter in letters:
            print(crowd_table(await crowds(files, ends_at)))
            print(f"A contender that did not end in {CROWD_WITHIN_S:g} s is not asked for more.")
    if "h" in letters:
        print(await article_prompts.report())
    print(f"{time.monotonic() - began:.0f} s in all")


if __name__ == "__main__":
    if lab.CONTEND in sys.argv:
        lab.contend(CONTENDERS)
    else:
        asyncio.run(main("".join(sys.argv[1:]) or "abcdf"))
