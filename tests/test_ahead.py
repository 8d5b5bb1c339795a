"""The time left, said during whole runs on a virtual clock: it comes true, and the summary names what bound them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from conftest import make_config, make_provider

from router.config.models import Provider
from router.engine.router import Router
from router.evals import Evaluation, Plan, evaluate
from router.evals.plan import Across
from router.evals.progress import Snapshot
from router.evals.prompts import load
from router.evals.tasks import arithmetic_task
from router.faults import Fault, Kind
from router.testing import Script, ScriptedTransport, run_virtual
from router.transport import Call
from router.types import Answer

SEVEN = Answer("7", finish_reason="stop")
FAST, SLOW = make_provider("fast", rates=["5/s"]), make_provider("slow", rates=["1/s"])


@pytest.fixture(autouse=True)
def _state_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROUTER_STATE", str(tmp_path / "state.sqlite3"))


class Film:
    """A screen that keeps every picture."""

    def __init__(self) -> None:
        self.pictures: list[Snapshot] = []

    def show(self, snapshot: Snapshot) -> None:
        self.pictures.append(snapshot)

    def close(self) -> None: ...

    def misses(self, end_s: float, shares: Iterator[float] | tuple[float, ...] = (0.2, 0.5, 0.8)) -> list[float]:
        """By how much of the whole time the time left was wrong, when such parts of it were over."""
        found = []
        for share in shares:
            picture = next(each for each in self.pictures if each.elapsed_s >= share * end_s)
            assert picture.outlook.seconds is not None, picture
            found.append(abs(picture.elapsed_s + picture.outlook.seconds - end_s) / end_s)
        return found


def filmed(
    home: Path, *providers: Provider, script: Script = lambda _call: SEVEN, across: Across = "spread", window: int = 256
) -> tuple[Evaluation, Film]:
    (home / "ask.txt").write_text("---\nscorer: number\n---\nWhat is {{ question }}?")
    plan = Plan(
        make_config(*providers),
        (load(home / "ask.txt"),),
        arithmetic_task(300),
        log_dir=home / "runs",
        max_samples=window,
        across=across,
    )
    film = Film()
    open_router = partial(Router, transport=ScriptedTransport(script))
    return run_virtual(evaluate(plan, open_router=open_router, screen=film)), film


@pytest.mark.parametrize(
    ("providers", "across", "window", "bound"),
    [
        pytest.param([FAST], "spread", 256, "fast's 5/s", id="a rate"),
        pytest.param([FAST, SLOW], "spread", 256, "fast's 5/s and 1 more", id="two"),
        pytest.param([FAST, SLOW], "every", 256, "slow's 1/s", id="everybody is asked everything"),
        pytest.param([make_provider("few", concurrency=4)], "spread", 256, "few's 4 calls in flight", id="in flight"),
        pytest.param([make_provider("wide", rates=["50/s"])], "spread", 4, "--max-samples 4", id="items under way"),
        pytest.param([make_provider("keyed", keys=2, key_rates=["3/s"])], "spread", 256, "keyed's key_rate", id="keys"),
    ],
)
def test_the_time_left_comes_true(
    tmp_path: Path, providers: list[Provider], across: Across, window: int, bound: str
) -> None:
    evaluation, film = filmed(tmp_path, *providers, across=across, window=window)
    assert max(film.misses(film.pictures[-1].elapsed_s)) < 0.05
    assert evaluation.summary["bound"] == bound


def test_a_rest_is_foreseen(tmp_path: Path) -> None:
    count = iter(range(1000))

    def tired(_call: Call) -> Answer | Fault:
        return Fault(Kind.DAILY_QUOTA, "enough", 429, retry_after_s=120.0) if next(count) == 100 else SEVEN

    evaluation, film = filmed(tmp_path, FAST, script=tired)
    end_s = film.pictures[-1].elapsed_s
    assert end_s > 160
    assert max(film.misses(end_s, (0.2, 0.5, 0.9))) < 0.1
    assert evaluation.summary["bound"] == "fast rests"
