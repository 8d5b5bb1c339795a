"""What a call costs the engine: CPU time on the virtual loop, against scripted vendors; a minute or two.

Run it as `uv run python bench/engine_cpu.py`. Each scene varies one number, prints a row, and the rows are written to
`engine_cpu.json` beside this file. `tests/test_engine_cost.py` counts what the same scenes execute.
"""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import zlib
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TypeVar

import lab
from tenacity import Retrying, retry_if_result, wait_none

from router import Fault, Kind, Router, RouterError
from router.testing import ScriptedTransport, run_virtual
from router.transport import Call
from router.types import Answer, Request

T = TypeVar("T")
ROOM = 2
CALLERS = 300
CALLS = 200
ROUNDS = 3
BESIDE = Path(__file__).with_suffix(".json")


@dataclass(frozen=True, slots=True)
class Scene:
    """Lanes of ROOM calls in flight, the keys of each, how many things are asked for, and the share of lanes down.

    More callers wait than the lanes can take, so the line is never empty.
    """

    lanes: int = 1
    keys: int = 1
    wishes: int = 1
    down: float = 0.0

    @property
    def names(self) -> list[str]:
        """The lanes; those that are down come first."""
        return [f"v{number}" for number in range(self.lanes)]

    def choices(self) -> list[frozenset[str] | None]:
        """What is asked for: any lane, or one of a random half of them."""
        halves = (random.Random(number).sample(self.names, self.lanes // 2) for number in range(1, self.wishes))
        return [None, *map(frozenset, halves)]

    def vendors(self) -> list[lab.Vendor]:
        """The lanes as they are declared: without a rate, so that nothing but the engine takes time."""
        return [
            lab.Vendor(name, "", tuple(f"sk-{name}-{number}" for number in range(self.keys)), concurrency=ROOM)
            for name in self.names
        ]


@dataclass(slots=True)
class Script:
    """Answers in 0.5 to 1.5 s, or fails at a tenth of that; the n-th call of a key always takes as long."""

    down: frozenset[str]
    heard: Callable[[int], None]
    seen: Counter[str] = field(default_factory=Counter)

    def __call__(self, call: Call) -> tuple[float, Answer | Fault]:
        """What a vendor says; `heard` is told how many calls there were."""
        self.seen[call.key.name] += 1
        self.heard(self.seen.total())
        took_s = 0.5 + zlib.crc32(f"{call.key.name} {self.seen[call.key.name]}".encode()) / 2**32
        if call.provider.name in self.down:
            return 0.1 * took_s, Fault(Kind.SERVER_ERROR, "down", 503)
        return took_s, Answer("7")


async def play(scene: Scene, measure: AbstractContextManager[T], calls: int = CALLS) -> T:
    """Keep CALLERS asking, and measure `calls` calls from when every lane is full."""
    full, done = asyncio.Event(), asyncio.Event()
    first = scene.lanes * ROOM

    def heard(number: int) -> None:
        if number == first:
            full.set()
        if number == first + calls:
            done.set()

    async def ask_for_ever(only: frozenset[str] | None) -> None:
        while True:
            with suppress(RouterError):
                await router.complete("12 + 7 x 3", only=only)

    transport = ScriptedTransport(Script(frozenset(scene.names[: round(scene.down * scene.lanes)]), heard))
    choices = scene.choices()
    async with Router(lab.config(scene.vendors()), transport=transport, rng=random.Random(0)) as router:
        callers = [asyncio.create_task(ask_for_ever(choices[number % len(choices)])) for number in range(CALLERS)]
        await full.wait()
        with measure as measured:
            await done.wait()
        for caller in callers:
            caller.cancel()
        await asyncio.gather(*callers, return_exceptions=True)
    return measured


async def play_bare(measure: AbstractContextManager[T], calls: int = CALLS) -> T:
    """One lane without the router: a semaphore, tenacity's ring, a timeout, and the same transport."""
    full, done, room = asyncio.Event(), asyncio.Event(), asyncio.Semaphore(ROOM)

    def heard(number: int) -> None:
        if number == ROOM:
            full.set()
        if number == ROOM + calls:
            done.set()

    transport = ScriptedTransport(Script(frozenset(), heard))
    provider = lab.config(Scene().vendors()).usable[0]
    ring = Retrying(retry=retry_if_result(lambda answer: answer is None), wait=wait_none(), sleep=lambda _s: None)

    async def ask_for_ever() -> None:
        while True:
            call = Call(provider, provider.keys[0], "openai/m", Request.of("12 + 7 x 3"))
            for attempt in ring:
                async with room, asyncio.timeout(60):
                    attempt.retry_state.set_result(await transport.send(call, lambda: None))

    callers = [asyncio.create_task(ask_for_ever()) for _ in range(CALLERS)]
    await full.wait()
    with measure as measured:
        await done.wait()
    for caller in callers:
        caller.cancel()
    await asyncio.gather(*callers, return_exceptions=True)
    return measured


SCENES = (
    *(Scene(keys=keys) for keys in (1, 10, 100, 1_000)),
    *(Scene(lanes=lanes) for lanes in (20, 50)),
    *(Scene(lanes=50, wishes=wishes) for wishes in (20, 200)),
    *(Scene(lanes=20, keys=20, down=down) for down in (0.0, 0.5, 0.9)),
)


def cpu_ms(scene: Scene) -> list[float]:
    """CPU milliseconds a call, a round each."""
    return [1000 * run_virtual(play(scene, lab.spending())).cpu_s / CALLS for _ in range(ROUNDS)]


def main() -> None:
    """Print the table and write it."""
    host = lab.host()
    print(f"Scripted vendors on the virtual loop. {host}", flush=True)
    found = {scene: cpu_ms(scene) for scene in SCENES}
    bare = [1000 * run_virtual(play_bare(lab.spending())).cpu_s / CALLS for _ in range(ROUNDS)]
    rows = [
        (f"{scene.lanes} x {scene.keys}", str(scene.wishes), f"{scene.down:.0%}", f"{statistics.median(ms):.2f}",
         f"{min(ms):.2f}-{max(ms):.2f}")
        for scene, ms in found.items()
    ]  # fmt: skip
    rows.insert(0, ("no router", "", "", f"{statistics.median(bare):.2f}", f"{min(bare):.2f}-{max(bare):.2f}"))
    print(lab.table(("lanes x keys", "wishes", "down", "CPU ms/call", f"of {ROUNDS} rounds"), rows))
    written = [{**asdict(scene), "cpu_ms": [round(each, 3) for each in ms]} for scene, ms in found.items()]
    BESIDE.write_text(
        json.dumps(
            {"host": host, "calls": CALLS, "bare_ms": [round(each, 3) for each in bare], "scenes": written}, indent=1
        )
        + "\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
