"""Plans: which trials there are, in which order, under which ids."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from router.config.models import Config, Key, Provider
from router.errors import ConfigError
from router.evals.plan import Across, Plan
from router.evals.prompts import load
from router.evals.tasks import arithmetic_task, file_task
from router.evals.trials import trials

NAMES = ("one", "two")
CONFIG = Config(
    Path("providers.yaml"),
    tuple(Provider(name, {"default": "openai/small"}, (Key(f"{name}#1", None, name),), ()) for name in NAMES),
)
TWO_MODELS = Config(
    Path("providers.yaml"),
    (
        Provider("one", {"s": "openai/small", "b": "openai/big"}, (Key("one#1", None, "one"),), ()),
        Provider("two", {"s": "openai/small"}, (Key("two#1", None, "two"),), ()),
    ),
)


def plan(tmp_path: Path, prompts: Sequence[str] = ("a",), epochs: int = 1, across: Across = "spread") -> Plan:
    paths = [tmp_path / f"{name}.txt" for name in prompts]
    for path in paths:
        path.write_text(f"{path.stem}: {{{{ question }}}}")
    return Plan(CONFIG, tuple(load(path) for path in paths), arithmetic_task(2), epochs=epochs, across=across)


@pytest.mark.parametrize(
    ("prompts", "epochs", "across", "ids"),
    [
        pytest.param(["a"], 1, "spread", ["0", "1"], id="plain"),
        pytest.param(["a"], 2, "spread", ["0@1", "0@2", "1@1", "1@2"], id="epochs"),
        pytest.param(["a", "b"], 1, "spread", ["0/a", "0/b", "1/a", "1/b"], id="prompts interleave"),
        pytest.param(["a"], 1, "every", ["0/one", "0/two", "1/one", "1/two"], id="every provider"),
    ],
)
def test_the_trials(tmp_path: Path, prompts: list[str], epochs: int, across: Across, ids: list[str]) -> None:
    whole = plan(tmp_path, prompts, epochs, across)
    found = [trial.id for trial in trials(whole)]
    assert len(found) == whole.total
    assert [id_.replace("arith-0-2-0000", "") for id_ in found] == ids


@pytest.mark.parametrize(
    ("models", "across", "ids"),
    [
        pytest.param(("s",), "spread", ["0", "1"], id="one model is told by its run"),
        pytest.param(("s", "b"), "spread", ["0/s", "0/b", "1/s", "1/b"], id="models interleave"),
        pytest.param(
            ("s", "b"), "every", [f"{n}/{r}" for n in (0, 1) for r in ("s/one", "s/two", "b/one")], id="every"
        ),
    ],
)
def test_the_trials_of_several_models(tmp_path: Path, models: tuple[str, ...], across: Across, ids: list[str]) -> None:
    whole = replace(plan(tmp_path), config=TWO_MODELS, models=models, across=across)
    found = list(trials(whole))
    assert [trial.id.replace("arith-0-2-0000", "") for trial in found] == ids
    assert len(found) == whole.total
    assert {trial.model for trial in found} == set(models)


def test_a_model_whose_only_provider_takes_no_part_is_refused(tmp_path: Path) -> None:
    one, two = TWO_MODELS.providers
    config = replace(TWO_MODELS, providers=(replace(one, keys=(), missing=("ONE_API_KEYS",)), two))
    replace(plan(tmp_path), config=config, models=("s",)).require_takers()
    with pytest.raises(ConfigError, match=r"the model 'b' \(one: none of its keys is set \(ONE_API_KEYS\)"):
        replace(plan(tmp_path), config=config, models=("s", "b")).require_takers()


def test_every_provider_means_only_that_one(tmp_path: Path) -> None:
    found = [trial.request().only for trial in trials(plan(tmp_path, across="every"))]
    assert found[:2] == [frozenset({"one"}), frozenset({"two"})]


def test_a_variable_that_no_item_has_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    path = tmp_path / "p.txt"
    path.write_text("{{ question }} {{ hint }}")
    with pytest.raises(ConfigError, match="hint"):
        Plan(CONFIG, (load(path),), arithmetic_task(2))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param("{{ question + 1 }}", r"p\.txt:1: the template cannot take this item", id="what it cannot take"),
        pytest.param("{{ question }}{{ '%011000000d' % 1 }}", r"more than 10,000,000 characters", id="too long"),
        pytest.param(
            "{{ question }}{% for n in range(99999) %}{% for m in range(99999) %}{% endfor %}{% endfor %}",
            r"p\.txt:1: .* more than 300,000 steps",
            id="endless",
        ),
    ],
)
def test_a_template_that_cannot_be_rendered_is_refused_before_anything_is_sent(
    tmp_path: Path, body: str, message: str
) -> None:
    (tmp_path / "p.txt").write_text(body)
    whole = Plan(CONFIG, (load(tmp_path / "p.txt"),), arithmetic_task(2))
    with pytest.raises(ConfigError, match=message):
        whole.try_out()


def test_an_unknown_provider_is_refused_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"three.*one, two"):
        plan(tmp_path).with_providers(("one", "three"))
    assert [each.name for each in plan(tmp_path).with_providers(("two",)).config.providers] == ["two"]


def test_a_file_of_items_knows_its_variables_and_can_be_read_twice(tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    path.write_text('{"id": "x", "question": "1 + 1", "expected": "2", "hint": "h"}\n')
    task = file_task(path)
    assert {"question", "hint"} <= task.variables
    assert [item.id for item in task.items()] == [item.id for item in task.items()] == ["x"]


@pytest.mark.parametrize("later", ["", "torn {", '{"id": "z", "question": "9", "expected": "9"}'])
def test_what_happens_to_a_file_after_it_was_read_changes_nothing(tmp_path: Path, later: str) -> None:
    path = tmp_path / "items.jsonl"
    path.write_text('{"id": "x", "question": "1 + 1", "expected": "2"}\n')
    task, digest = file_task(path), hashlib.sha256(path.read_bytes()).hexdigest()
    path.write_text(later)
    assert [item.id for item in task.items()] == ["x"]
    assert task.describes["sha256"] == digest


def test_an_empty_file_of_items_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "items.csv"
    path.write_text("id,question,expected\n")
    with pytest.raises(ConfigError, match=r"items\.csv"):
        file_task(path)
