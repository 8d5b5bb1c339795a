"""Every figure of the analysis against a log whose content is known."""

from collections.abc import Sequence

import pytest
from test_logs import T0, Line, call, line, settled, state

from router.analysis import Analysis, analyse_rows
from router.analysis.analysis import plain
from router.analysis.episode import Episode
from router.jsonl import encode

BEFORE = {"sent_1s": 3, "sent_10s": 20, "sent_60s": 61, "sent_1h": 70, "peak_1s": 4, "in_flight": 2}
START = line("run.started", 0, rates={"a": ["60/min"], "b": ["5/s"]})


def only(lines: Sequence[Line]) -> Episode:
    (episode,) = analyse_rows(lines).episodes
    return episode


FIRST = call(0.5, "z#1", item="z")
"""Asked when the run begins."""


def cost(episode: Episode) -> object:
    return plain(episode.cost)


def test_a_rest_from_its_cause_to_its_end() -> None:
    episode = only(
        [
            START,
            call(1, "a#1", item="q0"),
            call(5, "a#1", "rate_limit", item="q1"),
            state(5, "a#1", "ready>resting", "rate_limit", 15, status=429, vendor_code="slow", **BEFORE),
            call(6, "a#1", "rate_limit", item="q2"),
            call(7, "a#2", item="q1"),
            state(15, "a#1", "resting>ramping", "rate_limit"),
            line("pace.changed", 15, provider="a", account="a#1", key="a#1", before=1.0, after=0.7, why="ramping"),
            call(16, "a#1", item="q2"),
            state(25, "a#1", "ramping>ready"),
            line("run.finished", 40),
        ]
    )
    assert (episode.name, episode.scope, episode.provider, episode.run) == ("a#1", "account", "a", "r1")
    assert (episode.started_at - T0, episode.ended_at, episode.ended) == (5, T0 + 25, "ready")
    assert (episode.until_at, episode.rests, episode.share) == (T0 + 15, 1, 0.7)
    assert (episode.fault, episode.status, episode.vendor_code, episode.message) == (
        "rate_limit",
        429,
        "slow",
        "no rate_limit",
    )
    assert (episode.answered_before, episode.run_age_s, episode.key_hashes) == (1, 4.5, ("0123abcd",))
    assert dict(episode.came_before) == BEFORE
    assert cost(episode) == {
        "items": {"items": 2, "answered_elsewhere": 1, "answered_here": 1, "unanswered": 0},
        "resting_s": 10.0,
        "trial_s": 0.0,
        "ramping_s": 10.0,
        "calls": 2,
        "led": 1,
        "not_ready_s": 20.0,
    }


def test_a_rest_lasts_no_longer_than_the_run() -> None:
    """Between its last item and its last line a run writes its summary; nobody waits for a provider then."""
    found = analyse_rows(
        [
            START,
            call(1, "a#1", "ip_blocked", item="q1"),
            state(1, "a", "ready>resting", "ip_blocked", 31),
            call(4.5, "b#1", item="q1"),
            line("run.finished", 9, elapsed_s=4.5),
        ]
    )
    (episode,), (run,) = found.episodes, found.runs
    assert (run.duration_s, episode.cost.not_ready_s) == (4.5, 4.0)
    assert [each.unavailable_s for each in found.usage if (each.provider, each.key) == ("a", None)] == [4.0]


def test_several_rests_with_trials_between_them_are_one_episode() -> None:
    episode = only(
        [
            START,
            *(call(at, "b#1", "overloaded", item=f"q{at}") for at in (1, 2, 3)),
            call(3, "c#1", item="q1"),
            state(3, "b", "ready>resting", "overloaded", 5),
            state(5, "b", "resting>trial", "overloaded"),
            call(6, "b#1", "overloaded", item="q2"),
            state(6, "b", "trial>resting", "overloaded", 11),
            state(11, "b", "resting>trial", "overloaded"),
            state(12, "b", "trial>ramping", "overloaded"),
            settled(13, "q3", "error"),
            line("run.finished", 20),
        ]
    )
    assert (episode.name, episode.scope, episode.rests, episode.until_at) == ("b", "provider", 2, T0 + 11)
    assert (episode.ended, episode.ended_at, episode.alike) == ("ramping", None, False)
    assert cost(episode) == {
        "items": {"items": 3, "answered_elsewhere": 1, "answered_here": 0, "unanswered": 2},
        "resting_s": 7.0,
        "trial_s": 2.0,
        "ramping_s": 8.0,
        "calls": 4,
        "led": 3,
        "not_ready_s": 17.0,
    }


