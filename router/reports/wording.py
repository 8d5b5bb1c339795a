"""The words and numbers in which screens and tables tell of a run."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo

from router.engine.health import State
from router.engine.status import LaneStatus
from router.evals.outlook import Outlook
from router.evals.progress import Snapshot
from router.text import clean

DASH = "–"
PACED = frozenset({"pace", "key pace", "ramp", "tokens"})
"""Waits that are a part of normal work: when one is over is said only if it is long."""

MAX_WORDS = 160
LONG_S = 10.0
PACE_SLACK_S = 1.0
TEN, HUNDRED = 10, 100


def count_text(number: float | None) -> str:
    """A whole number with commas between thousands, or a dash."""
    return DASH if number is None else f"{number:,.0f}"


def figure_text(number: float | None) -> str:
    """A number with about three digits: 0.05, 3.7, 1,234; a dash for None."""
    if number is None:
        return DASH
    places = 2 if number < 1 else 1 if number < HUNDRED else 0
    return f"{number:,.{places}f}"


def seconds_text(seconds: float | None) -> str:
    """A latency in seconds with about three digits: 0.41, 12.3, 140; a dash for None."""
    if seconds is None:
        return DASH
    places = 2 if seconds < TEN else 1 if seconds < HUNDRED else 0
    return f"{seconds:.{places}f}"


def percent_text(share: float | None, places: int = 1) -> str:
    """A share of 0…1 in percent, without the sign; a dash for None."""
    return DASH if share is None else f"{100 * share:.{places}f}"


def duration_text(seconds: float | None) -> str:
    """A duration as 0:17 or 1:02:03, whole seconds; a dash for None."""
    if seconds is None:
        return DASH
    minutes, second = divmod(max(0, round(seconds)), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"


def left_text(snapshot: Snapshot, zone: tzinfo | None = None) -> str:
    """The time to the end of a run, and what bounds it; a dash where nobody can say, as in its first moment."""
    outlook = snapshot.outlook
    if outlook.seconds is None:
        return DASH
    return f"{duration_text(outlook.seconds)}{_bound_text(outlook, snapshot.wall, zone)}"


def _bound_text(outlook: Outlook, now: float, zone: tzinfo | None) -> str:
    until = "" if outlook.until is None else f" until {moment_text(outlook.until, now, zone)}"
    if outlook.bound.endswith(" rests"):
        return f", {outlook.bound}{until}"
    return f", bound by {outlook.bound}{until}" if outlook.bound else ""


def moment_text(until: float, now: float, zone: tzinfo | None = None) -> str:
    """A moment as people say it: 14:02:07 today, Tue 14:02 this week, 24 Nov later.

    Both are seconds since the epoch; `zone` is the local one where none is given.
    """
    then, today = (datetime.fromtimestamp(moment, zone) for moment in (until, now))
    if then.date() == today.date():
        return f"{then:%H:%M:%S}"
    is_this_week = then.date() - today.date() < timedelta(days=7)
    return f"{then:%a %H:%M}" if is_this_week else f"{then:%d %b}"


def doing_text(lane: LaneStatus, now: float, zone: tzinfo | None = None) -> str:
    """What a provider waits for at `now` (seconds since the epoch), such as `key rests until 14:02:07`."""
    if lane.keys_dropped and not lane.keys_alive:
        return "all keys dropped"
    if lane.state is State.DROPPED:
        return "dropped"
    if lane.waiting_for == "idle" and lane.state is State.RESTING:
        return "resting"
    if _is_over(lane, now):
        return "awaits answers" if lane.in_flight else "idle"
    if lane.waiting_until is None:
        return f"{lane.waiting_for} for this run" if lane.waiting_for == "provider rests" else lane.waiting_for
    if lane.waiting_for in PACED and lane.waiting_until - now < LONG_S:
        return lane.waiting_for
    return f"{lane.waiting_for} until {moment_text(lane.waiting_until, now, zone)}"


def because_text(lane: LaneStatus) -> str:
    """Why a provider rests or is dropped, in the vendor's words and in one line of bearable length; else empty."""
    words = clean(" ".join(lane.because.split()))
    return words if len(words) <= MAX_WORDS else words[: MAX_WORDS - 1].rstrip() + "…"


def _is_over(lane: LaneStatus, now: float) -> bool:
    """A lane says what it waited for last; while it sends without any wait, that stays and is over."""
    if lane.waiting_for == "idle":
        return True
    if lane.waiting_for == "in flight full":
        return lane.in_flight < lane.max_in_flight
    # Between two calls the pace is over for a moment, which is no news.
    slack = PACE_SLACK_S if lane.waiting_for in PACED else 0.0
    return lane.waiting_until is not None and lane.waiting_until + slack <= now


def calls_text(number: int) -> str:
    """`no call`, `1 call`, `2 calls`."""
    return f"{count_text(number) if number else 'no'} {'call' if number <= 1 else 'calls'}"
