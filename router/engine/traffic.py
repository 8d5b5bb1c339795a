"""What was sent before something happened: the memory from which a ban can be understood afterwards."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from math import floor

HOUR_S = 3600.0
EXACT_S = 60.0
LAST_STATUSES = 10
TIDIED_AT = 1024
"""Shorter memories are not worth tidying."""
WINDOWS_S: Mapping[str, float] = {"sent_1s": 1.0, "sent_10s": 10.0, "sent_60s": 60.0, "sent_1h": HOUR_S}


class Times:
    """Moments that ascend, none older than an hour; those of the last minute as they are, older ones by the second.

    Counting takes logarithmic time for the last minute, and memory does not grow with the length of a run.
    """

    def __init__(self) -> None:
        self._at = array("d")
        self._older: deque[tuple[float, int]] = deque()

    def __len__(self) -> int:
        return len(self._at) + len(self._older)

    def add(self, at: float) -> None:
        """Remember a moment; what is past is packed, and what is long past dropped, from time to time."""
        self._at.append(at)
        if len(self._at) >= TIDIED_AT and self._at[len(self._at) // 2] <= at - EXACT_S:
            self._pack(at)

    def since(self, at: float) -> int:
        """How many moments lie at `at` or after it; to the second where that is more than a minute ago."""
        older = sum(count for last, count in self._older if last >= at)
        return older + len(self._at) - bisect_left(self._at, at)

    def last(self, span_s: float, now: float) -> Sequence[float]:
        """The moments of the last `span_s` seconds, at most EXACT_S."""
        return self._at[bisect_right(self._at, now - span_s) :]

    def _pack(self, now: float) -> None:
        end = bisect_right(self._at, now - EXACT_S)
        for _, moments in groupby(self._at[:end], floor):
            together = [*moments]
            self._older.append((together[-1], len(together)))
        del self._at[:end]
        while self._older and self._older[0][0] <= now - HOUR_S:
            self._older.popleft()


class RecentTraffic:
    """The calls of one provider in the last hour, and its last statuses. Times must not go backwards."""

    def __init__(self) -> None:
        self._all = Times()
        self._by_key: defaultdict[str, Times] = defaultdict(Times)
        self._by_account: defaultdict[str, Times] = defaultdict(Times)
        self._statuses: deque[tuple[str, str]] = deque(maxlen=LAST_STATUSES)

    def sent(self, at: float, key: str, account: str) -> None:
        """Remember a call that leaves now."""
        for times in (self._all, self._by_key[key], self._by_account[account]):
            times.add(at)

    def answered(self, key: str, status: str) -> None:
        """Remember what came back: an HTTP status, or the fault where there was none."""
        self._statuses.append((key, status))

    def before(self, now: float, *, key: str | None = None, account: str | None = None) -> dict[str, object]:
        """Flat fields for a log line: calls in the last 1, 10, 60 s and hour, by key, account and provider."""
        fields: dict[str, object] = dict(_counts(self._all, now, ""))
        if account is not None:
            fields.update(_counts(self._by_account[account], now, "account_"))
        if key is not None:
            fields.update(_counts(self._by_key[key], now, "key_"))
        fields["peak_1s"] = peak(self._all.last(60.0, now))
        fields["last_statuses"] = [f"{name} {status}" for name, status in self._statuses]
        return fields


def _counts(times: Times, now: float, scope: str) -> dict[str, int]:
    return {scope + name: times.since(now - window) for name, window in WINDOWS_S.items()}


def peak(times: Iterable[float], window_s: float = 1.0) -> int:
    """The most calls in any half-open window of `window_s`; `times` ascend."""
    inside: deque[float] = deque()
    most = 0
    for at in times:
        inside.append(at)
        while inside[0] <= at - window_s:
            inside.popleft()
        most = max(most, len(inside))
    return most