def test_an_item_that_was_answered_before_the_rest_began_is_not_lost() -> None:
    episode = only(
        [
            START,
            call(1, "b#1", "timeout", item="q1"),
            call(2, "b#1", "timeout", item="q2"),
            call(3, "c#1", item="q1"),
            settled(3, "q1"),
            call(4, "b#1", "timeout", item="q3"),
            state(4, "b", "ready>resting", "timeout", 6),
            call(5, "c#1", item="q2"),
            call(5, "c#1", item="q3"),
        ]
    )
    assert (episode.cost.led, episode.cost.items.items, episode.cost.items.answered_elsewhere) == (3, 3, 3)


def test_a_success_ends_the_streak_that_leads_to_a_rest() -> None:
    lines = [START, call(1, "b#1", "timeout", item="q1"), call(2, "b#1"), call(3, "b#1", "timeout", item="q3")]
    assert only([*lines, state(3, "b", "ready>resting", "timeout", 6)]).cost.led == 1


def test_what_an_item_is_to_blame_for_is_no_cost_of_a_rest() -> None:
    lines = [START, call(1, "a#1", "bad_request"), call(2, "a#1", "rate_limit", item="q2")]
    assert only([*lines, state(2, "a#1", "ready>resting", "rate_limit", 6)]).cost.calls == 1


def test_the_keys_of_an_account_rest_as_one() -> None:
    episode = only(
        [
            START,
            call(0, "a#1"),
            call(0, "a#2"),
            call(1, "a#1", "no_credit"),
            state(1, "a#1", "ready>resting", "no_credit", 21600, keys=["a#1", "a#2"]),
            state(9, "a#1", "resting>trial", "no_credit", keys=["a#1", "a#2"]),
        ]
    )
    assert (episode.scope, episode.keys, episode.name) == ("account", ("a#1", "a#2"), "a#1 and a#2")
    assert (episode.rests, episode.answered_before, episode.ended) == (1, 2, "trial")
    assert (episode.cost.resting_s, episode.cost.calls) == (8.0, 1)


def test_a_banned_account_is_one_episode_and_every_other_dead_key_its_own() -> None:
    banned = state(1, "a#1", "ready>dropped", "account_banned", keys=["a#1", "a#2"])
    assert [each.keys for each in analyse_rows([START, banned]).episodes] == [("a#1", "a#2")]
    turns = [state(1, f"a#{number}", "ready>dropped", "revoked_key") for number in (1, 2)]
    assert [each.keys for each in analyse_rows([START, *turns]).episodes] == [("a#1",), ("a#2",)]


def test_keys_that_fail_alike_are_cleared_and_the_provider_rests() -> None:
    analysis = analyse_rows(
        [
            START,
            call(1, "a#1", "revoked_key"),
            state(1, "a#1", "ready>dropped", "revoked_key"),
            call(2, "a#2", "revoked_key", item="q2"),
            state(2, "a#1", "dropped>ready", because="alike"),
            state(2, "a", "ready>resting", "revoked_key", 32, because="alike", keys=["a#1", "a#2"]),
        ]
    )
    key, provider = analysis.episodes
    assert (key.ended, key.cost.not_ready_s) == ("cleared", 1.0)
    assert (provider.alike, provider.scope, provider.ended, provider.cost.led) == (True, "provider", "resting", 1)
    assert (provider.name, provider.keys) == ("a", ("a#1", "a#2"))


