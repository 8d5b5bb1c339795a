"""A record becomes an item: which field is what, fields made by expressions, conversations, images, choices."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from router.errors import ConfigError
from router.evals.items import BadRow, FieldMap, Item, item_of
from router.evals.prompts import VERBATIM
from router.jsonl import decode, encode

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20
HI = {"role": "user", "content": "Hi"}


def item(record: object, *mapped: str, directory: Path = Path()) -> Item:
    made, _ = item_of("d.jsonl:1", record, FieldMap.parse(mapped), directory)
    return made


@pytest.mark.parametrize(
    ("record", "question", "expected"),
    [
        pytest.param({"input": "q", "target": "a"}, "q", "a", id="input-target"),
        pytest.param({"prompt": "q", "answer": "a"}, "q", "a", id="prompt-answer"),
        pytest.param({"prompt": "p", "question": "q", "answer": "a", "expected": "e"}, "q", "e", id="first-name-wins"),
        pytest.param({"input": "", "prompt": "q"}, "q", None, id="a blank field gives way"),
        pytest.param({"question": 7, "expected": 42}, "7", "42", id="integers"),
        pytest.param({"question": "q", "expected": 4.5}, "q", "4.5", id="float"),
        pytest.param({"question": "q", "expected": True}, "q", "true", id="boolean"),
        pytest.param({"question": "q", "expected": 10**30}, "q", "1" + "0" * 30, id="long-integer-is-exact"),
        pytest.param({"question": "q", "expected": ["a", "b"]}, "q", '["a", "b"]', id="any of several"),
        pytest.param({"question": "q", "expected": " "}, "q", None, id="a blank gold is none"),
        pytest.param({"question": "q"}, "q", None, id="no gold"),
    ],
)
def test_fields(record: dict[str, object], question: str, expected: str | None) -> None:
    made = item({**record, "topic": ["x"]})
    assert (made.question, made.expected) == (question, expected)
    assert made.variables == {**record, "topic": ["x"], "question": question}


def test_any_of_several_golds_will_do() -> None:
    assert item({"question": "q", "target": ["42", 43]}).accepted == ("42", "43")


def test_an_item_without_id_is_known_by_its_content_and_not_by_the_order_of_its_fields() -> None:
    first = item({"question": "q", "expected": "1"})
    assert first.id == item({"expected": "1", "question": "q"}).id != item({"question": "q", "expected": "2"}).id
    assert len(first.id) == 16
    assert item({"id": 7, "question": "q"}).id == "7"


@pytest.mark.parametrize(
    ("record", "message"),
    [
        pytest.param(5, 'd.jsonl:1: expected an object such as {"question"', id="no object"),
        pytest.param({"qestion": "q"}, "is qestion meant as question? (there are: qestion)", id="misspelt"),
        pytest.param({}, "(there are: none)", id="no-fields"),
        pytest.param({"question": " "}, "the field question must be a text or a number and not empty", id="blank"),
        pytest.param({"question": "q", "expected": {"a": 1}}, "the field expected must be", id="an object expected"),
        pytest.param({"id": [1], "question": "q"}, "the field id must be", id="a list for an id"),
        pytest.param({"question": "\ud800"}, "a text holds half a character", id="surrogate"),
        pytest.param({"question": "q", "more": {"deep": ["\udfff"]}}, "half a character", id="surrogate-inside"),
        pytest.param({"messages": []}, "messages must be a list of messages", id="no messages"),
        pytest.param({"messages": "Hi"}, "messages", id="messages as a text"),
        pytest.param({"messages": [{"role": "user"}, {"content": "x"}]}, "message 2 of messages", id="no role"),
        pytest.param({"messages": [{"role": 1, "content": "x"}]}, "message 1 of messages", id="an odd role"),
        pytest.param(
            {"messages": [HI, {"role": "assistant", "content": "Hello"}]},
            "cut it off with --map messages='messages[:-1]'",
            id="the assistant has the last word",
        ),
        pytest.param(
            {"custom_id": "a", "url": "/v1/embeddings", "body": {"input": "x"}}, "only /v1/chat", id="embeddings"
        ),
        pytest.param(
            {"custom_id": "a", "body": {"messages": [HI], "api_base": "http://evil"}},
            "body.api_base may not be set",
            id="a parameter that may not be set",
        ),
        pytest.param({"question": "q", "image": "no.png"}, "no.png cannot be read: No such file", id="no image"),
        pytest.param({"question": "q", "image": 5}, "an image is a path, a URL or a data URL", id="a number"),
        pytest.param({"question": "q", "image": b"GIF9"}, "no PNG, JPEG, GIF or WebP", id="other bytes"),
    ],
)
def test_what_is_no_item_is_named_by_place(record: object, message: str) -> None:
    with pytest.raises(BadRow) as caught:
        item(record)
    assert str(caught.value).startswith("d.jsonl:1: ")
    assert message in str(caught.value)


# Fields that are made.


@pytest.mark.parametrize(
    ("record", "mapped", "question", "expected"),
    [
        pytest.param(
            {"question": "q", "answer": "48 / 2 = 24\n#### 1,024"},
            ["expected=answer.split('####')[-1].strip()"],
            "q",
            "1,024",
            id="gold inside a field",
        ),
        pytest.param({"Question": "q", "label": 3}, ["question=Question", "target=label"], "q", "3", id="other names"),
        pytest.param({"my question": "q"}, ["input=row['my question']"], "q", None, id="a name with a space"),
        pytest.param({"question": "p", "text": "q"}, ["prompt=text"], "q", None, id="what is made hides its aliases"),
        pytest.param(
            {"question": "q", "answers": {"text": ["a", "b"]}}, ["answer=answers.text"], "q", '["a", "b"]', id="SQuAD"
        ),
        pytest.param({"question": "q", "answer": "x"}, ["expected=none"], "q", None, id="no gold"),
    ],
)
def test_a_field_is_made_of_others(
    record: dict[str, object], mapped: list[str], question: str, expected: str | None
) -> None:
    made = item(record, *mapped)
    assert (made.question, made.expected) == (question, expected)


def test_a_field_that_is_made_is_a_variable_and_the_others_stay_variables() -> None:
    made = item({"question": "q", "text": "a b"}, "words=text.split()")
    assert made.variables == {"question": "q", "text": "a b", "words": ["a", "b"]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("answer", "write FIELD=EXPRESSION", id="no expression"),
        pytest.param("a b=c", "write FIELD=EXPRESSION", id="no name"),
        pytest.param("expected=answer.", "the expression 'answer.' cannot be read", id="torn"),
    ],
)
def test_an_expression_that_cannot_be_read_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        FieldMap.parse([text])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            "expected=anser", r"--map expected: 'anser' is undefined \(there are: question, answer\)", id="name"
        ),
        pytest.param("expected=answer.real.imag", "has no attribute", id="attribute"),
        pytest.param("expected=answer.__class__", "unsafe", id="insides"),
        pytest.param("expected=answer[9]", "--map expected: ", id="index"),
        pytest.param("expected='a' * 10**12", "a multiplication would give more than", id="memory"),
        pytest.param("expected='a' | center(10**9)", "a call is given a number above", id="memory, by a filter"),
        pytest.param("expected='a'.ljust(10**9)", "a call is given a number above", id="memory, by a method"),
    ],
)
def test_an_expression_that_does_not_take_the_row_is_the_rows(text: str, message: str) -> None:
    with pytest.raises(BadRow, match=message):
        item({"question": "q", "answer": "x"}, text)


# Conversations.


def test_messages_are_asked_as_they_are() -> None:
    messages = [{"role": "system", "content": "Be brief."}, HI, {"role": "assistant", "content": "Yes?"}, HI]
    made = item({"messages": messages, "expected": "x"})
    assert made.question == "Hi"
    assert VERBATIM.ask(made) == tuple(messages)


@pytest.mark.parametrize("name", ["input", "prompt"])
def test_a_list_of_messages_may_stand_where_a_question_does(name: str) -> None:
    assert item({name: [HI]}).messages == (HI,)


def test_openais_batch_format() -> None:
    line = {
        "custom_id": "request-1",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {"model": "gpt-4o-mini", "messages": [HI], "max_tokens": 10, "temperature": 0},
    }
    made = item(line)
    assert (made.id, made.messages, made.params) == ("request-1", (HI,), {"max_tokens": 10, "temperature": 0})
    assert made.expected is None


# Images.


@pytest.mark.parametrize(
    "field",
    [
        pytest.param("cat.png", id="a path from the file's directory"),
        pytest.param("https://example.org/cat.png", id="a URL"),
        pytest.param("data:image/png;base64,AAAA", id="a data URL"),
        pytest.param({"bytes": PNG, "path": None}, id="as the Hub holds it"),
        pytest.param(PNG, id="bytes"),
        pytest.param(["cat.png"], id="a list"),
    ],
)
def test_an_image_goes_beside_the_question(tmp_path: Path, field: object) -> None:
    (tmp_path / "cat.png").write_bytes(PNG)
    (message,) = VERBATIM.ask(item({"question": "What is it?", "image": field}, directory=tmp_path))
    held = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    url = field if isinstance(field, str) and ":" in field else held
    text, image = {"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": url}}
    assert message["content"] == [text, image]


def test_an_image_that_has_gone_is_an_error_of_its_item(tmp_path: Path) -> None:
    (tmp_path / "cat.png").write_bytes(PNG)
    made = item({"question": "What is it?", "image": "cat.png"}, directory=tmp_path)
    (tmp_path / "cat.png").unlink()
    with pytest.raises(ConfigError, match=r"cat\.png: the image cannot be read"):
        VERBATIM.ask(made)


# What is kept.


@pytest.mark.parametrize(
    "record",
    [
        pytest.param({"question": "q", "expected": "1"}, id="plain"),
        pytest.param({"question": "q", "expected": ["1", "2"], "choices": ["1", "2"]}, id="lists"),
        pytest.param({"messages": [HI]}, id="messages"),
    ],
)
def test_an_item_comes_back_from_its_line(record: dict[str, object]) -> None:
    made = item(record)
    line = decode(encode(made.to_json()))
    assert isinstance(line, dict)
    assert Item.from_json(line) == made


def test_an_image_inside_a_row_is_not_kept() -> None:
    made = item({"question": "q", "image": {"bytes": PNG}})
    assert f"<{len(PNG)} bytes>" in json.dumps(made.to_json())
