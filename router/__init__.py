"""Evaluate prompts over many LLM vendors at once, as fast as they allow, without a key getting banned.

    async with Router.from_file("providers.yaml") as router:
        completion = await router.complete("What is 3 + 4?")

Names are imported when they are first used, so that `router --help` starts at once.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from router.engine.router import Router
    from router.errors import (
        AttemptsExhausted,
        CallError,
        ConfigError,
        DeadlineExceeded,
        ItemRefused,
        NothingServes,
        Outcome,
        RouterError,
        Stopped,
    )
    from router.faults import Fault, Kind
    from router.types import Attempt, Chunk, Completion, Message, Request, Usage

_HOMES = {
    "Attempt": "types",
    "AttemptsExhausted": "errors",
    "CallError": "errors",
    "Chunk": "types",
    "Completion": "types",
    "ConfigError": "errors",
    "DeadlineExceeded": "errors",
    "Fault": "faults",
    "ItemRefused": "errors",
    "Kind": "faults",
    "Message": "types",
    "NothingServes": "errors",
    "Outcome": "errors",
    "Request": "types",
    "Router": "engine.router",
    "RouterError": "errors",
    "Stopped": "errors",
    "Usage": "types",
}

__all__ = [
    "Attempt",
    "AttemptsExhausted",
    "CallError",
    "Chunk",
    "Completion",
    "ConfigError",
    "DeadlineExceeded",
    "Fault",
    "ItemRefused",
    "Kind",
    "Message",
    "NothingServes",
    "Outcome",
    "Request",
    "Router",
    "RouterError",
    "Stopped",
    "Usage",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"router.{_HOMES[name]}"), name)