def test_a_provider_without_a_usable_key_is_part_of_the_keys_episode() -> None:
    analysis = analyse_rows(
        [
            START,
            call(1, "a#1", "rate_limit"),
            state(1, "a#1", "ready>resting", "rate_limit", 11),
            state(1, "a", "ready>resting", "rate_limit", 11, because="keys"),
            state(11, "a#1", "resting>ramping", "rate_limit"),
            state(11, "a", "resting>ready", because="keys"),
            line("run.finished", 20),
        ]
    )
    (episode,) = analysis.episodes
    assert (episode.name, episode.provider_down) == ("a#1", True)
    assert analysis.usage[0].unavailable_s == 10.0


def test_a_provider_that_follows_its_keys_has_no_episode_of_its_own() -> None:
    lines = [START, call(1, "a#1", "permission", status=403), state(1, "a#1", "ready>dropped", "permission")]
    episode = only([*lines, state(1, "a", "ready>dropped", "permission", because="keys"), line("run.finished", 11)])
    assert (episode.name, episode.fault, episode.provider_down, episode.alike) == ("a#1", "permission", True, False)
    assert (episode.ended, episode.cost.not_ready_s, episode.cost.calls) == ("dropped", 10.0, 1)


def test_an_account_that_rests_for_another_providers_calls_has_no_episode_of_its_own() -> None:
    lines = [START, call(1, "a#1", "rate_limit"), state(1, "a#1", "ready>resting", "rate_limit", 11)]
    episode = only([*lines, state(1, "b#1", "ready>resting", "rate_limit", 11, because="account")])
    assert (episode.name, episode.provider_down) == ("a#1", False)


def test_a_key_that_dies_while_it_rests_begins_another_episode() -> None:
    rest, death = analyse_rows(
        [
            START,
            state(1, "a#1", "ready>resting", "rate_limit", 11),
            state(4, "a#1", "resting>dropped", "revoked_key"),
            line("run.finished", 10),
        ]
    ).episodes
    assert (rest.ended, rest.cost.not_ready_s) == ("then_dropped", 3.0)
    assert (death.ended, death.fault, death.cost.not_ready_s) == ("dropped", "revoked_key", 6.0)


def test_a_resumed_run_begins_with_every_key_ready() -> None:
    analysis = analyse_rows(
        [
            START,
            state(1, "a#1", "ready>resting", "rate_limit", 99),
            call(5, "b#1"),
            line("run.started", 100),
            call(100.5, "b#1"),
            state(110, "a#1", "ready>resting", "rate_limit", 120),
            line("run.finished", 115, interrupted=True),
        ]
    )
    assert [episode.cost.not_ready_s for episode in analysis.episodes] == [4.0, 5.0]
    assert [(run.ended, run.duration_s, run.calls) for run in analysis.runs] == [
        ("open", 0.5, 1),
        ("interrupted", 15.0, 1),
    ]


def test_a_log_that_begins_in_the_middle_of_a_rest_is_read() -> None:
    episode = only([state(1, "a", "resting>trial", "timeout"), state(3, "a", "trial>ramping", "timeout")])
    assert (episode.cost.trial_s, episode.rests, episode.ended) == (2.0, 0, "ramping")


def test_calls_are_counted_by_provider_and_key() -> None:
    usage = analyse_rows(
        [
            START,
            call(1, "a#1", latency_s=0.2),
            call(2, "a#2", latency_s=0.6),
            call(3, "a#2", "rate_limit", status=429),
            state(3, "a", "ready>resting", "overloaded", 7),
            state(7, "a", "resting>trial", "overloaded"),
            state(8, "a", "trial>resting", "overloaded", 30),
            line("run.finished", 10),
        ]
    ).usage
    assert [(each.provider, each.key) for each in usage] == [("a", None), ("a", "a#1"), ("a", "a#2")]
    whole, _, second = usage
    assert (whole.calls, whole.answered, whole.failed, whole.status_429) == (3, 2, 1, 1)
    assert (whole.latency_mean_s, whole.latency_max_s, whole.unavailable_s) == (0.4, 0.6, 6.0)
    assert (second.calls, second.answered, second.latency_mean_s, second.unavailable_s) == (2, 1, 0.6, 0.0)


