"""Which parameters of a model may be set: one list for providers.yaml, prompts, items and Python.

A parameter shapes an answer. What changes where a call goes, as whom, or what is done with its answer is none: a prompt
may come from anywhere, and must not be able to send somebody's keys elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from router.catalog.vendors import vendors
from router.suggest import did_you_mean
from router.types import Json

OPENAI = frozenset(
    {
        *("temperature", "top_p", "n", "seed", "stop", "max_tokens", "max_completion_tokens"),
        *("presence_penalty", "frequency_penalty", "logit_bias", "logprobs", "top_logprobs"),
        *("response_format", "tools", "tool_choice", "parallel_tool_calls", "functions", "function_call"),
        *("reasoning_effort", "verbosity", "thinking", "modalities", "audio", "prediction", "web_search_options"),
        *("user", "safety_identifier", "service_tier", "store", "prompt_cache_key", "prompt_cache_retention"),
        "extra_body",
    }
)
"""OpenAI's, which LiteLLM translates for each vendor: https://docs.litellm.ai/docs/completion/input."""
ANYWHERE = frozenset(
    {"top_k", "top_a", "min_p", "typical_p", "repetition_penalty", "min_tokens", "max_output_tokens"}
    | {"stop_sequences", "stop_token_ids", "ignore_eos", "enable_thinking", "thinking_budget", "include_reasoning"}
    | {"reasoning", "chat_template_kwargs", "add_generation_prompt", "length_penalty", "best_of", "echo"}
)
"""What several vendors and local servers take beside OpenAI's; what one vendor alone takes stands in the catalogue."""
LITELLM = frozenset({"drop_params", "additional_drop_params", "allowed_openai_params"})
"""What LiteLLM does about a parameter that a model does not take."""
MODEL = OPENAI.union(ANYWHERE, LITELLM, *(vendor.params for vendor in vendors()))
"""Every parameter that a prompt, an item or a caller may set."""
CREDENTIALS: Mapping[str, frozenset[str]] = {
    prefix: vendor.credentials for vendor in vendors() if vendor.credentials for prefix in vendor.prefixes
}
"""By LiteLLM's prefix: what vendors that need more than a key take beside it. In providers.yaml only."""
_OF_SOMEBODY = frozenset[str]().union(*CREDENTIALS.values())

PLACES: Mapping[str, str] = {
    "api_key": "keys",
    **dict.fromkeys(("api_base", "base_url", "azure_endpoint"), "base_url"),
    **dict.fromkeys(("aws_bedrock_runtime_endpoint", "aws_sts_endpoint", "sagemaker_base_url"), "base_url"),
    **dict.fromkeys(("model", "deployment_id", "custom_llm_provider"), "model"),
    **dict.fromkeys(("headers", "extra_headers", "default_headers"), "headers"),
    "organization": "organization",
    **dict.fromkeys(("timeout", "request_timeout"), "timeout"),
    **dict.fromkeys(("max_retries", "num_retries"), "attempts (under defaults)"),
    "rpm": "rate",
    "tpm": "tokens",
    "max_parallel_requests": "concurrency",
    **dict.fromkeys(("input_cost_per_token", "output_cost_per_token"), "price"),
}
"""What LiteLLM takes among parameters and has an option of its own here."""
ELSEWHERE: Mapping[str, str] = {
    **{name: f"the provider's option {option} in providers.yaml is its place" for name, option in PLACES.items()},
    "messages": "the prompt file is its place",
    **dict.fromkeys(
        ("fallbacks", "context_window_fallback_dict", "model_list"),
        "declare several providers, and an item that fails at one goes to the next by itself",
    ),
    **dict.fromkeys(("mock_response", "mock_timeout"), "rehearse: always, in providers.yaml, simulates vendors"),
    **dict.fromkeys(("stream", "stream_options"), "leave it out, for whole answers are read here"),
    **dict.fromkeys(("proxy", "proxies"), "set HTTPS_PROXY in the environment"),
    "ssl_verify": "set SSL_CERT_FILE in the environment",
    "metadata": "write extra_body: {metadata: …}",
}
"""What LiteLLM takes among parameters and is none here: what to do instead."""
_NOT_IN_A_BODY = (ELSEWHERE.keys() | _OF_SOMEBODY) - {"metadata"}
"""What goes into the request's body beside, and over, what the router puts there may not be called so."""


def refusal(name: str, prefix: str | None = None) -> str:
    """Why a parameter may not be set, and what to do; empty where it may.

    With `prefix`, LiteLLM's for the provider's model, it stands in providers.yaml, where credentials may.
    """
    if name in MODEL or (prefix is not None and name in CREDENTIALS.get(prefix, ())):
        return ""
    if name in ELSEWHERE:
        return f"it is no parameter of a model; {ELSEWHERE[name]}"
    if name in _OF_SOMEBODY:
        owners = " or ".join(f"{owner}/" for owner, names in CREDENTIALS.items() if name in names)
        return f"it says who calls, and only a provider in providers.yaml with a model of {owners} may set it"
    close = did_you_mean(name, MODEL) or "; write what one vendor alone takes under extra_body"
    return f"it is not among the parameters of models that are known{close}"


def refused(params: Mapping[str, Json], prefix: str | None = None) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every name among parameters that may not stand there, as its path, and why; nothing where all may."""
    for name in params:
        if why := refusal(name, prefix):
            yield (name,), why
    body = params.get("extra_body")
    for name in body if isinstance(body, Mapping) else ():
        if name in _NOT_IN_A_BODY:
            yield ("extra_body", name), refusal(name)


def first_refusal(params: Mapping[str, Json], prefix: str | None = None) -> str:
    """One sentence on the first parameter that may not be set; empty where all may."""
    return next((f"{'.'.join(path)} may not be set: {why}" for path, why in refused(params, prefix)), "")
