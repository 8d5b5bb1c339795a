"""A small run by hand for the tests of its report: two prompts, two providers, a rest, answers that would be HTML."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from router.evals.results import Row, Verdict
from router.jsonl import encode
from router.log.event import Event
from router.log.events import AttemptFinished, ItemSettled, RunFinished, RunStarted, StateChanged
from router.log.times import iso

STARTED = 1_764_000_000.0
NASTY = '<img src=x onerror="window.pwned = 1"></script><script>window.pwned = 2</script>'
PROMPTS = ("plain", "stepwise")


def row(item: str, prompt: str, outcome: Verdict, provider: str, response: str = "", *, simulated: bool = False) -> Row:
    is_error = outcome == "error"
    return Row(
        trial=f"{item}/{prompt}",
        id=item,
        epoch=1,
        prompt=prompt,
        provider=provider,
        key=f"{provider}#1",
        model=f"{provider}-1",
        outcome=outcome,
        reason="attempts_exhausted" if is_error else None,
        score=None if is_error else float(outcome == "right"),
        expected="42",
        answer=None if is_error else response or "42",
        response=response or f"The answer of {prompt} is 42.",
        fault="timeout" if is_error else None,
        attempts=1,
        latency_s=0.5,
        waited_s=0.25,
        tokens_in=20,
        tokens_out=10,
        cost_usd=0.001,
        finish_reason="stop",
        simulated=simulated,
    )


def call(item: str, provider: str, *, fault: str | None = None, message: str | None = None) -> AttemptFinished:
    return AttemptFinished(
        item=item,
        attempt=1,
        provider=provider,
        key=f"{provider}#1",
        key_hash="0badcafe",
        model=f"{provider}-1",
        ok=fault is None,
        status=200 if fault is None else 429,
        fault=fault,
        action=None if fault is None else "slow_down",
        message=message,
        latency_s=0.5,
        waited_s=0.25,
        waited_for="pace",
    )


def turn(after: str, before: str = "ready", fault: str | None = "rate_limit") -> StateChanged:
    return StateChanged(
        "account", "own", "acme", "acme#1", "acme#1", "0badcafe", ("acme#1",), before, after, fault, message=NASTY
    )


def write_run(directory: Path, *, items: int = 6, simulated: bool = False) -> Path:
    """A run in which plain fails on every second item and one call of acme is throttled."""
    directory.mkdir(parents=True)
    events: list[tuple[float, Event]] = [(0.0, RunStarted(prompts=PROMPTS, items=items))]
    rows, lines = [], []
    for number in range(items):
        item = f"item-{number}"
        lines.append({"id": item, "question": f"What is {number} and {NASTY}?", "expected": "42"})
        for prompt in PROMPTS:
            provider = "acme" if number % 3 else "zenith"
            is_wrong = prompt == "plain" and number % 2 == 0
            rows.append(
                row(item, prompt, "wrong" if is_wrong else "right", provider, NASTY * is_wrong, simulated=simulated)
            )
            if number == 1 and prompt == "plain":
                events += [(1.5, call(f"{item}/{prompt}", "acme", fault="rate_limit", message=NASTY))]
                events += [(1.5, turn("resting")), (3.0, turn("ready", "resting"))]
            events += [(4.0 + number, call(f"{item}/{prompt}", provider))]
            events += [(4.0 + number, ItemSettled(f"{item}/{prompt}", rows[-1].outcome, 1, 0.75))]
    events += [(4.5 + items, RunFinished(items=2 * items))]
    mark = {"simulated": True} if simulated else {}
    log = [
        {"ts": iso(STARTED + at), "level": each.level, "event": each.name, "run": directory.name, **mark, **vars(each)}
        for at, each in events
    ]
    _lines(directory / "log.jsonl", log)
    _lines(directory / "results.jsonl", [each.to_json() for each in rows])
    _lines(directory / "items.jsonl", lines)
    about = {
        "run": directory.name,
        "simulated": simulated,
        "prompts": [
            {"name": name, "turns": [{"role": "user", "text": f"{name}: {{{{ question }}}}"}]} for name in PROMPTS
        ],
        "across": "spread",
    }
    (directory / "run.json").write_text(json.dumps(about), encoding="utf-8")
    (directory / "summary.json").write_text(json.dumps({"elapsed_s": 10.0, "items_per_s": 1.2}), encoding="utf-8")
    return directory


def _lines(path: Path, values: Sequence[Mapping[str, object]]) -> None:
    path.write_bytes(b"".join(encode(value) + b"\n" for value in values))
