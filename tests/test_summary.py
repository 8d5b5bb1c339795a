"""The tally adds rows up without keeping them."""

from __future__ import annotations

import dataclasses
import itertools
import pickle
import random

import pytest
from conftest import make_config, make_provider
from test_results import LOST, ROW, UNSENT

from router.evals.plan import Plan
from router.evals.results import Row, Verdict
from router.evals.summary import Tally, notes
from router.evals.tasks import arithmetic_task
from router.jsonl import decode, encode


def rows(**counts: int) -> list[Row]:
    verdicts: tuple[Verdict, ...] = ("right", "wrong", "unparsable", "error")
    return [
        dataclasses.replace(LOST if verdict == "error" else ROW, outcome=verdict, id=f"{verdict}{n}")
        for verdict in verdicts
        for n in range(counts.get(verdict, 0))
    ]


def tally_of(found: list[Row]) -> Tally:
    tally = Tally()
    for row in found:
        tally.add(row)
    return tally


def test_nothing_is_known_of_no_rows() -> None:
    assert Tally().summary() == {
        "items": 0,
        "answered": 0,
        "marked": 0,
        "right": 0,
        "wrong": 0,
        "unparsable": 0,
        "unscored": 0,
        "error": 0,
        "reasons": {},
        "accuracy": None,
        "mean_score": None,
        "interval": {"low": 0.0, "high": 1.0},
        "bounds": {"low": 0.0, "high": 1.0},
        "latency_p50_s": None,
        "latency_p95_s": None,
        "tokens_in": 0,
        "tokens_out": 0,
        "cost_usd": None,
        "priced": 0,
        "cached": 0,
        "simulated": False,
        "epochs": {},
        "comparisons": [],
        "prompts": {},
        "models": {},
        "providers": {},
    }


def test_errors_are_not_wrong_answers() -> None:
    """81 of 263 have the interval of Newcombe's table; 37 errors change the bounds alone."""
    summary = tally_of(rows(right=81, wrong=180, unparsable=2, error=37)).summary()
    assert (summary["items"], summary["answered"]) == (300, 263)
    assert summary["accuracy"] == pytest.approx(81 / 263)
    assert summary["interval"] == pytest.approx({"low": 0.2553, "high": 0.3662}, abs=5e-5)
    assert summary["bounds"] == pytest.approx({"low": 81 / 300, "high": 118 / 300})


def test_providers_have_their_own_part() -> None:
    fast = [dataclasses.replace(ROW, provider="fast", latency_s=n / 100) for n in range(1, 101)]
    slow = [dataclasses.replace(ROW, provider="slow", latency_s=9.0, outcome="wrong", cost_usd=None)]
    lost = dataclasses.replace(LOST, provider="slow", latency_s=120.0)
    summary = tally_of([*fast, *slow, lost, UNSENT]).summary()
    providers = summary["providers"]
    assert isinstance(providers, dict)
    assert list(providers) == ["fast", "slow"]
    assert {name: providers["fast"][name] for name in ("items", "right", "accuracy", "tokens_in", "tokens_out")} == {
        "items": 100,
        "right": 100,
        "accuracy": 1.0,
        "tokens_in": 6000,
        "tokens_out": 800,
    }
    assert (providers["fast"]["latency_p50_s"], providers["fast"]["latency_p95_s"]) == (0.5, 0.95)
    assert providers["fast"]["cost_usd"] == pytest.approx(0.00138)
    # A call that failed after two minutes says nothing about how long an answer takes.
    assert (providers["slow"]["items"], providers["slow"]["error"]) == (2, 1)
    assert providers["slow"]["latency_p95_s"] == 9.0
    assert providers["slow"]["cost_usd"] is None
    assert (summary["items"], summary["error"], summary["simulated"]) == (103, 2, True)


def test_models_have_their_own_part_and_so_has_each_at_its_provider() -> None:
    asked: list[tuple[str, str, Verdict]] = [
        ("acme", "small", "right"),
        ("acme", "small", "wrong"),
        ("acme", "big", "right"),
        ("bolt", "small", "wrong"),
    ]
    found = [
        dataclasses.replace(ROW, provider=provider, asked_model=model, outcome=outcome)
        for provider, model, outcome in asked
    ]
    summary = tally_of(found).summary()
    models, providers = summary["models"], summary["providers"]
    assert isinstance(models, dict)
    assert isinstance(providers, dict)
    assert {name: (part["right"], part["items"]) for name, part in models.items()} == {"small": (1, 3), "big": (1, 1)}
    assert {
        (provider, name): (model["right"], model["items"])
        for provider, part in providers.items()
        for name, model in part["models"].items()
    } == {("acme", "small"): (1, 2), ("acme", "big"): (1, 1), ("bolt", "small"): (0, 1)}


def test_the_order_of_rows_does_not_matter() -> None:
    """A run that was killed and resumed ends with its rows in another order."""
    found = [
        dataclasses.replace(row, cost_usd=n * 1e-7 + 1e-9, latency_s=n / 7, provider="ab"[n % 2])
        for n, row in enumerate(rows(right=50, wrong=30, error=5))
    ]
    shuffled = random.Random(1).sample(found, len(found))
    assert tally_of(found).summary() == tally_of(shuffled).summary()


def test_rows_take_no_memory() -> None:
    """Twenty thousand rows hold what five thousand do: no more than the exact percentiles of the first of them."""
    tally = Tally()
    sizes = []
    for count in (5_000, 15_000):
        for number, row in enumerate(itertools.repeat(ROW, count)):
            tally.add(dataclasses.replace(row, latency_s=0.5 + number % 100 / 100))
        sizes.append(len(pickle.dumps(tally)))
    assert sizes[1] - sizes[0] < 1_000
    assert tally.total.summary()["latency_p50_s"] == pytest.approx(0.99, rel=0.02)


def test_a_summary_is_json() -> None:
    summary = tally_of(rows(right=1, error=1)).summary()
    assert decode(encode(summary)) == summary


@pytest.mark.parametrize(
    ("simulated", "told"), [pytest.param(False, True, id="live"), pytest.param(True, False, id="simulated")]
)
def test_a_key_of_another_name_is_told_where_it_is_used(*, simulated: bool, told: bool) -> None:
    usual = dataclasses.replace(make_provider("openai"), usual={"OPENAI_API_KEYS": "OPENAI_API_KEY"})
    plan = Plan(dataclasses.replace(make_config(usual), simulated=simulated), (), arithmetic_task(1))
    assert ("openai: OPENAI_API_KEYS is not set, and OPENAI_API_KEY is read" in notes(plan)) is told
