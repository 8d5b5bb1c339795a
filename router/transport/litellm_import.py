"""LiteLLM itself: imported once, late, and quietly. Nothing else in the project imports it."""

from __future__ import annotations

import gc
import logging
import os
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import Any

from router.catalog.vendors import Vendor, vendors
from router.transport import shared_session
from router.transport.environment import guard

_importing = threading.Lock()
_CLEAN = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_MODE": "PRODUCTION",
    "LITELLM_DISABLE_REDACT_SECRETS": "True",
}
"""Else the import fetches a price list from the internet and loads any `.env` near it.

And every error's text goes through a regex whose time grows with the square of it: a reply of 2 MB that LiteLLM cannot
read held the loop up for more than 10 s. Nothing of its texts leaves here without our own scrubber.
"""
_CLASS = re.compile(r"^(?:(?:litellm\.)?\w*(?:Error|Exception|Timeout): )+")
_ADVICE = re.compile(r"\s*(?:To drop |Pass model as |Traceback \(most recent call last\)).*", re.DOTALL)
_PACKAGE = re.compile(r"(?:No module named|import of|[Mm]issing|dependency) '?(\w+)\b")
_MISTAKES = re.compile(r"do(?:es)?(?: not|n't) support|LLM Provider NOT provided|Unmapped LLM provider")
"""A parameter that the model does not take, a prefix that is nobody's, a vendor that does not chat."""


def _missing(said: str) -> Vendor | None:
    """The vendor whose package LiteLLM misses."""
    asked = set(_PACKAGE.findall(said))
    return next((vendor for vendor in vendors() if not asked.isdisjoint(vendor.imports)), None)


class Refused(Exception):
    """LiteLLM would not put a request together, and nothing was sent; the text says why.

    `is_a_mistake` is true where that is certain to be so for every request with this model and these parameters.
    """

    def __init__(self, error: BaseException) -> None:
        said = str(getattr(error, "message", "") or error)
        if need := _missing(said):
            said = f"the package {need.package} is not installed: pip install 'router[{need.extra}]'"
        said = _ADVICE.sub("", said)
        super().__init__(_CLASS.sub("", said).strip() or type(error).__name__)
        self.is_a_mistake = need is not None or _MISTAKES.search(said) is not None


def load() -> Any:
    """Import LiteLLM (it takes seconds) and switch off what prints, phones or retries; safe from any thread."""
    with _importing:
        return _loaded()


@cache
def _loaded() -> ModuleType:
    guard()
    for name, value in _CLEAN.items():
        os.environ.setdefault(name, value)
    logging.getLogger("LiteLLM").addHandler(logging.NullHandler())
    # About its own classes, as it builds and prints them.
    for words in ("Items? .* on TypedDict", "Pydantic serializer warnings"):
        warnings.filterwarnings("ignore", message=words, category=UserWarning)
    with _gc_paused():
        import litellm

    _silence(litellm)
    shared_session.install(litellm)
    return litellm


@contextmanager
def _gc_paused() -> Iterator[None]:
    """Import without collecting, and keep what was imported out of later collections.

    LiteLLM's modules are hundreds of thousands of objects that live as long as the process. Each full collection would
    walk them all and hold the event loop up for a third of a second, and calls would bunch up behind that.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


def _silence(litellm: ModuleType) -> None:
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


def without_callbacks() -> None:
    """Take out the callback that LiteLLM's Gemini module registers as it is imported, though nothing is cached.

    With it every later call, to whichever vendor, is logged once more in a thread.
    """
    litellm = load()
    if litellm.cache is None:
        for callbacks in (litellm.success_callback, litellm._async_success_callback):  # noqa: SLF001 - not exported
            callbacks[:] = [callback for callback in callbacks if callback != "cache"]
