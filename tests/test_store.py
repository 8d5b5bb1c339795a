"""What outlives a run: dropped keys and the use of long budgets, over processes, and never a key itself."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from router.config.models import Key, Provider, Secret
from router.engine.budget import Budget
from router.errors import ConfigError
from router.faults import Fault, Kind
from router.rates import Rate
from router.store import BUSY_S, LEFT_ALONE_S, MemoryTally, StateStore, default_path, identity, scope_of

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


PROCESS = """
import sys
from pathlib import Path
from router.store import StateStore
store, today = StateStore.open(Path(sys.argv[1])), int(sys.argv[2])
for _ in range(50):
    store.add("counted", 86400.0, today, 1)
print(sum(store.take("taken", 86400.0, today, 30) for _ in range(20)))
store.close()
"""


def test_processes_count_together_and_never_take_more_than_a_limit(path: Path) -> None:
    StateStore.open(path).close()
    command = [sys.executable, "-c", PROCESS, str(path), str(TODAY)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(3)]  # noqa: S603 - our own text
    assert sum(int(process.communicate()[0]) for process in processes) == 30
    store = StateStore.open(path)
    assert (store.used("counted", DAY_S, TODAY), store.used("taken", DAY_S, TODAY)) == (150, 30)


def test_what_others_took_is_heeded_before_it_is_too_much(path: Path) -> None:
    first, second = StateStore.open(path), StateStore.open(path)
    assert [first.take("acme", DAY_S, TODAY, 3) for _ in range(2)] == [True, True]
    assert [second.take("acme", DAY_S, TODAY, 3) for _ in range(2)] == [True, False]
    assert first.used("acme", DAY_S, TODAY) == 3
    assert not first.take("acme", DAY_S, TODAY, 3)
    assert not first.take("acme", DAY_S, TODAY + 1, 0)
    assert first.take("acme", DAY_S, TODAY + 1, 1)


# A file that cannot be had.


@dataclass
class Trouble:
    """A store whose file somebody else holds, and all that it says of it."""

    path: Path
    now: float = 0.0
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = StateStore.open(self.path, clock=lambda: self.now)
        self.store.on_failure = self.said.append
        self.other = sqlite3.connect(self.path, isolation_level=None)

    def count(self) -> int:
        self.store.add("acme", DAY_S, TODAY, 1)
        return self.store.used("acme", DAY_S, TODAY)


@pytest.fixture
def trouble(path: Path) -> Trouble:
    return Trouble(path)


def test_a_locked_file_is_counted_beside_and_catches_up(trouble: Trouble) -> None:
    assert trouble.count() == 1
    trouble.other.execute("begin immediate")
    assert [trouble.count() for _ in range(3)] == [2, 3, 4]
    assert trouble.store.take("acme", DAY_S, TODAY, 5)
    assert not trouble.store.take("acme", DAY_S, TODAY, 5)
    trouble.other.execute("update used set count = count + 100")
    trouble.other.execute("commit")
    assert trouble.store.used("acme", DAY_S, TODAY) == 5
    trouble.now += LEFT_ALONE_S
    assert trouble.count() == 106
    assert trouble.other.execute("select count from used").fetchall() == [(106,)]
    assert len(trouble.said) == 1
    assert "locked" in trouble.said[0]


def test_a_locked_file_is_tried_once_and_then_left_alone(trouble: Trouble) -> None:
    """Else each call would hold the event loop for as long as SQLite waits."""
    trouble.other.execute("begin immediate")
    asked: list[str] = []
    trouble.store._db.set_trace_callback(asked.append)
    for _ in range(50):
        trouble.count()
    assert len(asked) <= 1
    assert trouble.store._db.execute("pragma busy_timeout").fetchone() == (1000 * BUSY_S,)


def test_what_was_counted_beside_a_locked_file_is_written_when_it_is_closed(trouble: Trouble, path: Path) -> None:
    trouble.other.execute("begin immediate")
    trouble.count()
    trouble.other.execute("commit")
    trouble.store.close()
    assert StateStore.open(path).used("acme", DAY_S, TODAY) == 1


@pytest.mark.parametrize(
    "harm",
    [
        pytest.param("drop table used; drop table dropped", id="tables gone"),
        pytest.param(
            "alter table dropped drop column message; alter table used drop column count", id="another schema"
        ),
        pytest.param("begin exclusive", id="locked"),
    ],
)
def test_nothing_that_happens_to_the_file_is_raised(trouble: Trouble, harm: str) -> None:
    trouble.other.executescript(harm)
    store = trouble.store
    store.drop(KEY, ACME, DEAD, at=1000.0)
    assert store.recall(KEY, ACME) is None
    assert (store.dropped(), store.forget("acme#1"), store.uses()) == ((), (), ())
    assert (trouble.count(), store.used("acme", DAY_S, TODAY)) == (1, 1)
    store.close()
    assert trouble.count() == 2
    assert len(trouble.said) == 1


def test_noise_in_the_file_is_not_raised(path: Path) -> None:
    trouble = Trouble(path)
    trouble.count()
    for file in path.parent.iterdir():
        file.write_bytes(b"noise" * 5000)
    assert trouble.count() >= 1
    trouble.store.drop(KEY, ACME, DEAD, at=1000.0)
    trouble.store.close()


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(("eats_too_much", "words", 1.0), id="a fault of another version"),
        pytest.param(("revoked_key", "words", "noon"), id="no time"),
        pytest.param((None, None, None), id="nothing"),
    ],
)
def test_content_that_nobody_understands_is_passed_over(path: Path, row: tuple[object, ...]) -> None:
    store = StateStore.open(path)
    store._db.execute(
        "insert into dropped values (?, ?, ?, ?, ?, ?, ?)",
        (identity(KEY, ACME), KEY.fingerprint, "acme", "acme#1", *row),
    )
    store._db.execute("insert into used values ('acme', ?, ?, 'many')", (DAY_S, TODAY))
    store._db.execute("insert into used values ('acme', 'a day', ?, null)", (TODAY,))
    assert store.recall(KEY, ACME) is None
    assert (store.dropped(), store.uses()) == ((), ())
    assert store.used("acme", DAY_S, TODAY) == 0
    store.add("acme", DAY_S, TODAY, 1)
    assert store.used("acme", DAY_S, TODAY) == 1


def test_words_of_a_vendor_that_no_file_could_hold_are_no_obstacle(path: Path) -> None:
    store = StateStore.open(path)
    store.drop(KEY, ACME, replace(DEAD, message="no \ud800"), at=1000.0)
    assert [each.message for each in store.dropped()] == ["no ?"]


def test_only_its_owner_can_read_it(path: Path) -> None:
    path.parent.mkdir()
    path.touch(mode=0o644)
    store = StateStore.open(path)
    store.add("acme", DAY_S, TODAY, 1)
    assert {file.name: f"{file.stat().st_mode & 0o777:o}" for file in path.parent.iterdir()} == dict.fromkeys(
        ("state.sqlite3", "state.sqlite3-wal", "state.sqlite3-shm"), "600"
    )
    assert StateStore.open(path.parent / "new" / "state").path.parent.stat().st_mode & 0o777 == 0o700


def test_windows_that_are_long_over_are_forgotten(path: Path) -> None:
    memory = StateStore.open(path)
    memory.add("acme", DAY_S, TODAY - 100, 1)
    memory.add("acme", DAY_S, TODAY, 1)
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
