"""`router plan` from the command line: what it says of a file, and that it sends nothing."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from router.cli.app import run
from router.evals.forecast import Share
from router.jsonl import decode
from router.reports.plan_text import _whole

CONFIG = """
providers:
  fast: {model: openai/gpt-4o-mini, keys: sk-planted-fast-1, rate: [5/s, 1000/day]}
  slow: {model: openai/gpt-4o-mini, keys: sk-planted-slow-1, rate: 1/s}
  odd: {model: openai/nobody-s-model, keys: sk-planted-odd-1, rate: 1/s, enabled: false}
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("ROUTER_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    Path("providers.yaml").write_text(CONFIG)
    Path("ask.txt").write_text("---\nscorer: number\n---\nWhat is {{ question }}?")
    return tmp_path


def planned(capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, object]:
    assert run(["plan", "ask.txt", "--json", *options]) == 0
    found = decode(capsys.readouterr().out)
    assert isinstance(found, dict)
    return found


def test_it_says_time_money_bottleneck_and_caps_and_leaves_nothing(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = set(home.iterdir())
    assert run(["plan", "ask.txt", "--limit", "600"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"takes +1:43, bound by fast's 5/s and 1 more", said), said
    assert re.search(r"costs +\$0\.0\d+", said)
    assert "fast's 1000/day is enough: 499 of 1,000, if none are used yet" in said
    assert "without fast" in said
    assert set(home.iterdir()) == before


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        pytest.param([1.5, 1.5], [2, 1], id="halves"),
        pytest.param([0.4, 0.4, 0.4, 9.8], [1, 0, 0, 10], id="the largest remainders"),
        pytest.param([3.0, 4.0], [3, 4], id="whole already"),
    ],
)
def test_the_calls_of_all_add_up(parts: list[float], whole: list[int]) -> None:
    shares = [Share(f"p{number}", calls, 1.0, "its rate", 0.0) for number, calls in enumerate(parts)]
    assert [share.calls for share in _whole(shares)] == whole


@pytest.mark.parametrize(
    ("options", "seconds", "calls"),
    [
        pytest.param(["--limit", "60"], 11.8, 60, id="both"),
        pytest.param(["--limit", "60", "--providers", "slow"], 61.8, 60, id="--providers"),
        pytest.param(["--limit", "60", "--epochs", "2"], 22.0, 120, id="--epochs"),
        pytest.param(["--limit", "60", "--across", "every"], 61.8, 120, id="--across every"),
        pytest.param(["--limit", "60", "--model", "openai/gpt-4o-mini,openai/gpt-4o"], 22.0, 120, id="--model"),
        pytest.param(["--limit", "60", "--max-samples", "1"], 120, 60, id="--max-samples"),
        pytest.param(["--limit", "60", "--latency", "9s"], 18.8, 60, id="--latency"),
    ],
)
def test_it_works_with_the_options_of_eval(
    capsys: pytest.CaptureFixture[str], options: list[str], seconds: float, calls: int
) -> None:
    found = planned(capsys, *options)
    assert (found["seconds"], found["calls"]) == (pytest.approx(seconds, rel=0.05), calls)


def test_more_tokens_cost_more(capsys: pytest.CaptureFixture[str]) -> None:
    few, many = (planned(capsys, "--tokens-out", number)["cost_usd"] for number in ("10", "1000"))
    assert isinstance(few, float)
    assert isinstance(many, float)
    assert many > 10 * few


def test_a_judge_is_one_more_call(capsys: pytest.CaptureFixture[str]) -> None:
    Path("grade.txt").write_text('{{ answer }} {{ expected }}? {"score": 1}')
    assert planned(capsys, "--limit", "10", "--scorer", "judge:grade.txt")["calls"] == 20


def test_money_that_is_not_enough_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", "ask.txt", "--limit", "1000", "--max-cost", "0.01"]) == 0
    assert re.search(
        r"stops early +after 0:\d\d, with \d+ calls left, because of --max-cost 0\.01", capsys.readouterr().out
    )


def test_a_model_without_a_price_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    Path("providers.yaml").write_text(CONFIG.replace(", enabled: false", ""))
    assert run(["plan", "ask.txt"]) == 0
    assert "what odd takes, of which no price is known: write price: there" in capsys.readouterr().out.replace(
        "\n    ", ""
    )


def test_without_keys_it_plans_as_if_they_were_set(capsys: pytest.CaptureFixture[str]) -> None:
    Path("providers.yaml").write_text("providers:\n  a: {model: openai/gpt-4o-mini, keys: '${NO_KEYS}', rate: 5/s}\n")
    assert "that every key is set; none is" in str(planned(capsys, "--live")["assumes"])


def test_a_dry_run_says_it_shortly(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["eval", "ask.txt", "--limit", "600", "--dry-run"]) == 0
    assert re.search(
        r"It would take 1:43, bound by fast's 5/s and 1 more, and cost \$0\.0\d+\.", capsys.readouterr().err
    )


def test_a_mistake_is_refused_as_by_eval(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", "ask.txt", "--providers", "fats"]) == 3
    assert "--providers: fats is not in providers.yaml" in capsys.readouterr().err


def test_an_evaluation_without_a_price_is_refused_where_money_is_limited(capsys: pytest.CaptureFixture[str]) -> None:
    odd = "{model: openai/nobody-s, keys: sk-planted-odd-1, rate: 9/s}"
    Path("providers.yaml").write_text(f"providers:\n  odd: {odd}\n", encoding="utf-8")
    assert run(["eval", "ask.txt", "--limit", "3", "--rehearse", "--max-cost", "1", "--display", "none"]) == 3
    assert "--max-cost 1: no price is known for odd (openai/nobody-s); write price:" in capsys.readouterr().err
    assert not list(Path("runs").glob("2*"))
