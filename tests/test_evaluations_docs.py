"""`docs/evaluations.md`: its files are written, its commands are run, its tables are the code's."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import io
import os
import re
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from router.cli.app import run
from router.config.loading import load
from router.evals.adapting import LEVELS
from router.evals.marks import scorer_named
from router.evals.results import VERDICTS
from router.jsonl import read
from router.simulator.process import SimulatorProcess
from router.simulator.rehearsal import as_yaml, specs_for

DOCS = (Path(__file__).parent.parent / "docs" / "evaluations.md").read_text(encoding="utf-8")
CONFIG = "providers:\n  acme: {model: openai/gpt-4o-mini, keys: sk-planted-acme-1, rate: 50/s}\n"
COMMANDS = re.findall(r"^\$ router (.*)$", DOCS, re.MULTILINE)

# Rows in the shape of the Hub's files: openai/gsm8k (MIT) and cais/mmlu (MIT); the texts are made up.
GSM8K = """
SELECT * FROM (VALUES
    ('A box holds 12 pens. How many are in 3 boxes?', 'There are 12*3 = <<12*3=36>>36.' || chr(10) || '#### 36'),
    ('Ann has 1,000 coins and finds 234. How many has she?', 'She has 1000+234 = 1234.' || chr(10) || '#### 1,234'),
    ('Of 9 cats 4 sleep. How many are awake?', '9-4 = <<9-4=5>>5' || chr(10) || '#### 5')
) t(question, answer)
"""
MMLU = """
SELECT * FROM (VALUES
    ('What is 2 + 2?', 'elementary_mathematics', ['3', '4', '5', '22'], 1::BIGINT),
    ('Which is a prime?', 'elementary_mathematics', ['4', '6', '7', '8'], 2::BIGINT)
) t(question, subject, choices, answer)
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, tuple[int, str, Path]]:
    """Every command by its text: exit code, what was said, and the run that it left."""
    home = tmp_path_factory.mktemp("docs")
    (home / "providers.yaml").write_text(CONFIG, encoding="utf-8")
    for name, text in re.findall(r"^```\w+ (\S+)\n(.*?)^```$", DOCS, re.MULTILINE | re.DOTALL):
        (home / name).write_text(text, encoding="utf-8")
    for path, query in (("gsm8k/main/test-00000-of-00001", GSM8K), ("cais-mmlu/all/test-00000-of-00001", MMLU)):
        (home / path).parent.mkdir(parents=True)
        importlib.import_module("duckdb").sql(query).write_parquet(str(home / f"{path}.parquet"))
    with pytest.MonkeyPatch.context() as patch, contextlib.chdir(home):
        for name in [name for name in os.environ if name.startswith("ROUTER_")]:
            patch.delenv(name)
        patch.setenv("ROUTER_STATE", str(home / "state.sqlite3"))
        with _vendor(home / "providers.yaml"):
            return {command: _run(command) for command in COMMANDS}


@contextlib.contextmanager
def _vendor(path: Path) -> Iterator[None]:
    """One simulated vendor for all commands: to start one for each would take most of the time."""
    config = load(path, {})
    specs = specs_for(config, 0)
    vendor = SimulatorProcess(specs)
    with asyncio.Runner() as runner:
        try:
            path.write_text(as_yaml(specs, runner.run(vendor.__aenter__())), encoding="utf-8")
            yield
        finally:
            runner.run(vendor.__aexit__(None, None, None))


def _run(command: str) -> tuple[int, str, Path]:
    before = set(Path("runs").glob("2*"))
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = run([*shlex.split(command), "--display", "none"] if command.startswith("eval") else shlex.split(command))
    left = sorted(set(Path("runs").glob("2*")) - before)
    return code, said.getvalue(), left[0].absolute() if left else Path()


def of(ran: Mapping[str, tuple[int, str, Path]], words: str) -> tuple[str, list[dict[str, object]]]:
    (command,) = (command for command in COMMANDS if words in command)
    _, said, left = ran[command]
    return said, list(read(left / "results.jsonl")) if left.name else []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_works(ran: Mapping[str, tuple[int, str, Path]], command: str) -> None:
    code, said, _ = ran[command]
    assert code == 0, said


def test_items_without_a_gold_are_kept_and_not_scored(ran: Mapping[str, tuple[int, str, Path]]) -> None:
    command = "eval --data questions.jsonl --scorer contains:ignore_case"
    rows = {row["id"]: row for row in read(ran[command][2] / "results.jsonl")}
    assert (rows["sum"]["outcome"], rows["sum"]["response"]) == ("right", "The result of 12 + 30 is 42.")
    assert (rows["open"]["outcome"], rows["open"]["score"], rows["open"]["expected"]) == ("unscored", None, None)
    assert rows["open"]["response"]
    assert rows["city"]["expected"] == '["Paris","Paris, France"]' or rows["city"]["outcome"] == "wrong"


def test_a_batch_is_asked_as_it_is(ran: Mapping[str, tuple[int, str, Path]]) -> None:
    _, (row,) = of(ran, "requests.jsonl")
    assert (row["id"], row["response"]) == ("r1", "The result of 3 + 4 is 7.")


