"""What outlives a run: which keys were dropped and why, and how much of each long budget is used. One SQLite file.

It lies in the user's state directory (`$XDG_STATE_HOME/router`, else `~/.local/state/router`), or where $ROUTER_STATE
says. A key is known by a hash of itself and its vendor's address, so a corrected `base_url` starts afresh, and the
file is of no use to a thief. A rehearsal remembers nothing.
"""

from __future__ import annotations

import hashlib
import math
import os
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

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
_COUNT = """
insert into used values (?, ?, ?, ?)
on conflict do update set count = coalesce(cast(count as integer), 0) + excluded.count
where coalesce(cast(count as integer), 0) < ?
returning count
"""
NO_LIMIT = 2**62
OPENING_S = 2.0
"""How long another process may hold the file while it is opened; nobody waits for us yet."""
BUSY_S = 0.05
"""The same while a run goes on: the event loop stands still for it."""
LEFT_ALONE_S = 5.0
"""After a failure the file is not tried again for so long; what is counted meanwhile is written then."""
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
    if account:
        return f"account {provider.account_id(account)}"
    # An address may hold what is nobody's business, such as an account's number.
    where = f"@{hashlib.sha256(provider.base_url.encode()).hexdigest()[:16]}" if provider.base_url else ""
    return f"{provider.name}{where}"


def identity(key: Key, provider: Provider) -> str:
    """A hash of the key and the address that it is for."""
    secret = key.secret.reveal() if key.secret else ""
    return hashlib.sha256(f"{secret}\n{provider.base_url or provider.name}".encode()).hexdigest()


Slot: TypeAlias = tuple[str, float, int]
"""One window of a long limit: scope, period in seconds, number since the epoch."""


