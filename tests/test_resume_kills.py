"""A run is killed at 50 random moments, and goes on each time: nothing is lost, nothing is paid for twice.

The vendor writes down what it is asked before it answers, in a file that outlives the process it stands in. Processes
are forked from one that has imported everything, since importing is what takes the time.
"""

from __future__ import annotations

import multiprocessing
import random
import signal
from collections import Counter
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from pathlib import Path

from killed import IN_FLIGHT, ITEMS, PRELOADED, PROMPTS, work

from router.evals.kept import KeptRows
from router.evals.tasks import arithmetic_task
from router.jsonl import decode, read

KILLS = 50
TRIALS = ITEMS * len(PROMPTS)
MAX_CALLS = 24
"""So many calls are seen at most before a kill; some kills come before the first."""


def test_a_run_that_is_killed_at_fifty_moments_ends_as_one_that_never_was(tmp_path: Path) -> None:
    rng = random.Random(7)
    for name in PROMPTS:
        (tmp_path / f"{name}.txt").write_text(f"---\nscorer: number\n---\n{name} {{{{ question }}}}")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOADED))
    lost: Counter[str] = Counter()
    for number in range(KILLS):
        before = asked(tmp_path).total()
        life(tmp_path, context, rng.randrange(MAX_CALLS))
        in_flight = asked(tmp_path, before) - answered(tmp_path)
        assert in_flight.total() <= IN_FLIGHT, f"life {number}"
        lost += in_flight
    life(tmp_path, context, None)
    rows = answered(tmp_path)
    assert rows == Counter(f"{item.id}/{name}" for item in arithmetic_task(ITEMS).items() for name in PROMPTS)
    assert asked(tmp_path) == rows + lost, "paid for twice are those that were in flight"
    run = (tmp_path / "runs" / "latest").resolve()
    summary = decode((run / "summary.json").read_bytes())
    assert isinstance(summary, dict)
    assert (summary["items"], summary["error"], summary["interrupted"]) == (TRIALS, 0, False)
    items = [line["id"] for line in read(run / "items.jsonl")]
    assert len(items) == len(set(items)) == ITEMS


def life(home: Path, context: ForkServerContext, calls: int | None) -> None:
    """A process that is killed after so many calls, or ends by itself."""
    seen, pipe = context.Pipe(duplex=False)
    process = context.Process(target=work, args=(home, pipe))
    process.start()
    pipe.close()
    see(seen, TRIALS if calls is None else calls)
    if calls is not None:
        process.kill()
    process.join()
    seen.close()
    assert process.exitcode in ({0} if calls is None else {-signal.SIGKILL, 0})
    process.close()


def answered(home: Path) -> Counter[str]:
    rows = (
        KeptRows(run / "results.jsonl").rows() for run in (home / "runs").glob("2*") if (run / "results.jsonl").exists()
    )
    return Counter(row.trial for each in rows for row in each)


def asked(home: Path, since: int = 0) -> Counter[str]:
    told = home / "asked.txt"
    return Counter(told.read_text().split()[since:] if told.exists() else [])


def see(pipe: Connection, calls: int) -> None:
    """Wait for so many calls, or for the end of the process."""
    for _ in range(calls):
        try:
            pipe.recv_bytes()
        except EOFError:
            return
