"""The documents' examples are run."""

from __future__ import annotations

import os
import re
from pathlib import Path
from runpy import run_path

import pytest

from router.cli.app import app
from router.config.loading import load
from router.engine.health import State
from router.faults import REACTIONS, Family

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
DESIGN = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_the_yaml_is_a_valid_file(tmp_path: Path) -> None:
    (example,) = blocks(README, "yaml")
    path = tmp_path / "providers.yaml"
    path.write_text(example, encoding="utf-8")
    config = load(path, {"OPENAI_API_KEYS": "first-key,second-key", "DEEPSEEK_API_KEYS": "third-key"})
    assert [provider.name for provider in config.usable] == ["openai", "deepseek"]


def test_the_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = blocks(README, "python")
    (tmp_path / "example.py").write_text(example, encoding="utf-8")
    for name in [name for name in os.environ if name.endswith(("_KEY", "_KEYS"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(ROOT)
    run_path(str(tmp_path / "example.py"), run_name="__main__")
    said = capsys.readouterr()
    assert said.err == ""
    assert [word for word in ("7", "11", "tokens_out") if word not in said.out] == []


def test_every_command_of_the_documents_exists() -> None:
    commands = set(re.findall(r"\brouter (eval|check|logs|simulate|plan|report|serve)\b", README))
    assert commands <= {command.name for command in app.registered_commands}


def test_the_table_of_faults_is_the_code() -> None:
    rows = re.findall(r"^\| (\w+) \| ([\w, ]+) \| ([\w ]+) \| (\w+) \| (yes|no) \|$", DESIGN, re.MULTILINE)
    assert {row[0] for row in rows} == set(Family)
    written = {kind: row for row in rows for kind in row[1].split(", ")}
    assert set(written) == set(REACTIONS)
    for kind, reaction in REACTIONS.items():
        family, _, blame, action, charged = written[kind]
        assert (family, blame, action) == (reaction.family, reaction.blame, reaction.action)
        assert charged == ("yes" if reaction.charged else "no")


@pytest.mark.parametrize("state", list(State))
def test_the_table_of_states_has_every_state(state: State) -> None:
    assert re.search(rf"^\| {state} \|", DESIGN, re.MULTILINE)


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    """By its path from the root, or from the package."""
    names = set(re.findall(r"`(\w+/[\w/]*\w+\.(?:py|toml)|\w+\.toml)`", page.read_text(encoding="utf-8")))
    there = {name for name in names if (ROOT / name).exists() or list((ROOT / "router").glob(f"**/{name}"))}
    assert names == there


def test_the_changelog_has_a_section_for_what_comes_next() -> None:
    assert "## Unreleased" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