class StateStore:
    """The open file. Several runs may have it open at once; each call is one transaction.

    Once open it never raises, and never waits longer than BUSY_S: where the file cannot be had (locked, full disk,
    rubbish in it), `on_failure` is told once, counting goes on in memory, and the file catches up when it can.
    What it holds that this version does not understand is passed over.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self.path = path
        self.on_failure: Callable[[str], None] = lambda _why: None
        self._db = connection
        self._clock = clock
        self._left_alone_until = -math.inf
        self._has_failed = False
        self._known: dict[Slot, int] = {}
        self._unsaved: Counter[Slot] = Counter()

    @classmethod
    def open(cls, path: Path | None = None, *, clock: Callable[[], float] = time.monotonic) -> StateStore:
        """Open or make the file, for its owner's eyes only; raises ConfigError where that cannot be done."""
        path = path or default_path()
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.touch(mode=0o600)
            path.chmod(0o600)  # of an earlier version; what SQLite puts beside it gets the same rights
            db = sqlite3.connect(path, timeout=OPENING_S, isolation_level=None, check_same_thread=False)
            db.execute("pragma journal_mode=wal")
            db.execute("pragma synchronous=normal")
            db.executescript(_TABLES)
            db.execute("delete from used where window * period_s < ?", (time.time() - KEPT_S,))
            db.execute(f"pragma busy_timeout={round(BUSY_S * 1000)}")
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(
                f"{path}: the state of earlier runs cannot be kept there ({error}); name another file in ROUTER_STATE"
            ) from None
        return cls(db, path, clock)

    def close(self) -> None:
        """Write what is counted and not yet written, and close the file."""
        self._left_alone_until = -math.inf
        for slot in list(self._unsaved):
            self._save(slot)
        self._db.close()

    def dropped(self) -> tuple[Dropped, ...]:
        """Every key that is remembered as dropped, the newest first."""
        rows = self._ask("select * from dropped order by at desc")
        return tuple(dropped for row in rows if (dropped := _as_dropped(row)))

    def drop(self, key: Key, provider: Provider, fault: Fault, at: float) -> None:
        """Remember that a key is dead."""
        words = fault.message.encode(errors="replace").decode()
        row = (identity(key, provider), key.fingerprint, provider.name, key.name, str(fault.kind), words, at)
        self._ask("insert or replace into dropped values (?, ?, ?, ?, ?, ?, ?)", *row)

    def recall(self, key: Key, provider: Provider) -> Dropped | None:
        """What is remembered of a key, None where nothing is."""
        rows = self._ask("select * from dropped where identity = ?", identity(key, provider))
        return _as_dropped(rows[0]) if rows else None

    def forget(self, name_or_hash: str) -> tuple[Dropped, ...]:
        """Forget the keys of a name (`openai#2`) or hash; what was forgotten."""
        gone = tuple(d for d in self.dropped() if name_or_hash in {d.key, d.key_hash, d.identity})
        for each in gone:
            self._ask("delete from dropped where identity = ?", each.identity)
        return gone

    def used(self, scope: str, period_s: float, window: int) -> int:
        """How many calls were counted in a window, by this run and all others."""
        slot = (scope, period_s, window)
        rows = self._ask("select count from used where scope = ? and period_s = ? and window = ?", *slot)
        if rows and isinstance(rows[0][0], int):
            self._known[slot] = rows[0][0] + self._unsaved[slot]
        return self._known.get(slot, 0)

    def take(self, scope: str, period_s: float, window: int, limit: int) -> bool:
        """Count one call in a window if fewer than `limit` are counted there, by this run and all others.

        One atomic step, so that processes that share a limit never exceed it together. While the file cannot be
        had, the last count that was seen is what counts.
        """
        slot = (scope, period_s, window)
        self._save(slot)
        rows = self._try(_COUNT, *slot, 1, limit) if limit > 0 else []
        if rows is None:
            if self._known.get(slot, 0) >= limit:
                return False
            self._unsaved[slot] += 1
            self._known[slot] = self._known.get(slot, 0) + 1
            return True
        self._known[slot] = rows[0][0] if rows else max(limit, self._known.get(slot, 0))
        return bool(rows)

    def add(self, scope: str, period_s: float, window: int, amount: int) -> None:
        """Count an amount in a window, whatever its limit; a negative one takes back what was counted too much."""
        slot = (scope, period_s, window)
        self._unsaved[slot] += amount
        self._known[slot] = self._known.get(slot, 0) + amount
        self._save(slot)

    def uses(self) -> tuple[Use, ...]:
        """Every window that is remembered."""
        rows = self._ask("select * from used order by scope, period_s, window")
        return tuple(Use(*row) for row in rows if tuple(map(type, row)) == (str, float, int, int))

    def _save(self, slot: Slot) -> None:
        """Write what was counted in a window and not yet written."""
        if number := self._unsaved[slot]:
            rows = self._try(_COUNT, *slot, number, NO_LIMIT)
            if rows:
                self._known[slot] = rows[0][0]
                del self._unsaved[slot]

    def _ask(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        return self._try(query, *values) or []

    def _try(self, query: str, *values: object) -> list[tuple[Any, ...]] | None:
        """The rows, or None where the file cannot be had."""
        if self._clock() < self._left_alone_until:
            return None
        try:
            return self._db.execute(query, values).fetchall()
        except sqlite3.Error as error:
            self._left_alone_until = self._clock() + LEFT_ALONE_S
            if not self._has_failed:
                self._has_failed = True
                self.on_failure(f"{self.path}: {error}")
            return None


def _as_dropped(row: tuple[Any, ...]) -> Dropped | None:
    """What a row says; None where another version, or nobody, could have written it."""
    try:
        Kind(row[4])
        identity_, key_hash, provider, key, fault, message = map(str, row[:6])
        return Dropped(identity_, key_hash, provider, key, fault, message, float(row[6]))
    except (ValueError, TypeError, IndexError):
        return None


@dataclass(frozen=True, slots=True)
class MemoryTally:
    """The calls, or tokens, of one limit, counted over all runs of this user on this machine."""

    memory: StateStore
    scope: str
    period_s: float

    def used(self, window: int) -> int:
        """How many calls were counted in a window."""
        return self.memory.used(self.scope, self.period_s, window)

    def take(self, window: int, limit: int) -> bool:
        """Count one more if fewer than `limit` are counted there; a limit is kept over processes with this alone."""
        return self.memory.take(self.scope, self.period_s, window, limit)

    def add(self, window: int, amount: int) -> None:
        """Count an amount, whatever the limit."""
        self.memory.add(self.scope, self.period_s, window, amount)
