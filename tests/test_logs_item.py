"""One item's story, and the lines of a run that goes on."""

from pathlib import Path

import pytest
from test_logs import T0, Line, call, line, settled, state, write

from router.analysis import follow, item_story
from router.errors import ConfigError
from router.jsonl import encode
from router.reports.item_text import render_story

LINES: list[Line] = [
    line("run.started", 0),
    call(
        3,
        "a#1",
        "rate_limit",
        item="q-007",
        status=429,
        message="slow [down]",
        vendor_code="rl",
        latency_s=1.0,
        waited_s=1.5,
        waited_for="pace",
        action="slow_down",
        retry_after_s=12,
    ),
    call(4, "a#1", item="q-008"),
    call(20, "b#1", item="q-007", attempt=2, latency_s=0.25, waited_s=16.0, waited_for="key rests"),
    settled(20, "q-007", "wrong", 2),
]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return write(tmp_path / "log.jsonl", *LINES)


def test_a_story_has_every_attempt_with_its_wait_and_the_end(log: Path) -> None:
    story = item_story([log], "q-007")
    assert [(each.call.key, each.then, each.sent_at - T0) for each in story.attempts] == [
        ("a#1", "retried_elsewhere", 2.0),
        ("b#1", "answered", 19.75),
    ]
    assert [(end.settled.outcome, end.settled.attempts) for end in story.ends] == [("wrong", 2)]
    plain = story.to_json()
    assert plain["attempts"][0]["sent_at"] == "2026-11-23T17:00:02.000Z"  # type: ignore[index]
    assert encode(plain)


def test_a_story_is_told_attempt_by_attempt(log: Path) -> None:
    assert render_story(item_story([log], "q-007"), 90).splitlines() == [
        "q-007: 2 attempts. Times are UTC.",
        "",
        "attempt 1  a#1 (m)",
        "  waited  1.5 s in the line, last for the pace of a",
        "  sent    17:00:02.000, back after 1.0 s",
        '  result  rate_limit: HTTP 429 rl "slow [down]"; asked to wait 12.0 s',
        "  then    the account rests, then goes on more slowly; the item was sent to another",
        "          provider",
        "",
        "attempt 2  b#1 (m)",
        "  waited  16.0 s in the line, last for the end of a rest of b's keys",
        "  sent    17:00:19.750, back after 250 ms",
        "  result  answered",
        "",
        "17:00:20  settled as wrong after 2 attempts and 1.0 s",
    ]


@pytest.mark.parametrize(
    ("lines", "then"),
    [
        pytest.param([call(2, "b#1", item="q", attempt=2)], "the item was sent to another provider", id="elsewhere"),
        pytest.param(
            [call(2, "a#2", item="q", attempt=2)], "the item was sent again, to the same provider", id="again"
        ),
        pytest.param([settled(2, "q", "error")], "the item was given up", id="given up"),
        pytest.param([], "", id="nobody knows"),
    ],
)
def test_what_became_of_the_item_is_what_happened(tmp_path: Path, lines: list[Line], then: str) -> None:
    first = call(1, "a#1", "content_filter", item="q", action="give_up_item")
    text = render_story(item_story([write(tmp_path / "log.jsonl", first, *lines)], "q"))
    told = [row.split(maxsplit=1)[1] for row in text.splitlines() if row.strip().startswith("then")]
    assert told == [then] * bool(then)


def test_the_answer_is_told_where_the_results_stand_beside_the_log(log: Path) -> None:
    results = [
        {"trial": "q-007", "answer": "9", "expected": "7", "response": "Asked again since."},
        {"trial": "q-007", "answer": "8", "expected": "7", "response": "It is 8."},
        {"trial": "q-008"},
    ]
    write(log.with_name("results.jsonl"), *results)
    story = item_story([log], "q-007")
    assert story.to_json()["results"] == [{"expected": "7", "answer": "8", "response": "It is 8."}]
    assert render_story(story).splitlines()[-3:] == ["  expected  7", "  answer    8", "  response  It is 8."]


def test_an_item_without_an_end_says_so(log: Path) -> None:
    assert "The log does not say how it ended" in render_story(item_story([log], "q-008"))


