"""Nasty vendors beside one good one, through the command, as a real user runs it; and limits over real TLS."""

from __future__ import annotations

import asyncio
import random
import time
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

import attack_product as product
from attack_border import nasty_vendor
from attack_command import NETRC_PASSWORD, Commands, Ended, proxies
from attack_table import Row
from nasty_replies import Nasty, some
from nasty_vendors import OTHER_HOST, PROXY_HOST, NastyVendor, at_work, good, good_after

AT_ONCE = 12
ITEMS = 30
OPTIONS = ("--limit", str(ITEMS), "--timeout", "1s", "--attempts", "30", "--display", "none", "--live")
ENDS_WITHIN_S = 45.0
HALVES_S = 240.0
"""So long is it looked for who in a group did it; later a whole group fails."""
GOOD = "good"
WELL = Nasty("answers well", "good", good, answers=True)


@dataclass(slots=True)
class Beside:
    """Some nasty vendors of one door beside a good one over TLS."""

    commands: Commands
    door: str
    row: Row
    halves_until: float
    netrc: bool = False

    async def try_out(self, nasties: Sequence[Nasty]) -> None:
        """Run with all of them; where that fails, with each half, until it is known who did it."""
        whys = await self._fails(nasties)
        if whys and len(nasties) > 1 and time.monotonic() < self.halves_until:
            await self._halves(nasties, whys)
            return
        self.row.tried += len(nasties)
        if whys:
            self.row.failures[self._named(nasties)] = "; ".join(whys)

    async def _halves(self, nasties: Sequence[Nasty], whys: Sequence[str]) -> None:
        before = len(self.row.failures)
        half = len(nasties) // 2
        await self.try_out(nasties[:half])
        await self.try_out(nasties[half:])
        if len(self.row.failures) == before:
            self.row.failures[f"together: {self._named(nasties)}"] = "; ".join(whys)

    def _named(self, nasties: Sequence[Nasty]) -> str:
        return f"{' or '.join(nasty.name for nasty in nasties)} @{self.door}"

    async def _fails(self, nasties: Sequence[Nasty]) -> list[str]:
        elsewhere, proxy = NastyVendor(good, host=OTHER_HOST), NastyVendor(good, host=PROXY_HOST)
        vendors = [nasty_vendor(nasty, self.door, elsewhere) for nasty in nasties]
        steady = NastyVendor(good_after(0.02), tls=self.commands.authority.server)
        entries = [product.provider_yaml(GOOD, "direct", steady.base_url, rate="30/s")]
        entries += [
            product.provider_yaml(f"n{number}", self.door, vendor.base_url, rate="5/s")
            for number, vendor in enumerate(vendors)
        ]
        folder = self.commands.folder(product.config_yaml(entries), netrc=self.netrc)
        async with at_work([steady, elsewhere, proxy, *vendors]):
            ended = await self.commands.run(
                folder, "eval", "prompt.txt", *OPTIONS, environment=proxies(proxy.root), within_s=ENDS_WITHIN_S
            )
        self.row.peak("slowest s", ended.seconds)
        arrivals = [arrival for vendor in [steady, *vendors] for arrival in vendor.arrivals]
        found = {
            "went elsewhere": bool(elsewhere.arrivals),
            "went to a proxy that is not meant": bool(proxy.connections),
            "the password of .netrc arrived": any(NETRC_PASSWORD in arrival.text() for arrival in arrivals),
        }
        return [*ended.told(), *_of_rows(ended, nasties), *(why for why, is_so in found.items() if is_so)]


def _of_rows(ended: Ended, nasties: Sequence[Nasty]) -> list[str]:
    rows, torn = ended.lines("results.jsonl")
    by_name = {f"n{number}": nasty for number, nasty in enumerate(nasties)}
    settled = [row for row in rows if row["outcome"] != "error" and row["provider"] in by_name]
    took_part = [by_name[str(row["provider"])] for row in settled]
    found = {
        f"exit code {ended.code}": ended.code not in {0, None},
        "torn lines": torn > 0,
        "items lost": len(rows) != ITEMS,
        "items without an answer": any(row["outcome"] == "error" for row in rows),
        "takes no answer for one": any(nasty.answers is False for nasty in took_part),
    }
    return [why for why, is_so in found.items() if is_so]