def test_errors_are_counted_by_key_and_kind_over_time_with_examples() -> None:
    codes = {"status": 503, "vendor_code": "busy"}
    analysis = analyse_rows(
        [
            START,
            call(0.5, "a#1", "overloaded", item="x", message="one", **codes),
            call(0.6, "a#1", "overloaded", item="y", message="one", status=529),
            call(9.2, "a#1", "overloaded", item="z", message="two", **codes, latency_s=3.0, model="n"),
            call(3, "a#1", "timeout"),
            line("run.finished", 10),
        ]
    )
    first, second = analysis.errors
    assert (first.provider, first.key, first.fault, first.family, first.count) == (
        "a",
        "a#1",
        "overloaded",
        "vendor",
        3,
    )
    assert (first.first_at - T0, first.last_at - T0, first.slowest_s) == pytest.approx((0.5, 9.2, 3.0))
    assert first.statuses == {"503": 2, "529": 1}
    assert first.vendor_codes == {"busy": 2}
    assert first.models == ["m", "n"]
    assert [(each.item, each.message) for each in first.examples] == [("x", "one"), ("z", "two")]
    assert second.statuses == {"none": 1}


def throttled(at: float, key: str, *, sent_1s: int = 3, sent_60s: int = 61, rate: str = "60/min") -> list[Line]:
    before = {**BEFORE, "sent_1s": sent_1s, "sent_60s": sent_60s, "account_sent_60s": 7, "declared_rate": rate}
    limits = {"x-ratelimit-limit-requests": "50"}
    return [
        call(at, key, "rate_limit", status=429, retry_after_s=at, limits=limits),
        state(at, key, "ready>resting", "rate_limit", at + 9, **before),
        state(at + 9, key, "resting>ramping", "rate_limit"),
        state(at + 10, key, "ramping>ready"),
    ]


def test_429s_stand_against_the_declared_rate() -> None:
    rest = state(310, "a#1", "ramping>resting", "rate_limit", 320, sent_60s=2, declared_rate="60/min")
    (found,) = analyse_rows(
        [
            START,
            FIRST,
            call(1, "a#1"),
            *throttled(100, "a#1", sent_60s=61),
            *throttled(200, "a#1", sent_60s=59),
            *throttled(300, "a#1", sent_60s=63),
            call(309, "a#1", "no_credit", status=429),
            rest,
        ]
    ).throttles
    assert (found.provider, found.key, found.calls, found.status_429, found.about_rate) == ("a", "a#1", 5, 4, 3)
    assert found.faults == {"rate_limit": 3}
    assert (found.declared, found.window, found.scope, found.rests) == ("60/min", "60s", "provider", 4)
    assert (found.sent_low, found.sent_median, found.sent_high) == (59, 61, 63)
    assert (found.peak_1s, found.in_flight, found.told_s) == (4, 2, 300)
    assert found.limits == {"x-ratelimit-limit-requests": "50"}


@pytest.mark.parametrize(
    ("rate", "at", "window", "scope", "counted"),
    [
        pytest.param("60/min", 100.0, "60s", "provider", 61, id="minute"),
        pytest.param("60/min", 5.0, "1s", "provider", 3, id="a-young-run-is-judged-by-a-second"),
        pytest.param("60/min", 15.0, "10s", "provider", 20, id="a-run-of-15-s-by-ten"),
        pytest.param("5/s", 100.0, "1s", "account", None, id="another-rate-is-the-accounts"),
        pytest.param("30/min, 900/day", 100.0, "60s", "account", 7, id="accounts-minute"),
    ],
)
def test_a_throttle_is_judged_by_the_window_of_its_rate(
    rate: str, at: float, window: str, scope: str, counted: int | None
) -> None:
    (found,) = analyse_rows([START, FIRST, *throttled(at, "a#1", rate=rate)]).throttles
    assert (found.window, found.scope, found.sent_median) == (window, scope, counted)


