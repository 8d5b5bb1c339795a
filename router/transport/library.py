"""LiteLLM itself: imported once, late, and quietly. Nothing else in the project imports it."""

from __future__ import annotations

import logging
import os
import threading
from types import ModuleType
from typing import Any

_importing = threading.Lock()
_CLEAN = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MODE": "PRODUCTION"}
"""Else the import fetches a price list from the internet and loads any `.env` near it."""


def load() -> Any:
    """Import LiteLLM (it takes seconds) and switch off what prints, phones or retries; safe from any thread."""
    with _importing:
        for name, value in _CLEAN.items():
            os.environ.setdefault(name, value)
        logging.getLogger("LiteLLM").addHandler(logging.NullHandler())
        import litellm

        _quieten(litellm)
        return litellm


def _quieten(litellm: ModuleType) -> None:
    # Without the first, every mapped exception prints to stdout; without the next two, prompts and keys can
    # stand in its messages and its own loggers.
    litellm.suppress_debug_info = True  # type: ignore[attr-defined]
    litellm.redact_messages_in_exceptions = True  # type: ignore[attr-defined]
    litellm.turn_off_message_logging = True  # type: ignore[attr-defined]
    litellm.telemetry = False  # type: ignore[attr-defined]
    litellm.drop_params = False  # type: ignore[attr-defined]
    for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy", "httpx", "openai"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.CRITICAL)
        logger.propagate = False
