"""What was sent before something happened: the memory from which a ban can be understood afterwards."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Mapping
from typing import NamedTuple

HOUR_S = 3600.0
LAST_STATUSES = 10
MOST_REMEMBERED = 200_000
WINDOWS_S: Mapping[str, float] = {"sent_1s": 1.0, "sent_10s": 10.0, "sent_60s": 60.0, "sent_1h": HOUR_S}


class Sent(NamedTuple):
    """One call that left: when (seconds of the loop's clock), with which key, of which account."""

    at: float
    key: str
    account: str


class History:
    """The calls of one provider in the last hour, and its last statuses. Times must not go backwards."""

    def __init__(self) -> None:
        self._sent: deque[Sent] = deque(maxlen=MOST_REMEMBERED)
        self._statuses: deque[tuple[str, str]] = deque(maxlen=LAST_STATUSES)

    def sent(self, at: float, key: str, account: str) -> None:
        """Remember a call that leaves now."""
        self._sent.append(Sent(at, key, account))
        while self._sent[0].at <= at - HOUR_S:
            self._sent.popleft()

    def answered(self, key: str, status: str) -> None:
        """Remember what came back: an HTTP status, or the fault where there was none."""
        self._statuses.append((key, status))

    def before(self, now: float, *, key: str | None = None, account: str | None = None) -> dict[str, object]:
        """Flat fields for a log line: calls in the last 1, 10, 60 s and hour, by key, account and provider."""
        fields: dict[str, object] = {}
        fields.update(_counts([sent.at for sent in self._sent], now, ""))
        if account is not None:
            fields.update(_counts([sent.at for sent in self._sent if sent.account == account], now, "account_"))
        if key is not None:
            fields.update(_counts([sent.at for sent in self._sent if sent.key == key], now, "key_"))
        fields["peak_1s"] = peak(sent.at for sent in self._sent if sent.at > now - 60.0)
        fields["last_statuses"] = [f"{name} {status}" for name, status in self._statuses]
        return fields


def _counts(times: list[float], now: float, scope: str) -> dict[str, int]:
    return {scope + name: len(times) - bisect_left(times, now - window) for name, window in WINDOWS_S.items()}


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
