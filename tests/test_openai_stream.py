"""Events of a stream, put together into the completion that they are pieces of."""

from __future__ import annotations

import pytest

from router.transport.openai_shape import answer_of
from router.transport.openai_stream import Assembly
from router.types import Answer, Chunk, Usage

Delta = dict[str, object]


def piece(delta: Delta, index: int = 0, **choice: object) -> Delta:
    return {"id": "c", "model": "m", "choices": [{"index": index, "delta": delta, **choice}]}


def assembled(*events: Delta) -> tuple[Answer, list[Chunk]]:
    whole = Assembly()
    chunks = [whole.add(event) for event in events]
    return answer_of(whole.body()), chunks


def call(index: int | None = 0, id: str = "", name: str = "", arguments: str = "") -> Delta:  # noqa: A002 - OpenAI's
    function = {"name": name, "arguments": arguments} if name else {"arguments": arguments}
    return {"tool_calls": [{"index": index, "id": id or None, "type": "function", "function": function}]}


END = piece({}, finish_reason="stop")


@pytest.mark.parametrize(
    ("events", "answer"),
    [
        pytest.param(
            [piece({"role": "assistant", "content": ""}), piece({"content": "Hel"}), piece({"content": "lo"}), END],
            Answer("Hello", finish_reason="stop", model="m", message={"role": "assistant", "content": "Hello"}),
            id="a text",
        ),
        pytest.param(
            [piece({"reasoning_content": "3 and "}), piece({"reasoning_content": "4"}), piece({"content": "7"}), END],
            Answer(
                "7", finish_reason="stop", model="m", reasoning="3 and 4",
                message={"role": "assistant", "content": "7", "reasoning_content": "3 and 4"},
            ),
            id="a thought",
        ),
        pytest.param(
            [piece({"content": [{"type": "thinking", "thinking": []}]}), piece({"content": "7"}), END],
            Answer(
                "7", finish_reason="stop", model="m",
                message={"role": "assistant",
                         "content": [{"type": "thinking", "thinking": []}, {"type": "text", "text": "7"}]},
            ),
            id="parts",
        ),
        pytest.param(
            [{"model": "m", "choices": [{"text": "7", "index": 0, "finish_reason": "stop"}]}],
            Answer("7", finish_reason="stop", model="m", message={"role": "assistant", "content": "7"}),
            id="a text without a delta",
        ),
        pytest.param(
            [piece({"content": "one"}), piece({"content": "two"}, 1), piece({}, 1, finish_reason="length"), END],
            Answer("one", finish_reason="stop", model="m", message={"role": "assistant", "content": "one"}),
            id="two choices",
        ),
        pytest.param(
            [piece({"content": "7"}, logprobs={"content": [1]}), piece({"content": "8"}, logprobs={"content": [2]}),
             END],
            Answer("78", finish_reason="stop", model="m", logprobs={"content": [1, 2]},
                   message={"role": "assistant", "content": "78"}),
            id="log probabilities",
        ),
    ],
)  # fmt: skip
def test_answers(events: list[Delta], answer: Answer) -> None:
    assert assembled(*events)[0] == answer


@pytest.mark.parametrize(
    ("events", "calls"),
    [
        pytest.param(
            [piece(call(0, "a", "add", "")), piece(call(0, arguments='{"x"')), piece(call(0, arguments=":3}"))],
            [("a", "add", '{"x":3}')],
            id="one in pieces",
        ),
        pytest.param(
            [piece(call(0, "a", "add", "{")), piece(call(1, "b", "sub", "[")), piece(call(0, arguments="}")),
             piece(call(1, arguments="]"))],
            [("a", "add", "{}"), ("b", "sub", "[]")],
            id="two, mixed",
        ),
        pytest.param(
            [piece(call(0, "a", "add", "{}")), piece(call(0, "b", "sub", "[]"))],
            [("a", "add", "{}"), ("b", "sub", "[]")],
            id="two of one number",
        ),
        pytest.param(
            [piece(call(None, "a", "add", "{")), piece(call(None, "a", "add", "}")), piece(call(None, "b", "s", "[]"))],
            [("a", "add", "{}"), ("b", "s", "[]")],
            id="without numbers",
        ),
    ],
)  # fmt: skip
def test_tool_calls(events: list[Delta], calls: list[tuple[str, str, str]]) -> None:
    answer, chunks = assembled(*events)
    expected = [
        {"type": "function", "id": name, "function": {"name": tool, "arguments": arguments}}
        for name, tool, arguments in calls
    ]
    assert answer.tool_calls == expected
    assert all(chunk.says_something and chunk.tool_calls for chunk in chunks)


def test_a_call_in_the_older_shape() -> None:
    pieces = ({"name": "add", "arguments": ""}, {"arguments": '{"x"'}, {"arguments": ":3}"})
    answer, _ = assembled(*(piece({"function_call": each}) for each in pieces))
    assert answer.message["function_call"] == {"name": "add", "arguments": '{"x":3}'}


USAGE = {"prompt_tokens": 11, "completion_tokens": 7}


@pytest.mark.parametrize(
    "place",
    [
        pytest.param({"choices": [], "usage": USAGE}, id="OpenAI's"),
        pytest.param({"choices": [], "x_groq": {"usage": USAGE}}, id="Groq's"),
        pytest.param({"choices": [{"index": 0, "delta": {}, "usage": USAGE}]}, id="Moonshot's"),
        pytest.param({"choices": [{"index": 0, "delta": {}}], "usage": USAGE}, id="with the end"),
    ],
)
def test_usage(place: Delta) -> None:
    answer, chunks = assembled(piece({"content": "7"}), {**piece({}), "usage": None}, place)
    assert answer.usage == chunks[-1].usage == Usage(11, 7)
    assert chunks[0].usage == Usage()


def test_a_chunk_is_what_is_new_and_the_whole_event() -> None:
    first, second = piece({"role": "assistant", "content": ""}), piece({"content": "7"}, finish_reason="stop")
    _, chunks = assembled(first, second)
    assert chunks == [Chunk(raw=first), Chunk("7", finish_reason="stop", raw=second, says_something=True)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "event",
    [{}, {"choices": None}, {"choices": 7}, {"choices": [None, 7, "x"]}, {"choices": [{"index": "x", "delta": 7}]},
     {"choices": [{"index": 10**12, "delta": {"tool_calls": [7, {"index": "x", "function": 7}], "content": 7}}]},
     {"choices": [{"delta": {"content": [7]}, "logprobs": 7}], "usage": 7, "x_groq": 7}],
    ids=str,
)  # fmt: skip
def test_odd_events_are_passed_over(event: Delta) -> None:
    answer, _ = assembled(event, piece({"content": "7"}), END)
    assert answer.text == "7"
