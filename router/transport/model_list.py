"""Asks a vendor which models a key may use; costs nothing, and its reply tells the vendor's time too."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from yarl import URL

from router.config.models import Key, Provider
from router.jsonl import decode
from router.text import clean
from router.transport.direct import prefix_of
from router.transport.session import Session
from router.transport.wire_errors import wire_failure
from router.types import Reply

TIMEOUT_S = 20.0

BASES: Mapping[str, str] = {
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com",
    "gemini": "https://generativelanguage.googleapis.com/v1beta",
    "cerebras": "https://api.cerebras.ai/v1",
    "deepinfra": "https://api.deepinfra.com/v1/openai",
    "deepseek": "https://api.deepseek.com",
    "fireworks_ai": "https://api.fireworks.ai/inference/v1",
    "groq": "https://api.groq.com/openai/v1",
    "mistral": "https://api.mistral.ai/v1",
    "moonshot": "https://api.moonshot.ai/v1",
    "nvidia_nim": "https://integrate.api.nvidia.com/v1",
    "ollama": "http://localhost:11434",
    "ollama_chat": "http://localhost:11434",
    "openrouter": "https://openrouter.ai/api/v1",
    "sambanova": "https://api.sambanova.ai/v1",
    "together_ai": "https://api.together.xyz/v1",
    "xai": "https://api.x.ai/v1",
    "zai": "https://api.z.ai/api/paas/v4",
}
"""Where vendors list their models when the file names no address; a prefix that is not here is not asked.

https://platform.openai.com/docs/api-reference/models, https://docs.anthropic.com/en/api/models-list,
https://ai.google.dev/api/models, https://github.com/ollama/ollama/blob/main/docs/api.md#list-local-models
"""


@dataclass(frozen=True, slots=True)
class Listing:
    """What came back: the models' names, the reply's `Date` header, and why there are no names where there are none."""

    models: tuple[str, ...] = ()
    date: str = ""
    problem: str = ""


async def list_models(provider: Provider, key: Key) -> Listing:
    """Ask once; never raises for what a vendor or the network did."""
    prefix = prefix_of(next(iter(provider.models.values()), ""))
    base = provider.base_url or BASES.get(prefix)
    if base is None:
        return Listing(problem="it is not known where this vendor lists its models")
    url, headers = _address(prefix, base.rstrip("/"), key.secret.reveal() if key.secret else "")
    session = Session(max_connections=1)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return _read(await session.exchange("GET", URL(url), headers))
    except Exception as error:
        if not (wire := wire_failure(error)):
            raise
        return Listing(problem=wire)
    finally:
        await session.close()


def _address(prefix: str, base: str, secret: str) -> tuple[str, dict[str, str]]:
    """The URL and the headers with the key, in the vendor's own manner."""
    if prefix == "anthropic":
        version = {"anthropic-version": "2023-06-01"}
        return f"{base.removesuffix('/v1')}/v1/models?limit=1000", {**version, "x-api-key": secret}
    if prefix == "gemini":
        return f"{base}/models?pageSize=1000", {"x-goog-api-key": secret}
    bearer = {"authorization": f"Bearer {secret}"} if secret else {}
    if prefix in {"ollama", "ollama_chat"}:
        return f"{base}/api/tags", bearer
    return f"{base}/models", bearer


def _read(reply: Reply) -> Listing:
    date = reply.headers.get("date", "")
    if reply.status != 200:  # noqa: PLR2004 - HTTP's own number
        return Listing(date=date, problem=reply.error or f"HTTP {reply.status}")
    try:
        models = tuple(clean(name) for name in _names(decode(reply.body)))
    except ValueError:
        return Listing(date=date, problem=reply.error or "no JSON")
    return Listing(models, date, "" if models else "an empty list")


def _names(body: object) -> Iterator[str]:
    """`data[].id` at OpenAI, Anthropic and all who speak as they do, `models[].name` at Google and Ollama."""
    items = body if isinstance(body, list) else None
    if isinstance(body, Mapping):
        items = body.get("data") or body.get("models")
    for item in items if isinstance(items, list) else ():
        name = (item.get("id") or item.get("name")) if isinstance(item, Mapping) else None
        if isinstance(name, str):
            yield name.removeprefix("models/")
