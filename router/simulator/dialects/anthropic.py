"""Anthropic's dialect.

Shapes: https://docs.anthropic.com/en/api/messages, errors: https://docs.anthropic.com/en/api/errors,
headers: https://docs.anthropic.com/en/api/rate-limits
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from router.jsonl import encode
from router.simulator.dialects.base import (
    JSON_TYPE,
    Call,
    Cause,
    Denial,
    Said,
    Spoken,
    Standing,
    Wire,
    last_of,
    object_of,
    objects_of,
    rfc3339,
    text_of,
    words_of,
)

_NO_CREDIT = (
    "Your credit balance is too low to access the Anthropic API. "
    "Please go to Plans & Billing to upgrade or purchase credits."
)
_OVER = (
    "This request would exceed the rate limit for your organization of {limit} {what} per {{period}}. "
    "For details, refer to: https://docs.anthropic.com/en/api/rate-limits. "
    "You can see the response headers for current usage."
)
_INVALID = (401, "authentication_error", "invalid x-api-key")

_ERRORS: Mapping[Cause, tuple[int, str, str]] = {
    Cause.INVALID_KEY: _INVALID,
    Cause.REVOKED_KEY: _INVALID,
    Cause.SUSPENDED: (400, "invalid_request_error", "This organization has been disabled."),
    Cause.NO_CREDIT: (400, "invalid_request_error", _NO_CREDIT),
    Cause.REGION: (403, "forbidden", "Request not allowed"),
    Cause.RATE: (429, "rate_limit_error", _OVER.format(limit="{limit}", what="requests")),
    Cause.TOKENS: (429, "rate_limit_error", _OVER.format(limit="{limit}", what="input tokens")),
    Cause.NO_MODEL: (404, "not_found_error", "model: {model}"),
    Cause.BAD_REQUEST: (400, "invalid_request_error", "{why}"),
    Cause.NOT_FOUND: (404, "not_found_error", "Not found"),
    Cause.SERVER_ERROR: (500, "api_error", "Internal server error"),
    Cause.UNAVAILABLE: (503, "api_error", "Service temporarily unavailable"),
    Cause.OVERLOADED: (529, "overloaded_error", "Overloaded"),
}


class Anthropic:
    """Reads and writes Anthropic's messages."""

    def read(self, wire: Wire) -> Call:
        """Understand `POST …/messages` and `GET …/models`; a Bearer token counts as a key too."""
        bearer = wire.headers.get("authorization", "").removeprefix("Bearer ").strip()
        key = wire.headers.get("x-api-key") or bearer
        if wire.method == "GET" and wire.path.endswith("/models"):
            return Call("models", key)
        if wire.method != "POST" or not wire.path.endswith("/messages"):
            return Call("unknown", key, problem=f"{wire.method} {wire.path}")
        return _chat(key, object_of(wire.body))

    def answer(self, call: Call, said: Said) -> bytes:
        """A `message`."""
        content = [{"type": "text", "text": said.text}]
        ending = {"stop_reason": "end_turn", "stop_sequence": None}
        usage = {"input_tokens": said.tokens_in, "output_tokens": said.tokens_out}
        return encode(_envelope(call, said) | {"content": content, **ending, "usage": usage})

    def stream(self, call: Call, said: Said) -> tuple[bytes, ...]:
        """The events from `message_start` to `message_stop`."""
        usage = {"input_tokens": said.tokens_in, "output_tokens": 1}
        opening = _envelope(call, said) | {"content": [], "stop_reason": None, "usage": usage}
        block = {"index": 0, "content_block": {"type": "text", "text": ""}}
        deltas = [
            _event("content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": word}})
            for word in words_of(said.text)
        ]
        ending = {"stop_reason": "end_turn", "stop_sequence": None}
        return (
            _event("message_start", {"message": opening}),
            _event("content_block_start", block),
            _event("ping", {}),
            *deltas,
            _event("content_block_stop", {"index": 0}),
            _event("message_delta", {"delta": ending, "usage": {"output_tokens": said.tokens_out}}),
            _event("message_stop", {}),
        )

    def models(self, names: tuple[str, ...]) -> bytes:
        """A list of models."""
        data = [{"type": "model", "id": name, "display_name": name} for name in names]
        return encode({"data": data, "has_more": False})

    def deny(self, denial: Denial, number: int) -> Spoken:
        """An error; a limit's wait stands in `retry-after`."""
        status, kind, message = _ERRORS[denial.cause]
        headers = {**JSON_TYPE, **self.id_headers(number)}
        if denial.wait_s > 0:
            headers["retry-after"] = str(math.ceil(denial.wait_s))
        error = {"type": kind, "message": denial.told(message)}
        return Spoken(status, headers, encode({"type": "error", "error": error, "request_id": headers["request-id"]}))

    def limit_headers(self, standing: Standing, unix: float) -> dict[str, str]:
        """`anthropic-ratelimit-{requests,tokens}-{limit,remaining,reset}`, resets in RFC 3339."""
        headers: dict[str, str] = {}
        for name, gauge in (("requests", standing.requests), ("tokens", standing.tokens)):
            if gauge is not None:
                headers[f"anthropic-ratelimit-{name}-limit"] = str(gauge.limit)
                headers[f"anthropic-ratelimit-{name}-remaining"] = str(gauge.remaining)
                headers[f"anthropic-ratelimit-{name}-reset"] = rfc3339(unix + gauge.reset_s)
        return headers

    def id_headers(self, number: int) -> dict[str, str]:
        """`request-id`."""
        return {"request-id": f"req_sim{number:09d}"}


def _chat(key: str, body: Mapping[str, object] | None) -> Call:
    if body is None:
        return Call("chat", key, problem="The request body is not valid JSON")
    texts = [(message.get("role"), text_of(message.get("content"))) for message in objects_of(body.get("messages"))]
    call = Call(
        "chat",
        key,
        str(body.get("model") or ""),
        stream=body.get("stream") is True,
        question=last_of(texts, "user"),
        prompt="\n".join([text_of(body.get("system")), *(text for _, text in texts)]),
        messages=len(texts),
    )
    for field in ("model", "messages", "max_tokens"):
        if not body.get(field):
            return replace(call, problem=f"{field}: Field required")
    return call


def _envelope(call: Call, said: Said) -> dict[str, object]:
    return {"id": f"msg_sim{said.number:09d}", "type": "message", "role": "assistant", "model": call.model}


def _event(name: str, data: Mapping[str, object]) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + encode({"type": name, **data}) + b"\n\n"
