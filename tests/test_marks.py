"""Marks: what becomes of an answer, and the reason where it has no verdict."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from router.errors import ConfigError
from router.evals.fit import nobody
from router.evals.items import Item
from router.evals.marks import Mark, Marker, scorer_named
from router.evals.schemas import Schema, load_schema
from router.types import Answer, Completion, Usage

SEVEN = Item("a", "3 + 4", "7", {})
OPEN = replace(SEVEN, expected=None)
INTEGER = {"type": "object", "properties": {"infer": {"type": "integer"}}, "required": ["infer"]}


def said(text: str, finish_reason: str = "stop", refusal: str | None = None) -> Completion:
    answer = Answer(text, message={"refusal": refusal} if refusal else {})
    return Completion(text, "acme", "acme#1", "", "m", Usage(), finish_reason, 0.0, 0.0, (), answer=answer)


def mark_of(
    completion: Completion, scorer: str = "json:infer", item: Item = SEVEN, schema: Schema | None = None
) -> Mark:
    return asyncio.run(Marker(scorer_named(scorer), schema).mark(item, completion, nobody))


def schema_of(directory: Path, content: object = INTEGER) -> Schema:
    path = directory / "answer.schema.json"
    path.write_text(json.dumps(content))
    return load_schema(path)


@pytest.mark.parametrize(
    ("completion", "scorer", "outcome", "reason", "score"),
    [
        pytest.param(said('{"infer": 7}'), "json:infer", "right", None, 1.0, id="right"),
        pytest.param(said('{"infer": 8}'), "json:infer", "wrong", None, 0.0, id="wrong"),
        pytest.param(said("I think 7"), "json:infer", "unparsable", "no_answer", 0.0, id="no answer in it"),
        pytest.param(said("", "length"), "json:infer", "unparsable", "truncated", 0.0, id="thought to the end"),
        pytest.param(said('{"infer": ', "max_tokens"), "json:infer", "unparsable", "truncated", 0.0, id="cut off"),
        pytest.param(said('{"infer": 7} and', "length"), "json:infer", "right", None, 1.0, id="cut behind the answer"),
        pytest.param(
            said("first 3, then", "length"), "number", "unparsable", "truncated", 0.0, id="cut before the end"
        ),
        pytest.param(said("8", "length"), "exact", "wrong", None, 0.0, id="one token was enough to be wrong"),
        pytest.param(said("<think>7", "length"), "number", "unparsable", "truncated", 0.0, id="cut while thinking"),
        pytest.param(said("", "content_filter"), "number", "unparsable", "filtered", 0.0, id="filtered"),
        pytest.param(said("7", "content_filter"), "number", "right", None, 1.0, id="filtered behind the answer"),
        pytest.param(said("", refusal="No."), "number", "unparsable", "refused", 0.0, id="OpenAI's refusal"),
        pytest.param(
            said("I can't say 7.", "refusal"), "number", "unparsable", "refused", 0.0, id="Anthropic's refusal"
        ),
    ],
)
def test_what_becomes_of_an_answer(
    completion: Completion, scorer: str, outcome: str, reason: str | None, score: float
) -> None:
    mark = mark_of(completion, scorer)
    assert (mark.outcome, mark.reason, mark.score) == (outcome, reason, score)


def test_an_answer_to_an_open_question_is_not_scored() -> None:
    assert mark_of(said("anything"), item=OPEN) == Mark("unscored")
    assert mark_of(said("", "length"), item=OPEN) == Mark("unscored", reason="truncated")


# Schemas.


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param('{"infer": 7}', "", id="kept"),
        pytest.param('```json\n{"infer": 7}\n```', "", id="in a fence"),
        pytest.param('<think>hm</think>{"infer": 7}', "", id="behind thinking"),
        pytest.param('{"infer": "7"}', "$.infer: '7' is not of type 'integer'", id="a wrong type"),
        pytest.param("{}", "$: 'infer' is a required property", id="missing"),
        pytest.param("7 it is", "the answer is not JSON: Extra data", id="no JSON"),
        pytest.param("", "the answer is not JSON: Expecting value", id="nothing"),
        pytest.param("[" * 100_000, "the answer is not JSON: ", id="too deep"),
    ],
)
def test_an_answer_must_keep_its_schema(tmp_path: Path, text: str, why: str) -> None:
    mark = mark_of(said(text), schema=schema_of(tmp_path))
    assert (mark.outcome, mark.reason) == (("unparsable", "schema") if why else ("right", None))
    assert mark.why.startswith(why)


def test_an_answer_that_was_cut_off_is_truncated_and_no_broken_schema(tmp_path: Path) -> None:
    assert mark_of(said('{"inf', "length"), schema=schema_of(tmp_path)).reason == "truncated"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param([], "a schema is an object such as", id="a list"),
        pytest.param({"type": "integr"}, r"this is not a JSON Schema: \$\.type: 'integr'", id="no type"),
    ],
)
def test_what_is_no_schema_is_refused(tmp_path: Path, content: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        schema_of(tmp_path, content)


def test_no_reference_is_looked_up_in_the_network(tmp_path: Path) -> None:
    """It is a defect of the schema, and costs the answers their marks, not the answers."""
    mark = mark_of(said("{}"), schema=schema_of(tmp_path, {"$ref": "http://127.0.0.1:9/schema.json"}))
    assert (mark.outcome, mark.reason) == ("error", "scorer_failed")
    assert "127.0.0.1:9" in mark.why
