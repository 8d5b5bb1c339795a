"""What outlives a run: dropped keys and the use of long budgets, over processes, and never a key itself."""

from __future__ import annotations

import multiprocessing
import time
from dataclasses import replace
from pathlib import Path

import pytest

from router.config.models import Key, Provider, Secret
from router.config.rates import Rate
from router.engine.budget import Budget
from router.errors import ConfigError
from router.faults import Fault, Kind
from router.store import MemoryTally, StateStore, default_path, scope_of

SECRET = "sk-planted-0123456789abcdef"
KEY = Key("acme#1", Secret(SECRET), "acme#1")
ACME = Provider("acme", {"default": "openai/small"}, (KEY,), (Rate(10, 86400),), base_url="http://127.0.0.1:9/v1")
DAY_S = 86400.0
TODAY = int(time.time() // DAY_S)
"""Windows that are long over are forgotten, so the tests count in one that is not."""
DEAD = Fault(Kind.REVOKED_KEY, "key revoked", 401)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "state.sqlite3"


def test_a_dropped_key_is_recalled_by_another_run_with_its_reason(path: Path) -> None:
    first = StateStore.open(path)
    first.drop(KEY, ACME, DEAD, at=1000.0)
    first.close()
    found = StateStore.open(path).recall(KEY, ACME)
    assert found is not None
    assert (found.key, found.fault, found.message, found.at) == ("acme#1", "revoked_key", "key revoked", 1000.0)
    assert "router check --forget acme#1" in str(found.as_fault())


@pytest.mark.parametrize(
    ("key", "provider"),
    [
        pytest.param(replace(KEY, secret=Secret("another")), ACME, id="another key"),
        pytest.param(KEY, replace(ACME, base_url="http://127.0.0.1:10/v1"), id="the same key at another address"),
    ],
)
def test_nothing_else_is_taken_for_it(path: Path, key: Key, provider: Provider) -> None:
    memory = StateStore.open(path)
    memory.drop(KEY, ACME, DEAD, at=1000.0)
    assert memory.recall(key, provider) is None


@pytest.mark.parametrize("name", ["acme#1", KEY.fingerprint], ids=["by name", "by hash"])
def test_it_is_forgotten_on_request(path: Path, name: str) -> None:
    memory = StateStore.open(path)
    memory.drop(KEY, ACME, DEAD, at=1000.0)
    assert [gone.key for gone in memory.forget(name)] == ["acme#1"]
    assert memory.recall(KEY, ACME) is None
    assert memory.forget(name) == ()


def test_the_file_holds_no_key(path: Path) -> None:
    memory = StateStore.open(path)
    memory.drop(KEY, ACME, DEAD, at=1000.0)
    memory.close()
    assert SECRET.encode() not in b"".join(file.read_bytes() for file in path.parent.iterdir())


def test_a_budget_goes_on_where_another_run_left_it(path: Path) -> None:
    def budget() -> Budget:
        tally = MemoryTally(StateStore.open(path), scope_of(ACME), 86400.0)
        return Budget(Rate(10, 86400.0), wall=lambda: TODAY * DAY_S + 3600, tally=tally)

    first, second = budget(), budget()
    for _ in range(4):
        first.take()
    second.take()
    assert (second.left, budget().left) == (5, 5)


def _count(path: Path, times: int) -> None:
    memory = StateStore.open(path)
    for _ in range(times):
        memory.count("acme", DAY_S, TODAY)
    memory.close()


def test_two_processes_count_together(path: Path) -> None:
    StateStore.open(path).close()
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_count, args=(path, 50)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert StateStore.open(path).used("acme", DAY_S, TODAY) == 100


def test_windows_that_are_long_over_are_forgotten(path: Path) -> None:
    memory = StateStore.open(path)
    memory.count("acme", DAY_S, TODAY - 100)
    memory.count("acme", DAY_S, TODAY)
    memory.close()
    assert [use.window for use in StateStore.open(path).uses()] == [TODAY]


def test_where_nothing_can_be_kept_the_message_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigError, match="ROUTER_STATE"):
        StateStore.open(tmp_path / "file" / "state.sqlite3")


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        pytest.param({"ROUTER_STATE": "/s/f.db", "HOME": "/h"}, "/s/f.db", id="named"),
        pytest.param({"XDG_STATE_HOME": "/x", "HOME": "/h"}, "/x/router/state.sqlite3", id="XDG"),
        pytest.param({"HOME": "/h"}, "/h/.local/state/router/state.sqlite3", id="home"),
    ],
)
def test_where_it_lies(environ: dict[str, str], expected: str) -> None:
    assert default_path(environ) == Path(expected)


def test_accounts_and_addresses_are_counted_apart() -> None:
    assert len({scope_of(ACME), scope_of(ACME, "team"), scope_of(replace(ACME, base_url=None))}) == 3
