"""What vendors' keys look like, and whose a provider's keys should be.

Only shapes that one vendor alone uses tell anything: a bare `sk-` is OpenAI's, DeepSeek's, Moonshot's, Alibaba's and
many a relay's, so it is in no row of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from router.config.models import Provider

OPENAI, ANTHROPIC, GOOGLE, GROQ, XAI = "OpenAI", "Anthropic", "Google", "Groq", "xAI"
OPENROUTER, PERPLEXITY, HUGGING_FACE, REPLICATE = "OpenRouter", "Perplexity", "Hugging Face", "Replicate"
NVIDIA, FIREWORKS, CEREBRAS, TOGETHER = "NVIDIA", "Fireworks", "Cerebras", "Together"

_GITLEAKS = "https://github.com/gitleaks/gitleaks/tree/master/cmd/generate/config/rules"
_TRUFFLEHOG = "https://github.com/trufflesecurity/trufflehog/tree/main/pkg/detectors"


@dataclass(frozen=True, slots=True)
class Shape:
    """How keys of `vendor`, and of nobody else, begin; `pattern` where their beginning alone does not tell."""

    vendor: str
    begins: str
    source: str
    pattern: str = ""

    def fits(self, key: str) -> bool:
        """Whether a key has this shape."""
        return re.search(self.pattern, key) is not None if self.pattern else key.startswith(self.begins)


SHAPES: tuple[Shape, ...] = (
    Shape(ANTHROPIC, "sk-ant-", f"{_GITLEAKS}/anthropic.go"),
    Shape(OPENAI, "sk-proj-", f"{_TRUFFLEHOG}/openai/openai.go"),
    Shape(OPENAI, "sk-svcacct-", f"{_TRUFFLEHOG}/openai/openai.go"),
    Shape(OPENAI, "sk-", f"{_TRUFFLEHOG}/openai/openai.go", pattern=r"\Ask-[A-Za-z0-9_-]+T3BlbkFJ[A-Za-z0-9_-]+\Z"),
    Shape(OPENROUTER, "sk-or-", f"{_TRUFFLEHOG}/openrouter/openrouter.go"),
    Shape(GOOGLE, "AIza", f"{_GITLEAKS}/gcp.go"),
    # Google AI Studio makes only these since 2026.
    Shape(GOOGLE, "AQ.", "https://discuss.ai.google.dev/t/gemini-api-key-start-from-aq/171575"),
    Shape(GROQ, "gsk_", f"{_GITLEAKS}/groq.go"),
    Shape(XAI, "xai-", f"{_TRUFFLEHOG}/xai/xai.go"),
    Shape(PERPLEXITY, "pplx-", f"{_GITLEAKS}/perplexity.go"),
    Shape(HUGGING_FACE, "hf_", f"{_GITLEAKS}/huggingface.go"),
    Shape(REPLICATE, "r8_", f"{_TRUFFLEHOG}/replicate/replicate.go"),
    Shape(NVIDIA, "nvapi-", f"{_TRUFFLEHOG}/nvapi/nvapi.go"),
    # Seen in clients and examples of many projects; the vendors' own pages name no shape.
    Shape(FIREWORKS, "fw_", "https://docs.fireworks.ai/api-reference/introduction", pattern=r"\Afw_[A-Za-z0-9]{16,}\Z"),
    Shape(CEREBRAS, "csk-", "https://inference-docs.cerebras.ai/api-reference/authentication"),
    Shape(TOGETHER, "tgp_v1_", "https://docs.together.ai/docs/quickstart"),
)

ALWAYS: Mapping[str, tuple[str, ...]] = {
    OPENAI: ("sk-",),
    ANTHROPIC: ("sk-ant-",),
    GOOGLE: ("AIza", "AQ."),
    GROQ: ("gsk_",),
    XAI: ("xai-",),
    OPENROUTER: ("sk-or-",),
    PERPLEXITY: ("pplx-",),
    HUGGING_FACE: ("hf_",),
    NVIDIA: ("nvapi-",),
    CEREBRAS: ("csk-",),
}
"""How every key of a vendor begins, as far as is known."""

PREFIXES: Mapping[str, str] = {
    "openai": OPENAI,
    "anthropic": ANTHROPIC,
    "gemini": GOOGLE,
    "groq": GROQ,
    "xai": XAI,
    "openrouter": OPENROUTER,
    "perplexity": PERPLEXITY,
    "huggingface": HUGGING_FACE,
    "replicate": REPLICATE,
    "nvidia_nim": NVIDIA,
    "fireworks_ai": FIREWORKS,
    "cerebras": CEREBRAS,
    "together_ai": TOGETHER,
    "deepseek": "DeepSeek",
    "moonshot": "Moonshot",
    "dashscope": "Alibaba",
    "zai": "Zhipu",
    "mistral": "Mistral",
    "sambanova": "SambaNova",
    "deepinfra": "DeepInfra",
    "volcengine": "Volcengine",
    "cohere_chat": "Cohere",
}
"""Whose models LiteLLM's prefixes name."""

HOSTS: Mapping[str, str] = {
    "api.openai.com": OPENAI,
    "api.anthropic.com": ANTHROPIC,
    "generativelanguage.googleapis.com": GOOGLE,
    "api.groq.com": GROQ,
    "api.x.ai": XAI,
    "openrouter.ai": OPENROUTER,
    "api.perplexity.ai": PERPLEXITY,
    "router.huggingface.co": HUGGING_FACE,
    "integrate.api.nvidia.com": NVIDIA,
    "api.fireworks.ai": FIREWORKS,
    "api.cerebras.ai": CEREBRAS,
    "api.together.xyz": TOGETHER,
    "api.together.ai": TOGETHER,
    "api.deepseek.com": "DeepSeek",
    "api.moonshot.cn": "Moonshot",
    "api.moonshot.ai": "Moonshot",
    "dashscope.aliyuncs.com": "Alibaba",
    "dashscope-intl.aliyuncs.com": "Alibaba",
    "open.bigmodel.cn": "Zhipu",
    "api.z.ai": "Zhipu",
    "api.mistral.ai": "Mistral",
    "api.sambanova.ai": "SambaNova",
    "api.deepinfra.com": "DeepInfra",
    "ark.cn-beijing.volces.com": "Volcengine",
}
"""Whose servers these are: a `base_url` says more than a prefix."""

_PLACEHOLDER = re.compile(
    r"your[-_ ]?.{0,20}(?:key|token)|\bkey[-_]?here\b|change[-_]?me|placeholder|x{6,}|\.{3}|\*{3,}|[<>]"
    r"|^(?:todo|test|dummy|fake)$",
    re.IGNORECASE,
)


def looks_like(key: str) -> str:
    """The one vendor whose keys look so, empty where many vendors' do or nobody's."""
    return next((shape.vendor for shape in SHAPES if shape.fits(key)), "")


def beginning_of(key: str) -> str:
    """The public part of a key by which `looks_like` knew it, empty where it did not."""
    return next((shape.begins for shape in SHAPES if shape.fits(key)), "")


def is_placeholder(key: str) -> bool:
    """Whether it is an example's text that nobody has replaced yet."""
    return _PLACEHOLDER.search(key) is not None


def vendor_of(provider: Provider) -> str:
    """Whose server a provider asks: by its address, else by its model's prefix; empty for a relay or one's own."""
    if provider.base_url is not None:
        host = urlsplit(provider.base_url).hostname or ""
        return HOSTS.get(host, "")
    model = next(iter(provider.models.values()), "")
    return PREFIXES.get(model.partition("/")[0], "")
