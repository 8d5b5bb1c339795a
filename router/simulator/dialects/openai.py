"""OpenAI's dialect, which most vendors speak.

Shapes: https://platform.openai.com/docs/api-reference/chat, errors and headers:
https://platform.openai.com/docs/guides/error-codes, https://platform.openai.com/docs/guides/rate-limits
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

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
    go_duration,
    last_of,
    object_of,
    objects_of,
    text_of,
    words_of,
)

_REFUSED = "invalid_request_error"
_WHERE_KEYS_ARE = "You can find your API key at https://platform.openai.com/account/api-keys."
_DEACTIVATED = (
    "The OpenAI account associated with this API key has been deactivated. If you are the developer for "
    "this OpenAI app, please check your email for more information. If you are seeing this error while using "
    "another app or site, please reach out to them for more help."
)
_NO_QUOTA = (
    "You exceeded your current quota, please check your plan and billing details. For more information on "
    "this error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors."
)
_OVER = (
    "Limit {limit}, Used {used}, Requested {requested}. Please try again in {wait}. "
    "Visit https://platform.openai.com/account/rate-limits to learn more."
)
_RATE = "Rate limit reached for {model} in organization org-simulated on requests per {period} (RP{initial}): "
_TOKENS = "Rate limit reached for {model} in organization org-simulated on tokens per {period} (TP{initial}): "

_ERRORS: Mapping[Cause, tuple[int, str, str | None, str]] = {
    Cause.INVALID_KEY: (
        401,
        _REFUSED,
        "invalid_api_key",
        f"Incorrect API key provided: {{key}}. {_WHERE_KEYS_ARE}",
    ),
    Cause.REVOKED_KEY: (
        401,
        _REFUSED,
        "invalid_api_key",
        f"Incorrect API key provided: {{key}}. {_WHERE_KEYS_ARE}",
    ),
    Cause.SUSPENDED: (401, _REFUSED, "account_deactivated", _DEACTIVATED),
    Cause.NO_CREDIT: (429, "insufficient_quota", "insufficient_quota", _NO_QUOTA),
    # DeepSeek's words: https://api-docs.deepseek.com/quick_start/error_codes
    Cause.REGION: (
        403,
        "request_forbidden",
        "unsupported_country_region_territory",
        "Country, region, or territory not supported",
    ),
    Cause.RATE: (429, "requests", "rate_limit_exceeded", _RATE + _OVER),
    Cause.TOKENS: (429, "tokens", "rate_limit_exceeded", _TOKENS + _OVER),
    Cause.NO_MODEL: (
        404,
        _REFUSED,
        "model_not_found",
        "The model `{model}` does not exist or you do not have access to it.",
    ),
    Cause.BAD_REQUEST: (400, _REFUSED, None, "{why}"),
    Cause.NOT_FOUND: (404, _REFUSED, "unknown_url", "Invalid URL ({why})"),
    Cause.SERVER_ERROR: (
        500,
        "server_error",
        None,
        "The server had an error while processing your request. Sorry about that!",
    ),
    Cause.UNAVAILABLE: (
        503,
        "service_unavailable_error",
        "server_is_overloaded",
        "The requested model does not have enough capacity to process your request at the moment.",
    ),
    Cause.OVERLOADED: (
        503,
        "server_error",
        None,
        "That model is currently overloaded with other requests. You can retry your request.",
    ),
}


class OpenAI:
    """Reads and writes OpenAI's chat completions."""

    def read(self, wire: Wire) -> Call:
        """Understand `POST …/chat/completions` and `GET …/models`."""
        key = wire.headers.get("authorization", "").removeprefix("Bearer ").strip()
        if wire.method == "GET" and wire.path.endswith("/models"):
            return Call("models", key)
        if wire.method != "POST" or not wire.path.endswith("/chat/completions"):
            return Call("unknown", key, problem=f"{wire.method} {wire.path}")
        return _chat(key, object_of(wire.body))

    def answer(self, call: Call, said: Said) -> bytes:
        """A `chat.completion`."""
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": said.text, "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
        ending = {"choices": [choice], "usage": _usage(said), "service_tier": "default"}
        return encode(_envelope(call, said, "chat.completion") | ending)

    def stream(self, call: Call, said: Said) -> tuple[bytes, ...]:
        """Chunks of a `chat.completion.chunk` each, then `[DONE]`."""
        chunk = partial(_chunk, _envelope(call, said, "chat.completion.chunk"))
        pieces = [chunk({"role": "assistant", "content": ""}, None)]
        pieces += [chunk({"content": word}, None) for word in words_of(said.text)]
        pieces.append(chunk({}, "stop"))
        if call.wants_usage:
            last = _envelope(call, said, "chat.completion.chunk") | {"choices": [], "usage": _usage(said)}
            pieces.append(b"data: " + encode(last) + b"\n\n")
        return (*pieces, b"data: [DONE]\n\n")

    def models(self, names: tuple[str, ...]) -> bytes:
        """A list of models."""
        data = [{"id": name, "object": "model", "created": 0, "owned_by": "simulated"} for name in names]
        return encode({"object": "list", "data": data})

    def deny(self, denial: Denial, number: int) -> Spoken:
        """An error; a limit's wait stands in the text and in two headers."""
        status, kind, code, message = _ERRORS[denial.cause]
        error = {"message": denial.told(message), "type": kind, "param": None, "code": code}
        headers = {**JSON_TYPE, **self.id_headers(number)}
        if denial.wait_s > 0:
            headers["retry-after"] = str(math.ceil(denial.wait_s))
            headers["retry-after-ms"] = str(math.ceil(denial.wait_s * 1000))
        return Spoken(status, headers, encode({"error": error}))

    def limit_headers(self, standing: Standing, unix: float) -> dict[str, str]:  # noqa: ARG002 - durations here
        """`x-ratelimit-{limit,remaining,reset}-{requests,tokens}`, resets as Go durations."""
        headers: dict[str, str] = {}
        for name, gauge in (("requests", standing.requests), ("tokens", standing.tokens)):
            if gauge is not None:
                headers[f"x-ratelimit-limit-{name}"] = str(gauge.limit)
                headers[f"x-ratelimit-remaining-{name}"] = str(gauge.remaining)
                headers[f"x-ratelimit-reset-{name}"] = go_duration(gauge.reset_s)
        return headers

    def id_headers(self, number: int) -> dict[str, str]:
        """`x-request-id`."""
        return {"x-request-id": f"req_sim{number:09d}"}


