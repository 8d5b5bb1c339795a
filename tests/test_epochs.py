"""Items asked several times: majority, pass@k and an interval that counts items."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from test_comparison import OUTCOMES, row
from test_evaluate import SEVEN, Bench
from test_together import ACME, WRONG

from router.evals.epochs import ByItem
from router.evals.results import Row
from router.evals.stats import clustered
from router.transport import Call
from router.types import Answer


def rows(items: Mapping[str, str]) -> Iterator[Row]:
    """`110` are two right answers, 7, and a wrong one, 8; `x` is a wrong one that nobody else gives."""
    answers = {"1": "7", "0": "8", "x": "9", "u": None}
    for id_, said in items.items():
        for epoch, each in enumerate(said, 1):
            yield replace(row(id_, "a", each if each in OUTCOMES else "0", epoch=epoch), answer=answers.get(each))


def folded(items: Mapping[str, str], epochs: int = 3) -> ByItem:
    found = ByItem(epochs)
    for each in rows(items):
        found.add(each, each.id)
    return found


def test_pass_at_k_and_the_majority() -> None:
    """Right are 3, 2, 1 and 0 of 3: pass@1 is the accuracy; the third item's answers tie, so it counts a third."""
    summary = folded({"a": "111", "b": "110", "c": "10x", "d": "000"}).summary()
    assert summary["pass_at"] == pytest.approx({"1": 6 / 12, "2": (1 + 1 + 2 / 3 + 0) / 4, "3": 3 / 4})
    assert summary["majority"] == pytest.approx((1 + 1 + 1 / 3 + 0) / 4)
    assert (summary["epochs"], summary["items"]) == (3, 4)


def test_items_that_lack_a_mark_count_for_the_accuracy_alone() -> None:
    found = folded({"a": "111", "b": "1e0", "c": "eee", "d": "u?0"})
    assert found.summary()["items"] == 1
    interval, expected = found.interval(), clustered([[1, 1, 1], [1, 0], [0, 0]])
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high))


def test_nothing_was_marked() -> None:
    assert folded({}).summary() | {"interval": None} == {
        "epochs": 3,
        "items": 0,
        "interval": None,
        "majority": None,
        "pass_at": {},
    }


def test_a_run_with_epochs_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROUTER_STATE", str(tmp_path / "state.sqlite3"))
    calls = 0

    def script(_call: Call) -> Answer:
        nonlocal calls
        calls += 1
        return SEVEN if calls % 2 else WRONG

    bench = Bench(tmp_path, providers=(ACME,), script=script, epochs=4)
    records: list[dict[str, object]] = [{"id": f"i{n}", "question": f"q{n}", "expected": "7"} for n in range(10)]
    summary = replace(bench, task=bench.items(*records)).run().evaluation.summary
    epochs, prompts = summary["epochs"], summary["prompts"]
    assert isinstance(epochs, dict)
    assert isinstance(prompts, dict)
    assert list(epochs["ask"]["pass_at"]) == ["1", "2", "4"]
    assert epochs["ask"]["items"] == 10
    assert summary["interval"] == prompts["ask"]["interval"] == epochs["ask"]["interval"]
