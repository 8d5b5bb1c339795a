"""Run directories: named, fresh, found again, and refused with a message where they cannot be made."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from conftest import make_config, make_provider

from router.errors import ConfigError
from router.evals.plan import Plan
from router.evals.run_directory import RunDirectory, fresh_directory, mark_latest
from router.evals.tasks import arithmetic_task

AT = datetime(2026, 11, 23, 14, 2, 7, tzinfo=UTC)


class Noon:
    def now(self) -> float:
        return 0.0

    def wall(self) -> float:
        return 1_763_985_600.0


def created(log_dir: Path) -> RunDirectory:
    return RunDirectory.create(Plan(make_config(make_provider()), (), arithmetic_task(), log_dir=log_dir), AT, Noon())


def test_it_is_named_by_time_and_prompt_and_is_the_latest(tmp_path: Path) -> None:
    directory = fresh_directory(tmp_path / "runs", "stepwise", AT)
    mark_latest(directory)
    assert directory.name == "2026-11-23T14-02-07-stepwise"
    assert (tmp_path / "runs" / "latest").resolve() == directory.resolve()


def test_only_its_owner_can_look_into_it(tmp_path: Path) -> None:
    assert fresh_directory(tmp_path, "a", AT).stat().st_mode & 0o777 == 0o700


def test_two_runs_in_one_second_have_a_directory_each(tmp_path: Path) -> None:
    first, second = fresh_directory(tmp_path, "a", AT), fresh_directory(tmp_path, "a", AT)
    assert first != second
    mark_latest(first)
    mark_latest(second)
    assert (tmp_path / "latest").resolve() == second.resolve()


def test_a_label_cannot_leave_the_directory(tmp_path: Path) -> None:
    directory = fresh_directory(tmp_path, "../../up and+away", AT)
    assert directory.parent == tmp_path
    assert "/" not in directory.name


def test_a_file_in_the_way_is_a_message(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("in the way")
    with pytest.raises(ConfigError, match="--log-dir"):
        created(tmp_path / "runs")
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]


def test_a_mistake_found_before_anything_was_sent_leaves_nothing(tmp_path: Path) -> None:
    files = created(tmp_path)
    files.write("run.json", {})
    with pytest.raises(ConfigError, match="wrong"), files.removed_on_mistake():
        raise ConfigError("wrong")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_begun_is_such_a_mistake(tmp_path: Path) -> None:
    files = created(tmp_path)
    (files.path / "run.json").mkdir()
    with pytest.raises(ConfigError, match="--log-dir"), files.removed_on_mistake():
        files.write("run.json", {})
    assert list(tmp_path.iterdir()) == []


def test_another_error_removes_nothing(tmp_path: Path) -> None:
    files = created(tmp_path)
    with pytest.raises(RuntimeError), files.removed_on_mistake():
        raise RuntimeError("a defect")
    files.close()
    assert files.path.is_dir()
