"""Spans as OTLP/JSON, and `router export --to otel` of a run."""

from __future__ import annotations

from collections import Counter
from itertools import count, islice
from typing import Any

import pytest
from test_evaluate import Ran
from test_show import ran as ran  # noqa: PLC0414 - a fixture

from router.analysis.otlp import requests
from router.analysis.spans import Kind, Span
from router.cli.app import run
from router.jsonl import decode, read


def span(**told: Any) -> Span:
    usual = {"trace": "a" * 32, "id": "b" * 16, "parent": "", "name": "chat gpt", "kind": Kind.CLIENT}
    return Span(**{**usual, "start": 1796142553.7845, "end": 1796142554.124, "attributes": {}, **told})


def written(line: bytes) -> list[dict[str, Any]]:
    found: Any = decode(line)
    return list(found["resourceSpans"][0]["scopeSpans"][0]["spans"])


def test_a_span() -> None:
    (line,) = requests([span(error="rate_limit")])
    assert written(line) == [
        {
            "traceId": "a" * 32,
            "spanId": "b" * 16,
            "parentSpanId": "",
            "name": "chat gpt",
            "kind": 3,
            "startTimeUnixNano": "1796142553784500000",
            "endTimeUnixNano": "1796142554124000000",
            "attributes": [],
            "status": {"code": 2, "message": "rate_limit"},
        }
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("a", {"stringValue": "a"}, id="a text"),
        pytest.param(True, {"boolValue": True}, id="a boolean is no number"),
        pytest.param(7, {"intValue": "7"}, id="64 bits are a text"),
        pytest.param(0.5, {"doubleValue": 0.5}, id="a float"),
        pytest.param(("a", "b"), {"arrayValue": {"values": [{"stringValue": "a"}, {"stringValue": "b"}]}}, id="a list"),
    ],
)
def test_values(value: object, expected: dict[str, object]) -> None:
    (line,) = requests([span(attributes={"x": value, "unknown": None})])
    assert written(line)[0]["attributes"] == [{"key": "x", "value": expected}]


def test_requests_are_made_as_spans_come() -> None:
    endless = requests((span(name=str(number)) for number in count()), batch=2)
    assert [[each["name"] for each in written(line)] for line in islice(endless, 2)] == [["0", "1"], ["2", "3"]]


def test_an_export(ran: Ran) -> None:
    directory = ran.evaluation.directory
    assert run(["export", "--to", "otel"]) == 0
    first = (directory / "otel.jsonl").read_bytes()
    assert run(["export", "--to", "otel"]) == 0
    assert (directory / "otel.jsonl").read_bytes() == first
    found = [each for line in first.splitlines() for each in written(line)]
    logged = Counter(str(row["event"]) for row in read(directory / "log.jsonl"))
    assert Counter(each["name"].split()[0] for each in found) == {
        "chat": logged["attempt.finished"],
        "item": logged["item.settled"],
        "run": 1,
    }
    assert {each["parentSpanId"] for each in found} - {each["spanId"] for each in found} == {""}
