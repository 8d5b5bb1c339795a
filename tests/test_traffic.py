from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.engine.traffic import EXACT_S, HOUR_S, LAST_STATUSES, TIDIED_AT, RecentTraffic, Times, peak

gaps = st.lists(st.floats(0, 30) | st.sampled_from([0.0, 1.0, 10.0, 60.0]), max_size=80)


def test_counts_by_window_key_and_account() -> None:
    traffic = RecentTraffic()
    for at, key, account in [(0.0, "a#1", "a"), (50.0, "a#2", "a"), (95.0, "a#1", "a"), (99.5, "a#3", "b")]:
        traffic.sent(at, key, account)
    before = traffic.before(100.0, key="a#1", account="a")
    assert [before[name] for name in ("sent_1s", "sent_10s", "sent_60s", "sent_1h")] == [1, 2, 3, 4]
    assert [before[f"account_{name}"] for name in ("sent_1s", "sent_10s", "sent_60s", "sent_1h")] == [0, 1, 2, 3]
    assert [before[f"key_{name}"] for name in ("sent_1s", "sent_10s", "sent_60s", "sent_1h")] == [0, 1, 1, 2]


def test_without_a_key_only_the_provider_is_counted() -> None:
    assert not [name for name in RecentTraffic().before(1.0) if name.startswith(("key_", "account_"))]


def test_the_last_statuses_only() -> None:
    traffic = RecentTraffic()
    for number in range(LAST_STATUSES + 5):
        traffic.answered("a#1", str(number))
    assert traffic.before(0.0)["last_statuses"] == [f"a#1 {number}" for number in range(5, LAST_STATUSES + 5)]


def test_what_is_an_hour_old_is_not_counted() -> None:
    traffic = RecentTraffic()
    for at in (0.0, 1.0, HOUR_S, HOUR_S + 0.5):
        traffic.sent(at, "a#1", "a")
    assert traffic.before(HOUR_S + 0.5)["sent_1h"] == 3


def test_memory_is_bounded_by_the_hour() -> None:
    times = Times()
    for second in range(4 * int(HOUR_S)):
        times.add(float(second))
    assert len(times) <= HOUR_S + 2 * TIDIED_AT
    assert times.since(3 * HOUR_S) == HOUR_S


def test_memory_does_not_grow_with_the_calls_of_an_hour() -> None:
    times = Times()
    for number in range(200_000):
        times.add(number / 100)
    assert len(times) < 2 * 100 * EXACT_S + HOUR_S
    assert [times.since(2000 - window) for window in (1, 10, 60)] == [100, 1000, 6000]
    assert times.since(2000 - 1500) == 150_000
    assert len(times.last(60.0, 2000.0)) == 6000 - 1


@given(gaps, st.sampled_from([0.5, 1.0, 10.0]))
def test_the_peak_is_the_most_in_any_window(steps: list[float], window_s: float) -> None:
    times = [sum(steps[: index + 1]) for index in range(len(steps))]
    most = max((sum(end - window_s < at <= end for at in times) for end in times), default=0)
    assert peak(times, window_s) == most


@pytest.mark.parametrize("times", [pytest.param([], id="nothing"), pytest.param([1.0], id="one")])
def test_the_peak_of_little(times: list[float]) -> None:
    assert peak(times) == len(times)
