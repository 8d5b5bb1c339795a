"""What outlives a run: which keys were dropped and why, and how much of each long budget is used. One SQLite file.

It lies in the user's state directory (`$XDG_STATE_HOME/router`, else `~/.local/state/router`), or where $ROUTER_STATE
says. A key is known by a hash of itself and its vendor's address, so a corrected `base_url` starts afresh, and the
file is of no use to a thief. A rehearsal remembers nothing.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from router.config.models import Key, Provider
from router.errors import ConfigError
from router.faults import Fault, Kind

_TABLES = """
create table if not exists dropped (
    identity text primary key, key_hash text, provider text, key text, fault text, message text, at real
) without rowid;
create table if not exists used (
    scope text, period_s real, window integer, count integer, primary key (scope, period_s, window)
) without rowid;
"""
BUSY_S = 10.0
KEPT_S = 40 * 86400.0


@dataclass(frozen=True, slots=True)
class Dropped:
    """A key that a vendor refused for good: when (seconds since the epoch), as what, in its own words."""

    identity: str
    key_hash: str
    provider: str
    key: str
    fault: str
    message: str
    at: float

    def as_fault(self) -> Fault:
        """The fault that it was dropped for, as a new run sees it."""
        return Fault(Kind(self.fault), f"{self.message} (remembered; `router check --forget {self.key}` forgets it)")


@dataclass(frozen=True, slots=True)
class Use:
    """Calls counted in one window of a long limit; `window` numbers the periods since the epoch."""

    scope: str
    period_s: float
    window: int
    count: int


def default_path(environ: Mapping[str, str] = os.environ) -> Path:
    """Where the file lies unless somebody says otherwise."""
    if named := environ.get("ROUTER_STATE"):
        return Path(named)
    base = environ.get("XDG_STATE_HOME") or str(Path(environ.get("HOME") or Path.home()) / ".local" / "state")
    return Path(base) / "router" / "state.sqlite3"


def scope_of(provider: Provider, account: str | None = None) -> str:
    """Under which name the calls of a provider, or of one of its accounts, are counted."""
    name = f"{provider.name}@{provider.base_url}" if provider.base_url else provider.name
    return f"{name}/{account}" if account else name


def identity(key: Key, provider: Provider) -> str:
    """A hash of the key and the address that it is for."""
    secret = key.secret.reveal() if key.secret else ""
    return hashlib.sha256(f"{secret}\n{provider.base_url or provider.name}".encode()).hexdigest()


class StateStore:
    """The open file. Several runs may have it open at once; each call is one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    @classmethod
    def open(cls, path: Path | None = None) -> StateStore:
        """Open or make the file; raises ConfigError where that cannot be done."""
        path = path or default_path()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            db = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
            db.execute("pragma journal_mode=wal")
            db.execute("pragma synchronous=normal")
            db.executescript(_TABLES)
            db.execute("delete from used where window * period_s < ?", (time.time() - KEPT_S,))
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(
                f"{path}: cannot keep what was learnt there ({error}); name another file in ROUTER_STATE"
            ) from None
        return cls(db)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def dropped(self) -> tuple[Dropped, ...]:
        """Every key that is remembered as dropped, the newest first."""
        rows = self._db.execute("select * from dropped order by at desc").fetchall()
        return tuple(Dropped(*row) for row in rows)

    def drop(self, key: Key, provider: Provider, fault: Fault, at: float) -> None:
        """Remember that a key is dead."""
        row = (identity(key, provider), key.fingerprint, provider.name, key.name, str(fault.kind), fault.message, at)
        self._db.execute("insert or replace into dropped values (?, ?, ?, ?, ?, ?, ?)", row)

    def recall(self, key: Key, provider: Provider) -> Dropped | None:
        """What is remembered of a key, None where nothing is."""
        found = self._db.execute("select * from dropped where identity = ?", (identity(key, provider),)).fetchone()
        return Dropped(*found) if found else None

    def forget(self, name_or_hash: str) -> tuple[Dropped, ...]:
        """Forget the keys of a name (`openai#2`) or hash; what was forgotten."""
        gone = tuple(d for d in self.dropped() if name_or_hash in {d.key, d.key_hash, d.identity})
        self._db.executemany("delete from dropped where identity = ?", [(each.identity,) for each in gone])
        return gone

    def used(self, scope: str, period_s: float, window: int) -> int:
        """How many calls were counted in a window, by this run and all others."""
        found = self._db.execute(
            "select count from used where scope = ? and period_s = ? and window = ?", (scope, period_s, window)
        ).fetchone()
        return int(found[0]) if found else 0

    def count(self, scope: str, period_s: float, window: int) -> int:
        """Count one call in a window, and how many there are now, those of other runs included."""
        found = self._db.execute(
            "insert into used values (?, ?, ?, 1) on conflict do update set count = count + 1 returning count",
            (scope, period_s, window),
        ).fetchone()
        return int(found[0])

    def uses(self) -> tuple[Use, ...]:
        """Every window that is remembered."""
        return tuple(Use(*row) for row in self._db.execute("select * from used order by scope, period_s, window"))


@dataclass(frozen=True, slots=True)
class MemoryTally:
    """The calls of one limit, counted over all runs of this user on this machine."""

    memory: StateStore
    scope: str
    period_s: float

    def used(self, window: int) -> int:
        """How many calls were counted in a window."""
        return self.memory.used(self.scope, self.period_s, window)

    def count(self, window: int) -> int:
        """Count one more, and how many there are now."""
        return self.memory.count(self.scope, self.period_s, window)
