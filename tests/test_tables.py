"""The end of a run in words, made from a summary as it stands in a file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TypeAlias

import pytest

from router.evals.results import Row, Verdict
from router.evals.summary import Counts, Tally
from router.reports.summary_text import SIMULATED, summary_text

Summary: TypeAlias = dict[str, object]

RUN: Summary = {
    "run": "noon-plain",
    "prompt": "prompts/plain.txt",
    "started": "2026-11-23T12:00:00Z",
    "elapsed_s": 3725.4914,
    "items_per_s": 0.3221,
    "interrupted": False,
    "directory": "runs/noon-plain",
}
LANE: Summary = {
    "attempts": 60,
    "throttled": 1117,
    "keys_alive": 2,
    "keys": 3,
    "rate_used": 0.984,
    "state": "ready",
}
NOT_ASKED: Summary = {**LANE, "attempts": 0, "throttled": 0, "rate_used": 0.0}


def rows(provider: str, prompt: str = "plain", *, simulated: bool = False, **verdicts: int) -> list[Row]:
    outcomes: Mapping[str, Verdict] = {"right": "right", "wrong": "wrong", "unparsable": "unparsable", "error": "error"}
    return [
        Row(
            trial="1",
            id="1",
            epoch=1,
            prompt=prompt,
            provider=provider,
            key=f"{provider}#1",
            model="m",
            outcome=outcomes[name],
            expected="7",
            latency_s=0.412,
            simulated=simulated,
        )
        for name, number in verdicts.items()
        for _ in range(number)
    ]


def summary(*parts: list[Row], lanes: Mapping[str, Summary] | None = None, **changes: object) -> Summary:
    """A summary as a run makes it, once written to JSON and read again."""
    tally = Tally()
    for row in (row for part in parts for row in part):
        tally.add(row)
    counted = tally.summary()
    counts = {name: part.summary() for name, part in tally.providers.items()}
    names = sorted({*counts, *(lanes or {})})
    empty = Counts().summary()
    providers = {name: {**counts.get(name, empty), **(lanes or {}).get(name, LANE)} for name in names}
    read: Summary = json.loads(json.dumps({**counted, **RUN, "providers": providers, **changes}))
    return read


def prompts(**parts: list[Row]) -> Summary:
    """The part of a summary that several prompts have."""
    counts = {name: Counts() for name in parts}
    for name, part in parts.items():
        for row in part:
            counts[name].add(row)
    return {name: part.summary() for name, part in counts.items()}


def lines(given: Summary, width: int = 80) -> list[str]:
    return summary_text(given, width=width, color=False).splitlines()


def test_a_run_without_errors() -> None:
    assert lines(summary(rows("openai", right=40, wrong=9, unparsable=1))) == [
        "run       noon-plain, started 2026-11-23T12:00:00Z",
        "prompt    prompts/plain.txt",
        "items     50: right 40   wrong 9   unparsable 1   error 0",
        "accuracy  80.0 %   95 % interval 67.0–88.8 %",
        "elapsed   1:02:05.491   0.32 items/s",
        "files     runs/noon-plain",
        "",
        "provider  items  accuracy %   p50   p95  attempts   429s  keys  rate",
        "openai       50        80.0  0.41  0.41        60  1,117   2/3    98",
        "p50, p95: seconds · keys: alive/all · rate: % of the declared rate used",
    ]


def test_with_errors_no_accuracy_stands_alone() -> None:
    """40 of 48 answered are right; with 2 errors it lies between 40/50 and 42/50, whatever they would have been."""
    text = lines(summary(rows("openai", right=40, wrong=8, error=2), rows("mistral", right=8, wrong=2)))
    assert "accuracy  82.8 % (80.0–83.3)   95 % interval 71.1–90.4 %" in text
    assert "          in brackets: had all 2 errors been wrong, or right" in text
    assert "provider  items  accuracy %          p50   p95  attempts   429s  keys  rate" in text
    assert "mistral      10   80.0              0.41  0.41        60  1,117   2/3    98" in text
    assert "openai       50   83.3 (80.0–84.0)  0.41  0.41        60  1,117   2/3    98" in text


def test_errors_alone_say_nothing() -> None:
    text = lines(summary(rows("openai", error=3)))
    assert "accuracy  – (0.0–100.0)" in text
    assert "openai        3      – (0.0–100.0)    –    –        60  1,117   2/3    98" in text


def test_a_provider_that_could_not_serve_is_named_with_its_vendor_s_words() -> None:
    broke = {**NOT_ASKED, "state": "resting", "because": "no_credit (HTTP 402): Insufficient Balance"}
    text = lines(summary(rows("openai", right=1), lanes={"mistral": broke}))
    assert "at the end: mistral resting (no_credit (HTTP 402): Insufficient Balance)" in text


def test_why_a_run_ended_early_stands_above_everything() -> None:
    stopped = {**summary(rows("openai", right=1)), "stopped": "nothing can be sent before noon"}
    assert lines(stopped)[0] == "Stopped: nothing can be sent before noon"


def test_a_provider_without_items_has_dashes() -> None:
    text = lines(
        summary(rows("openai", right=1), lanes={"mistral": {**NOT_ASKED, "keys_alive": 0, "state": "dropped"}})
    )
    assert "mistral       –           –     –     –         –      –   0/3     –" in text
    assert "at the end: mistral dropped" in text


def test_a_provider_without_a_declared_rate_has_a_dash() -> None:
    text = lines(summary(rows("openai", right=1), lanes={"openai": {**LANE, "rate_used": None}}))
    assert "openai        1       100.0  0.41  0.41        60  1,117   2/3     –" in text


def test_a_row_for_each_prompt_stands_before_the_providers() -> None:
    plain, stepwise = rows("openai", right=30, wrong=20), rows("openai", right=40, wrong=8, error=2)
    text = lines(summary(plain, stepwise, prompts=prompts(plain=plain, stepwise=stepwise)))
    at = text.index("prompt    items  right  wrong  unparsable  error  accuracy %              95 %")
    assert text[at + 1 : at + 3] == [
        "plain        50     30     20           0      0   60.0              46.2–72.4",
        "stepwise     50     40      8           0      2   83.3 (80.0–84.0)  70.4–91.3",
    ]
    assert at < next(number for number, line in enumerate(text) if line.startswith("provider"))


def test_one_prompt_has_no_row_of_its_own() -> None:
    plain = rows("openai", right=3)
    assert not any("unparsable  error" in line for line in lines(summary(plain, prompts=prompts(plain=plain))))


def test_a_rehearsal_says_that_its_accuracy_says_nothing() -> None:
    text = lines(summary(rows("openai", right=4, wrong=1, simulated=True)))
    assert text[0] == SIMULATED
    assert "accuracy  80.0 %, simulated   95 % interval 37.6–96.4 %" in text


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"cost_usd": 0.0123, "priced": 5}, "cost      $0.0123", id="cost"),
        pytest.param(
            {"cost_usd": 0.0123, "priced": 2}, "cost      $0.0123 (known for 2 of 5 items)", id="part-of-the-cost"
        ),
        pytest.param({"interrupted": True}, "Interrupted: some items have no outcome yet.", id="interrupted"),
        pytest.param({"elapsed_s": 0.0204, "items_per_s": 1234.5}, "elapsed   0:00:00.020   1,234 items/s", id="fast"),
    ],
)
def test_what_else_a_summary_tells(changes: Summary, expected: str) -> None:
    assert expected in lines({**summary(rows("openai", right=4, wrong=1)), **changes})


def test_a_rehearsal_costs_nothing() -> None:
    given = summary(rows("openai", right=1, simulated=True), cost_usd=0.5, priced=1)
    assert not any(line.startswith("cost") for line in lines(given))


def test_each_provider_says_what_it_took_where_anybody_was_paid() -> None:
    paid = [replace(row, cost_usd=0.25) for row in rows("openai", right=2)]
    text = lines(summary(paid, rows("local", right=1)), 100)
    assert [line.split()[-1] for line in text if line.startswith(("provider", "openai", "local"))] == [
        "$",
        "–",
        "0.5000",
    ]
    rehearsed = [replace(row, simulated=True) for row in paid]
    assert not any("cost $" in line for line in lines(summary(rehearsed), 100))


@pytest.mark.parametrize("width", [140, 80, 60, 50])
def test_no_line_is_too_long_and_no_bound_is_cut(width: int) -> None:
    name, prompt = "a-provider-with-quite-a-long-name", "a-prompt-with-quite-a-long-name"
    part = rows(name, prompt, right=400, wrong=80, error=20)
    given = summary(part, prompts=prompts(**{prompt: part, "plain": part}), interrupted=True)
    text = lines(given, width)
    assert max(map(len, text)) <= width
    assert sum("83.3 (80.0–84.0)" in line for line in text) == 3
    assert "…" not in "".join(text)


def test_a_long_name_is_folded_not_lost() -> None:
    name = "a-provider-with-quite-a-long-name"
    text = lines(summary(rows(name, right=400, wrong=80, error=20)))
    assert name in "".join(line.split()[0] for line in text if line)


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({}, id="empty"),
        pytest.param({"items": "many", "elapsed_s": True, "providers": {"openai": None}}, id="other-types"),
        pytest.param({"elapsed_s": float("nan"), "providers": {"openai": {}}, "prompts": []}, id="nothing-inside"),
    ],
)
def test_what_a_file_lacks_is_a_dash(given: Summary) -> None:
    text = lines(given)
    assert "elapsed   –   – items/s" in text
    assert "accuracy  –" in text


def test_colour_only_where_it_is_asked_for() -> None:
    given = summary(rows("openai", right=4, wrong=1, simulated=True))
    assert "\x1b[" in summary_text(given, width=80, color=True)
    assert "\x1b[" not in summary_text(given, width=80, color=False)