async def beside(share: float) -> list[Row]:
    """Every nasty reply that does not blame the request, at every door; and a `.netrc` with a word for every host."""
    kept = [nasty for nasty in some(share) if not nasty.may_blame_item]
    groups = [kept[start :: -(-len(kept) // AT_ONCE)] for start in range(-(-len(kept) // AT_ONCE))]
    rows = {door: Row("beside", f"nasty vendors beside a good one, {door}") for door in product.DOORS}
    netrc = Row("beside", "good vendors, and a .netrc for every host")
    until = time.monotonic() + HALVES_S * share
    async with Commands.ready() as commands, asyncio.TaskGroup() as tasks:
        for door, row in rows.items():
            tasks.create_task(Beside(commands, door, netrc, until, netrc=True).try_out([WELL]))
            for group in groups:
                tasks.create_task(Beside(commands, door, row, until).try_out(group))
    return [*rows.values(), netrc]


# Limits over TLS.

LATE_S = (0.05, 0.3)
PER_CONNECTION = 3
RATES = (("1/s", 1, 1.0), ("5/s", 5, 1.0), ("20/s", 20, 1.0), ("20/10s", 20, 10.0), ("60/min", 60, 60.0))
TLS_S = 45.0


BEAT_S = 0.002


@dataclass(slots=True)
class Delays:
    """When the loop of the vendors came late, and by how much: so late may a request be noticed that came in time."""

    beats: list[tuple[float, float]] = field(default_factory=list)

    async def beat(self) -> None:
        """Beat for ever."""
        while True:
            due = time.monotonic() + BEAT_S
            await asyncio.sleep(BEAT_S)
            self.beats.append((due, time.monotonic()))

    def at(self, moment: float) -> float:
        """By how much a request that was noticed at a moment may have been noticed too late."""
        index = bisect_left(self.beats, moment, key=lambda beat: beat[1])
        return max((late - due for due, late in self.beats[max(0, index - 1) : index + 2]), default=0.0)


@dataclass(slots=True)
class Metered:
    """A vendor over TLS that hangs up after some replies and greets late, with the limit that is declared for it."""

    declared: str
    amount: int
    period_s: float
    vendor: NastyVendor = field(repr=False)
    delays: Delays = field(repr=False)

    @property
    def times(self) -> list[float]:
        """When each request arrived, in order."""
        return sorted(arrival.at for arrival in self.vendor.arrivals)

    @property
    def beyond(self) -> list[float]:
        """For each request that was one too many in a window: by how many seconds it came too early.

        Where this process came too late to see the window's first request in time, that is not the sender's doing.
        """
        times = self.times
        pairs = [
            (first, self.period_s - (last - first)) for first, last in zip(times, times[self.amount :], strict=False)
        ]
        return [early for first, early in pairs if early > self.delays.at(first)]


async def tls(share: float) -> list[Row]:
    """Connections close in mid-run, so that calls have to connect anew: no window may hold more than was declared."""
    rng = random.Random(0)
    seconds = max(5.0, TLS_S * share)
    delays = Delays()
    async with Commands.ready() as commands:
        metered = [
            Metered(*rate, NastyVendor(
                good_after(0.05), tls=commands.authority.server, calls_per_connection=PER_CONNECTION,
                late_s=lambda _number: rng.uniform(*LATE_S),
            ), delays)
            for rate in RATES
        ]  # fmt: skip
        entries = [
            product.provider_yaml(f"m{number}", "direct", each.vendor.base_url, rate=each.declared)
            for number, each in enumerate(metered)
        ]
        folder = commands.folder(product.config_yaml(entries))
        items = int(seconds * sum(each.amount / each.period_s for each in metered))
        arguments = ("eval", "prompt.txt", "--limit", str(items), "--display", "none", "--live")
        beating = asyncio.create_task(delays.beat())
        async with at_work([each.vendor for each in metered]):
            ended = await commands.run(folder, *arguments, within_s=3 * seconds + 30)
        beating.cancel()
        return [_metered(each, ended) for each in metered]


def _metered(each: Metered, ended: Ended) -> Row:
    row = Row("tls", f"requests at {each.declared}, connections that close after {PER_CONNECTION}")
    row.tried = len(each.times)
    row.failures = {f"request {number}": "too many in a window" for number, _ in enumerate(each.beyond)}
    row.peak("earliest by s", max(each.beyond, default=0.0))
    row.peak("connections", each.vendor.connections)
    row.peak("noticed late by s", max(map(each.delays.at, each.times), default=0.0))
    if whys := ended.told():
        row.failures["the run"] = "; ".join(whys)
    return row
