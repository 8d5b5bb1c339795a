"""The wide door: `litellm.acompletion`, which works for every vendor that LiteLLM knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import aiohttp

from router.transport.calls import Call
from router.transport.direct import prefix_of
from router.transport.failures import reply_of, wire_failure
from router.transport.library import load
from router.transport.session import Catch
from router.types import Answer, Reply, Usage

TAKES_NO_SESSION = frozenset({"anthropic", "gemini", "huggingface"})
"""Vendors to whose handlers LiteLLM passes no shared session: they are given a client around it instead."""
SENDS_MAX_RETRIES_ON = frozenset({"huggingface"})
"""OpenAI-like vendors where a `max_retries` that is let through ends up in the request's body."""


@dataclass(slots=True)
class WideDoor:
    """Calls `litellm.acompletion` with its own retries off, and shows the reply behind whatever it makes of it."""

    session: aiohttp.ClientSession
    _client: Any = None

    async def send(self, call: Call) -> tuple[Reply, Answer | None]:
        """Send once: the reply as it came, and LiteLLM's reading of it where it found an answer in it."""
        litellm = load()
        with Catch() as caught:
            try:
                response = await litellm.acompletion(**self._arguments(litellm, call))
            except Exception as error:  # noqa: BLE001 - LiteLLM raises what it likes; all of it means something
                return _failed(caught.last, error), None
        return caught.last or Reply(200), _answer(response)

    def _arguments(self, litellm: Any, call: Call) -> dict[str, Any]:
        prefix = prefix_of(call.model)
        arguments = {
            **call.provider.params,
            **call.request.params,
            "model": call.model,
            "messages": [dict(message) for message in call.request.messages],
            "api_key": call.key.secret.reveal() if call.key.secret else "none",
            "api_base": call.provider.base_url,
            # One constant a provider: each new value would build a new client. The whole call is bounded outside.
            "timeout": call.provider.timeout_s,
            "max_retries": 0,
            "num_retries": 0,
            "shared_session": self.session,
        }
        if prefix in litellm.openai_compatible_providers and prefix not in SENDS_MAX_RETRIES_ON:
            # Some configurations do not list `max_retries` and drop it; the SDK below then retries twice.
            arguments["allowed_openai_params"] = ["max_retries"]
        if prefix in TAKES_NO_SESSION:
            arguments["client"] = self._own_client()
        return arguments

    def _own_client(self) -> Any:
        if self._client is None:
            from litellm.llms.custom_httpx.http_handler import AsyncHTTPHandler

            self._client = AsyncHTTPHandler(shared_session=self.session)
        return self._client


def _failed(caught: Reply | None, error: BaseException) -> Reply:
    """The reply off the wire; without one what the cause chain holds. A body that broke off is a cut."""
    if caught is not None:
        return caught
    wire = wire_failure(error)
    return Reply(None, error=wire, body=str(error)[:500]) if wire else reply_of(error)


def _answer(response: Any) -> Answer | None:
    choices = getattr(response, "choices", None)
    if not choices:
        return None
    usage = getattr(response, "usage", None)
    return Answer(
        text=choices[0].message.content or "",
        usage=Usage(getattr(usage, "prompt_tokens", None), getattr(usage, "completion_tokens", None)),
        finish_reason=str(choices[0].finish_reason or ""),
        model=str(getattr(response, "model", "") or ""),
    )
