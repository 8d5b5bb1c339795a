"""The time left: from what the providers are doing, with rests, budgets and windows, and what bounds it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from router.engine.health import State
from router.engine.status import BudgetStatus, LaneStatus
from router.evals.flow import Demand
from router.evals.outlook import Outlook, Speeds, outlook

NOON = 1_763_985_600.0
HOUR = 3600.0
FAST = LaneStatus(
    name="fast",
    state=State.READY,
    in_flight=3,
    max_in_flight=64,
    sent=50,
    answered=47,
    faults=0,
    throttled=0,
    keys_ready=1,
    keys_resting=0,
    keys_dropped=0,
    waiting_for="pace",
    waiting_until=NOON,
    declared_per_second=5.0,
    declared="5/s",
)
SLOW = replace(FAST, name="slow", declared_per_second=1.0, declared="1/s")
FREE = replace(FAST, name="free", declared_per_second=None, declared="")
RESTS = replace(FAST, state=State.RESTING, waiting_for="provider rests", rests_until=NOON + 240)
DROPPED = replace(FAST, state=State.DROPPED, keys_ready=0, keys_dropped=1)
ANY = frozenset({"fast", "slow", "free"})


def capped(lane: LaneStatus, left: float, *, resets_in_s: float = HOUR) -> LaneStatus:
    return replace(lane, budgets=(BudgetStatus("1000/day", left, 1000, 86_400, NOON + resets_in_s),))


@pytest.mark.parametrize(
    ("lanes", "speeds", "seconds", "bound", "until"),
    [
        pytest.param([FAST], {}, 100 / 5, "fast's 5/s", None, id="a declared rate, from the first moment"),
        pytest.param([FAST], {"fast": 4.0}, 100 / 5, "fast's 5/s", None, id="it is at its pace"),
        pytest.param(
            [replace(FAST, waiting_for="in flight full")],
            {"fast": 2.0},
            50,
            "fast's 64 calls in flight",
            None,
            id="full",
        ),
        pytest.param([replace(FAST, waiting_for="tokens")], {"fast": 2.0}, 50, "fast's tokens", None, id="tokens"),
        pytest.param(
            [replace(FAST, waiting_for="key pace")], {"fast": 2.0}, 50, "fast's key_rate", None, id="accounts"
        ),
        pytest.param([FREE], {}, None, "", None, id="no rate, and nothing seen yet"),
        pytest.param([FREE], {"free": 10.0}, 10, "free's answers", None, id="what it did lately"),
        pytest.param([FAST, SLOW], {}, 100 / 6, "fast's 5/s and 1 more", None, id="two share"),
        pytest.param([RESTS], {}, 240 + 20, "fast rests", NOON + 240, id="a rest"),
        pytest.param([RESTS, SLOW], {}, 100, "slow's 1/s", None, id="another works meanwhile"),
        pytest.param([replace(RESTS, rests_until=None), SLOW], {}, 100, "slow's 1/s", None, id="a rest for good"),
        pytest.param([DROPPED, SLOW], {}, 100, "slow's 1/s", None, id="one is dropped"),
        pytest.param([DROPPED], {}, None, "", None, id="all are"),
        pytest.param([capped(FAST, 200)], {}, 20, "fast's 5/s", None, id="a budget that suffices"),
        pytest.param([capped(FAST, 50)], {}, HOUR + 10, "fast's 1000/day", None, id="one that does not"),
        pytest.param([capped(FAST, 0)], {}, HOUR + 20, "fast's 1000/day", NOON + HOUR, id="one that is used up"),
        pytest.param([], {}, None, "", None, id="before there is anybody"),
    ],
)
def test_the_time_left(
    lanes: list[LaneStatus], speeds: dict[str, float], seconds: float | None, bound: str, until: float | None
) -> None:
    found = outlook(lanes, [Demand(100, ANY)], speeds, wall=NOON, max_samples=256)
    assert found.seconds == (None if seconds is None else pytest.approx(seconds, rel=0.02))
    assert (found.bound, found.until) == (bound, until)


def test_at_the_end_nothing_is_left() -> None:
    assert outlook([FAST], [Demand(0, ANY)], {}, wall=NOON, max_samples=256) == Outlook(0.0)


def test_where_everybody_is_asked_everything_the_last_counts() -> None:
    each = [Demand(100, frozenset({lane.name}), lane.name) for lane in (FAST, SLOW)]
    found = outlook([FAST, SLOW], each, {}, wall=NOON, max_samples=256)
    assert found.seconds == pytest.approx(100, rel=0.02)
    assert found.bound == "slow's 1/s"


def test_what_all_wait_for_is_that_more_may_be_under_way() -> None:
    idle = replace(FREE, waiting_for="idle", in_flight=10)
    found = outlook([idle], [Demand(100, ANY)], {"free": 5.0}, wall=NOON, max_samples=10)
    assert found == Outlook(pytest.approx(20, rel=0.01), "--max-samples 10")  # type: ignore[arg-type]


def test_a_thousand_providers_cost_no_more_than_ten() -> None:
    lanes = [replace(FAST, name=f"p{number}") for number in range(1000)]
    found = outlook(lanes, [Demand(5000, frozenset(lane.name for lane in lanes))], {}, wall=NOON, max_samples=10_000)
    assert found.seconds == pytest.approx(1, rel=0.02)
    assert found.bound == "p0's 5/s and 999 more"


def test_speeds_are_those_of_the_last_half_minute() -> None:
    speeds = Speeds()
    for at in range(101):
        speeds.see(float(at), [replace(FAST, answered=at if at < 60 else 60 + 3 * (at - 60))])
    assert speeds.all()["fast"] == pytest.approx(3.0)


def test_a_moment_is_too_short_for_a_speed() -> None:
    speeds = Speeds()
    speeds.see(0.0, [FAST])
    speeds.see(1.0, [FAST])
    assert speeds.all() == {}
