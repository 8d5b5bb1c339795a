"""CPU time to tell what a reply means, over all recorded replies and a healthy answer; 10 seconds.

Run it as `uv run python bench/classify.py`. Each reply is told ROUNDS times and counts with its fastest, so that a
busy machine shows what the work costs and not what it waited for.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from router.classify import examine
from router.jsonl import encode
from router.types import Reply

ROUNDS = 25
NOW = 1_794_000_000.0
HEALTHY = {"choices": [{"message": {"role": "assistant", "content": "word " * 400}, "finish_reason": "stop"}]}


def fastest_us(work: Callable[[], object]) -> float:
    """Microseconds of the fastest of ROUNDS."""
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times) * 1e6


def summary(times: list[float]) -> str:
    """Mean, median, 99th percentile and maximum."""
    ordered = sorted(times)
    p50, p99 = (ordered[int(len(ordered) * share)] for share in (0.5, 0.99))
    return f"mean {sum(ordered) / len(ordered):.0f}, p50 {p50:.0f}, p99 {p99:.0f}, max {ordered[-1]:.0f} us"


def main() -> None:
    """Measure and print."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from recorded import RECORDED

    started = time.process_time()
    examine(Reply(429, body="rate limit"), now=NOW)
    print(f"first reply, reading the tables: {(time.process_time() - started) * 1e3:.0f} ms")
    failures = [fastest_us(partial(examine, case.reply, provider=case.provider, now=NOW)) for case in RECORDED]
    print(f"{len(failures)} recorded failures: {summary(failures)}")
    healthy = Reply(200, body=encode(HEALTHY).decode())
    print(f"a healthy answer: {fastest_us(partial(examine, healthy, now=NOW)):.0f} us")


if __name__ == "__main__":
    main()
