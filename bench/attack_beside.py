"""Nasty vendors beside one good one, through the command, as a real user runs it; and limits over real TLS."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import attack_product as product
from attack_border import dialect_of
from attack_command import NETRC_PASSWORD, Commands, Ended
from attack_table import Row
from nasty_replies import Nasty, all_nasty
from nasty_vendors import OTHER_HOST, NastyVendor, at_work, good, good_after

AT_ONCE = 12
ITEMS = 30
ENDS_WITHIN_S = 45.0
HALVES_S = 240.0
"""So long is it looked for who in a group did it; later a whole group fails."""
GOOD = "good"
WELL = Nasty("answers well", "good", good, answers=True)


@dataclass(slots=True)
class Beside:
    """Some nasty vendors of one door beside a good one over TLS."""

    commands: Commands
    elsewhere: NastyVendor
    door: str
    row: Row
    halves_until: float
    netrc: bool = False

    async def try_out(self, nasties: Sequence[Nasty]) -> None:
        """Run with all of them; where that fails, with each half, until it is known who did it."""
        whys = await self._fails(nasties)
        if len(nasties) > 1 and whys and time.monotonic() > self.halves_until:
            whys = [f"one of {len(nasties)}: {why}" for why in whys]
        elif len(nasties) > 1 and whys:
            await self._halves(nasties, whys)
            return
        for nasty in nasties:
            self.row.add(f"{nasty.name} @{self.door}", whys)

    async def _halves(self, nasties: Sequence[Nasty], whys: Sequence[str]) -> None:
        before = len(self.row.failures)
        half = len(nasties) // 2
        await self.try_out(nasties[:half])
        await self.try_out(nasties[half:])
        if len(self.row.failures) == before:
            self.row.failures[f"together: {', '.join(nasty.name for nasty in nasties)} @{self.door}"] = "; ".join(whys)

    async def _fails(self, nasties: Sequence[Nasty]) -> list[str]:
        kind = dialect_of(self.door)
        vendors = [NastyVendor(nasty.behave, dialect=kind, at_connect=nasty.at_connect) for nasty in nasties]
        steady = NastyVendor(good_after(0.02), tls=self.commands.authority.server)
        astray = len(self.commands.trap.arrivals) + len(self.elsewhere.arrivals)
        entries = [product.provider_yaml(GOOD, "direct", steady.base_url, rate="30/s")]
        entries += [
            product.provider_yaml(f"n{number}", self.door, vendor.base_url, rate="5/s")
            for number, vendor in enumerate(vendors)
        ]
        folder = self.commands.folder(product.config_yaml(entries), netrc=self.netrc)
        options = ("--limit", str(ITEMS), "--timeout", "1s", "--attempts", "30", "--display", "none", "--live")
        async with at_work([steady, *vendors]):
            ended = await self.commands.run(folder, "eval", "prompt.txt", *options, within_s=ENDS_WITHIN_S)
        self.row.peak("slowest s", ended.seconds)
        found = [*ended.told(), *_of_rows(ended, nasties)]
        if len(self.commands.trap.arrivals) + len(self.elsewhere.arrivals) > astray:
            found.append("something went astray")
        if any(NETRC_PASSWORD in arrival.text() for vendor in [steady, *vendors] for arrival in vendor.arrivals):
            found.append("the password of .netrc arrived")
        return found


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
    async with Commands.ready() as commands, NastyVendor(good, host=OTHER_HOST) as elsewhere:
        nasties = [nasty for nasty in all_nasty(elsewhere.root) if not nasty.may_blame_item]
        kept = [nasty for number, nasty in enumerate(nasties) if number * share % 1 < share]
        groups = [kept[start :: -(-len(kept) // AT_ONCE)] for start in range(-(-len(kept) // AT_ONCE))]
        rows = {door: Row("beside", f"nasty vendors beside a good one, {door}") for door in product.DOORS}
        netrc = Row("beside", "good vendors, and a .netrc for every host")
        until = time.monotonic() + HALVES_S * share
        async with asyncio.TaskGroup() as tasks:
            for door, row in rows.items():
                tasks.create_task(Beside(commands, elsewhere, door, netrc, until, netrc=True).try_out([WELL]))
                for group in groups:
                    tasks.create_task(Beside(commands, elsewhere, door, row, until).try_out(group))
        return [*rows.values(), netrc]


# Limits over TLS.

LATE_S = (0.05, 0.3)
PER_CONNECTION = 3
RATES = (("1/s", 1, 1.0), ("5/s", 5, 1.0), ("20/s", 20, 1.0), ("20/10s", 20, 10.0), ("60/min", 60, 60.0))
TLS_S = 45.0


@dataclass(slots=True)
class Metered:
    """A vendor over TLS that hangs up after some replies and greets late, with the limit that is declared for it."""

    declared: str
    amount: int
    period_s: float
    vendor: NastyVendor = field(repr=False)

    @property
    def times(self) -> list[float]:
        """When each request arrived, in order."""
        return sorted(arrival.at for arrival in self.vendor.arrivals)

    @property
    def beyond(self) -> list[float]:
        """For each request that was one too many in a window: by how many seconds it came too early."""
        times = self.times
        pairs = zip(times, times[self.amount :], strict=False)
        return [self.period_s - (last - first) for first, last in pairs if last - first < self.period_s]


async def tls(share: float) -> list[Row]:
    """Connections close in mid-run, so that calls have to connect anew: no window may hold more than was declared."""
    rng = random.Random(0)
    seconds = max(5.0, TLS_S * share)
    async with Commands.ready() as commands:
        metered = [
            Metered(*rate, NastyVendor(
                good_after(0.05), tls=commands.authority.server, calls_per_connection=PER_CONNECTION,
                late_s=lambda _number: rng.uniform(*LATE_S),
            ))
            for rate in RATES
        ]  # fmt: skip
        entries = [
            product.provider_yaml(f"m{number}", "direct", each.vendor.base_url, rate=each.declared)
            for number, each in enumerate(metered)
        ]
        folder = commands.folder(product.config_yaml(entries))
        items = int(seconds * sum(each.amount / each.period_s for each in metered))
        arguments = ("eval", "prompt.txt", "--limit", str(items), "--display", "none", "--live")
        async with at_work([each.vendor for each in metered]):
            ended = await commands.run(folder, *arguments, within_s=3 * seconds + 30)
        return [_metered(each, ended) for each in metered]


def _metered(each: Metered, ended: Ended) -> Row:
    row = Row("tls", f"requests at {each.declared}, connections that close after {PER_CONNECTION}")
    row.tried = len(each.times)
    row.failures = {f"request {number}": "too many in a window" for number, _ in enumerate(each.beyond)}
    row.peak("earliest by s", max(each.beyond, default=0.0))
    row.peak("connections", each.vendor.connections)
    if whys := ended.told():
        row.failures["the run"] = "; ".join(whys)
    return row
