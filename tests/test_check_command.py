from __future__ import annotations

import json
from pathlib import Path

import pytest

from router.cli.app import run
from router.config.models import Key, Provider, Secret
from router.faults import Fault, Kind
from router.store import StateStore

PLANTED = "sk-proj-planted-0123456789abcdefghij"
FILE = f"""
rehearse: when-no-keys
providers:
  openai:
    model: openai/gpt-4o-mini
    keys: [{PLANTED}]
    rate: 60/min
  off:
    enabled: false
    model: openai/gpt-4o-mini
    keys: none
    rate: 60/min
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a file and a state of its own; the environment is the command's interface to them."""
    (tmp_path / "providers.yaml").write_text(FILE)
    for name in ("ROUTER_CONFIG", "ROUTER_PROVIDERS", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ROUTER_STATE", str(tmp_path / "state.sqlite3"))
    return tmp_path


def remember(home: Path) -> None:
    key = Key("openai#1", Secret(PLANTED), "openai#1")
    memory = StateStore.open(home / "state.sqlite3")
    memory.drop(key, Provider("openai", {"default": "openai/gpt-4o-mini"}, (key,), ()), Fault(Kind.INVALID_KEY), 1.0)
    memory.close()


def check(home: Path, *options: str) -> int:
    return run(["check", "--config", str(home / "providers.yaml"), *options])


def test_all_well_is_zero(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(home) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "1 of 2 providers take part, 1 key;" in out
    assert "all is well" in out
    assert "planted" not in out


def test_the_document_is_one_json_object(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(home, "--json") == 0
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert document["well"] is True
    assert document["simulated"] is False
    assert [provider["name"] for provider in document["providers"]] == ["openai", "off"]
    assert "planted" not in out + err


def test_a_remembered_key_needs_attention_until_it_is_forgotten(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    remember(home)
    assert check(home) == 3
    assert "router check --forget openai#1" in " ".join(capsys.readouterr().out.split())
    assert run(["check", "--forget", "openai#1"]) == 0
    assert "forgotten: openai#1" in capsys.readouterr().out
    assert check(home) == 0


def test_forgetting_prints_json_too(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    remember(home)
    assert run(["check", "--forget", Secret(PLANTED).fingerprint, "--json"]) == 0
    assert [each["key"] for each in json.loads(capsys.readouterr().out)["forgotten"]] == ["openai#1"]


def test_what_is_not_remembered_cannot_be_forgotten(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    remember(home)
    assert run(["check", "--forget", "openai#7"]) == 3
    assert "remembered keys: openai#1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        pytest.param(("--providers", "opnai"), "declares openai, off", id="unknown-provider"),
        pytest.param(("--rehearse", "--trouble", "opnai=hang"), "begin with one of openai=", id="trouble-of-nobody"),
        pytest.param(("--trouble", "openai=hang"), "--rehearse", id="trouble-of-real-vendors"),
    ],
)
def test_a_wrong_option_is_refused(
    home: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], words: str
) -> None:
    assert check(home, *options) == 3
    assert words in capsys.readouterr().err


def test_only_the_named_providers_are_checked(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(home, "--json", "--providers", "openai") == 0
    assert [provider["name"] for provider in json.loads(capsys.readouterr().out)["providers"]] == ["openai"]


def test_a_state_that_cannot_be_kept_stops_nobody(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROUTER_STATE", str(home / "providers.yaml" / "state.sqlite3"))
    assert check(home) == 0
    assert "what earlier runs learnt is not known" in capsys.readouterr().out


def test_a_rehearsal_says_that_it_is_simulated(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(home, "--rehearse", "--json", "--trouble", "openai=no_credit") == 3
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert document["simulated"] is True
    assert document["providers"][0]["keys"][0]["heard"]["verdict"] == "no credit"
    assert "SIMULATED" in err
    assert "planted" not in out + err
