"""When may I try again? One function for all forms in which vendors say it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from router.catalog.vendors import of_prefix
from router.classify.evidence import Evidence

MAX_WAIT_S = 31 * 86400.0

_BEIJING = "+08:00"
"""A Chinese sentence means this zone where it names none."""
_EPOCH_S, _EPOCH_MS = 1e9, 1e11
_UNITS = {
    "ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "millisecond": 1e-3, "毫秒": 1e-3,
    "s": 1, "sec": 1, "second": 1, "秒": 1, "秒钟": 1,
    "m": 60, "min": 60, "minute": 60, "分": 60, "分钟": 60,
    "h": 3600, "hr": 3600, "hour": 3600, "小时": 3600, "个小时": 3600,
    "d": 86400, "day": 86400, "天": 86400, "日": 86400, "week": 604800, "w": 604800, "周": 604800,
}  # fmt: skip
_UNIT = (
    r"(?:milliseconds?|ms|µs|us|ns|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d|weeks?|w"
    r"|毫秒|秒钟?|分钟?|个?小时|天|日|周)(?![a-z])"
)
_NUMBER = r"\d{1,12}(?:\.\d{1,12})?"
_SPAN = rf"(?P<span>{_NUMBER}\s?{_UNIT}(?:(?:\s|,|and|零){{0,6}}{_NUMBER}\s?{_UNIT}){{0,3}})"
_PART = re.compile(rf"({_NUMBER})\s?({_UNIT})", re.IGNORECASE)
_GO_SPAN = re.compile(rf"(?:{_NUMBER}(?:ns|us|µs|ms|s|m|h|d|w)){{1,5}}", re.IGNORECASE)
_TOLD = (
    re.compile(
        r"(?:again|retry|retrying|wait|resets?|reset time|available|regain access|resumed?|back off|expires?)"
        r"(?: your request| the request| again| later| period)?:? (?:in|after|for|at least|within)? ?"
        rf"(?:about |approximately |at least |another |~ ?)?{_SPAN}",
        re.IGNORECASE,
    ),
    re.compile(rf"(?:in|after|wait) {_SPAN}(?: and| then|,)? (?:before|try|retry|and try)", re.IGNORECASE),
    re.compile(rf"{_SPAN}\s{{0,3}}(?:之?后|以后|再试|重试)", re.IGNORECASE),
)
_BARE_SECONDS = re.compile(
    r"(?:retry[-_ ]after|retry_in)[\"']?\s?[:=]?\s?(\d{1,9}(?:\.\d{1,9})?)(?![\d.]*\s?[a-z:/-])", re.IGNORECASE
)
_EPOCH_AFTER_A_BAR = re.compile(r"\|(1\d{9})\b")
"""Claude's subscriptions: `usage limit reached|1749924000`."""
_CLOCK = re.compile(
    r"(?P<day>20\d\d-\d\d-\d\d)(?:\s?T?|,? at )(?P<time>\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)?"
    r"\s?(?P<zone>Z\b|UTC\b|GMT\b|[+-]\d\d:?\d\d)?",
    re.IGNORECASE,
)
_SPEAKS_OF_RESET = re.compile(
    r"reset|regain|again|until|retry|available|after|重置|恢复|刷新|解除|之后|后再", re.IGNORECASE
)
_DIGIT = re.compile(r"\d")
_CHINESE = re.compile(r"[一-鿿]")
_REJECTED = frozenset({"rejected", "exceeded", "exhausted"})


def retry_after(evidence: Evidence, now: float) -> float | None:
    """Seconds until the vendor lets us try again, 0 to 31 days; None where it named no time.

    `now` is in seconds since the epoch. Read in this order: `retry-after-ms`, `retry-after`, the reset headers
    of limits that are used up, fields of the body, its words, and on a 429 any reset header. The headers of a
    200 are about other calls and are ignored, and so is the delay that Google attaches to a daily quota
    (30 to 50 s: https://ai.google.dev/gemini-api/docs/rate-limits says it resets at midnight Pacific).
    """
    if any(code.place.endswith("quotaid") and "perday" in code.value.lower() for code in evidence.codes):
        return None
    headers = {} if evidence.status == HTTPStatus.OK else evidence.headers
    for wait in _in_order(evidence, headers, now):
        if wait is not None and not math.isnan(wait):
            return min(max(wait, 0.0), MAX_WAIT_S)
    return None


