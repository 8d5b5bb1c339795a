"""Several prompts: each item is asked with all of them at one place, and what comes of it is compared."""

from __future__ import annotations

import asyncio
import re
import signal
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import make_provider
from test_evaluate import SEVEN, Bench, Ran, at_call
from test_resume import kept

from router.faults import Fault, Kind
from router.jsonl import decode, encode
from router.reports.summary_text import summary_text
from router.transport import Call
from router.types import Answer

ACME = make_provider("acme", keys=2, rates=["10/s"])
BOLT = make_provider("bolt", rates=["5/s"])
DOWN = Fault(Kind.SERVER_ERROR, "oops", 500)
WRONG = replace(SEVEN, text="no idea")


@pytest.fixture(autouse=True)
def _state_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROUTER_STATE", str(tmp_path / "state.sqlite3"))
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, providers=(ACME, BOLT), others=("other",), max_samples=30)


def asks(call: Call, prompt: str) -> bool:
    return str(call.request.messages[-1]["content"]).startswith(f"{prompt}:")


def places(ran: Ran) -> Mapping[object, set[object]]:
    """Where each item was answered."""
    found = defaultdict[object, set[object]](set)
    for row in kept(ran).values():
        found[row["id"]].add((row["provider"], row["key"], row["model"]))
    return found


def comparison(ran: Ran) -> dict[str, Any]:
    """That of the prompts, as it stands in summary.json."""
    summary = decode(encode(ran.evaluation.summary))
    assert isinstance(summary, dict)
    (found,) = (each for each in summary["comparisons"] if each["factor"] == "prompt")
    assert isinstance(found, dict)
    return found


def told(ran: Ran) -> str:
    """What a person sees at the end."""
    return summary_text(ran.evaluation.summary, width=120, color=False, comparisons=ran.evaluation.comparisons)


def test_the_verdict_stands_first_and_vendors_have_their_own_figures(bench: Bench) -> None:
    records: list[dict[str, object]] = [{"id": f"i{n}", "question": "q", "expected": "7"} for n in range(20)]
    bench = replace(bench, task=bench.items(*records), script=lambda call: SEVEN if asks(call, "other") else WRONG)
    said = told(bench.run()).splitlines()
    assert said[0].startswith("other beats ask: 100.0 % against 0.0 %, +100.0 points")
    assert "accuracy      by provider, below: they are 2 different models" in said
    headers = [line.split()[0] for line in said if line.startswith(("prompt ", "provider "))]
    assert headers == ["prompt", "prompt", "prompt", "provider"]  # the facts, the arms, their parts, the providers


def test_each_item_has_all_prompts_at_one_account(bench: Bench) -> None:
    ran = replace(bench, others=("other", "third")).run(60)
    assert ran.calls == len(ran.rows) == 180
    assert {len(where) for where in places(ran).values()} == {1}
    assert {row["key"] for row in ran.rows} == {"acme#1", "acme#2", "bolt#1"}
    assert ran.evaluation.summary["moved"] == 0


def test_another_prompt_is_the_first_in_each_turn(bench: Bench) -> None:
    first = {row["id"]: row["prompt"] for row in reversed(bench.run(60).rows)}
    assert Counter(first.values()) == {"ask": 30, "other": 30}


def test_it_takes_no_longer_than_single_calls_would(bench: Bench) -> None:
    """120 calls at 15 a second, and the latency of the last one."""
    ran = bench.run(60)
    assert ran.evaluation.summary["elapsed_s"] == pytest.approx(120 / 15 + 1, abs=0.3)


def test_prompts_stand_as_they_are_named_and_are_compared(bench: Bench) -> None:
    ran = replace(bench, script=lambda call: SEVEN if asks(call, "other") else WRONG).run(20)
    prompts = ran.evaluation.summary["prompts"]
    assert isinstance(prompts, dict)
    assert list(prompts) == ["ask", "other"]
    found = comparison(ran)
    (difference,) = found["differences"]
    assert (difference["a"], difference["b"], difference["items"]) == ("ask", "other", 20)
    assert set(difference["mcnemar"]) == {"mid_p", "exact"}
    parts = found["parts"]
    assert [(part["arm"], part["provider"]) for part in parts] == [
        (prompt, provider) for prompt in ("ask", "other") for provider in ("acme", "bolt")
    ]
    assert sum(part["marked"] for part in parts) == 40


def test_where_a_provider_fails_in_between_both_go_elsewhere(bench: Bench) -> None:
    """From 1.5 s on one of two vendors fails every call."""

    def script(call: Call) -> Answer | Fault:
        is_down = call.provider.name == "acme" and asyncio.get_running_loop().time() > 1.5
        return DOWN if is_down else SEVEN

    ran = replace(bench, script=script).run(60)
    assert ran.evaluation.errors == 0
    assert {len(where) for where in places(ran).values()} == {1}
    moved = ran.evaluation.summary["moved"]
    assert isinstance(moved, int)
    assert 0 < moved < 30
    assert comparison(ran)["differences"][0]["elsewhere"] == 0
    assert sum(int(str(row["attempts"])) for row in kept(ran).values()) == ran.calls
    assert re.search(r"^moved +\d+ items were asked again with all prompts, elsewhere", told(ran), re.MULTILINE)


def test_what_one_prompt_cannot_ask_costs_the_other_nothing(bench: Bench) -> None:
    refused = Fault(Kind.BAD_REQUEST, "this prompt is not allowed", 400)
    ran = replace(bench, script=lambda call: refused if asks(call, "other") else SEVEN).run(10)
    assert ran.calls == 20
    assert Counter((row["prompt"], row["reason"]) for row in ran.rows) == {
        ("ask", None): 10,
        ("other", "bad_request"): 10,
    }
    assert comparison(ran)["differences"][0]["left_out"] == 10


def test_one_provider_alone_is_asked_as_often_as_usual(bench: Bench) -> None:
    ran = replace(bench, providers=(BOLT,), script=lambda call: DOWN if asks(call, "other") else SEVEN).run(3)
    attempts = Counter({str(row["trial"]): int(str(row["attempts"])) for row in ran.rows if row["prompt"] == "other"})
    assert ran.evaluation.errors == 3
    assert max(attempts.values()) <= 16


def test_the_rest_of_a_pair_is_asked_where_it_was_begun(bench: Bench) -> None:
    stopped = replace(bench, script=at_call(25, lambda: signal.raise_signal(signal.SIGINT))).run(40)
    assert stopped.evaluation.interrupted
    halves = [id_ for id_, number in Counter(row["id"] for row in stopped.rows).items() if number == 1]
    assert halves
    again = replace(bench, resume=stopped.evaluation.directory).run(40)
    assert stopped.calls + again.calls == len(kept(again)) == 80
    assert {len(where) for where in places(again).values()} == {1}
    assert comparison(again)["differences"][0]["items"] == 40
