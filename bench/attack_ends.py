"""Runs that end before they are done: killed, told to stop, and out of disk."""

from __future__ import annotations

import asyncio
import random
import re
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import attack_product as product
from attack_command import Commands, Ended, Run, until
from attack_table import Row
from nasty_vendors import NastyVendor, at_work, good_after

KILLS, COLD_KILLS, STOPS, DISKS = 30, 5, 5, 20
ITEMS = 4_000
RATE = "150/s"
LATENCY_S = 0.15
CONCURRENCY = 16
START_S = 8.0
SETTLES_S = 20.0
FILE_LIMITS = (4_000, 120_000)
DISK_KB = (48, 400)
QUIET = ("--display", "none", "--live", "--config", "providers.yaml")


def _folder(commands: Commands, vendors: list[NastyVendor]) -> Path:
    entries = [
        product.provider_yaml(f"v{number}", "direct", vendor.base_url, rate=RATE, concurrency=CONCURRENCY)
        for number, vendor in enumerate(vendors)
    ]
    return commands.folder(product.config_yaml(entries))


def _vendors() -> list[NastyVendor]:
    return [NastyVendor(good_after(LATENCY_S)) for _ in range(2)]


def _answered(vendors: list[NastyVendor]) -> int:
    return sum(vendor.answered for vendor in vendors)


async def _begun(commands: Commands, vendors: list[NastyVendor], calls: int, *, cold: bool = False) -> Run:
    """A run that has sent so many calls."""
    folder = _folder(commands, vendors)
    run = await commands.start(folder, "eval", "prompt.txt", "--limit", str(ITEMS), *QUIET, cold=cold)
    await until(lambda: sum(len(vendor.arrivals) for vendor in vendors) >= calls, run)
    return run


def _ids(ended: Ended) -> list[str]:
    return [str(row["id"]) for row in ended.lines("results.jsonl")[0]]


def _torn(ended: Ended) -> list[str]:
    """What no end may leave behind."""
    ids = _ids(ended)
    found = {
        "torn lines": ended.lines("results.jsonl")[1] + ended.lines("log.jsonl")[1] > 0,
        "items twice": len(ids) != len(set(ids)),
    }
    return [why for why, is_so in found.items() if is_so]


