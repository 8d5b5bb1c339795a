"""Mutated files through the command: none may show a traceback, take long or take much memory.

Run as a script this is the process in which they are read, one after another; it is killed and replaced where a file
holds it for too long.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import resource
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path

import attack_product as product
from attack_border import forget_peak_mb, memory_mb
from attack_command import PROMPT, Commands
from attack_mutations import INPUTS, SMALL, Input, Kind, inputs
from attack_table import Row
from lab import cpu_seconds
from nasty_replies import all_nasty
from nasty_vendors import NastyVendor, at_work, good_after

READERS = 2
MAX_CPU_S = 5.0
MAX_GROWTH_MB = 500.0
MAX_MEMORY = 4 << 30
GIVEN_UP_CPU_S = 20.0
"""By the reader's own time, since the machine may be busy."""
CODES = {0, 1, 2, 3}


# The reader's side.


def read_on() -> None:
    """Run the commands that come on stdin, and say how each ended, what it cost and what it raised."""
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    talk = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        arguments = json.loads(line)
        before_mb, began = forget_peak_mb(), time.process_time()
        code, raised, said = attempt(arguments)
        cost = {"cpu_s": time.process_time() - began, "grew_mb": memory_mb("VmHWM") - before_mb}
        print(json.dumps({"code": code, "raised": raised, "said": said[-300:], **cost}), file=talk, flush=True)


def attempt(arguments: list[str]) -> tuple[int, str, str]:
    """Run the command here: its exit code, the name of what it raised, and what it said."""
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    try:
        with redirect_stdout(out), redirect_stderr(out):
            code, raised = product.run_command(arguments), ""
    except BaseException as error:  # noqa: BLE001 - that nothing comes out is what is being tried
        code, raised = 1, type(error).__name__
    out.seek(0)
    said = out.read()
    return code, raised or "a defect" * ("Traceback (most recent call last)" in said), said


# The attacker's side.


@dataclass(slots=True)
class Reader:
    """One reader with its folder."""

    folder: Path
    process: Process | None = None

    async def work(self, pile: list[Input], rows: Mapping[Kind, Row]) -> None:
        """Take from the pile until it is empty."""
        (self.folder / "small.yaml").write_text(SMALL, encoding="utf-8")
        (self.folder / "small.txt").write_text(PROMPT, encoding="utf-8")
        try:
            while pile:
                each = pile.pop(0)
                rows[each.kind].add(each.name, await self._one(each, rows[each.kind]))
        finally:
            await self._end()

    async def _one(self, each: Input, row: Row) -> list[str]:
        path = self.folder / each.file
        path.write_bytes(each.content)
        said = await self._ask([str(path) if argument == "%" else argument for argument in each.arguments])
        if said is None:
            return ["never ends, or kills the process"]
        row.peak("CPU s", float(str(said["cpu_s"])))
        row.peak("memory MB", float(str(said["grew_mb"])))
        found = {
            f"traceback of {said['raised']}": bool(said["raised"]),
            f"exit code {said['code']}": said["code"] not in CODES,
            f"more than {MAX_CPU_S:g} s": float(str(said["cpu_s"])) > MAX_CPU_S,
            f"more than {MAX_GROWTH_MB:g} MB": float(str(said["grew_mb"])) > MAX_GROWTH_MB,
        }
        return [why for why, is_so in found.items() if is_so]

    async def _ask(self, arguments: list[str]) -> Mapping[str, object] | None:
        process = self.process or await self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(arguments).encode() + b"\n")
        reading = asyncio.create_task(process.stdout.readline())
        ends_at = cpu_seconds(process.pid) + GIVEN_UP_CPU_S
        while not reading.done() and cpu_seconds(process.pid) < ends_at:
            await asyncio.wait([reading], timeout=0.2)
        line = reading.result() if reading.done() else b""
        reading.cancel()
        if not line:
            await self._end()
            return None
        found: Mapping[str, object] = json.loads(line)
        return found

    async def _start(self) -> Process:
        environment = {"HOME": str(self.folder), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, __file__, stdin=PIPE, stdout=PIPE, cwd=self.folder, env=environment
        )
        return self.process

    async def _end(self) -> None:
        if self.process is not None:
            with suppress(ProcessLookupError):
                self.process.kill()
            await self.process.wait()
            self.process = None


async def a_log() -> str:
    """The log of a small run in which one of two vendors refuses."""
    async with Commands.ready() as commands:
        vendors = [NastyVendor(good_after(0.0)), NastyVendor(all_nasty()["529"].behave)]
        entries = [
            product.provider_yaml(f"v{n}", "direct", vendor.base_url, rate="50/s") for n, vendor in enumerate(vendors)
        ]
        folder = commands.folder(product.config_yaml(entries))
        async with at_work(vendors):
            ended = await commands.run(folder, "eval", "prompt.txt", "--limit", "20", "--display", "none", "--live")
        assert ended.directory is not None, ended.err
        return (ended.directory / "log.jsonl").read_text(encoding="utf-8")


async def mutations(share: float) -> list[Row]:
    """Every mutated input, once."""
    pile = list(inputs(share, await a_log()))
    rows = {kind: Row("inputs", f"mutated {kind}") for kind in INPUTS}
    with tempfile.TemporaryDirectory() as root:
        folders = [Path(root, str(number)) for number in range(READERS)]
        for folder in folders:
            folder.mkdir()
        await asyncio.gather(*(Reader(folder).work(pile, rows) for folder in folders))
    return list(rows.values())


if __name__ == "__main__":
    read_on()
