"""A log's lines as values: calls, changes of state, changes of pace, items; whatever is none of them is damaged."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple, TypeAlias

from router.faults import REACTIONS, Family, Kind

Row: TypeAlias = Mapping[str, object]
"""One line of a log."""

WINDOWS_S: Mapping[str, float] = {"1s": 1.0, "10s": 10.0, "60s": 60.0, "1h": 3600.0}
"""The windows in which a change of state counts the calls before it, as in `sent_10s`."""
SCOPES: Mapping[str, str] = {"provider": "", "account": "account_", "key": "key_"}
"""What comes before `sent_…` for each scope of such a count."""

LAST_WALL = 253_402_300_800.0
"""The end of the year 9999, in seconds since the epoch."""

_HEAD = frozenset(
    (
        *("ts", "level", "event", "run", "simulated", "provider", "key", "key_hash", "before", "after"),
        *("fault", "until", "strikes", "status", "vendor_code", "message"),
    )
)


class Call(NamedTuple):
    """`attempt.finished`: one call that came back, or failed. Times in seconds, `at` since the epoch."""

    at: float
    item: str
    attempt: int
    provider: str
    key: str
    model: str
    ok: bool
    status: int | None
    fault: str
    action: str
    vendor_code: str
    message: str
    retry_after_s: float | None
    limits: Row
    latency_s: float
    waited_s: float
    waited_for: str

    @property
    def family(self) -> Family:
        """The family of its fault."""
        return family_of(self.fault)

    @property
    def sent_at(self) -> float:
        """When it left."""
        return self.at - self.latency_s


class Turn(NamedTuple):
    """`key.state` or, with `key` None, `provider.state`; `came_before` holds every field beyond the named ones."""

    at: float
    provider: str
    key: str | None
    key_hash: str
    before: str
    after: str
    fault: str
    until_at: float | None
    strikes: int
    status: int | None
    vendor_code: str
    message: str
    came_before: Row

    @property
    def by_keys(self) -> bool:
        """Whether a provider only follows its keys: none of them serves, or all of them rest."""
        if self.key is not None or self.after not in {"resting", "dropped"}:
            return False
        told = self.until_at is not None and self.until_at > self.at
        return self.after == "dropped" or not (told or self.fault == Kind.REGION_BLOCKED)


class Share(NamedTuple):
    """`pace.changed`: a key, or with `key` None a provider, now uses `after` of its declared rate."""

    at: float
    provider: str
    key: str | None
    after: float


class Settled(NamedTuple):
    """`item.settled`: `outcome` is `error` where no answer came, and `why` says why."""

    at: float
    item: str
    outcome: str
    attempts: int
    elapsed_s: float
    why: str


class Note(NamedTuple):
    """Any other event, as it stands."""

    at: float
    event: str
    row: Row


Event: TypeAlias = Call | Turn | Share | Settled | Note


def parse(row: Row) -> Event | None:
    """The event of one line; None where it is none. A field of the wrong type counts as missing."""
    at = wall(text(row, "ts"))
    if at is None:
        return None
    match row.get("event"):
        case "attempt.finished":
            return _call(row, at)
        case "key.state" | "provider.state":
            return _turn(row, at)
        case "pace.changed":
            share = number(row, "after")
            return None if share is None else Share(at, text(row, "provider"), text(row, "key") or None, share)
        case "item.settled":
            elapsed_s = number(row, "elapsed_s") or 0.0
            return Settled(
                at, text(row, "item"), text(row, "outcome"), _int(row, "attempts"), elapsed_s, text(row, "why")
            )
        case str() as event:
            return Note(at, event, row)
    return None


def _call(row: Row, at: float) -> Call | None:
    provider, ok = row.get("provider"), row.get("ok")
    if not isinstance(provider, str) or not isinstance(ok, bool):
        return None
    limits = row.get("limits")
    status = row.get("status")
    return Call(
        at,
        text(row, "item"),
        _int(row, "attempt"),
        provider,
        text(row, "key"),
        text(row, "model"),
        ok,
        status if isinstance(status, int) else None,
        text(row, "fault") or ("" if ok else "unknown"),
        text(row, "action"),
        text(row, "vendor_code"),
        text(row, "message"),
        number(row, "retry_after_s"),
        limits if isinstance(limits, dict) else {},
        number(row, "latency_s") or 0.0,
        number(row, "waited_s") or 0.0,
        text(row, "waited_for"),
    )


def _turn(row: Row, at: float) -> Turn | None:
    provider, after = text(row, "provider"), text(row, "after")
    key = text(row, "key") or None
    if not provider or not after or (key is None) != (row["event"] == "provider.state"):
        return None
    status = row.get("status")
    return Turn(
        at,
        provider,
        key,
        text(row, "key_hash"),
        text(row, "before"),
        after,
        text(row, "fault"),
        wall(text(row, "until")),
        _int(row, "strikes"),
        status if isinstance(status, int) else None,
        text(row, "vendor_code"),
        text(row, "message"),
        {name: value for name, value in row.items() if name not in _HEAD},
    )


def text(row: Row, name: str) -> str:
    """A field that is a text, else an empty one."""
    value = row.get(name)
    return value if isinstance(value, str) else ""


def number(row: Row, name: str) -> float | None:
    """A field that is a number, else None."""
    value = row.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _int(row: Row, name: str) -> int:
    return int(number(row, name) or 0)


def wall(iso: str) -> float | None:
    """Seconds since the epoch of an ISO 8601 time with its zone; None for anything else, or before the epoch."""
    try:
        moment = datetime.fromisoformat(iso)
        at = moment.timestamp() if moment.tzinfo else -1.0
    except (ValueError, OverflowError):
        return None
    return at if 0 <= at < LAST_WALL else None


def utc(at: float) -> datetime:
    """Seconds since the epoch as a date and time; what a log's odd durations lead to is kept within the calendar."""
    return datetime.fromtimestamp(min(max(at, 0.0), LAST_WALL - 1), UTC)


def iso(at: float) -> str:
    """Seconds since the epoch as ISO 8601 in UTC, with milliseconds."""
    return utc(at).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def sent(came_before: Row, window: str, scope: str = "provider") -> int | None:
    """How many calls had left in a window of WINDOWS_S before a change of state; None where the log does not say."""
    found = number(came_before, f"{SCOPES[scope]}sent_{window}")
    return None if found is None else int(found)


def family_of(fault: str) -> Family:
    """The family of a fault as the log names it; `unknown` for one that this version does not know."""
    try:
        return REACTIONS[Kind(fault)].family
    except ValueError:
        return Family.UNKNOWN
