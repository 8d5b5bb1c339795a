"""The wide door: `litellm.acompletion`, which works for every vendor that LiteLLM knows."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import aiohttp
import httpx

from router.transport.base import Call
from router.transport.environment import blind
from router.transport.litellm_import import Refused, load
from router.transport.parameters import parameters_of, prefix_of, secret_of
from router.transport.session import Catch
from router.transport.shared_session import borrowed, lender, lending
from router.transport.wire_errors import is_refusal, reply_of
from router.types import Answer, Reply, Usage

TAKES_A_CLIENT = frozenset(
    {
        "anthropic",
        "compactifai",
        "databricks",
        "datarobot",
        "gemini",
        "huggingface",
        "lemonade",
        "ovhcloud",
    }
)
"""Vendors to whose handlers LiteLLM passes no shared session, and which take a client around it instead."""
NO_RETRIES_OF_ITS_OWN = frozenset({"huggingface"})
"""Where either argument about retries would end up in the request's body, and nothing retries anyway."""
RETRIES_UNSEEN = frozenset({"text-completion-inception"})
"""OpenAI's SDK serves them, and LiteLLM does not list them among the vendors that are like OpenAI."""


class WideDoor:
    """Calls `litellm.acompletion` with its own retries off, and shows the reply behind whatever it makes of it."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def send(self, call: Call) -> tuple[Reply, Answer | None]:
        """Send once: the reply as it came, and LiteLLM's reading of it where it found an answer; raises Refused."""
        litellm = load()
        arguments = self._arguments(litellm, call)
        with Catch() as caught, lending(self._lender), blind():
            try:
                response = await litellm.acompletion(**arguments)
            except Exception as error:  # noqa: BLE001 - LiteLLM raises what it likes; all of it means something
                return _failed(caught.last, error), None
        return caught.last or Reply(200), _answer(response)

    def _arguments(self, litellm: Any, call: Call) -> dict[str, Any]:
        prefix = prefix_of(call.model)
        params = parameters_of(call)
        secret = secret_of(call)
        arguments = {
            **params,
            **({} if secret is None else {"api_key": secret}),
            "model": call.model,
            "messages": [dict(message) for message in call.request.messages],
            "api_base": call.provider.base_url,
            # One constant a provider: each new value would build a new client. The whole call is bounded outside.
            "timeout": call.provider.timeout_s,
            "shared_session": self._session,
        }
        if prefix not in NO_RETRIES_OF_ITS_OWN:
            arguments |= {"max_retries": 0, "num_retries": 0}
            if prefix in litellm.openai_compatible_providers or prefix in RETRIES_UNSEEN:
                # Some configurations do not list `max_retries` and drop it; the SDK below then retries twice.
                arguments["allowed_openai_params"] = [*(params.get("allowed_openai_params") or ()), "max_retries"]
        if prefix in TAKES_A_CLIENT:
            arguments["client"] = self._own_client
        return arguments

    def close(self) -> None:
        """Have LiteLLM forget the clients that it keeps around the session."""
        load().in_memory_llm_clients_cache.flush_cache()

    @cached_property
    def _lender(self) -> httpx.AsyncBaseTransport:
        return lender(self._session)

    @cached_property
    def _own_client(self) -> Any:
        from litellm.llms.custom_httpx.http_handler import AsyncHTTPHandler

        return AsyncHTTPHandler(transport=borrowed())


def _failed(caught: Reply | None, error: BaseException) -> Reply:
    """The reply off the wire; without one what the cause chain holds. A body that broke off is a cut."""
    if caught is not None:
        return caught
    if is_refusal(error):
        raise Refused(error) from None
    return reply_of(error)


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
