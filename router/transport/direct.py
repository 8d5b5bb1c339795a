"""The direct door: LiteLLM's knowledge of a vendor, with our own HTTP call.

What LiteLLM knows of a vendor (URL, authentication, parameter names, shape of the request) stands in its
configuration classes. Called directly, around one session of ours, a call costs a tenth of `acompletion`'s CPU,
shows the reply itself, obeys our timeout and retries nothing. It is used for vendors that answer in OpenAI's shape
and whose requests were found the same through both doors, which a contract test holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from yarl import URL

from router.config.models import Key, Provider
from router.jsonl import encode
from router.transport.base import Call
from router.transport.environment import blind
from router.transport.litellm_import import Refused, load
from router.transport.opened import EventReply
from router.transport.parameters import parameters_of, secret_of
from router.transport.session import OnSent, Session
from router.types import Reply

_NOT_SENT = ("fake_stream", "json_mode", "max_retries")
"""What LiteLLM's configurations leave for its own handlers among the parameters."""


USAGE = {"stream_options": {"include_usage": True}}
"""Asks for the token usage of a stream, which is not reported otherwise."""
MAX_MAPPED = 256
"""Sets of parameters kept as LiteLLM maps them: a file and its prompts have a few, an item may have its own."""


@dataclass(frozen=True, slots=True)
class _Route:
    """What stays the same for all calls of one provider, key and model, until one of them is replaced."""

    provider: Provider = field(repr=False)
    key: Key = field(repr=False)
    config: Any
    prefix: str
    model: str
    url: URL
    headers: dict[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Mapped:
    """One set of parameters, as LiteLLM maps them for a vendor."""

    optional: dict[str, Any]
    extra_body: dict[str, Any]


@dataclass(slots=True)
class DirectDoor:
    """Sends calls over the session. Its only state is what it has worked out."""

    session: Session
    _routes: dict[tuple[object, ...], _Route] = field(default_factory=dict, repr=False)
    _mapped: dict[tuple[object, ...], _Mapped] = field(default_factory=dict, repr=False)

    def warm(self, call: Call) -> None:
        """Build a request without sending it, so that the first call finds everything cached; raises Refused."""
        self._put_together(call)

    async def send(self, call: Call, on_sent: OnSent) -> Reply:
        """Send once and return the reply as it came; raises Refused, and what aiohttp raises."""
        url, headers, body = self._put_together(call)
        return await self.session.exchange("POST", url, headers, body, on_sent)

    async def stream(self, call: Call, on_sent: OnSent) -> EventReply:
        """Send once, asking for a stream; returns when the reply's head is there, raises as `send` does."""
        url, headers, body = self._put_together(call, streams=True)
        return EventReply(await self.session.open("POST", url, headers, body, on_sent))

    def _put_together(self, call: Call, *, streams: bool = False) -> tuple[URL, Mapping[str, str], bytes]:
        try:
            with blind():
                route = self._route(call)
                return route.url, route.headers, encode(_body(route, self._parameters(call, route, streams), call))
        except Refused:
            raise
        except Exception as error:  # noqa: BLE001 - LiteLLM raises what it likes; nothing was sent yet
            raise Refused(error) from None

    def _route(self, call: Call) -> _Route:
        name = (call.provider.name, call.key.name, call.model)
        route = self._routes.get(name)
        if route is None or route.provider is not call.provider or route.key is not call.key:
            route = self._routes[name] = _work_out(call)
        return route

    def _parameters(self, call: Call, route: _Route, streams: bool) -> _Mapped:  # noqa: FBT001 - a part of the name
        """Those of the file and the request, mapped; the sets that were used last are kept."""
        name = (call.model, encode(call.provider.params_of(call.model)), encode(call.request.params), streams)
        mapped = self._mapped.pop(name, None) or _map(route, parameters_of(call), streams=streams)
        self._mapped[name] = mapped
        if len(self._mapped) > MAX_MAPPED:
            del self._mapped[next(iter(self._mapped))]
        return mapped


def _work_out(call: Call) -> _Route:
    """Ask LiteLLM for everything but messages and parameters."""
    litellm = load()
    from litellm.utils import ProviderConfigManager

    secret = secret_of(call)
    model, prefix, _, api_base = litellm.get_llm_provider(
        model=call.model, api_base=call.provider.base_url, api_key=secret
    )
    config: Any = ProviderConfigManager.get_provider_chat_config(model=model, provider=litellm.LlmProviders(prefix))
    common = {"model": model, "optional_params": {}, "litellm_params": {}, "api_key": secret}
    headers = config.validate_environment(headers={}, messages=[], api_base=api_base, **common)
    url = config.get_complete_url(api_base=api_base, stream=False, **common)
    named = {str(name).lower(): str(value) for name, value in headers.items()}
    own = {name.lower(): value for name, value in call.provider.headers.items()}
    return _Route(
        call.provider, call.key, config, prefix, model, URL(url), {**named, "content-type": "application/json", **own}
    )


def _map(route: _Route, params: dict[str, Any], *, streams: bool) -> _Mapped:
    from litellm.utils import get_optional_params

    asked = {**params, "stream": True, **USAGE} if streams else {**params, "stream": None}
    optional = get_optional_params(model=route.model, custom_llm_provider=route.prefix, **asked)
    for name in _NOT_SENT:
        optional.pop(name, None)
    return _Mapped(optional, optional.pop("extra_body", None) or {})


def _body(route: _Route, mapped: _Mapped, call: Call) -> dict[str, Any]:
    request = route.config.transform_request(
        model=route.model,
        messages=[dict(message) for message in call.request.messages],
        optional_params=dict(mapped.optional),
        litellm_params={},
        headers=dict(route.headers),
    )
    return {**request, **mapped.extra_body}
