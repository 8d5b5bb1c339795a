"""Nasty replies against the transport alone: a victim in a process of its own sends, the vendors are out here.

Run as a script it is the victim: it reads one call a line and says what became of it, how long it took, how much its
memory grew and for how long its event loop stood still.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TypedDict, cast

import attack_product as product
from attack_product import Verdict
from attack_table import Row
from nasty_replies import Nasty, all_nasty, some
from nasty_vendors import OTHER_HOST, Dialect, NastyVendor, good

VICTIMS = 2
TIMEOUT_S = 0.8
HEAVY_TIMEOUT_S = 4.0
GRACE_S = 1.5
"""A call may take so much longer than its timeout."""
HANGS_S = 15.0
MAX_BLOCKED_S = 0.25
MAX_GROWTH_MB = 160.0
"""32 MB unpacked are 128 MB as text beyond Unicode's first plane, and the reply stands in memory twice for a moment."""
MAX_TAKEN = 64 << 20
MAX_CONNECTIONS = 2
"""One for the call, and one that waits for the next."""
BEAT_S = 0.01
REDIRECTS = "redirects"
STARTS_WITHIN_S = 240.0


class Said(TypedDict):
    """A victim's line."""

    verdict: dict[str, object]
    took_s: float
    grew_mb: float
    blocked_s: float


def nasty_vendor(nasty: Nasty, door: str, elsewhere: NastyVendor) -> NastyVendor:
    """A vendor behind a door that does this, and points to another host that must not be asked."""
    return NastyVendor(nasty.behave, dialect=dialect_of(door), at_connect=nasty.at_connect, elsewhere=elsewhere.root)


def dialect_of(door: str) -> Dialect:
    """What the vendors behind a door speak."""
    return "anthropic" if door == "anthropic" else "gemini" if door == "gemini" else "openai"


# The victim's side.


class Heartbeat:
    """The longest stretch in which the loop of this thread did nothing but one thing.

    What the scheduler gave to others meanwhile is taken off, so that a busy machine blames nobody.
    """

    def __init__(self) -> None:
        self.blocked_s = 0.0

    async def beat(self) -> None:
        """Beat for ever."""
        while True:
            before, withheld = time.perf_counter(), _withheld_s()
            await asyncio.sleep(BEAT_S)
            gap = time.perf_counter() - before - BEAT_S - (_withheld_s() - withheld)
            self.blocked_s = max(self.blocked_s, gap)


def _withheld_s() -> float:
    """For how long this thread has waited for a core (Linux)."""
    return int(Path("/proc/thread-self/schedstat").read_text(encoding="ascii").split()[1]) / 1e9


def memory_mb(name: str) -> float:
    """`VmRSS`, what this process holds, or `VmHWM`, its peak (Linux, proc(5))."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition(f"{name}:")[2].split()[0]) / 1024


def forget_peak_mb() -> float:
    """Have the kernel count the peak from here on; what is held now."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return memory_mb("VmRSS")


async def victim() -> None:
    """Answer the lines on stdin until they end."""
    heart = Heartbeat()
    with tempfile.TemporaryDirectory() as directory:
        border = product.Border(Path(directory))
        await border.open()
        pulse = asyncio.create_task(heart.beat())
        _print({"ready": True})
        while line := await asyncio.to_thread(sys.stdin.readline):
            task = cast("dict[str, str | float]", json.loads(line))
            border.timeout_s = float(task["timeout_s"])
            before_mb, began, heart.blocked_s = forget_peak_mb(), time.perf_counter(), 0.0
            verdict = await border.send(str(task["door"]), str(task["base_url"]))
            took_s = time.perf_counter() - began
            await asyncio.sleep(2 * BEAT_S)
            grew_mb = memory_mb("VmHWM") - before_mb
            _print({"verdict": asdict(verdict), "took_s": took_s, "grew_mb": grew_mb, "blocked_s": heart.blocked_s})
        pulse.cancel()
        await border.close()


def _print(value: Mapping[str, object]) -> None:
    print(json.dumps(value), flush=True)


# The attacker's side.


