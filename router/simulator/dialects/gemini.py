"""Google's dialect for Gemini (AI Studio).

Shapes: https://ai.google.dev/api/generate-content, errors: https://ai.google.dev/gemini-api/docs/troubleshooting,
limits: https://ai.google.dev/gemini-api/docs/rate-limits. There are no headers about limits.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from router.jsonl import encode
from router.simulator.dialects.base import (
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
    text_of,
    words_of,
)
from router.types import Json

_PATH = re.compile(r".*/models/(.+):(generateContent|streamGenerateContent)", re.ASCII)
_TYPE = "type.googleapis.com/google.rpc."
_JSON_TYPE = {"content-type": "application/json; charset=UTF-8"}
_PAST_PACE_S = 60.0
_LYING_DELAY_S = 38.0
"""A spent daily quota is told with a delay of 30 to 50 s all the same."""

_QUOTA = (
    "You exceeded your current quota, please check your plan and billing details. For more information on "
    "this error, head to: https://ai.google.dev/gemini-api/docs/rate-limits. \n* Quota exceeded for metric: "
    "generativelanguage.googleapis.com/{metric}, limit: {{limit}}, model: {{model}}\n"
    "Please retry in {{wait_s}}s."
)
_METRICS = {
    Cause.RATE: "generate_content_paid_tier_requests",
    Cause.TOKENS: "generate_content_paid_tier_input_token_count",
}
_QUOTA_IDS = {
    Cause.RATE: "GenerateRequestsPer{}PerProjectPerModel",
    Cause.TOKENS: "GenerateContentInputTokensPer{}PerProjectPerModel",
}
_INVALID = "API key not valid. Please pass a valid API key."

_ERRORS: Mapping[Cause, tuple[int, str, str]] = {
    Cause.INVALID_KEY: (400, "INVALID_ARGUMENT", _INVALID),
    Cause.REVOKED_KEY: (
        403,
        "PERMISSION_DENIED",
        "Your API key was reported as leaked. Please use another API key.",
    ),
    Cause.SUSPENDED: (
        403,
        "PERMISSION_DENIED",
        "Permission denied: Consumer 'api_key:{whole_key}' has been suspended.",
    ),
    Cause.NO_CREDIT: (
        403,
        "PERMISSION_DENIED",
        "This API method requires billing to be enabled. Please enable billing on project #simulated.",
    ),
    Cause.REGION: (400, "FAILED_PRECONDITION", "User location is not supported for the API use."),
    Cause.RATE: (429, "RESOURCE_EXHAUSTED", _QUOTA.format(metric=_METRICS[Cause.RATE])),
    Cause.TOKENS: (429, "RESOURCE_EXHAUSTED", _QUOTA.format(metric=_METRICS[Cause.TOKENS])),
    Cause.NO_MODEL: (
        404,
        "NOT_FOUND",
        "models/{model} is not found for API version v1beta, or is not supported for generateContent.",
    ),
    Cause.BAD_REQUEST: (400, "INVALID_ARGUMENT", "{why}"),
    Cause.NOT_FOUND: (404, "NOT_FOUND", "The requested URL was not found on this server."),
    Cause.SERVER_ERROR: (500, "INTERNAL", "An internal error has occurred."),
    Cause.UNAVAILABLE: (503, "UNAVAILABLE", "The service is currently unavailable."),
    Cause.OVERLOADED: (503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
}


class Gemini:
    """Reads and writes Gemini's generateContent."""

    def read(self, wire: Wire) -> Call:
        """Understand `POST …/models/<model>:generateContent`, `:streamGenerateContent` and `GET …/models`."""
        key = wire.headers.get("x-goog-api-key") or wire.query.get("key", "")
        if wire.method == "GET" and wire.path.endswith("/models"):
            return Call("models", key)
        match = _PATH.fullmatch(wire.path)
        if wire.method != "POST" or match is None:
            return Call("unknown", key, problem=f"{wire.method} {wire.path}")
        call = _chat(key, match[1], object_of(wire.body))
        is_sse = wire.query.get("alt") == "sse"
        return replace(call, stream=match[2] == "streamGenerateContent", is_sse=is_sse)

    def answer(self, call: Call, said: Said) -> bytes:
        """A `GenerateContentResponse`."""
        return encode(_response(call, said, said.text, "STOP"))

    def stream(self, call: Call, said: Said) -> tuple[bytes, ...]:
        """Responses one after the other: events with `alt=sse`, else the elements of one JSON array."""
        words = words_of(said.text)
        parts = [
            encode(_response(call, said, word, "STOP" if last == len(words) else None))
            for last, word in enumerate(words, 1)
        ]
        if call.is_sse:
            return tuple(b"data: " + part + b"\r\n\r\n" for part in parts)
        return (
            b"[",
            *(part if last == len(parts) else part + b",\r\n" for last, part in enumerate(parts, 1)),
            b"]",
        )

    def models(self, names: tuple[str, ...]) -> bytes:
        """A list of models."""
        methods = ["generateContent"]
        return encode({"models": [{"name": f"models/{n}", "supportedGenerationMethods": methods} for n in names]})

    def deny(self, denial: Denial, number: int) -> Spoken:  # noqa: ARG002 - Google names no request
        """An error; a limit's wait stands in the body alone."""
        status, name, message = _ERRORS[denial.cause]
        if denial.period_s > _PAST_PACE_S:
            denial = replace(denial, wait_s=_LYING_DELAY_S)
        details = _details(denial)
        error: dict[str, Json] = {"code": status, "message": denial.told(message), "status": name}
        if details:
            error["details"] = details
        return Spoken(status, _JSON_TYPE, encode({"error": error}))

    def limit_headers(self, standing: Standing, unix: float) -> dict[str, str]:  # noqa: ARG002 - it has none
        """None: Google tells its limits in bodies only."""
        return {}

    def id_headers(self, number: int) -> dict[str, str]:  # noqa: ARG002 - it has none
        """None."""
        return {}


