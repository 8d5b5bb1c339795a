import asyncio
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from router.jsonl import decode, encode
from router.simulator.client import stats_of
from router.simulator.process import SimulatorFailed, SimulatorProcess
from router.simulator.spec import VendorSpec

SPECS = [VendorSpec("v", latency_median_s=0), VendorSpec("w", "gemini", latency_median_s=0)]


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_vendors_live_while_the_block_lasts() -> None:
    async def run() -> int:
        vendors = SimulatorProcess(SPECS)
        async with vendors as endpoints:
            assert [(e.name, e.dialect) for e in endpoints] == [("v", "openai"), ("w", "gemini")]
            assert (await stats_of(endpoints[1]))["name"] == "w"
            assert vendors.pid is not None
            return vendors.pid

    assert not is_alive(asyncio.run(run()))


def test_a_killed_child_does_not_hold_up_the_end() -> None:
    async def run() -> None:
        vendors = SimulatorProcess(SPECS)
        async with vendors:
            assert vendors.pid is not None
            os.kill(vendors.pid, signal.SIGKILL)

    asyncio.run(asyncio.wait_for(run(), 60))


def test_a_child_that_cannot_start_says_why() -> None:
    async def run() -> None:
        async with SimulatorProcess([VendorSpec("v", "klingon")]):  # type: ignore[arg-type]
            pass

    with pytest.raises(SimulatorFailed, match="klingon"):
        asyncio.run(run())


def ended(pidfd: int, within_s: float) -> bool:
    return bool(select.select([pidfd], [], [], within_s)[0])


@contextmanager
def started() -> Iterator[subprocess.Popen[bytes]]:
    child = subprocess.Popen([sys.executable, "-m", "router.simulator"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(encode([spec.to_json() for spec in SPECS]) + b"\n")
    child.stdin.flush()
    endpoints = decode(child.stdout.readline())
    assert isinstance(endpoints, list)
    assert len(endpoints) == 2
    with child:
        try:
            yield child
        finally:
            child.kill()


def test_the_child_ends_when_its_standard_input_closes() -> None:
    with started() as child:
        assert child.stdin is not None
        child.stdin.close()
        assert child.wait(60) == 0


def test_the_child_ignores_a_terminals_interrupt_and_heeds_sigterm() -> None:
    with started() as child:
        child.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(0.05)
        child.terminate()
        assert child.wait(60) == 0


def test_a_child_that_is_told_nothing_says_so() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "router.simulator"], input=b"", capture_output=True, check=False, timeout=60
    )
    assert done.returncode == 1
    assert b"expected one JSON line of vendors" in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_killed_parent_leaves_no_orphan_and_the_directory_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / "router.py").write_text("raise ImportError('the wrong router')")
    program = (
        "import asyncio\n"
        "from router.simulator.process import SimulatorProcess\n"
        "from router.simulator.spec import VendorSpec\n"
        "async def run():\n"
        "    vendors = SimulatorProcess([VendorSpec('v')])\n"
        "    async with vendors:\n"
        "        print(vendors.pid, flush=True)\n"
        "        await asyncio.sleep(60)\n"
        "asyncio.run(run())\n"
    )
    command = [sys.executable, "-P", "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=tmp_path) as parent:  # noqa: S603 - the program above
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        orphan = os.pidfd_open(pid)
        assert not ended(orphan, 0)
        parent.kill()
    has_ended = ended(orphan, 60)
    if not has_ended:
        signal.pidfd_send_signal(orphan, signal.SIGKILL)
    os.close(orphan)
    assert has_ended
