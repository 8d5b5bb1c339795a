"""OpenAI's reply, read into an Answer: most vendors speak it, and LiteLLM translates the others into it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import cast

from router.text import clean
from router.types import Answer, Json, Usage

MAX_COUNT = 2**53
"""Beyond it JSON's numbers are no longer whole; no call uses so many tokens."""
CUT_SHORT = frozenset({"length", "max_tokens", "MAX_TOKENS"})
_THOUGHT = re.compile(r"<(think|thinking|budget:thinking)>(.*?)</\1>", re.DOTALL)
"""What servers without a reasoning parser put before the answer; LiteLLM takes it out too."""
_FORMAT_TOOL = "json_tool_call"
"""The tool by which LiteLLM asks models without structured output for a format; its arguments are the answer."""
NO_WORDS = ("tool_calls", "function_call", "refusal", "audio")
"""What a message may hold instead of a text."""
_REQUEST_IDS = ("x-request-id", "request-id", "apim-request-id", "x-amzn-requestid", "x-correlation-id", "cf-ray")


def answer_of(body: Mapping[str, object]) -> Answer:
    """Read a healthy chat completion. Absent parts are empty, never guessed."""
    choices = body.get("choices")
    choice = mapping(choices[0] if isinstance(choices, list) and choices else {})
    message = mapping(choice.get("message"))
    text, thought = _parted(message)
    return Answer(
        text=text or string(choice.get("text")),
        usage=usage_of(body.get("usage")),
        finish_reason=clean(string(choice.get("finish_reason"))),
        model=clean(string(body.get("model"))),
        reasoning=string(message.get("reasoning_content")) or string(message.get("reasoning")) or thought,
        message=cast("Mapping[str, Json]", message),
        logprobs=cast("Json", choice.get("logprobs")),
    )


def says_something(answer: Answer) -> bool:
    """Whether an answer holds a text, something in its place, or the reason why there was no room for one."""
    return bool(answer.text or answer.finish_reason in CUT_SHORT or any(map(answer.message.get, NO_WORDS)))


def usage_of(said: object) -> Usage:
    """Read the tokens that the vendor counted; nothing where they are not told in this shape."""
    usage = mapping(said)
    into, out = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
    details = mapping(usage.get("completion_tokens_details"))
    reasoning = _count(details.get("reasoning_tokens"))
    if None not in {into, out, reasoning} and usage.get("total_tokens") == into + out + reasoning:  # type: ignore[operator]
        out += reasoning  # type: ignore[operator]  # xAI counts them beside the others
    return Usage(into, out, _cached(usage), reasoning)


def _cached(usage: Mapping[str, object]) -> int | None:
    """OpenAI's place for it, DeepSeek's, Moonshot's."""
    places = (
        mapping(usage.get("prompt_tokens_details")).get("cached_tokens"),
        usage.get("prompt_cache_hit_tokens"),
        usage.get("cached_tokens"),
    )
    return next((count for count in map(_count, places) if count is not None), None)


def request_id(headers: Mapping[str, str]) -> str:
    """The vendor's name for a call."""
    return next((headers[name] for name in _REQUEST_IDS if headers.get(name)), "")


def each_text(value: Json, change: Callable[[str], str]) -> Json:
    """The same value with all texts in it changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {change(name): each_text(inner, change) for name, inner in value.items()}
    return [each_text(inner, change) for inner in value] if isinstance(value, list) else value


def _parted(message: Mapping[str, object]) -> tuple[str, str]:
    """The text of a message, which some vendors send in parts of which only some are the answer; and the thought."""
    content = message.get("content")
    text = text_of(content)
    if isinstance(content, list):
        return text, ""
    if thought := _THOUGHT.match(text):
        return text[thought.end() :] or _formatted(message.get("tool_calls")), thought[2].strip()
    return text or _formatted(message.get("tool_calls")), ""


def text_of(content: object) -> str:
    """The text of a message's content, or of the parts of it that are the answer."""
    if isinstance(content, list):
        parts = map(mapping, content)
        return "".join(string(part.get("text")) for part in parts if part.get("type", "text") == "text")
    return string(content)


def _formatted(tool_calls: object) -> str:
    calls = tool_calls if isinstance(tool_calls, list) else []
    called = mapping(mapping(calls[0] if len(calls) == 1 else None).get("function"))
    return string(called.get("arguments")) if called.get("name") == _FORMAT_TOOL else ""


def mapping(value: object) -> Mapping[str, object]:
    """The value where it is an object, an empty one for everything else."""
    return value if isinstance(value, dict) else {}  # an ABC's isinstance would cost as much as the rest


def string(value: object) -> str:
    """The value where it is a text, an empty one for everything else."""
    return value if isinstance(value, str) else ""


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MAX_COUNT else None