async def kills(share: float) -> list[Row]:
    """`kill -9` at random moments, and the signals by which machines ask a run to stop."""
    rng = random.Random(0)
    hard = Row("kills", "kill -9 at a random moment")
    rows = {
        number: Row("kills", f"{number.name} in mid-run") for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    async with Commands.ready() as commands, asyncio.TaskGroup() as tasks:
        for number in range(max(1, round(KILLS * share))):
            is_cold = number < round(COLD_KILLS * share)
            tasks.create_task(_kill(commands, hard, f"kill {number}", rng.randrange(600), is_cold=is_cold))
        for which, row in rows.items():
            for number in range(max(1, round(STOPS * share))):
                tasks.create_task(_stop(commands, row, f"{which.name} {number}", rng.randrange(1, 400), which))
    return [hard, *rows.values()]


async def _kill(commands: Commands, row: Row, case: str, calls: int, *, is_cold: bool) -> None:
    """A cold one is killed as it starts, imports and opens; the others after so many calls."""
    vendors = _vendors()
    async with commands.parallel, at_work(vendors):
        run = await _begun(commands, vendors, 0 if is_cold else calls, cold=is_cold)
        await asyncio.sleep(START_S * calls / 600 if is_cold else 0)
        answered = _answered(vendors)
        run.signal(signal.SIGKILL)
        ended = await run.ended(SETTLES_S)
        whys = _torn(ended)
        in_flight = len(vendors) * CONCURRENCY
        if len(_ids(ended)) < answered - in_flight:
            whys.append("answered items lost")
        if ended.directory is not None:
            read = await _read_again(commands, ended)
            whys += [f"router logs: {why}" for why in read]
        row.peak("rows", len(_ids(ended)))
        row.add(case, whys)


async def _read_again(commands: Commands, ended: Ended) -> list[str]:
    run = await commands.start(ended.folder, "logs")
    again = await run.ended(SETTLES_S)
    return [*again.told(), *([f"exit code {again.code}"] if again.code not in {0, None} else [])]


async def _stop(commands: Commands, row: Row, case: str, calls: int, which: signal.Signals) -> None:
    vendors = _vendors()
    async with commands.parallel, at_work(vendors):
        run = await _begun(commands, vendors, calls)
        run.signal(which)
        ended = await run.ended(SETTLES_S)
        row.peak("slowest s", ended.seconds)
        row.add(case, [*ended.told(), *_torn(ended), *_unfinished(ended, _answered(vendors))])


def _unfinished(ended: Ended, answered: int) -> list[str]:
    """What a run that was asked to stop has to see to before it ends."""
    events = [event["event"] for event in ended.lines("log.jsonl")[0]]
    found = {
        f"exit code {ended.code}": ended.code not in {130, None},
        "answered items lost": len(_ids(ended)) < answered,
        "no summary": ended.directory is None or not (ended.directory / "summary.json").exists(),
        "no run.finished": "run.finished" not in events,
    }
    return [why for why, is_so in found.items() if is_so]


# Disks.


@asynccontextmanager
async def _small_disk(folder: Path, size_kb: int) -> AsyncIterator[bool]:
    """A disk of that size under `runs`, where this user may mount one."""
    runs = folder / "runs"
    runs.mkdir()
    mount, umount = shutil.which("mount"), shutil.which("umount")
    command = [mount or "", "-t", "tmpfs", "-o", f"size={size_kb}k", "tmpfs", str(runs)]
    is_mounted = bool(mount) and subprocess.run(command, check=False, capture_output=True).returncode == 0  # noqa: S603, ASYNC221 - ours, and quick
    try:
        yield is_mounted
    finally:
        if is_mounted:
            subprocess.run([umount or "", str(runs)], check=False, capture_output=True)  # noqa: S603, ASYNC221 - same


async def disks(share: float) -> list[Row]:
    """Half of the disks are full; on the other half a file may not grow further, which cuts a write short."""
    rng = random.Random(0)
    full, short = Row("disks", "a disk that is full"), Row("disks", "a file that may not grow (short writes)")
    count = max(1, round(DISKS * share / 2))
    async with Commands.ready() as commands, asyncio.TaskGroup() as tasks:
        for number in range(count):
            tasks.create_task(_full(commands, full, f"disk {number}", rng.randrange(*DISK_KB)))
            tasks.create_task(_short(commands, short, f"file {number}", rng.randrange(*FILE_LIMITS)))
    return [full, short]


async def _full(commands: Commands, row: Row, case: str, size_kb: int) -> None:
    vendors = _vendors()
    folder = _folder(commands, vendors)
    async with commands.parallel, _small_disk(folder, size_kb) as is_mounted, at_work(vendors):
        if not is_mounted:
            return
        run = await commands.start(folder, "eval", "prompt.txt", "--limit", str(ITEMS), *QUIET)
        ended = await run.ended(60)
        row.add(case, _of_disk(ended, _answered(vendors)))


async def _short(commands: Commands, row: Row, case: str, max_file: int) -> None:
    vendors = _vendors()
    folder = _folder(commands, vendors)
    async with commands.parallel, at_work(vendors):
        run = await commands.start(folder, "eval", "prompt.txt", "--limit", str(ITEMS), *QUIET, max_file=max_file)
        ended = await run.ended(60)
        row.add(case, _of_disk(ended, _answered(vendors)))


def _of_disk(ended: Ended, answered: int) -> list[str]:
    """What is in flight when nothing more can be written has nowhere to go: every such answer has to be counted."""
    without_room = re.search(r"(\d+) results? could not be kept", ended.err)
    kept = len(_ids(ended)) + (int(without_room[1]) if without_room else 0)
    said = [line for line in ended.err.splitlines() if line.strip()]
    found = {
        f"exit code {ended.code}": ended.code not in {2, None},
        "no word why": not said,
        "many words": len([line for line in said if "continue with:" not in line]) > 1 and not ended.trace,
        "answered items lost": kept < answered,
    }
    return [*ended.told(), *_torn(ended), *(why for why, is_so in found.items() if is_so)]
