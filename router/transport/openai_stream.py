"""OpenAI's stream: each event as a Chunk, and all of them put together into the completion that they are pieces of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from router.transport.openai_shape import NO_WORDS, mapping, string, text_of, usage_of
from router.types import Chunk, Json, Usage

_GROWING = frozenset({"content", "reasoning_content", "reasoning", "refusal", "text"})
"""Texts of a delta that continue each other."""

_UNCOUNTED = Usage()


class Assembly:
    """What has come of a completion so far. It grows by `add`."""

    def __init__(self) -> None:
        self._body: dict[str, Json] = {}
        self._usage: Mapping[str, object] = {}
        self._choices: dict[int, _Choice] = {}

    @property
    def is_finished(self) -> bool:
        """Whether the vendor has said why the first choice ended."""
        first = self._choices.get(0)
        return first is not None and bool(first.finish_reason)

    def add(self, event: Mapping[str, object]) -> Chunk:
        """Take in one event, and tell what is new in it for the first choice."""
        choices = _list(event.get("choices"))
        if usage := _usage(event, choices):
            self._usage = usage
        self._body.update(_json(event))
        first: Mapping[str, object] = {}
        for choice in map(mapping, choices):
            number = choice.get("index")
            index = number if isinstance(number, int) else 0
            if index not in self._choices:
                self._choices[index] = _Choice()
            self._choices[index].add(choice, _delta(choice))
            if index == 0:
                first = choice
        return _chunk(first, usage_of(usage) if usage else _UNCOUNTED, event)

    def body(self) -> dict[str, Json]:
        """The completion as it would have come whole."""
        choices = [choice.whole(index) for index, choice in sorted(self._choices.items())]
        return {**self._body, "object": "chat.completion", "choices": choices, "usage": _json(self._usage)}


class _Choice:
    """One choice in the making."""

    def __init__(self) -> None:
        self.finish_reason = ""
        self._texts: dict[str, list[str]] = {}
        self._parts: list[Json] = []
        self._calls: list[_ToolCall] = []
        self._latest: dict[int | None, _ToolCall] = {}
        self._function: _ToolCall | None = None
        self._logprobs: dict[str, list[Json]] = {}
        self._lists: dict[str, list[Json]] = {}
        self._rest: dict[str, Json] = {}

    def add(self, choice: Mapping[str, object], delta: Mapping[str, object]) -> None:
        self.finish_reason = string(choice.get("finish_reason")) or self.finish_reason
        for name, listed in mapping(choice.get("logprobs")).items():
            self._logprobs.setdefault(name, []).extend(cast("list[Json]", _list(listed)))
        if isinstance(text := choice.get("text"), str):
            self._texts.setdefault("content", []).append(text)
        for name, value in delta.items():
            self._grow(name, value)

    def _grow(self, name: str, value: object) -> None:
        if isinstance(value, str) and name in _GROWING:
            self._texts.setdefault(name, []).append(value)
        elif name == "content" and isinstance(value, list):
            self._parts += value
        elif name == "tool_calls":
            for call in map(mapping, _list(value)):
                self._call(call).add(call)
        elif name == "function_call":
            self._function = self._function or _ToolCall()
            self._function.add({"function": value})
        elif isinstance(value, list):
            self._lists.setdefault(name, []).extend(value)
        elif value is not None:
            self._rest[name] = cast("Json", value)

    def _call(self, piece: Mapping[str, object]) -> _ToolCall:
        """The call that a piece continues: the last with its number, unless it bears an id of its own."""
        number, name = piece.get("index"), string(piece.get("id"))
        index = number if isinstance(number, int) else None
        call = self._latest.get(index)
        if call is None or (name and call.id and name != call.id):
            call = self._latest[index] = _ToolCall()
            self._calls.append(call)
        return call

    def whole(self, index: int) -> Json:
        """The choice as it would have come whole."""
        texts: dict[str, Json] = {name: "".join(pieces) for name, pieces in self._texts.items()}
        if self._parts:
            said = texts.get("content")
            texts["content"] = [*self._parts, *([{"type": "text", "text": said}] if said else [])]
        message: dict[str, Json] = {"role": "assistant", "content": None, **self._rest, **self._lists, **texts}
        if self._calls:
            message["tool_calls"] = [call.whole() for call in self._calls]
        if self._function:
            message["function_call"] = self._function.function
        logprobs: dict[str, Json] = {"logprobs": cast("Json", self._logprobs)} if self._logprobs else {}
        return {"index": index, "message": message, "finish_reason": self.finish_reason or None, **logprobs}


class _ToolCall:
    """One call of a tool in the making."""

    def __init__(self) -> None:
        self.id = ""
        self._name = ""
        self._arguments: list[str] = []
        self._rest: dict[str, Json] = {}

    def add(self, piece: Mapping[str, object]) -> None:
        function = mapping(piece.get("function"))
        self.id = self.id or string(piece.get("id"))
        self._name = self._name or string(function.get("name"))
        self._arguments.append(string(function.get("arguments")))
        self._rest |= {
            name: value for name, value in _json(piece).items() if name not in {"index", "id", "function"} and value
        }

    @property
    def function(self) -> Json:
        return {"name": self._name, "arguments": "".join(self._arguments)}

    def whole(self) -> Json:
        return {"type": "function", **self._rest, "id": self.id, "function": self.function}


def _chunk(choice: Mapping[str, object], usage: Usage, event: Mapping[str, object]) -> Chunk:
    delta = _delta(choice)
    text = text_of(delta.get("content")) or string(choice.get("text"))
    reasoning = string(delta.get("reasoning_content")) or string(delta.get("reasoning"))
    return Chunk(
        text,
        reasoning,
        tuple(cast("list[Json]", _list(delta.get("tool_calls")))),
        string(choice.get("finish_reason")),
        usage,
        _json(event),
        says_something=bool(text or reasoning or any(map(delta.get, NO_WORDS))),
    )


def _delta(choice: Mapping[str, object]) -> Mapping[str, object]:
    return mapping(choice.get("delta") or choice.get("message"))


def _usage(event: Mapping[str, object], choices: list[object]) -> Mapping[str, object]:
    """OpenAI's place for it, Groq's, Moonshot's."""
    if "usage" not in event and "x_groq" in event:
        event = mapping(event["x_groq"])
    return mapping(event.get("usage")) or mapping(mapping(choices[0]).get("usage") if choices else None)


def _json(value: Mapping[str, object]) -> Mapping[str, Json]:
    return cast("Mapping[str, Json]", value)


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
