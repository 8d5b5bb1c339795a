"""How parameters are translated for a vendor, and whether a model accepts a JSON Schema; nothing is sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from router.catalog.vendors import takes_schemas
from router.transport.environment import blind
from router.transport.litellm_import import Refused, load
from router.types import Json

_OWN = frozenset({"stream", "extra_body", "max_retries", "fake_stream", "json_mode", "stream_options"})
"""What LiteLLM adds for its own handlers."""


def mapped(model: str, params: Mapping[str, Json]) -> dict[str, Json]:
    """The parameters as they are sent to the model's vendor; raises Refused if LiteLLM would not send them."""
    arguments: dict[str, Any] = dict(params)
    with blind():
        try:
            name, prefix, _, _ = load().get_llm_provider(model=model)
            from litellm.utils import get_optional_params

            found: dict[str, Any] = get_optional_params(model=name, custom_llm_provider=prefix, **arguments)
        except Exception as error:  # noqa: BLE001 - LiteLLM raises what it likes
            raise Refused(error) from None
    return {key: value for key, value in found.items() if value is not None and key not in _OWN}


def takes_schema(model: str) -> bool:
    """Whether the model supports JSON Schemas natively, according to LiteLLM; false for unknown models."""
    litellm = load()
    with blind():
        try:
            name, prefix, _, _ = litellm.get_llm_provider(model=model)
            return takes_schemas(prefix) and bool(litellm.supports_response_schema(name, prefix))
        except Exception:  # noqa: BLE001 - LiteLLM raises what it likes about what it does not know
            return False