def _chat(key: str, body: Mapping[str, object] | None) -> Call:
    if body is None:
        why = "We could not parse the JSON body of your request."
        return Call("chat", key, problem=why)
    options = body.get("stream_options")
    texts = [(message.get("role"), text_of(message.get("content"))) for message in objects_of(body.get("messages"))]
    call = Call(
        "chat",
        key,
        str(body.get("model") or ""),
        stream=body.get("stream") is True,
        wants_usage=isinstance(options, dict) and options.get("include_usage") is True,
        question=last_of(texts, "user"),
        prompt="\n".join(text for _, text in texts),
        messages=len(texts),
    )
    if not call.model:
        return replace(call, problem="you must provide a model parameter")
    return call if texts else replace(call, problem="Missing required parameter: 'messages'.")


def _envelope(call: Call, said: Said, kind: str) -> dict[str, object]:
    return {
        "id": f"chatcmpl-sim{said.number:09d}",
        "object": kind,
        "created": int(said.unix),
        "model": call.model,
    }


def _usage(said: Said) -> dict[str, int]:
    return {
        "prompt_tokens": said.tokens_in,
        "completion_tokens": said.tokens_out,
        "total_tokens": said.tokens,
    }


def _chunk(envelope: Mapping[str, object], delta: Mapping[str, str], finish: str | None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + encode({**envelope, "choices": [choice]}) + b"\n\n"
