"""A 200 is checked too: errors inside it, and answers that hold nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from router.classify.bodies import documents, is_stream
from router.classify.html_pages import told_by_headers
from router.classify.rules import classify
from router.faults import Fault
from router.jsonl import decode
from router.types import Reply

MAX_REASON = 64
MAX_CHOICES = 1000
"""No vendor gives more answers to one question; OpenAI's `n` goes up to 128."""
_LENGTH = frozenset({"length", "max_tokens", "MAX_TOKENS"})
_CUT = re.compile(
    r"error|fail|abort|cancel|interrupt|time_?out|insufficient|unavailable|overload|disconnect|sensitive", re.IGNORECASE
)
"""Ends that vendors name themselves and that leave at most half an answer: `network_error`, `sensitive` (Zhipu),
`insufficient_system_resource` (DeepSeek), `abort` (vLLM, SGLang), `error` (OpenRouter).
https://docs.bigmodel.cn/api-reference/ https://api-docs.deepseek.com/api/create-chat-completion
"""
_OTHER_DIALECTS = ("response", "generated_text", "text", "result", "output", "generations", "payload", "Response")
"""Where Ollama, Hugging Face, Cohere, Qianfan, DashScope, Bedrock, Spark and Hunyuan put their answers."""
_FAILURES = frozenset({"error", "failed", "failure"})
_END = "data: [DONE]"
_LAST_EVENTS = frozenset({"message_stop", "response.completed"})


def examine(reply: Reply, *, provider: str = "", now: float, parsed: object = None) -> Fault | None:
    """The fault inside a reply, None where it is a healthy answer; `parsed` spares parsing the body again."""
    return classify(reply, provider=provider, now=now) if is_fault(reply, parsed) else None


def is_fault(reply: Reply, parsed: object = None) -> bool:
    """Whether a reply is anything but a whole answer in OpenAI's, Anthropic's, Gemini's or Ollama's dialect."""
    if reply.status is None or not 200 <= reply.status < 300:  # noqa: PLR2004 - HTTP's own numbers
        return True
    if told_by_headers(reply.headers):
        return True
    if parsed is None:
        if is_stream(reply.body):
            return not _is_whole_stream(reply.body)
        try:
            parsed = decode(reply.body)
        except ValueError:
            return True
    return not is_answer(parsed)


def is_answer(value: object) -> bool:
    """Whether a parsed body holds an answer: text, a tool call, or an end at the token ceiling."""
    if isinstance(value, list):
        value = _first(value)
    if not isinstance(value, Mapping) or _says_error(value):
        return False
    if choices := value.get("choices"):
        return isinstance(choices, Sequence) and len(choices) <= MAX_CHOICES and _is_choice(choices[0])
    if candidates := value.get("candidates"):
        return isinstance(candidates, Sequence) and len(candidates) <= MAX_CHOICES and _is_candidate(candidates[0])
    if value.get("type") == "message" or value.get("object") == "response":
        blocks = value.get("content") or value.get("output")
        return bool(blocks) or value.get("stop_reason") in _LENGTH
    return _has_words(value.get("message")) or any(value.get(name) for name in _OTHER_DIALECTS)


def _says_error(value: Mapping[object, object]) -> bool:
    """Vendors' ways to fail with a 200: an error, a word for failure, a code in MiniMax's or Spark's envelope."""
    if value.get("error") or value.get("type") == "error" or value.get("error_code") or value.get("success") is False:
        return True
    if value.get("status") in _FAILURES:
        return True
    response = value.get("Response")
    return bool(
        _field(value, "base_resp", "status_code")
        or _field(value, "header", "code")
        or (isinstance(response, Mapping) and "Error" in response)
    )


def _field(value: Mapping[object, object], envelope: str, name: str) -> object:
    inside = value.get(envelope)
    return inside.get(name) if isinstance(inside, Mapping) else None


def _is_choice(choice: object) -> bool:
    if not isinstance(choice, Mapping) or choice.get("error"):
        return False
    reason = choice.get("finish_reason")
    if reason in _LENGTH:
        return True
    has_words = _has_words(choice.get("message") or choice.get("delta")) or bool(choice.get("text"))
    return has_words and not _is_cut(reason)


def _has_words(message: object) -> bool:
    if not isinstance(message, Mapping):
        return False
    return bool(
        message.get("content")
        or message.get("tool_calls")
        or message.get("function_call")
        or message.get("refusal")
        or message.get("audio")
    )


def _is_candidate(candidate: object) -> bool:
    if not isinstance(candidate, Mapping):
        return False
    content = candidate.get("content")
    parts = content.get("parts") if isinstance(content, Mapping) else None
    return bool(parts) or candidate.get("finishReason") in _LENGTH


def _is_whole_stream(body: str) -> bool:
    """Whether an event stream said something and came to its end."""
    if "event: error" in body or "event:error" in body:
        return False
    pieces = documents(body)
    if any(is_broken(piece) for piece in pieces):
        return False
    return any(_says_something(piece) for piece in pieces) and (_END in body or any(map(_is_end, pieces)))


def is_broken(piece: object) -> bool:
    """Whether one event of a stream says that there will be no answer, or only half of it."""
    if not isinstance(piece, dict) or _says_error(piece):
        return True
    choice = _first(piece.get("choices"))
    return bool(choice.get("error")) or _is_cut(choice.get("finish_reason"))


def _is_cut(reason: object) -> bool:
    return isinstance(reason, str) and _CUT.search(reason, 0, MAX_REASON) is not None


def _says_something(piece: object) -> bool:
    if not isinstance(piece, Mapping):
        return False
    choice, delta = _first(piece.get("choices")), piece.get("delta")
    says = _has_words(choice.get("delta")) or bool(choice.get("text")) or choice.get("finish_reason") in _LENGTH
    return (
        says
        or bool(delta)
        or piece.get("type") == "content_block_start"
        or _is_candidate(_first(piece.get("candidates")))
    )


def _is_end(piece: object) -> bool:
    return bool(end_of(piece)) or (isinstance(piece, Mapping) and piece.get("type") in _LAST_EVENTS)


def end_of(piece: object) -> str:
    """Why the answer ended, where one event of a stream says it, in OpenAI's, Gemini's or another dialect."""
    if not isinstance(piece, Mapping):
        return ""
    delta = piece.get("delta")
    delta = delta if isinstance(delta, Mapping) else {}
    reasons = (
        _first(piece.get("choices")).get("finish_reason"),
        _first(piece.get("candidates")).get("finishReason"),
        delta.get("stop_reason"),
        delta.get("finish_reason"),
        piece.get("done_reason"),
    )
    return next((reason for reason in reasons if reason and isinstance(reason, str)), "")


def _first(value: object) -> Mapping[str, object]:
    """The first object of a list, an empty one where there is none."""
    first = value[0] if isinstance(value, list) and value else None
    return first if isinstance(first, dict) else {}
