"""Scorers of one's own: what they may return, and what becomes of those that break or hang."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from router.errors import ConfigError
from router.evals.fit import nobody
from router.evals.items import Item
from router.evals.marks import scorer_named
from router.evals.python_scorer import MAX_HANGING, PythonScorer
from router.evals.scores import Score, ScorerFailed
from router.types import Completion, Usage

ITEM = Item("a", "q", "7", {})
SAID = Completion(" 7 ", "acme", "acme#1", "", "m", Usage(), "stop", 0.0, 0.0, ())


def score_of(function: Callable[[Item, Completion], object], timeout_s: float = 10.0) -> Score:
    return asyncio.run(PythonScorer("python:mine:f", function, timeout_s).score(ITEM, SAID, nobody))


async def later(_item: Item, completion: Completion) -> float:
    await asyncio.sleep(0)
    return 0.25 if completion.text == " 7 " else 0.0


@pytest.mark.parametrize(
    ("function", "score"),
    [
        pytest.param(lambda item, said: said.text.strip() == item.expected, Score(1.0, "7"), id="true"),
        pytest.param(lambda _item, _said: False, Score(0.0, "7"), id="false"),
        pytest.param(lambda _item, _said: 0.75, Score(0.75, "7"), id="a number"),
        pytest.param(lambda _item, _said: Score(0.5, "x", "so"), Score(0.5, "x", "so"), id="a score"),
        pytest.param(lambda _item, _said: Score(0.0, None), Score(0.0, None), id="no answer"),
        pytest.param(later, Score(0.25, "7"), id="async"),
    ],
)
def test_what_it_returns_is_the_score(function: Callable[[Item, Completion], object], score: Score) -> None:
    assert score_of(function) == score


def raising(_item: Item, _said: Completion) -> float:
    return 1 / 0


@pytest.mark.parametrize(
    ("function", "message"),
    [
        pytest.param(raising, "raised ZeroDivisionError: division by zero", id="raises"),
        pytest.param(lambda _item, _said: "yes", "returned 'yes'; expected true or false", id="a text"),
        pytest.param(lambda _item, _said: None, "returned None", id="nothing"),
        pytest.param(lambda _item, _said: 7, "returned 7.0; a score is from 0 to 1", id="too much"),
        pytest.param(lambda _item, _said: float("nan"), "returned nan", id="no number"),
        pytest.param(lambda _item, _said: Score(-1.0, "x"), "returned -1.0", id="a score below zero"),
    ],
)
def test_what_is_no_score_is_said(function: Callable[[Item, Completion], object], message: str) -> None:
    with pytest.raises(ScorerFailed, match=message):
        score_of(function)


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """Lets hanging threads go at the end."""
    event = threading.Event()
    yield event
    event.set()


def test_one_that_hangs_is_left_behind(released: threading.Event) -> None:
    with pytest.raises(ScorerFailed, match=r"took more than 0\.01 s"):
        score_of(lambda _item, _said: released.wait(), timeout_s=0.01)


def test_one_that_hangs_always_is_not_called_for_ever(released: threading.Event) -> None:
    calls: list[str] = []

    def hang(item: Item, _said: Completion) -> bool:
        calls.append(item.id)
        return released.wait()

    scorer = PythonScorer("python:mine:f", hang, 0.01)

    async def all_of_them() -> list[BaseException | Score]:
        marks: list[BaseException | Score] = []
        for _ in range(MAX_HANGING + 4):
            marks += await asyncio.gather(scorer.score(ITEM, SAID, nobody), return_exceptions=True)
        return marks

    marks = asyncio.run(all_of_them())
    assert len(calls) == MAX_HANGING
    assert str(marks[-1]) == f"scorer python:mine:f hangs: {MAX_HANGING} calls of it have not come back"


@pytest.mark.parametrize("name", ["python:grading.py:grade", "python:grading:grade"])
def test_it_comes_from_a_file_or_a_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    (tmp_path / "grading.py").write_text("def grade(item, completion):\n    return item.expected in completion.text\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    scorer = scorer_named.__wrapped__(name, tmp_path)
    assert asyncio.run(scorer.score(ITEM, SAID, nobody)) == Score(1.0, "7")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        pytest.param("1 / 0", "importing grading.py failed: ZeroDivisionError", id="breaks"),
        pytest.param("def mark(item, completion): ...", r"has no function 'grade' \(there are: mark\)", id="another"),
        pytest.param(
            "def grade(text): ...", "it must accept two arguments, the item and the completion", id="one argument"
        ),
    ],
)
def test_what_cannot_be_one_is_refused(tmp_path: Path, source: str, message: str) -> None:
    (tmp_path / "grading.py").write_text(source)
    with pytest.raises(ConfigError, match=message):
        scorer_named.__wrapped__("python:grading.py:grade", tmp_path)
