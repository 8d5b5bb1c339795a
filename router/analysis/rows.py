"""A log's lines as the events that were written, each with its time; everything else is damaged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from router.faults import REACTIONS, Family, Kind
from router.log.event import Event
from router.log.events import BY_NAME, EVENTS, AttemptFinished, StateChanged
from router.log.schema import Row, reader_of
from router.log.times import seconds_of

WINDOWS_S: Mapping[str, float] = {"1s": 1.0, "10s": 10.0, "60s": 60.0, "1h": 3600.0}
"""The windows in which a change of state counts the calls before it, as in `sent_10s`."""
SCOPES: Mapping[str, str] = {"provider": "", "account": "account_", "key": "key_"}
"""What comes before `sent_…` for each scope of such a count."""
DOWN = frozenset({"resting", "dropped"})
FOLLOWED = frozenset({"account", "keys"})
"""Why somebody only follows another, of whom the log tells the same: part of one event."""

_READERS = {event: reader_of(event) for event in EVENTS}
_READS = {name: _READERS[event] for name, event in BY_NAME.items()}


class Logged(NamedTuple):
    """One line: when it was written in seconds since the epoch, in which run, and what; None for a later version's."""

    at: float
    run: str
    simulated: bool
    event: Event | None


def parse(row: Row) -> Logged | None:
    """The event of one line; None where it is none. A field of the wrong type counts as missing."""
    at, name, run = seconds_of(text(row, "ts")), row.get("event"), text(row, "run")
    if at is None or not isinstance(name, str):
        return None
    read = _READS.get(name)
    event = read(row) if read else None
    if read and (event is None or event.name != name):
        return None
    return Logged(at, run, row.get("simulated") is True, event)


def text(row: Row, name: str) -> str:
    """A field that is a text, else an empty one."""
    value = row.get(name)
    return value if isinstance(value, str) else ""


def sent(change: StateChanged, window: str, scope: str = "provider") -> int | None:
    """How many calls had left in a window of WINDOWS_S before a change of state; None where the log does not say."""
    found = getattr(change, f"{SCOPES[scope]}sent_{window}")
    return found if found is None or isinstance(found, int) else None


def fault_of(call: AttemptFinished) -> str:
    """The fault of a call that failed."""
    return call.fault or Kind.UNKNOWN


def family_of(fault: str | None) -> Family:
    """The family of a fault as the log names it; `unknown` for one that this version does not know."""
    return FAMILIES.get(fault or "", Family.UNKNOWN)


FAMILIES: Mapping[str, Family] = {str(kind): reaction.family for kind, reaction in REACTIONS.items()}
