"""Runs simulated vendors in a process of their own, so that client and vendors do not slow each other."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TypedDict, cast

from router.errors import RouterError
from router.jsonl import decode, encode
from router.simulator.dialects import DialectName
from router.simulator.endpoint import Endpoint
from router.simulator.spec import VendorSpec

STARTS_WITHIN_S = 20.0
ENDS_WITHIN_S = 3.0
LINE_LIMIT = 16 * 1024 * 1024


class EndpointJson(TypedDict):
    """An endpoint as the child writes it."""

    name: str
    dialect: DialectName
    base_url: str


class SimulatorFailed(RouterError):
    """The simulated vendors' process did not start; the text shows what it said."""


class SimulatorProcess:
    """`async with SimulatorProcess(specs) as endpoints:` keeps the vendors up while the block lasts.

    The child ends when its standard input closes, so a killed parent leaves no orphan.
    Raises SimulatorFailed where it does not start.
    """

    def __init__(self, specs: Sequence[VendorSpec]) -> None:
        self._specs = tuple(specs)
        self._process: Process | None = None

    @property
    def pid(self) -> int | None:
        """The child's process id, None before it starts."""
        return self._process.pid if self._process else None

    async def __aenter__(self) -> tuple[Endpoint, ...]:
        with tempfile.TemporaryFile() as stderr:  # a pipe that nobody reads would fill up and stop the child
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "router.simulator"),
                stdin=PIPE,
                stdout=PIPE,
                stderr=stderr,
                limit=LINE_LIMIT,
                env=_environment(),
            )
            try:
                line = await asyncio.wait_for(self._introduce(self._process), STARTS_WITHIN_S)
            except TimeoutError:
                line = b""
            except BaseException:
                await self._end(self._process)
                raise
            if not line:
                await self._end(self._process)
                stderr.seek(0)
                raise SimulatorFailed(_why(self._process, stderr.read()))
        return tuple(Endpoint(**data) for data in cast("list[EndpointJson]", decode(line)))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            await self._end(self._process)

    async def _introduce(self, process: Process) -> bytes:
        assert process.stdin is not None  # noqa: S101 - both were asked for as pipes
        assert process.stdout is not None  # noqa: S101
        process.stdin.write(encode([spec.to_json() for spec in self._specs]) + b"\n")
        try:
            await process.stdin.drain()
        except ConnectionError:  # it died already; its empty standard output says so too
            return b""
        return await process.stdout.readline()

    async def _end(self, process: Process) -> None:
        if process.stdin is not None:
            process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), ENDS_WITHIN_S)
        except TimeoutError:
            process.kill()
            await process.wait()


def _environment() -> dict[str, str]:
    """The same as here, with this very package first: a `router.py` in the working directory is not meant."""
    home = str(Path(__file__).resolve().parents[2])
    paths = [home, *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path)}


def _why(process: Process, stderr: bytes) -> str:
    said = stderr.decode(errors="replace").strip() or "it wrote nothing on stderr"
    return f"the simulated vendors did not start (exit code {process.returncode}): {said}"
