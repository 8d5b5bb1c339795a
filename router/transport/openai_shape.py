"""OpenAI's reply, read into an Answer: what the direct door's vendors all speak."""

from __future__ import annotations

import re
from collections.abc import Mapping

from router.types import Answer, Usage

_THOUGHT = re.compile(r"<(think|thinking|budget:thinking)>.*?</\1>", re.DOTALL)
"""What servers without a reasoning parser put before the answer; LiteLLM takes it out too."""
_FORMAT_TOOL = "json_tool_call"
"""The tool by which LiteLLM asks models without structured output for a format; its arguments are the answer."""


def answer_of(body: Mapping[str, object]) -> Answer:
    """Read a healthy chat completion. Absent parts are empty, never guessed."""
    choices = body.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else {}
    return Answer(
        text=_text(_mapping(_mapping(choice).get("message"))),
        usage=usage_of(_mapping(body.get("usage"))),
        finish_reason=_string(_mapping(choice).get("finish_reason")),
        model=_string(body.get("model")),
    )


def usage_of(usage: Mapping[str, object]) -> Usage:
    """Read the tokens that the vendor counted."""
    return Usage(_count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens")))


def _text(message: Mapping[str, object]) -> str:
    """The text of a message, which some vendors send in parts of which only some are the answer."""
    content = message.get("content")
    if isinstance(content, list):
        parts = (_mapping(part) for part in content)
        return "".join(_string(part.get("text")) for part in parts if part.get("type", "text") == "text")
    thought = _THOUGHT.match(_string(content))
    return _string(content)[thought.end() if thought else 0 :] or _formatted(message.get("tool_calls"))


def _formatted(tool_calls: object) -> str:
    calls = tool_calls if isinstance(tool_calls, list) else []
    called = _mapping(_mapping(calls[0] if len(calls) == 1 else None).get("function"))
    return _string(called.get("arguments")) if called.get("name") == _FORMAT_TOOL else ""


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
