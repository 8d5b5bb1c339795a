"""Every recorded reply, served over HTTP to the whole router with real LiteLLM, must come out right in the log."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pytest
from vendors import Says, Seen, scripted

from router.config.models import Config, Door, Key, Provider, Secret
from router.engine.router import Router
from router.errors import CallError
from router.jsonl import read
from router.log.writer import JsonLog

UNREACHABLE = frozenset({"chatgpt", "replicate", "vertex_ai", "voyage"})
"""LiteLLM's handlers of these want a login, an address or a package of their own, or do not chat."""
MODELS: Mapping[str, str] = {"bedrock": "anthropic.claude-3-haiku-20240307-v1:0"}
FRAMING = frozenset({"content-length", "transfer-encoding", "content-encoding", "connection", "date"})

CASES = {
    str(case["id"]): case
    for case in read(Path(__file__).parent / "data" / "vendor_errors.jsonl")
    if case["status"] is not None and case["litellm_provider"] not in UNREACHABLE
}


def reply_to(seen: Seen) -> Says:
    case = CASES[seen.path.split("/")[2]]
    headers, status, body = case["headers"], case["status"], str(case["body"])
    assert isinstance(headers, dict)
    assert isinstance(status, int)
    kept = {name: value for name, value in headers.items() if name.lower() not in FRAMING}
    kind = "text/html" if body.lstrip().startswith("<") else "application/json"
    return Says(status, body.encode(), {"content-type": kind, **kept})


def provider_for(name: str, url: str, door: Door) -> Provider:
    prefix = str(CASES[name]["litellm_provider"])
    model = f"{prefix}/{MODELS.get(prefix, 'some-model')}"
    key = Key(f"{name}#1", Secret(f"sk-made-up-{name}-0123456789"), name)
    return Provider(name, {"default": model}, (key,), (), base_url=f"{url}/c/{name}/v1", timeout_s=20, door=door)


async def ask_all(door: Door, path: Path) -> None:
    async with scripted() as vendor:
        vendor.script = reply_to
        providers = tuple(provider_for(name, vendor.url, door) for name in CASES)
        log = JsonLog(path, "cases", scrub=str, wall=lambda: 1_795_000_000.0)
        async with Router(Config(path, providers, attempts=1), log=log) as router:

            async def ask(name: str) -> None:
                with suppress(CallError):
                    await router.complete("hello", only={name}, deadline=5.0)

            await asyncio.gather(*(ask(name) for name in CASES))
        log.close()


@pytest.fixture(scope="module", params=["auto", "litellm"])
def first_attempts(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, object]:
    path = tmp_path_factory.mktemp("cases") / "log.jsonl"
    asyncio.run(ask_all(request.param, path))
    faults: dict[str, object] = {}
    for event in read(path):
        if event["event"] == "attempt.finished":
            faults.setdefault(str(event["provider"]), event["fault"])
    return faults


def test_every_recorded_reply_is_told_over_http(first_attempts: Mapping[str, object]) -> None:
    wrong = {
        name: (case["category"], first_attempts.get(name))
        for name, case in CASES.items()
        if first_attempts.get(name) != case["category"]
    }
    assert wrong == {}
    assert len(CASES) > 200
