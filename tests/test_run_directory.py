"""Run directories: named, fresh, found again, and refused with a message where they cannot be made."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from router.errors import ConfigError
from router.evals.run_directory import create, kept_if_begun, mark_latest

AT = datetime(2026, 11, 23, 14, 2, 7, tzinfo=UTC)


def test_it_is_named_by_time_and_prompt_and_is_the_latest(tmp_path: Path) -> None:
    directory = create(tmp_path / "runs", "stepwise", AT)
    mark_latest(directory)
    assert directory.name == "2026-11-23T14-02-07-stepwise"
    assert (tmp_path / "runs" / "latest").resolve() == directory.resolve()


def test_two_runs_in_one_second_have_a_directory_each(tmp_path: Path) -> None:
    first, second = create(tmp_path, "a", AT), create(tmp_path, "a", AT)
    assert first != second
    mark_latest(first)
    mark_latest(second)
    assert (tmp_path / "latest").resolve() == second.resolve()


def test_a_label_cannot_leave_the_directory(tmp_path: Path) -> None:
    directory = create(tmp_path, "../../up and+away", AT)
    assert directory.parent == tmp_path
    assert "/" not in directory.name


def test_a_file_in_the_way_is_a_message(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("in the way")
    with pytest.raises(ConfigError, match="--log-dir"):
        create(tmp_path / "runs", "a", AT)
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]


def test_a_mistake_found_before_anything_was_sent_leaves_nothing(tmp_path: Path) -> None:
    directory = create(tmp_path, "a", AT)
    (directory / "run.json").write_text("{}")
    with pytest.raises(ConfigError, match="wrong"), kept_if_begun(directory):
        raise ConfigError("wrong")
    assert list(tmp_path.iterdir()) == []