def test_gsm8k_and_mmlu_have_golds_that_their_scorers_read(ran: Mapping[str, tuple[int, str, Path]]) -> None:
    _, rows = of(ran, "main/test-00000-of-00001")
    assert sorted(str(row["expected"]) for row in rows) == ["1,234", "36", "5"]
    _, rows = of(ran, "cais-mmlu")
    assert {row["expected"]: row["outcome"] for row in rows}.keys() == {"1", "2"}
    assert "error" not in {row["outcome"] for row in rows}


def test_a_bad_row_is_told_and_counted(ran: Mapping[str, tuple[int, str, Path]]) -> None:
    (command,) = (command for command in COMMANDS if "torn.jsonl" in command)
    left = ran[command][2]
    assert '"bad_rows": 1' in (left / "run.json").read_text()
    assert (
        "a row of torn.jsonl was skipped; the first: torn.jsonl:2: this is not JSON"
        in (left / "summary.json").read_text()
    )


def test_a_scorer_of_ones_own_gives_scores_between(ran: Mapping[str, tuple[int, str, Path]]) -> None:
    said, rows = of(ran, "length.py")
    assert {row["why"] for row in rows} == {f"{len(str(row['response']))} characters" for row in rows}
    assert all(0 < float(str(row["score"])) < 1 for row in rows)
    assert "of 1 on average" in said


def test_marking_again_leaves_the_old_run_alone(ran: Mapping[str, tuple[int, str, Path]]) -> None:
    (first,) = (command for command in COMMANDS if command == "eval math.txt --limit 5 --scorer number")
    old, new = (list(read(ran[name][2] / "results.jsonl")) for name in (first, "score --scorer contains"))
    assert ran[first][2] != ran["score --scorer contains"][2]
    assert {row["trial"] for row in old} == {row["trial"] for row in new}
    kept = ("trial", "response", "tokens_in", "latency_s", "provider")
    by_trial = {row["trial"]: row for row in new}
    assert all(by_trial[row["trial"]][name] == row[name] for row in old for name in kept)
    assert {row["answer"] for row in old} != {row["answer"] for row in new}


def test_a_schema_is_asked_for_and_noted(ran: Mapping[str, tuple[int, str, Path]]) -> None:
    (command,) = (command for command in COMMANDS if "--schema" in command)
    assert (
        "--schema answer.schema.json: sent natively to no provider; added to every question as text, as needed for acme"
        in (ran[command][2] / "summary.json").read_text()
    )


def test_a_run_that_goes_on_asks_only_what_is_missing(ran: Mapping[str, tuple[int, str, Path]]) -> None:
    first = ran["eval math.txt --limit 3 --scorer number"][2]
    rows = list(read(first / "results.jsonl"))
    assert len(rows) == len({row["trial"] for row in rows}) == 6
    assert [event["resumed"] for event in read(first / "log.jsonl") if event["event"] == "run.started"] == [
        *(False, True, True, True)
    ]


def test_what_was_answered_before_is_not_asked_again(ran: Mapping[str, tuple[int, str, Path]]) -> None:
    said, rows = of(ran, "--limit 8 --scorer contains --cache")
    assert Counter(row["cached"] for row in rows) == {True: 5, False: 3}
    assert "cached    5 of 8 answers, not asked again" in said


def test_each_model_is_asked_every_item(ran: Mapping[str, tuple[int, str, Path]]) -> None:
    said, rows = of(ran, "openai/gpt-5-mini,openai/gpt-5")
    assert Counter(row["asked_model"] for row in rows) == {"openai/gpt-5-mini": 4, "openai/gpt-5": 4}
    assert len({row["trial"] for row in rows}) == 8
    assert len({row["model"] for row in rows}) == 2
    assert re.search(r"^ {2}openai/gpt-5 +4 ", said, re.MULTILINE)


def test_prompts_are_compared_and_their_items_shown(ran: Mapping[str, tuple[int, str, Path]]) -> None:
    said, rows = of(ran, "eval math.txt aloud.txt")
    assert re.search(r"^(Undecided: )?(math|aloud) .*, 20 items$", " ".join(said.split("\n\n")[1].split()))
    assert Counter(row["prompt"] for row in rows) == {"math": 20, "aloud": 20}
    assert "both right" in ran["compare"][1]
    assert "where the two prompts err independently" in of(ran, "--detect")[0]
    assert "pass@3" in of(ran, "--epochs 3")[0]


# The tables.


def test_every_scorer_of_the_table_exists() -> None:
    rows = re.findall(r"^\| (`.*?`.*?) \|", DOCS.partition("## Scorers")[2].partition("Each answer")[0], re.MULTILINE)
    names = [name for row in rows for name in re.findall(r"`([^`]+)`", row)][1:]
    plain = [name for name in names if not re.search(r"[A-Z]", name)]
    assert {"number", "choice", "exact", "contains", "set", "json:infer"} <= set(plain)
    assert all(scorer_named(name).name == name for name in plain)


def test_every_outcome_and_level_is_explained() -> None:
    outcomes = DOCS.partition("## Outcomes")[2].partition("| reason |")[0]
    assert set(VERDICTS) == set(re.findall(r"`(\w+)`", outcomes)) - {"reason"}
    assert f"--reasoning {'|'.join(LEVELS)}`" in DOCS
