"""The catalogue of vendors: one table a vendor, and nothing of it anywhere else."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import router
from router.catalog.vendors import (
    DEFAULT_PREFIX,
    Dialect,
    base_of,
    dialect_of,
    host_of,
    is_direct,
    of_host,
    of_model,
    of_prefix,
    vendors,
)

ROOT = Path(router.__file__).parent
WORDS = frozenset({"custom", "sap", "vllm", "openai", "anthropic", "gemini", "replicate", "oci", "azure", "bedrock"})
"""Prefixes that are words too: a dialect, a package, an extra."""

ROWS = [
    pytest.param("openai/gpt-4o-mini", None, "OpenAI", "openai", True, "api.openai.com", id="openai"),
    pytest.param("azure/my-deployment", None, "Azure OpenAI", None, False, "azure", id="azure"),
    pytest.param("anthropic/claude", None, "Anthropic", "anthropic", False, "api.anthropic.com", id="anthropic"),
    pytest.param("gemini/flash", None, "Google", "gemini", False, "generativelanguage.googleapis.com", id="gemini"),
    pytest.param("vertex_ai/gemini", None, "Google Vertex AI", None, False, "vertex_ai", id="vertex"),
    pytest.param("bedrock/claude", None, "AWS Bedrock", None, False, "bedrock", id="bedrock"),
    pytest.param("mistral/small", None, "Mistral", "openai", True, "api.mistral.ai", id="mistral"),
    pytest.param("groq/llama", None, "Groq", "openai", True, "api.groq.com", id="groq"),
    pytest.param("xai/grok", None, "xAI", "openai", True, "api.x.ai", id="xai"),
    pytest.param("openrouter/openai/gpt", None, "OpenRouter", "openai", True, "openrouter.ai", id="openrouter"),
    pytest.param("perplexity/sonar", None, "Perplexity", "openai", True, "perplexity", id="perplexity"),
    pytest.param("cerebras/llama", None, "Cerebras", "openai", True, "api.cerebras.ai", id="cerebras"),
    pytest.param("sambanova/llama", None, "SambaNova", "openai", True, "api.sambanova.ai", id="sambanova"),
    pytest.param("together_ai/llama", None, "Together", "openai", True, "api.together.xyz", id="together"),
    pytest.param("fireworks_ai/llama", None, "Fireworks", "openai", True, "api.fireworks.ai", id="fireworks"),
    pytest.param("deepinfra/llama", None, "DeepInfra", "openai", True, "api.deepinfra.com", id="deepinfra"),
    pytest.param("nvidia_nim/llama", None, "NVIDIA", "openai", True, "integrate.api.nvidia.com", id="nvidia"),
    pytest.param("huggingface/llama", None, "Hugging Face", "openai", False, "huggingface", id="hugging-face"),
    pytest.param("replicate/llama", None, "Replicate", None, False, "replicate", id="replicate"),
    pytest.param("cohere_chat/command", None, "Cohere", None, False, "cohere_chat", id="cohere"),
    pytest.param("deepseek/deepseek-chat", None, "DeepSeek", "openai", True, "api.deepseek.com", id="deepseek"),
    pytest.param("moonshot/kimi", None, "Moonshot", "openai", True, "api.moonshot.ai", id="moonshot"),
    pytest.param("moonshot/kimi", "https://api.moonshot.cn/v1", "Moonshot", "openai", True, "api.moonshot.cn", id="cn"),
    pytest.param("zai/glm", None, "Zhipu", "openai", True, "api.z.ai", id="zhipu"),
    pytest.param("dashscope/qwen", None, "Alibaba", "openai", True, "dashscope", id="alibaba"),
    pytest.param("volcengine/doubao", None, "Volcengine", "openai", True, "volcengine", id="volcengine"),
    pytest.param("minimax/m2", None, "MiniMax", "openai", False, "minimax", id="minimax"),
    pytest.param("hosted_vllm/qwen", None, "vLLM", "openai", True, "hosted_vllm", id="vllm"),
    pytest.param("ollama_chat/qwen", None, "Ollama", None, False, "localhost:11434", id="ollama"),
    pytest.param("oci/cohere", None, "Oracle", None, False, "oci", id="oracle"),
    pytest.param("watsonx/granite", None, "IBM watsonx", None, False, "watsonx", id="ibm"),
    pytest.param("text-completion-inception/m", None, "Inception", None, False, "text-completion-inception", id="inc"),
]


@pytest.mark.parametrize(("model", "base_url", "name", "dialect", "direct", "host"), ROWS)
def test_a_model_is_its_vendors(
    model: str,
    base_url: str | None,
    name: str,
    dialect: Dialect | None,
    direct: bool,  # noqa: FBT001
    host: str,
) -> None:
    vendor = of_model(model, base_url)
    assert vendor is not None
    assert (vendor.name, dialect_of(model)) == (name, dialect)
    assert (is_direct(model.partition("/")[0]), host_of(model, base_url)) == (direct, host)


def test_every_vendor_has_a_row() -> None:
    rows = {str(row.values[2]) for row in ROWS}
    assert {vendor.name for vendor in vendors() if vendor.id not in {"others", "aiohttp_openai"}} == rows


@pytest.mark.parametrize(
    ("model", "dialect"),
    [("gpt-4o", "openai"), ("claude-haiku", "anthropic"), ("gemini-flash", None), ("nobody/m", "openai")],
)
def test_a_bare_name_is_asked_as_litellm_asks_it(model: str, dialect: Dialect | None) -> None:
    assert dialect_of(model) == dialect


def test_an_address_says_more_than_a_prefix() -> None:
    assert of_model("openai/kimi", "https://api.moonshot.cn/v1") is of_prefix("moonshot")
    assert of_model("openai/gpt", "https://relay.example/v1") is None
    assert of_host("localhost") is None
    assert of_prefix("nobody") is None
    assert base_of("nobody") is None


def test_a_prefix_and_a_host_belong_to_one_vendor() -> None:
    prefixes = Counter(prefix for vendor in vendors() for prefix in vendor.prefixes)
    hosts = Counter(host for vendor in vendors() for host in vendor.hosts)
    assert [name for name, count in (prefixes | hosts).items() if count > 1] == []
    assert DEFAULT_PREFIX in prefixes


@pytest.mark.parametrize("vendor", vendors(), ids=lambda vendor: vendor.id)
def test_a_table_is_whole(vendor: object) -> None:
    found = next(each for each in vendors() if each is vendor)
    assert found.direct | found.other_dialect <= set(found.prefixes)
    assert not found.direct & found.other_dialect
    assert all(source.startswith("https://") for source in found.sources)
    assert all(shape.source.startswith("https://") for shape in found.shapes)
    assert bool(found.sources) == bool(found.shares or found.limits or found.bans)
    assert bool(found.package) == bool(found.extra) == bool(found.imports)


def strings(path: Path) -> list[tuple[int, str]]:
    """The string constants of a module that are no docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    constants = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in docs)
    return [(node.lineno, node.value) for node in constants if isinstance(node.value, str)]


def test_a_prefix_or_a_vendors_host_is_written_nowhere_else() -> None:
    prefixes = {prefix for vendor in vendors() for prefix in vendor.prefixes} - WORDS
    bases = {urlsplit(vendor.base).hostname or "" for vendor in vendors() if vendor.base} - {"localhost"}
    hosts = bases | {host for vendor in vendors() for host in vendor.hosts}
    found = [
        f"{path.relative_to(ROOT)}:{line}: {text!r}"
        for path in sorted(ROOT.rglob("*.py"))
        for line, text in strings(path)
        if "simulator" not in path.parts  # it speaks as the vendors do, addresses and all
        if text.rstrip("/") in prefixes or any(host in text for host in hosts)
    ]
    assert found == []
