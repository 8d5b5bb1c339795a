"""Planned troubles of a simulated vendor, and the text in which people write them: `hang@5s+20s`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from router.rates import parse_duration


class Kind(StrEnum):
    """What can be wrong with a vendor."""

    SERVER_ERROR = "server_error"
    UNAVAILABLE = "unavailable"
    OVERLOADED = "overloaded"
    HANG = "hang"
    CUT = "cut"
    TRICKLE = "trickle"
    NON_JSON = "non_json"
    EMPTY = "empty"
    SLOW_STREAM = "slow_stream"
    IP_BLOCK = "ip_block"
    REGION_BLOCK = "region_block"
    REVOKED_KEY = "revoked_key"
    NO_CREDIT = "no_credit"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Trouble:
    """One trouble from `start_s` on, in seconds since the vendor started; without a duration it stays.

    `share` is the part of the calls that it strikes. `key` is the number of a key as in `openai#1`,
    counted from 1; None strikes all. `no_credit` strikes every key of that key's account.
    """

    kind: Kind
    start_s: float = 0.0
    duration_s: float | None = None
    share: float = 1.0
    key: int | None = None

    @property
    def end_s(self) -> float:
        """When it is over; infinity where it stays."""
        return float("inf") if self.duration_s is None else self.start_s + self.duration_s

    def is_active(self, now: float) -> bool:
        """Whether it is active at `now`: from its start on, and before its end."""
        return self.start_s <= now < self.end_s

    def __str__(self) -> str:
        """Write it as people do, so that `parse_trouble` reads it again."""
        key = "" if self.key is None else f"#{self.key}"
        start = f"@{self.start_s:.10g}s" if self.start_s else ""
        duration = "" if self.duration_s is None else f"+{self.duration_s:.10g}s"
        share = "" if self.share == 1 else f"*{self.share:.10g}"
        return f"{self.kind}{key}{start}{duration}{share}"


_TEXT = re.compile(
    r"(?P<kind>[a-z_]+)(?:#(?P<key>\d+))?(?:@(?P<start>[^+*]+))?(?:\+(?P<duration>[^*]+))?(?:\*(?P<share>.+))?",
    re.ASCII,
)


def parse_trouble(text: str) -> Trouble:
    """Read `kind#key@start+duration*share`, all but the kind optional; raises ValueError saying why not.

    Examples: `hang@5s+20s`, `revoked_key#1@3s`, `overloaded@10s+30s*0.5`.
    """
    match = _TEXT.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no trouble; write for example hang@5s+20s or revoked_key#1@3s")
    kind, key, start, duration, share = match.group("kind", "key", "start", "duration", "share")
    if kind not in set(Kind):
        raise ValueError(f"{kind!r} is no kind of trouble; the kinds are {', '.join(Kind)}")
    return Trouble(
        Kind(kind),
        0.0 if start is None else _seconds(start, text),
        None if duration is None else _seconds(duration, text),
        1.0 if share is None else _share(share, text),
        None if key is None else _number(key, text),
    )


def _seconds(words: str, text: str) -> float:
    try:
        return parse_duration(words)
    except ValueError as error:
        raise ValueError(f"{words!r} in {text!r} is no time; expected {error}") from None


def _share(words: str, text: str) -> float:
    if re.fullmatch(r"0?\.\d+|1(\.0*)?|0\.\d*", words, re.ASCII) is None or float(words) == 0:
        raise ValueError(f"{words!r} in {text!r} is no share; expected a number above 0 and up to 1")
    return float(words)


def _number(words: str, text: str) -> int:
    if int(words) < 1:
        raise ValueError(f"#{words} in {text!r} is no key; the first key is #1")
    return int(words)