def test_a_key_that_only_rests_with_its_account_has_no_429() -> None:
    lines = [START, *throttled(100, "a#1"), state(100, "a#2", "ready>resting", "rate_limit", 109)]
    assert [each.key for each in analyse_rows(lines).throttles] == ["a#1"]


def test_runs_tell_how_they_went() -> None:
    analysis = analyse_rows(
        [
            {**START, "simulated": True},
            line("provider.left_out", 0, provider="z", why="enabled: false"),
            call(1, "a#1"),
            settled(1, "q1"),
            settled(2, "q2", "wrong"),
            settled(2, "q3"),
            line("run.finished", 7.5, interrupted=False),
        ]
    )
    (run,) = analysis.runs
    assert (run.run, run.ended, run.calls, run.items, run.duration_s) == ("r1", "finished", 1, 3, 7.0)
    assert run.outcomes == {"right": 2, "wrong": 1}
    assert run.left_out == {"z": "enabled: false"}


def test_json_has_every_figure_and_its_times_are_iso() -> None:
    plain = analyse_rows([{**START, "simulated": True}, *throttled(100, "a#1")]).to_json()
    assert next(iter(plain)) == "simulated"
    assert set(plain) == {"simulated", "duration_s", *Analysis.__dataclass_fields__}
    episodes = plain["episodes"]
    assert isinstance(episodes, list)
    assert episodes[0]["started_at"] == "2026-11-23T17:01:40.000Z"
    assert episodes[0]["cost"]["items"]["unanswered"] == 1
    assert not [name for name in episodes[0] if name.startswith("_")]
    assert encode(plain)


def timeout(at: float, took_s: float, item: str, provider: str = "a") -> Line:
    return call(at, f"{provider}#1", "timeout", item=item, latency_s=took_s)


def test_calls_that_hang_together_are_one_hang() -> None:
    analysis = analyse_rows(
        [
            START,
            call(1, "a#1"),
            timeout(32, 30, "x"),
            timeout(33, 30, "y"),
            call(33, "b#1", item="x"),
            call(34, "a#1", item="z"),
            timeout(34.5, 30, "z"),
            settled(40, "z", "error"),
            call(60, "a#1"),
            timeout(80, 15, "x"),
        ]
    )
    (hang,) = analysis.hangs
    assert (hang.provider, hang.calls, hang.items.items, hang.items.unanswered, hang.run) == ("a", 3, 3, 2, "r1")
    assert (hang.started_at - T0, hang.ended_at - T0, (hang.back_at or 0) - T0) == (2, 34.5, 34)
    assert (hang.waited_s, hang.slowest_s) == (90, 30)


@pytest.mark.parametrize(
    ("lines", "hangs"),
    [
        pytest.param([timeout(30, 20, "x")], 0, id="one-call-is-slow"),
        pytest.param([timeout(30, 20, "x"), timeout(31, 20, "y")], 1, id="two-hang"),
        pytest.param([timeout(30, 20, "x"), timeout(60, 20, "y")], 0, id="not-together"),
        pytest.param([timeout(30, 20, "x"), timeout(31, 20, "y", "b")], 0, id="not-at-one-provider"),
        pytest.param(
            [
                timeout(30, 20, "x"),
                timeout(31, 20, "y"),
                state(31, "a", "ready>resting", "timeout", 33),
                timeout(32, 20, "z"),
            ],
            0,
            id="a-rest-tells-it",
        ),
    ],
)
def test_a_hang_is_told_where_nothing_else_tells_it(lines: Sequence[Line], hangs: int) -> None:
    assert len(analyse_rows([START, *lines]).hangs) == hangs


def test_a_provider_that_answers_others_meanwhile_is_not_silent() -> None:
    (hang,) = analyse_rows([START, call(15, "a#1"), timeout(30, 20, "x"), timeout(31, 20, "y")]).hangs
    assert hang.back_at == T0 + 15