@pytest.mark.parametrize(
    ("item", "meant"),
    [
        pytest.param("q-07", "did you mean q-007", id="near"),
        pytest.param("007", r"did you mean q-007\?", id="a-part"),
        pytest.param("zzzz", "ids look like q-007", id="far"),
    ],
)
def test_an_item_that_is_not_there_is_refused_with_near_ones(log: Path, item: str, meant: str) -> None:
    with pytest.raises(ConfigError, match=meant):
        item_story([log], item)


def test_among_many_items_the_nearest_is_still_found(tmp_path: Path) -> None:
    log = write(tmp_path / "log.jsonl", *(settled(0, f"arith-0-2-{number:05d}") for number in range(3000)))
    with pytest.raises(ConfigError, match="did you mean arith-0-2-01234 or"):
        item_story([log], "arith-0-2-1234")


# Following.


class Writer:
    """Appends what comes next each time that the follower sleeps; then interrupts it."""

    def __init__(self, path: Path, *parts: bytes) -> None:
        self.path = path
        self.parts = list(parts)

    def __call__(self, _seconds: float) -> None:
        if not self.parts:
            raise KeyboardInterrupt
        with self.path.open("ab") as file:
            file.write(self.parts.pop(0))


def followed(path: Path, *parts: bytes) -> tuple[list[str], Writer]:
    said: list[str] = []
    writer = Writer(path, *parts)
    follow(path, said.append, sleep=writer)
    return said, writer


def test_changes_and_faults_are_told_and_what_goes_well_is_not(tmp_path: Path) -> None:
    before = {"sent_1s": 1, "sent_60s": 61, "declared_rate": "60/min"}
    path = write(
        tmp_path / "log.jsonl",
        {**line("run.started", 0), "simulated": True},
        line("provider.left_out", 0, provider="z", why="enabled: false"),
        call(1, "a#1"),
        call(2, "a#1", "rate_limit", item="q2", status=429, message="slow\x1b[31m down"),
        state(2, "a#1", "ready>resting", "rate_limit", 12, status=429, **before),
        state(2, "a", "ready>resting", "rate_limit", 12, because="keys"),
        state(12, "a#1", "resting>ramping", "rate_limit"),
        line("pace.changed", 12, provider="a", account="a#1", key="a#1", before=1.0, after=0.7, why="ramping"),
        settled(13, "q2", "error"),
        settled(13, "q1"),
        line("run.finished", 14, interrupted=True),
    )
    said, _ = followed(path)
    rest = "rate_limit HTTP 429; before: 1 call in 1 s, 61 calls in 60 s, declared 60/min"
    assert said == [
        "17:00:00  run r1 (SIMULATED) begins; times are UTC",
        "17:00:00  z takes no part: enabled: false",
        '17:00:02  a#1 failed: rate_limit HTTP 429 after 500 ms, q2 "slow [31m down"',
        f"17:00:02  a#1 ready → resting until 17:00:12: {rest}",
        "17:00:02  a ready → resting: none of its keys can be used",
        "17:00:12  a#1 resting → ramping",
        "17:00:12  a#1 now uses 70 % of its rate",
        "17:00:13  q2 has no answer: the log does not say why",
        "17:00:14  run r1 was interrupted",
    ]


def test_a_partial_line_is_told_once_when_it_is_whole(tmp_path: Path) -> None:
    path = write(tmp_path / "log.jsonl", line("run.started", 0))
    whole = encode(call(1, "a#1", "timeout"))
    end = encode(line("run.finished", 2)) + b"\n"
    said, writer = followed(path, whole[:40], whole[40:] + b"\ngarbage\n", end, b"never written")
    assert [words[10:] for words in said] == [
        "run r1 begins; times are UTC",
        'a#1 failed: timeout after 500 ms, q1 "no timeout"',
        "run r1 has finished",
    ]
    assert writer.parts == [b"never written"]


def test_a_resumed_run_is_followed_past_its_first_end(tmp_path: Path) -> None:
    path = write(tmp_path / "log.jsonl", line("run.finished", 1), line("run.started", 2), line("run.finished", 3))
    said, _ = followed(path)
    assert len(said) == 3


def test_ctrl_c_ends_it_quietly(tmp_path: Path) -> None:
    said, _ = followed(write(tmp_path / "log.jsonl", line("run.started", 0)))
    assert said == ["17:00:00  run r1 begins; times are UTC"]


def test_a_log_that_is_gone_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        follow(tmp_path / "log.jsonl", print)
