"""Where vendors' servers are, by LiteLLM's prefix."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

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
"""Where vendors take calls and list their models when the file names no address.

https://platform.openai.com/docs/api-reference/models, https://docs.anthropic.com/en/api/models-list,
https://ai.google.dev/api/models, https://github.com/ollama/ollama/blob/main/docs/api.md#list-local-models
"""


def host_of(model: str, base_url: str | None) -> str:
    """The host (and port) that calls for a model go to; the prefix itself where nobody knows its host."""
    prefix = model.partition("/")[0]
    return urlsplit(base_url or BASES.get(prefix, "")).netloc.lower() or prefix
