"""`router show` and `router runs`: what was asked and answered is found again."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path

import pytest
from test_evaluate import SEVEN, Bench, Ran
from test_together import ACME, WRONG, asks

from router.cli.app import run
from router.jsonl import decode
from router.transport import Call
from router.types import Answer


def answer(call: Call) -> Answer:
    """The prompt `other` is right on item 2 alone, and misses all others; `ask` is right on 1 and 2."""
    question = str(call.request.messages[-1]["content"])
    return SEVEN if "two" in question or ("one" in question and not asks(call, "other")) else WRONG


@pytest.fixture
def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ran:
    monkeypatch.setenv("ROUTER_STATE", str(tmp_path / "state.sqlite3"))
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.chdir(tmp_path)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    bench = Bench(tmp_path, providers=(ACME,), others=("other",), script=answer)
    names = ("one", "two", "three\nlines")
    records: list[dict[str, object]] = [
        {"id": f"i{n}", "question": name, "expected": "7", "topic": "t"} for n, name in enumerate(names, 1)
    ]
    task = bench.items(*records)
    return replace(bench, task=task).run()


@pytest.mark.usefixtures("ran")
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], ["i1", "i2", "i3"]),
        (["--wrong"], ["i1", "i3"]),
        (["--flipped"], ["i1"]),
        (["--item", "i2", "--item", "i3"], ["i2", "i3"]),
        (["--wrong", "--item", "i2"], []),
    ],
)
def test_which_items_are_shown(capsys: pytest.CaptureFixture[str], options: list[str], expected: list[str]) -> None:
    assert run(["show", *options]) == 0
    said = capsys.readouterr()
    assert sorted(line for line in said.out.splitlines() if line.startswith("i")) == expected
    assert ("no item matches these options" in said.err) is (not expected)
    assert run(["show", *options, "--json"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(expected)


def test_an_item_is_shown_with_all_that_was_sent(ran: Ran, capsys: pytest.CaptureFixture[str]) -> None:
    (ran.evaluation.directory.parent.parent / "other.txt").unlink()  # the run has kept it
    assert run(["show", "--item", "i3"]) == 0
    said = capsys.readouterr().out
    assert "  other, user:\n    other: three\n    lines?\n" in said
    assert "  topic: t\n  expected: 7\n" in said
    assert ": unparsable (no_answer)   1.00 s\n    no idea\n" in said


@pytest.mark.usefixtures("ran")
def test_the_json_has_messages_items_and_rows(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["show", "--item", "i1", "--json"]) == 0
    told = decode(capsys.readouterr().out)
    assert isinstance(told, dict)
    assert told["asked"]["ask"] == [{"role": "user", "content": "What is one?"}]
    assert told["item"]["variables"] == {"id": "i1", "question": "one", "expected": "7", "topic": "t"}
    assert [row["prompt"] for row in told["rows"]] == ["ask", "other"]


@pytest.mark.usefixtures("ran")
def test_a_long_list_says_that_there_are_more(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["show", "--limit", "1"]) == 0
    assert "these are the first 1; --limit shows more" in capsys.readouterr().err


@pytest.mark.usefixtures("ran")
def test_an_item_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["show", "--item", "nix"]) == 3
    assert "there is no item 'nix' in it" in capsys.readouterr().err


def test_runs_are_listed(ran: Ran, capsys: pytest.CaptureFixture[str]) -> None:
    (ran.evaluation.directory.parent / "torn").mkdir()
    (ran.evaluation.directory.parent / "torn" / "run.json").write_text("{")
    assert run(["runs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split()[:5] == [ran.evaluation.directory.name, "6", "50.0", "0", "done"]
    assert lines[2].split()[0] == "torn"
    assert run(["runs", "--json"]) == 0
    told = decode(capsys.readouterr().out)
    assert isinstance(told, list)
    assert (told[0]["prompts"], told[1]["state"]) == (["ask", "other"], "open")


def test_no_run_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["runs"]) == 0
    assert "there is no run in it; make one with `router eval`" in capsys.readouterr().err
