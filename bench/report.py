"""The report of many items: how long it takes to write, how large it is, and when a browser has its table ready.

    uv run python bench/report.py 300 20000 100000

Made-up runs of one prompt and two providers, with questions of 12 and answers of 60 words that are as frequent as words
are (Zipf). The browser's time is from the navigation to the table, the best of three; without Chromium it is left out.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from browser import find_browser, opened

from router.evals.results import Row
from router.jsonl import encode
from router.log.times import iso
from router.reports.html.report import write_report

STARTED = 1_764_000_000.0
WORDS, VISITS = 3000, 3
LIMITS = "\nlimits: 20,000 items ready in 1 s, 100,000 in 2.5 s, a file of 15 MB"
READY = 'performance.getEntriesByName("table-ready")[0].startTime'


def main(sizes: Sequence[int]) -> None:
    """Print a line for each size."""
    print("items     written in s   MB     ready in s")
    with tempfile.TemporaryDirectory() as place:
        for items in sizes:
            directory = make_run(Path(place) / f"run-{items}", items)
            began = time.perf_counter()
            write_report([directory], file := directory / "report.html")
            written_s, megabytes = time.perf_counter() - began, file.stat().st_size / 1e6
            ready = f"{asyncio.run(ready_s(file, directory)):10.2f}" if find_browser() else "no Chromium"
            print(f"{items:<9,} {written_s:>12.2f} {megabytes:>5.1f} {ready:>14}")
    print(LIMITS)


async def ready_s(file: Path, home: Path) -> float:
    """Seconds until the table is ready, the best of some visits."""
    found = []
    for visit in range(VISITS):
        async with opened(file.as_uri(), home / f"profile-{visit}") as page:
            found.append(float(await page.evaluate(READY)) / 1000)
            assert page.complaints == [], page.complaints
    return min(found)


def make_run(directory: Path, items: int) -> Path:
    """A run's directory as `router eval` leaves it."""
    directory.mkdir()
    rng = random.Random(0)
    words = ["".join(rng.choices("etaoinshrdlucmfw", k=rng.randint(2, 9))) for _ in range(WORDS)]
    weights = list(itertools.accumulate(1 / rank for rank in range(1, WORDS + 1)))

    def text(length: int) -> str:
        return " ".join(rng.choices(words, cum_weights=weights, k=length))

    rows = [_row(number, rng, text(60)) for number in range(items)]
    questions = ({"id": row.id, "question": text(12), "expected": row.expected} for row in rows)
    _write(directory / "results.jsonl", (row.to_json() for row in rows))
    _write(directory / "items.jsonl", questions)
    _write(directory / "log.jsonl", (_call(number, row) for number, row in enumerate(rows)))
    (directory / "run.json").write_text(json.dumps({"run": directory.name, "across": "spread"}), encoding="utf-8")
    return directory


def _row(number: int, rng: random.Random, response: str) -> Row:
    right, provider = rng.random() < 0.9, rng.choice(("acme", "zenith"))  # noqa: PLR2004 - nine of ten
    return Row(
        trial=f"item-{number:06d}",
        id=f"item-{number:06d}",
        epoch=1,
        prompt="plain",
        provider=provider,
        key=f"{provider}#1",
        model="made-up",
        outcome="right" if right else "wrong",
        score=float(right),
        expected=str(number),
        answer=str(number if right else number + 1),
        response=response,
        attempts=1,
        latency_s=round(rng.lognormvariate(0, 0.5), 4),
        waited_s=round(rng.random(), 4),
        tokens_in=40,
        tokens_out=80,
        cost_usd=0.0001,
        finish_reason="stop",
    )


def _call(number: int, row: Row) -> dict[str, object]:
    at = STARTED + number / 50 + (row.latency_s or 0.0)
    call = {"attempt": 1, "ok": True, "status": 200, "key_hash": "", "waited_for": "pace", "item": row.id}
    told = {"provider": row.provider, "key": row.key, "model": row.model}
    times = {"latency_s": row.latency_s, "waited_s": row.waited_s}
    return {"ts": iso(at), "level": "info", "event": "attempt.finished", "run": "made-up", **call, **told, **times}


def _write(path: Path, lines: Iterable[Mapping[str, object]]) -> None:
    with path.open("wb") as file:
        file.writelines(encode(line) + b"\n" for line in lines)


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]] or [300, 20_000, 100_000])
