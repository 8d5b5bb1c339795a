"""The documents' examples are run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

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


def test_the_python_runs(tmp_path: Path) -> None:
    (example,) = blocks(README, "python")
    script = tmp_path / "example.py"
    script.write_text(example, encoding="utf-8")
    environ = {name: value for name, value in os.environ.items() if not name.endswith(("_KEY", "_KEYS"))}
    done = subprocess.run(  # noqa: S603 - our own example
        [sys.executable, str(script)],
        cwd=ROOT,
        env={**environ, "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    assert "7" in done.stdout


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


def test_the_changelog_has_a_section_for_what_comes_next() -> None:
    assert "## Unreleased" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
