"""`router export` and tables: what other tools read is what the run has."""

from __future__ import annotations

import csv
import io
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from test_compare import leave
from test_comparison import row, rows
from test_evaluate import Ran
from test_show import ran as ran  # noqa: PLC0414 - a fixture

from router.cli.app import run
from router.errors import ConfigError
from router.evals.frames import to_pandas, to_polars
from router.evals.results import FIELDS
from router.jsonl import decode

HELD = ("version", "status", "eval", "plan", "results", "stats", "samples")
"""What inspect_ai 0.3 reads of a log; these very logs were read and listed by it."""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    leave(tmp_path / "runs" / "one", rows("11", "01", "u?", "1e"), prompts=[{"name": "a"}, {"name": "b"}])
    return tmp_path


@pytest.mark.usefixtures("home")
def test_junit(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["export", "--to", "junit"]) == 0
    suites = ET.fromstring(capsys.readouterr().out)  # noqa: S314 - our own
    counts = [
        {name: suite.get(name) for name in ("name", "tests", "failures", "errors", "skipped")} for suite in suites
    ]
    assert counts == [
        {"name": "a", "tests": "4", "failures": "2", "errors": "0", "skipped": "0"},
        {"name": "b", "tests": "4", "failures": "0", "errors": "1", "skipped": "1"},
    ]


def test_junit_of_what_xml_cannot_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    leave(tmp_path / "runs" / "one", [row("i", "a", "0", response="<b>\x00\ud83d</b>\n]]>", answer="\x1b[1m&")])
    assert run(["export", "--to", "junit", "-o", "out.xml"]) == 0
    (failure,) = ET.parse("out.xml").iter("failure")  # noqa: S314 - our own
    assert str(failure.text).startswith("<b>")
    assert str(failure.text).endswith("</b>\n]]>")


@pytest.mark.usefixtures("home")
def test_csv(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["export"]) == 0
    found = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert tuple(found[0]) == FIELDS
    assert Counter(each["outcome"] for each in found) == {
        "right": 4,
        "wrong": 1,
        "unparsable": 1,
        "unscored": 1,
        "error": 1,
    }


def test_parquet(home: Path) -> None:
    assert run(["export", "--to", "parquet"]) == 0
    table = import_module("pyarrow.parquet").read_table(home / "runs" / "one" / "results.parquet")
    assert (table.column_names, table.num_rows) == (list(FIELDS), 8)


def test_inspects_log(ran: Ran) -> None:
    assert run(["export", "--to", "inspect"]) == 0
    name = ran.evaluation.directory.name
    told = decode((ran.evaluation.directory / "inspect" / f"{name}_ask.json").read_bytes())
    assert isinstance(told, dict)
    assert tuple(told) == HELD
    assert (told["version"], told["status"], told["eval"]["task"]) == (2, "success", "ask")
    assert told["results"]["scores"][0]["metrics"]["accuracy"]["value"] == pytest.approx(2 / 3)
    sample = next(each for each in told["samples"] if each["id"] == "i1")
    assert (sample["input"], sample["target"], sample["epoch"]) == ("one", ["7"], 1)
    assert [message["role"] for message in sample["messages"]] == ["user", "assistant"]
    assert sample["scores"] == {"number": {"value": "C", "answer": "7", "explanation": None}}
    assert len({(each["id"], each["epoch"]) for each in told["samples"]}) == len(told["samples"]) == 3


@dataclass
class Frame:
    """Stands for a package's DataFrame, and keeps what it was given."""

    rows: Sequence[dict[str, object]]
    options: dict[str, Any]

    @classmethod
    def from_records(cls, found: Sequence[dict[str, object]], **options: object) -> Frame:
        return cls(found, options)


def test_tables_have_a_row_for_each_trial(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pandas, polars = ModuleType("pandas"), ModuleType("polars")
    pandas.DataFrame = Frame  # type: ignore[attr-defined]
    polars.DataFrame = lambda found, **options: Frame(found, options)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pandas", pandas)
    monkeypatch.setitem(sys.modules, "polars", polars)
    results = home / "runs" / "one" / "results.jsonl"
    assert len(to_pandas(results).rows) == len(to_polars(results).rows) == 8
    assert to_pandas(results).options == {"columns": FIELDS}


@pytest.mark.parametrize(("name", "convert"), [("pandas", to_pandas), ("polars", to_polars)])
def test_a_missing_package_is_named(home: Path, monkeypatch: pytest.MonkeyPatch, name: str, convert: Any) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError, match=f"this needs {name}, which is not installed: pip install {name}"):
        convert(home / "runs" / "one" / "results.jsonl")


@pytest.mark.usefixtures("home")
def test_a_place_that_cannot_be_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["export", "-o", "nowhere/out.csv"]) == 2
    assert "--output nowhere/out.csv: No such file or directory" in capsys.readouterr().err
