"""Follows a run while it is going on: changes of state and faults as short lines, as they come."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from router import jsonl
from router.analysis.rows import Logged, parse, sent
from router.analysis.wording import counted, listed, quoted, seconds, share, time_of_day
from router.errors import ConfigError
from router.log.events import (
    AttemptFinished,
    ItemSettled,
    PaceChanged,
    ProviderLeftOut,
    RunFinished,
    RunStarted,
    StateChanged,
)
from router.log.times import seconds_of
from router.text import clean

POLL_S = 0.5
CHUNK = 1 << 20
QUOTED = 120


def follow(path: Path, emit: Callable[[str], None], *, sleep: Callable[[float], None] = time.sleep) -> None:
    """Hand each line worth telling to `emit`, until the run has finished or Ctrl-C; raises ConfigError without a file.

    It begins with what has happened so far. A run that is resumed goes on in the same file: only a `run.finished`
    at the very end of it is the end.
    """
    finished = False
    try:
        for logged in _logged(path):
            if logged is not None:
                finished = isinstance(logged.event, RunFinished)
                if line := short_line(logged):
                    emit(line)
            elif finished:
                return
            else:
                sleep(POLL_S)
    except KeyboardInterrupt:
        return


def _logged(path: Path) -> Iterator[Logged | None]:
    """The file's events, without an end; None whenever there is nothing new yet."""
    tail = _Tail(path)
    while True:
        lines = tail.lines()
        for line in lines:
            try:
                row = jsonl.decode(line)
            except ValueError:
                continue
            logged = parse(row) if isinstance(row, dict) else None
            if logged is not None:
                yield logged
        if not lines:
            yield None


@dataclass(slots=True)
class _Tail:
    """A growing file, read by whole lines. What has no line end yet is read again when it has."""

    path: Path
    at: int = 0

    def lines(self) -> list[bytes]:
        """The next whole lines; none where there is nothing new."""
        try:
            with self.path.open("rb") as file:
                # A resumed run cuts a torn line off; everything up to here stays.
                file.seek(self.at)
                return self._whole(file.read(CHUNK), file.read)
        except OSError as error:
            raise ConfigError(f"{self.path}: the log cannot be read ({error.strerror})") from None

    def _whole(self, data: bytes, more: Callable[[int], bytes]) -> list[bytes]:
        while b"\n" not in data and (next_ := more(CHUNK)):
            data += next_
        whole, end, _ = data.rpartition(b"\n")
        self.at += len(whole) + len(end)
        return whole.split(b"\n") if end else []


def short_line(logged: Logged) -> str | None:
    """What a person wants to know of an event, in one line; None for what goes well."""
    told = _told(logged)
    return None if told is None else clean(f"{time_of_day(logged.at)}  {told}")


def _told(logged: Logged) -> str | None:
    simulated = " (SIMULATED)" if logged.simulated else ""
    match logged.event:
        case AttemptFinished(ok=False) as call:
            return _failed(call)
        case StateChanged() as change:
            return _changed(change)
        case PaceChanged() as change:
            return f"{change.key or change.provider} now uses {share(change.after, 1)} of its rate"
        case ItemSettled(outcome="error") as settled:
            return f"{settled.item} has no answer: {settled.why or 'the log does not say why'}"
        case RunStarted():
            return f"run {logged.run}{simulated} begins; times are UTC"
        case RunFinished() as end:
            return f"run {logged.run}{simulated} {'was interrupted' if end.interrupted else 'has finished'}"
        case ProviderLeftOut() as left_out:
            return f"{left_out.provider} takes no part: {left_out.why}"
    return None


def _failed(call: AttemptFinished) -> str:
    status = f" HTTP {call.status}" if call.status else ""
    words = f"{call.key or call.provider} failed: {call.fault}{status} after {seconds(call.latency_s)}, {call.item}"
    return f"{words} {quoted(call.message or '', QUOTED)}".rstrip()


def _changed(change: StateChanged) -> str:
    who = change.provider if change.scope == "provider" else listed([str(key) for key in change.keys])
    words = f"{who} {change.before} → {change.after}"
    if change.after not in {"resting", "dropped"}:
        return words
    if change.because == "keys":
        return f"{words}: none of its keys can be used"
    if change.because == "account":
        return f"{words}: another provider's calls with this account led to it"
    until_at = seconds_of(change.until or "")
    until = f" until {time_of_day(until_at)}" if until_at else " for the run"
    counts = [(window, sent(change, window)) for window in ("1s", "60s")]
    before = ", ".join(
        f"{counted(number, 'call')} in {window[:-1]} s" for window, number in counts if number is not None
    )
    status = f" HTTP {change.status}" if change.status else ""
    declared = change.declared_rate or "no rate"
    return f"{words}{until}: {change.fault}{status}; before: {before or 'unknown'}, declared {declared}"
