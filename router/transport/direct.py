"""The direct door: LiteLLM's knowledge of a vendor, our own HTTP call.

What LiteLLM knows of a vendor (URL, authentication, parameter names, shape of the request) stands in its
configuration classes. Called directly, around one session of ours, a call costs a tenth of `acompletion`'s CPU,
shows the reply itself, obeys our timeout and retries nothing. It is used for vendors that answer in OpenAI's shape
and whose requests were found the same through both doors, which a contract test holds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import aiohttp

from router.jsonl import encode
from router.transport.base import Call
from router.transport.environment import blind
from router.transport.litellm_import import Refused, load
from router.transport.parameters import parameters_of, secret_of
from router.transport.session import lower
from router.types import Reply

PREFIXES = frozenset(
    {
        "openai",
        "cerebras",
        "dashscope",
        "deepinfra",
        "deepseek",
        "fireworks_ai",
        "groq",
        "hosted_vllm",
        "mistral",
        "moonshot",
        "nvidia_nim",
        "openrouter",
        "perplexity",
        "sambanova",
        "together_ai",
        "volcengine",
        "xai",
        "zai",
    }
)
"""LiteLLM's prefixes whose requests are the same through both doors."""
_NOT_SENT = ("fake_stream", "json_mode", "max_retries")
"""What LiteLLM's configurations leave for its own handlers among the parameters."""


@dataclass(frozen=True, slots=True)
class _Route:
    """What stays the same for all calls of one provider, key, model and set of parameters."""

    config: Any
    model: str
    url: str
    headers: dict[str, str] = field(repr=False)
    optional: dict[str, Any]
    extra_body: dict[str, Any]


@dataclass(slots=True)
class DirectDoor:
    """Sends calls over one aiohttp session. Its only state is the routes that it has worked out."""

    session: aiohttp.ClientSession
    _routes: dict[tuple[object, ...], _Route] = field(default_factory=dict, repr=False)

    def warm(self, call: Call) -> None:
        """Work out what the first call would, without sending it; raises Refused."""
        self._put_together(call)

    async def send(self, call: Call) -> Reply:
        """Send once and return the reply as it came; raises Refused, and what aiohttp raises."""
        route, body = self._put_together(call)
        headers = {**route.headers, "content-type": "application/json"}
        async with self.session.post(route.url, data=encode(body), headers=headers) as response:
            text = await response.text(errors="replace")
            return Reply(response.status, lower(response.headers), text)

    def _put_together(self, call: Call) -> tuple[_Route, dict[str, Any]]:
        try:
            with blind():
                route = self._route(call)
                return route, self._body(route, call)
        except Refused:
            raise
        except Exception as error:  # noqa: BLE001 - LiteLLM raises what it likes; nothing was sent yet
            raise Refused(error) from None

    def _body(self, route: _Route, call: Call) -> dict[str, Any]:
        request = route.config.transform_request(
            model=route.model,
            messages=[dict(message) for message in call.request.messages],
            optional_params=dict(route.optional),
            litellm_params={},
            headers=dict(route.headers),
        )
        return {**request, **route.extra_body}

    def _route(self, call: Call) -> _Route:
        params = parameters_of(call)
        name = (call.provider.name, call.provider.base_url, call.key.name, call.model, encode(params))
        if name not in self._routes:
            self._routes[name] = _work_out(call, params)
        return self._routes[name]


def _work_out(call: Call, params: dict[str, Any]) -> _Route:
    """Ask LiteLLM for everything but the messages."""
    litellm = load()
    from litellm.utils import ProviderConfigManager, get_optional_params

    secret = secret_of(call)
    model, prefix, _, api_base = litellm.get_llm_provider(
        model=call.model, api_base=call.provider.base_url, api_key=secret
    )
    config: Any = ProviderConfigManager.get_provider_chat_config(model=model, provider=litellm.LlmProviders(prefix))
    optional = get_optional_params(model=model, custom_llm_provider=prefix, stream=None, **params)
    for name in _NOT_SENT:
        optional.pop(name, None)
    extra_body = optional.pop("extra_body", None) or {}
    common = {"model": model, "optional_params": optional, "litellm_params": {}, "api_key": secret}
    headers = config.validate_environment(headers={}, messages=[], api_base=api_base, **common)
    url = config.get_complete_url(api_base=api_base, stream=False, **common)
    return _Route(config, model, url, {str(k): str(v) for k, v in headers.items()}, optional, extra_body)
