"""A line of results.jsonl goes out and comes back."""

import dataclasses

import pytest

from router.evals.results import FIELDS, Row
from router.jsonl import decode, encode

ROW = Row(
    trial="arith-0-2-00013",
    id="arith-0-2-00013",
    epoch=1,
    prompt="plain",
    provider="openai",
    key="openai#2",
    model="openai/gpt-4o-mini",
    outcome="right",
    expected="97",
    answer="97",
    response='{"infer": 97}',
    attempts=2,
    latency_s=0.75,
    waited_s=2.0,
    tokens_in=60,
    tokens_out=8,
    cost_usd=0.0000138,
    finish_reason="stop",
    simulated=True,
)
LOST = dataclasses.replace(
    ROW, outcome="error", answer=None, response="", fault="timeout", tokens_in=None, tokens_out=None, cost_usd=None
)
UNSENT = dataclasses.replace(
    LOST, trial="x", id="x", provider="", key="", model="", expected="1", reason="deadline", fault="deadline",
    attempts=0, latency_s=None, waited_s=0.0, finish_reason="", simulated=False,
)  # fmt: skip


def test_the_fields_are_those_of_the_file() -> None:
    assert ", ".join(FIELDS) == (
        "trial, id, epoch, prompt, provider, key, model, outcome, reason, score, why, expected, answer, response, "
        "reasoning, fault, attempts, latency_s, waited_s, tokens_in, tokens_cached, tokens_reasoning, tokens_out, "
        "cost_usd, finish_reason, simulated, asked_model, fingerprint, cached"
    )
    assert tuple(ROW.to_json()) == FIELDS


@pytest.mark.parametrize("row", [ROW, LOST, UNSENT], ids=["right", "lost", "unsent"])
def test_a_row_comes_back_from_its_line(row: Row) -> None:
    record = decode(encode(row.to_json()))
    assert isinstance(record, dict)
    assert Row.from_json({**record, "a_later_field": 1}) == row


def test_whole_seconds_are_seconds() -> None:
    row = Row.from_json({**ROW.to_json(), "latency_s": 1, "waited_s": 0, "cost_usd": 2})
    assert (row.latency_s, row.waited_s, row.cost_usd) == (1, 0, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"id": None}, "field id is missing", id="missing"),
        pytest.param({"id": 5}, "field id: expected str, found 5", id="no-text"),
        pytest.param({"epoch": True}, "field epoch: expected int, found True", id="boolean-for-a-number"),
        pytest.param({"epoch": 1.5}, "field epoch: expected int", id="fraction"),
        pytest.param({"latency_s": "1"}, "field latency_s: expected int", id="text-for-seconds"),
        pytest.param({"simulated": 1}, "field simulated: expected bool", id="number-for-a-boolean"),
        pytest.param(
            {"outcome": "rite"},
            "field outcome: expected one of right, wrong, unparsable, unscored, error, found 'rite'",
            id="outcome",
        ),
        pytest.param({"outcome": ["right"]}, "field outcome", id="outcome-list"),
    ],
)
def test_lines_that_are_no_rows_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Row.from_json({**ROW.to_json(), **change})
