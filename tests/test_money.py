"""Money: what a run may cost, when it ends for it, and who must have a price."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from conftest import make_config, make_provider

from router.config.models import Price, Provider
from router.engine.router import Router
from router.errors import ConfigError
from router.evals import Evaluation, Plan, evaluate
from router.evals.money import CAREFUL, Purse, purse_of
from router.evals.prompts import load
from router.evals.tasks import arithmetic_task
from router.faults import Fault, Kind
from router.jsonl import read
from router.testing import Script, ScriptedTransport, run_virtual
from router.transport import Call
from router.types import Answer, Usage

CENT = 0.01
PRICED = replace(make_provider("acme"), price=Price(36.0, 36.0))
"""By which a call is guessed to cost a cent."""
SEVEN = Answer("7", Usage(3, 4), "stop", cost_usd=CENT)


@pytest.fixture(autouse=True)
def _state_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROUTER_STATE", str(tmp_path / "state.sqlite3"))


def plan(home: Path, max_cost_usd: float | None, *providers: Provider, max_samples: int = 64) -> Plan:
    (home / "ask.txt").write_text("---\nscorer: number\n---\nWhat is {{ question }}?")
    return Plan(
        make_config(*(providers or (PRICED,))),
        (load(home / "ask.txt"),),
        arithmetic_task(100),
        log_dir=home / "runs",
        max_samples=max_samples,
        max_cost_usd=max_cost_usd,
    )


def ran(whole: Plan, script: Script) -> tuple[Evaluation, float, int]:
    """How it ended, what the vendors took, and how many calls they saw."""
    billed: list[float] = []

    def told(call: Call) -> Answer | Fault | tuple[float, Answer | Fault]:
        said = script(call)
        result = said[1] if isinstance(said, tuple) else said
        billed.append(result.cost_usd or 0.0)
        return said

    transport = ScriptedTransport(told)
    evaluation = run_virtual(evaluate(whole, open_router=partial(Router, transport=transport)))
    return evaluation, sum(billed), len(transport.calls)


@pytest.mark.parametrize("max_samples", [1, 7, 64])
@pytest.mark.parametrize("limit", [0.05, 0.5, 0.505])
def test_no_more_is_spent_than_allowed(tmp_path: Path, limit: float, max_samples: int) -> None:
    evaluation, billed, _ = ran(plan(tmp_path, limit, max_samples=max_samples), lambda _call: SEVEN)
    assert limit - CENT < billed <= limit + 1e-9
    assert evaluation.summary["cost_usd"] == pytest.approx(billed)
    assert evaluation.items == round(billed / CENT)
    assert str(evaluation.stopped).startswith(f"--max-cost {limit:g}: ${billed:.4g} is spent; one more costs about")


def test_the_limit_with_which_it_would_end_is_known(tmp_path: Path) -> None:
    evaluation, _, _ = ran(replace(plan(tmp_path, 0.5), command=("ask.txt",)), lambda _call: SEVEN)
    assert "one more costs about $0.01, and the 50 that are left about $0.5" in str(evaluation.stopped)
    assert str(evaluation.summary["continue"]).endswith(" --max-cost 1.1")


def test_answers_that_cost_more_than_those_before_exceed_it_by_what_is_in_flight_at_most(tmp_path: Path) -> None:
    count = iter(range(1000))

    def dearer(_call: object) -> Answer:
        return replace(SEVEN, cost_usd=CENT if next(count) < 20 else 3 * CENT)

    _, billed, _ = ran(plan(tmp_path, 0.4, max_samples=8), dearer)
    assert 0.4 - 3 * CENT < billed <= 0.4 + 8 * 2 * CENT


def test_a_guess_that_is_far_too_low_costs_the_first_calls_alone(tmp_path: Path) -> None:
    thinker = replace(PRICED, price=Price(0.1, 0.1))
    _, billed, _ = ran(plan(tmp_path, 0.05, thinker), lambda _call: SEVEN)
    assert 0.05 - CENT < billed <= CAREFUL * CENT + 1e-9


def test_enough_money_ends_nothing(tmp_path: Path) -> None:
    evaluation, billed, calls = ran(plan(tmp_path, 100 * CENT + 1e-6), lambda _call: SEVEN)
    assert (evaluation.stopped, evaluation.items, calls) == (None, 100, 100)
    assert billed == pytest.approx(1.0)


def test_a_guess_that_is_far_too_high_stops_nobody(tmp_path: Path) -> None:
    dear = replace(PRICED, price=Price(36_000.0, 36_000.0))
    _, billed, _ = ran(plan(tmp_path, 0.05, dear), lambda _call: SEVEN)
    assert 0.05 - CENT < billed <= 0.05 + 1e-9


def test_no_money_sends_nothing(tmp_path: Path) -> None:
    evaluation, _, calls = ran(plan(tmp_path, 0.0), lambda _call: SEVEN)
    assert (calls, evaluation.items) == (0, 0)
    assert "--max-cost 0: $0 is spent" in str(evaluation.stopped)


def test_what_failed_and_was_billed_is_spent(tmp_path: Path) -> None:
    count = iter(range(1000))
    empty = Fault(Kind.MALFORMED_REPLY, "there is no answer in the reply", 200, cost_usd=CENT)

    def every_other_fails(_call: object) -> Answer | Fault:
        return empty if next(count) % 2 else SEVEN

    evaluation, billed, _ = ran(plan(tmp_path, 0.5, max_samples=1), every_other_fails)
    assert 0.5 - 3 * CENT < billed <= 0.5 + 2 * CENT
    rows = list(read(evaluation.directory / "results.jsonl"))
    assert sum(float(str(row["cost_usd"])) for row in rows) == pytest.approx(billed)


def test_a_model_without_a_price_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    bolt = make_provider("bolt", models=["small", "big"])
    with pytest.raises(
        ConfigError, match=r"--max-cost 1: no price is known for bolt \(openai/bolt-small\); write price"
    ):
        run_virtual(evaluate(plan(tmp_path, 1.0, PRICED, bolt)))
    assert not list((tmp_path / "runs").glob("2*"))
    assert purse_of(plan(tmp_path, 1.0, PRICED, bolt).with_providers(("acme",))).limit_usd == 1.0
    assert purse_of(plan(tmp_path, None, PRICED, bolt)).limit_usd == float("inf")


def test_a_judge_must_have_a_price_too(tmp_path: Path) -> None:
    (tmp_path / "grade.txt").write_text('---\nprovider: bolt\n---\n{{ answer }}? {"score": 1}')
    whole = plan(tmp_path, 1.0, PRICED, make_provider("bolt"))
    judged = replace(whole, scorer=f"judge:{tmp_path / 'grade.txt'}").with_providers(("acme",))
    with pytest.raises(ConfigError, match="bolt"):
        purse_of(judged)


def test_who_waits_for_money_begins_when_some_is_left_over() -> None:
    async def main() -> tuple[bool, bool]:
        purse = Purse(1.0, guess_usd=0.6)
        first = await purse.admit()
        second = asyncio.create_task(purse.admit())
        await asyncio.sleep(0)
        assert not second.done()
        purse.settle(0.4)
        return first, await second

    assert run_virtual(main()) == (True, True)
