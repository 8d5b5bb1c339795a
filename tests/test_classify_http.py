"""Every recorded reply, served over HTTP to the transport with real LiteLLM, must be told right through both doors."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from recorded import RECORDED, Case, readings
from vendors import Says, Seen, scripted

from router.config.models import Config, Door, Key, Provider, Secret
from router.faults import Fault
from router.transport.base import Call
from router.transport.litellm_transport import LiteLLMTransport
from router.types import Answer, Request

NOT_SPOKEN = frozenset({"chatgpt", "github_copilot", "replicate", "vertex_ai", "voyage", "watsonx"})
"""LiteLLM's handlers of these want a login, an address or a package of their own, or do not chat."""
UNKNOWN_TO_LITELLM = frozenset(
    {"aiml", "litellm_proxy", "novita", "siliconflow", "stepfun", "vercel_ai_gateway", "wandb"}
)
"""Vendors that a file names by OpenAI's prefix."""
MODELS: Mapping[str, str] = {"bedrock": "anthropic.claude-3-haiku-20240307-v1:0"}
FRAMING = frozenset({"content-length", "transfer-encoding", "content-encoding", "connection", "date"})
MAX_AT_ONCE = 32

CASES = {case.id: case for case in RECORDED if case.reply.status is not None and case.provider not in NOT_SPOKEN}


def reply_to(seen: Seen) -> Says:
    """The recorded reply that the prompt names: one provider serves all cases of its prefix."""
    named = re.search(rb"case:([^:]+):", seen.raw)
    assert named, seen.raw
    reply = CASES[named[1].decode()].reply
    kept = {name: value for name, value in reply.headers.items() if name not in FRAMING}
    kind = "text/html" if reply.body.lstrip().startswith("<") else "application/json"
    return Says(reply.status or 0, reply.body.encode(), {"content-type": kind, **kept})


def provider_for(prefix: str, url: str, door: Door) -> Provider:
    model = f"{prefix}/{MODELS.get(prefix, 'some-model')}"
    key = Key(f"{prefix}#1", Secret(f"sk-made-up-{prefix}-0123456789"), prefix)
    return Provider(prefix, {"default": model}, (key,), (), base_url=f"{url}/v1", timeout_s=300, door=door)


def prefix_of(case: Case) -> str:
    return "openai" if case.provider in UNKNOWN_TO_LITELLM else case.provider


async def ask_all(door: Door) -> Mapping[str, Answer | Fault]:
    async with scripted() as vendor:
        vendor.script = reply_to
        providers = {prefix: provider_for(prefix, vendor.url, door) for prefix in map(prefix_of, CASES.values())}
        transport = LiteLLMTransport(Config(Path("cases.yaml"), tuple(providers.values())))
        await transport.prepare()
        room = asyncio.Semaphore(MAX_AT_ONCE)

        async def ask(case: Case) -> Answer | Fault:
            provider = providers[prefix_of(case)]
            call = Call(provider, provider.keys[0], provider.models["default"], Request.of(f"case:{case.id}:"))
            async with room:
                return await transport.send(call, lambda: None)

        said = await asyncio.gather(*map(ask, CASES.values()))
        await transport.aclose()
        return dict(zip(CASES, said, strict=True))


@pytest.fixture(scope="module", params=["auto", "litellm"])
def said(request: pytest.FixtureRequest) -> Mapping[str, Answer | Fault]:
    return asyncio.run(ask_all(request.param))


def test_every_recorded_reply_is_told_over_http(said: Mapping[str, Answer | Fault]) -> None:
    kinds = {name: result.kind if isinstance(result, Fault) else None for name, result in said.items()}
    wrong = {name: (kind, CASES[name].category) for name, kind in kinds.items() if kind not in readings(CASES[name])}

    assert wrong == {}
    assert len(CASES) > 500
