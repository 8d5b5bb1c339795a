"""`router compare`: what stands on the screen first, what it exits with, and what it refuses."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path

import pytest
from test_comparison import compared, row, rows
from test_results import ROW

from router.cli.app import run
from router.evals.paired import kruskal_wallis
from router.evals.results import Row
from router.jsonl import decode, encode
from router.reports.compare_text import p_text, render, verdict


def leave(directory: Path, found: Iterable[Row], *, simulated: bool = False, **described: object) -> Path:
    """What a run leaves behind for others to compare."""
    directory.mkdir(parents=True)
    lines = (encode(dataclasses.replace(each, simulated=simulated).to_json()) + b"\n" for each in found)
    (directory / "results.jsonl").write_bytes(b"".join(lines))
    (directory / "log.jsonl").touch()
    (directory / "run.json").write_bytes(encode({"across": "spread", "simulated": simulated, **described}))
    return directory


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    return tmp_path


BETTER = "b beats a: 98.0 % against 85.0 %, +13.0 points (8.3 to 18.6), p < 0.001, 200 items"


@pytest.mark.parametrize(
    ("patterns", "times", "expected"),
    [
        pytest.param("11 10 01 00", (168, 2, 28, 2), BETTER, id="the later one is better"),
        pytest.param("11 10 01 00", (168, 28, 2, 2), BETTER.replace("b beats a", "a beats b"), id="the earlier one"),
        pytest.param(
            "11 10 01 00",
            (70, 10, 13, 7),
            "Undecided: b 83.0 % against a 80.0 %, +3.0 points (−6.7 to 12.8), p = 0.54, 100 items",
            id="undecided",
        ),
        pytest.param(
            "11 00",
            (1, 1),
            "Undecided: a 50.0 % against b 50.0 %, 0.0 points (−65.8 to 65.8), p = 1.00, 2 items",
            id="no difference",
        ),
        pytest.param("1e", (1,), "Nothing to compare: a and b have no item that both have marked.", id="no pair"),
    ],
)
def test_the_verdict_is_one_sentence(patterns: str, times: tuple[int, ...], expected: str) -> None:
    (difference,) = compared(rows(*patterns.split(), times=times)).differences
    assert verdict(difference) == expected


def test_alike_within_a_margin() -> None:
    (difference,) = compared(rows("11", "10", "01", "00", times=(1900, 10, 10, 80))).differences
    assert verdict(difference, margin=0.01).startswith("a and b are the same within 1 points: ")


@pytest.mark.parametrize(
    ("p", "text"), [(0.0004, "p < 0.001"), (0.0234, "p = 0.023"), (0.049, "p = 0.049"), (0.62, "p = 0.62")]
)
def test_a_p_value(p: float, text: str) -> None:
    assert p_text(p) == text


def test_one_run_compares_its_prompts(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prompts = [{"name": "stepwise"}, {"name": "plain"}]
    found = (
        dataclasses.replace(each, prompt={"a": "plain", "b": "stepwise"}[each.prompt])
        for each in rows("11", "01", "10", times=(20, 12, 1))
    )
    leave(home / "runs" / "one", found, prompts=prompts)
    assert run(["compare"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("stepwise beats plain: 97.0 % against 63.6 %, +33.3 points")
    assert [line.split()[0] for line in said[2:5]] == ["prompt", "stepwise", "plain"]
    assert "both right 20   only stepwise 12   only plain 1   neither 0   (McNemar mid-p 0.002, exact 0.003)" in said
    assert run(["compare", "one", "--json"]) == 0
    told = decode(capsys.readouterr().out)
    assert isinstance(told, dict)
    assert (told["factor"], told["differences"][0]["better"]) == ("prompt", "stepwise")


def test_two_runs_are_paired_by_their_items(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    leave(home / "runs" / "old", (row(f"i{n}", "plain", "1") for n in range(30)))
    leave(home / "runs" / "new", (row(f"i{n}", "plain", "10"[n < 9], provider="bolt") for n in range(40)))
    assert run(["compare", "old", "new", "--fail-on-regression"]) == 1
    said = capsys.readouterr()
    assert said.out.startswith("old beats new: 100.0 % against 70.0 %, +30.0 points")
    assert "30 items of 30 had two different providers or models" in said.out
    assert said.err == "router: --fail-on-regression: new is significantly worse than old\n"
    assert run(["compare", "new", "old", "--fail-on-regression"]) == 0


@pytest.mark.parametrize(("margin", "code"), [("0.02", 1), ("0.10", 0)])
def test_a_margin_wants_proof_that_nothing_is_lost(home: Path, margin: str, code: int) -> None:
    patterns = list(rows("11", "10", "01", "00", times=(80, 4, 4, 12)))
    for name, prompt in (("old", "a"), ("new", "b")):
        leave(home / "runs" / name, (each for each in patterns if each.prompt == prompt))
    assert run(["compare", "old", "new", "--fail-on-regression"]) == 0
    assert run(["compare", "old", "new", "--fail-on-regression", "--margin", margin]) == code


def test_a_rehearsal_passes_no_gate_by_accident(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    leave(home / "runs" / "one", rows("11", "01"), simulated=True)
    assert run(["compare", "--fail-on-regression"]) == 3
    assert "add --rehearse" in capsys.readouterr().err
    assert run(["compare", "--fail-on-regression", "--rehearse"]) == 0
    assert capsys.readouterr().out.startswith("SIMULATED")


def test_vendors_among_which_items_are_spread_are_not_paired(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The chi-square test of (90, 10), (85, 15), (70, 30), as computed with scipy: p = 7.205e-4."""
    right = {"acme": 90, "bolt": 85, "cord": 70}
    found = (row(f"{name}{n}", "a", "01"[n < right[name]], provider=name) for name in right for n in range(100))
    leave(home / "runs" / "one", found)
    assert run(["compare"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("The providers differ (p < 0.001); each was asked other items.")
    assert "cord        100     100     70        70.0" in said


def test_items_with_two_marks_count_once_among_vendors() -> None:
    assert kruskal_wallis([[1.0, 0.5, 1.0], []]) == kruskal_wallis([[1.0], [1.0]]) == 1.0
    # Ranks 1 2 3 against 4 5 6: H = 12 / 42 (6² / 3 + 15² / 3) - 21 = 27 / 7, chi-square with one degree of freedom.
    assert kruskal_wallis([[1, 2, 3], [4, 5, 6]]) == pytest.approx(0.0495346)


def test_many_comparisons_are_a_table() -> None:
    found = compared(rows("1111", "0111", "0001", times=(10, 8, 1)))
    said = render(found, 120)
    assert (
        "6 comparisons were made, each p is adjusted for that (Holm), 3 are undecided. All together: Cochran's Q"
        in said
    )
    assert [line.split()[:3] for line in said.splitlines() if " − a" in line] == [[arm, "−", "a"] for arm in "bcd"]
    assert "\n\nb beats a: " in said


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["nowhere"], "nowhere: no such file, and no such run in runs; did you mean other?"),
        (["one"], "there are no two prompts, models or providers in it; name a second run"),
        (["one", "--by", "model"], "there are no two models in it"),
        (["one", "other"], "one and other have no item in common"),
        (["one", "other", "--by", "prompt"], "--by prompt is for one run"),
        (["one", "--prompt", "a"], "--prompt is for several runs"),
        (["one", "torn"], "field id is missing"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    home: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], expected: str
) -> None:
    leave(home / "runs" / "one", [dataclasses.replace(ROW, id="x")])
    leave(home / "runs" / "other", [dataclasses.replace(ROW, id="y")])
    if "torn" in arguments:
        (leave(home / "runs" / "torn", []) / "results.jsonl").write_text('{"trial": "x"}\n')
    assert run(["compare", *arguments]) == 3
    assert expected in capsys.readouterr().err