@dataclass(slots=True)
class Victim:
    """A victim to be asked; it is killed and replaced where it does not come back."""

    process: Process | None = None

    async def ask(self, door: str, base_url: str, timeout_s: float) -> Said | None:
        """What it says of one call; None where it hung or died."""
        process = self.process or await self._start()
        assert process.stdin is not None
        task = {"door": door, "base_url": base_url, "timeout_s": timeout_s}
        process.stdin.write(json.dumps(task).encode() + b"\n")
        said = await self._line(process, timeout_s + HANGS_S)
        if said is None:
            await self.end()
        return cast("Said | None", said)

    async def _start(self) -> Process:
        script = Path(__file__)
        self.process = await asyncio.create_subprocess_exec(sys.executable, str(script), stdin=PIPE, stdout=PIPE)
        assert await self._line(self.process, STARTS_WITHIN_S), "the victim does not start"
        return self.process

    async def _line(self, process: Process, within_s: float) -> object:
        assert process.stdout is not None
        try:
            line = await asyncio.wait_for(process.stdout.readline(), within_s)
        except TimeoutError:
            return None
        return cast("object", json.loads(line)) if line else None

    async def end(self) -> None:
        """Kill it."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                self.process.kill()
            await self.process.wait()
            self.process = None


@dataclass(slots=True)
class Case:
    """One nasty reply at one door."""

    nasty: Nasty
    door: str

    @property
    def name(self) -> str:
        """Both names."""
        return f"{self.nasty.name} @{self.door}"

    @property
    def timeout_s(self) -> float:
        """Heavy ones get the time to do harm."""
        return HEAVY_TIMEOUT_S if self.nasty.is_heavy and not self.nasty.is_slow else TIMEOUT_S

    async def run(self, victim_: Victim, row: Row) -> None:
        """Send once, and write down what was wrong about it."""
        elsewhere = NastyVendor(good, host=OTHER_HOST)
        vendor = nasty_vendor(self.nasty, self.door, elsewhere)
        async with elsewhere, vendor:
            said = await victim_.ask(self.door, vendor.base_url, self.timeout_s)
        if said is None:
            row.add(self.name, ["hung or died"])
            return
        row.peak("slowest s", said["took_s"])
        row.peak("memory MB", said["grew_mb"])
        row.peak("blocked s", said["blocked_s"])
        verdict = Verdict(**said["verdict"])  # type: ignore[arg-type]
        whys = [*wrongs(self.nasty, verdict), *self._of_costs(said), *traffic(vendor)]
        row.add(self.name, [*whys, *["went elsewhere"] * bool(elsewhere.arrivals)])

    def _of_costs(self, said: Said) -> list[str]:
        found = {
            "beyond its timeout": said["took_s"] > self.timeout_s + GRACE_S,
            "loop blocked": said["blocked_s"] > MAX_BLOCKED_S,
            "memory": said["grew_mb"] > MAX_GROWTH_MB,
        }
        return [why for why, is_so in found.items() if is_so]


def wrongs(nasty: Nasty, verdict: Verdict) -> list[str]:
    """What is wrong about what was made of a nasty reply."""
    found = {
        f"raised {verdict.raised.partition(':')[0]}": bool(verdict.raised),
        "cannot be written to the log": bool(verdict.unloggable),
        "blames the item": verdict.blames_item and not nasty.may_blame_item,
        "takes it for an answer": nasty.answers is False and verdict.kind == "answer",
        "sees no answer": nasty.answers is True and verdict.kind != "answer",
        "counts beyond 2^53": not verdict.counts_are_sane,
    }
    return [why for why, is_so in found.items() if is_so]


def traffic(vendor: NastyVendor) -> list[str]:
    """What is wrong about what arrived, and how much of it was read."""
    found = {
        "reads without bound": vendor.sent_bytes > MAX_TAKEN,
        "sent more than once": len(vendor.arrivals) > 1,
        "connects again and again": vendor.connections > MAX_CONNECTIONS,
    }
    return [why for why, is_so in found.items() if is_so]


@dataclass(slots=True)
class _Crew:
    """Victims that take cases from one pile."""

    pile: list[tuple[Case, Row]] = field(default_factory=list)

    async def work(self) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(VICTIMS):
                group.create_task(self._one())

    async def _one(self) -> None:
        victim_ = Victim()
        try:
            while self.pile:
                case, row = self.pile.pop(0)
                await case.run(victim_, row)
        finally:
            await victim_.end()


async def _attack(section: str, nasties: Sequence[Nasty]) -> list[Row]:
    rows = {nasty.group: Row(section, f"{nasty.group} x {len(product.DOORS)} doors") for nasty in nasties}
    await _Crew([(Case(nasty, door), rows[nasty.group]) for nasty in nasties for door in product.DOORS]).work()
    return list(rows.values())


async def replies(share: float) -> list[Row]:
    """Every nasty reply at every door, once; of a share of them for a quick look."""
    return await _attack("replies", [nasty for nasty in some(share) if nasty.group != REDIRECTS])


async def follow_redirects(_share: float) -> list[Row]:
    """Every redirect at every door: none may be followed, to wherever it points."""
    return await _attack(REDIRECTS, [nasty for nasty in all_nasty().values() if nasty.group == REDIRECTS])


if __name__ == "__main__":
    asyncio.run(victim())