def _chat(key: str, model: str, body: Mapping[str, object] | None) -> Call:
    if body is None:
        return Call("chat", key, model, problem="Invalid JSON payload received.")
    texts = [(item.get("role", "user"), text_of(item.get("parts"))) for item in objects_of(body.get("contents"))]
    system = body.get("systemInstruction", body.get("system_instruction"))
    lead = text_of(system.get("parts")) if isinstance(system, dict) else ""
    return Call(
        "chat",
        key,
        model,
        question=last_of(texts, "user"),
        prompt="\n".join([lead, *(text for _, text in texts)]),
        messages=len(texts),
        problem="" if texts else "* GenerateContentRequest.contents: contents is not specified",
    )


def _response(call: Call, said: Said, text: str, finish: str | None) -> dict[str, object]:
    candidate = {"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}
    usage = {
        "promptTokenCount": said.tokens_in,
        "candidatesTokenCount": said.tokens_out,
        "totalTokenCount": said.tokens,
    }
    return {
        "candidates": [candidate | {"finishReason": finish} if finish else candidate],
        "usageMetadata": usage,
        "modelVersion": call.model,
        "responseId": f"sim{said.number:09d}",
    }


def _details(denial: Denial) -> list[Json]:
    reasons = {
        Cause.INVALID_KEY: "API_KEY_INVALID",
        Cause.SUSPENDED: "CONSUMER_SUSPENDED",
        Cause.NO_CREDIT: "BILLING_DISABLED",
    }
    if denial.cause in _METRICS:
        return _quota_details(denial)
    if denial.cause not in reasons:
        return []
    metadata = {"service": "generativelanguage.googleapis.com"}
    reason = reasons[denial.cause]
    return [{"@type": _TYPE + "ErrorInfo", "reason": reason, "domain": "googleapis.com", "metadata": metadata}]


def _quota_details(denial: Denial) -> list[Json]:
    unit = "Day" if denial.period_s > _PAST_PACE_S else "Minute"
    violation: Json = {
        "quotaMetric": f"generativelanguage.googleapis.com/{_METRICS[denial.cause]}",
        "quotaId": _QUOTA_IDS[denial.cause].format(unit),
        "quotaDimensions": {"location": "global", "model": denial.model},
        "quotaValue": str(denial.limit),
    }
    return [
        {"@type": _TYPE + "QuotaFailure", "violations": [violation]},
        {"@type": _TYPE + "RetryInfo", "retryDelay": f"{denial.wait_s:.9f}".rstrip("0").rstrip(".") + "s"},
    ]