def span(text: str) -> float | None:
    """Seconds in a duration such as `6m0s`, `174ms`, `1 hour and 5 minutes`, `30 秒`; None where it is none."""
    parts = [(float(number), unit.lower()) for number, unit in _PART.findall(text)]
    return sum(number * _UNITS.get(unit, _UNITS.get(unit.rstrip("s"), 0)) for number, unit in parts) if parts else None


def moment(value: str, now: float) -> float | None:
    """Seconds from `now` that one value means: seconds, epoch s or ms, Go duration, RFC 3339 or HTTP date."""
    value = value.strip().strip('"')
    try:
        number = float(value)
    except ValueError:
        return span(value) if _GO_SPAN.fullmatch(value) else _date(value, now)
    if not math.isfinite(number):
        return None
    if number >= _EPOCH_MS:
        return number / 1000 - now
    return number - now if number >= _EPOCH_S else number


def _in_order(evidence: Evidence, headers: Mapping[str, str], now: float) -> Iterator[float | None]:
    if milliseconds := _number(headers.get("retry-after-ms", "")):  # Azure sends 0 beside a retry-after of 1
        yield milliseconds / 1000
    yield moment(headers["retry-after"], now) if "retry-after" in headers else None
    yield max(_resets(headers, now, exhausted=True), default=None)
    yield _said(evidence, now)
    if evidence.status == HTTPStatus.TOO_MANY_REQUESTS:
        yield min(_resets(headers, now, exhausted=False), default=None)


def _resets(headers: Mapping[str, str], now: float, *, exhausted: bool) -> list[float]:
    """Waits of the reset headers whose limit is used up, or of those that do not say how much is left."""
    waits = []
    for name, value in headers.items():
        if "reset" not in name or not _is_of_a_limit(name):
            continue
        used_up = _is_used_up(name, headers)
        wait = moment(value, now) if used_up is (True if exhausted else None) else None
        if wait is not None:
            waits.append(wait)
    return waits


def exhausted(headers: Mapping[str, str]) -> list[str]:
    """The names of the limits that the headers call used up, as their reset or remaining headers are named."""
    names = [name for name in headers if _is_of_a_limit(name)]
    return [name for name in names if _is_used_up(re.sub("remaining|status", "reset", name), headers)]


def _is_of_a_limit(name: str) -> bool:
    return "ratelimit" in name or "rate-limit" in name or "tokenlimit" in name


def _is_used_up(reset_name: str, headers: Mapping[str, str]) -> bool | None:
    status = headers.get(reset_name.replace("reset", "status"))
    if status is not None:
        return status.lower() in _REJECTED
    left = _number(headers.get(reset_name.replace("reset", "remaining"), ""))
    return None if left is None else left <= 0


def _said(evidence: Evidence, now: float) -> float | None:
    """The wait in the body: its fields, made finer by its words where both tell the same one."""
    field = max((wait for wait in _fields(evidence, now)), default=None)
    text = _in_words(evidence, now)
    if field is None or text is None:
        return text if field is None else field
    return max(field, text) if abs(field - text) < 1 else field


def _fields(evidence: Evidence, now: float) -> Iterator[float]:
    for name, value in evidence.waits:
        wait = moment(value, now)
        if wait is not None and re.search(r"_ms$|millis", name):
            wait /= 1000
        if wait is not None:
            yield wait


def _in_words(evidence: Evidence, now: float) -> float | None:
    said = (_in_a_sentence(words, evidence.provider, now) for words in (*reversed(evidence.words), evidence.page))
    return next((wait for wait in said if wait is not None), None)


def _in_a_sentence(words: str, provider: str, now: float) -> float | None:
    if not _DIGIT.search(words):
        return None
    if told := next((told for pattern in _TOLD if (told := pattern.search(words))), None):
        return span(told["span"])
    if seconds := _BARE_SECONDS.search(words):
        return float(seconds[1])
    if epoch := _EPOCH_AFTER_A_BAR.search(words):
        return float(epoch[1]) - now
    return _clock_time(words, provider, now)


def _clock_time(words: str, provider: str, now: float) -> float | None:
    found = _CLOCK.search(words)
    if not found or not _SPEAKS_OF_RESET.search(words):
        return None
    zone = (found["zone"] or "").upper()
    vendor = of_prefix(provider)
    own = _BEIJING if _CHINESE.search(words) else vendor.clock if vendor else ""
    offset = (zone or own or "+00:00") if zone not in {"Z", "UTC", "GMT"} else "+00:00"
    return _date(f"{found['day']}T{found['time'] or '00:00'}{offset}", now)


def _date(value: str, now: float) -> float | None:
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            date = read(value)
            return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
    return None


def _number(value: str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
