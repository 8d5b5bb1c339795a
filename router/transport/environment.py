"""Hides vendors' environment variables from LiteLLM while it works for us.

It and OpenAI's SDK look keys, organisations and addresses up in some three hundred variables wherever an argument is
missing. What a key is for is said by providers.yaml alone, so while a call is put together these variables are not
there; other tasks, and whoever uses LiteLLM beside us, see them as ever.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache

_VENDORS = re.compile(
    r"(?:^|_)(?:\w*KEY|TOKEN|SECRET|PASSWORD|CREDENTIALS?|ORGANIZATION|ORG|PROJECT|VERTEXAI|TENANT|USERNAME|CLIENT_ID)(?:_|$)"
    r"|_(?:BASE|URL|ENDPOINT|HOST)$|^OPENAI_CUSTOM_HEADERS$|^USE_LITELLM_PROXY$|^OR_(?:SITE|APP)_",
)
_OF_THE_MACHINE = re.compile(
    r"AWS_(?!BEARER_TOKEN|\w*ENDPOINT)|GOOGLE_(?:APPLICATION|CLOUD)_|CLOUDSDK_|SSL_|AZURE_FEDERATED_TOKEN_FILE$"
)
"""Identities of the machine, which Bedrock and Vertex AI sign with where the file says `keys: none`."""

_is_blind: ContextVar[bool] = ContextVar("vendors' variables are hidden", default=False)


class _Guarded(os._Environ[str]):  # noqa: SLF001 - what os.environ is
    """os.environ, in which vendors' variables are hidden from code that runs under `blind`."""

    def __getitem__(self, name: str) -> str:
        if _is_blind.get() and _is_hidden(name):
            raise KeyError(name)
        return super().__getitem__(name)

    def __iter__(self) -> Iterator[str]:
        names = super().__iter__()
        return (name for name in names if not _is_hidden(name)) if _is_blind.get() else names


@lru_cache(maxsize=4096)
def _is_hidden(name: str) -> bool:
    return _VENDORS.search(name) is not None and _OF_THE_MACHINE.match(name) is None


def guard() -> None:
    """Make `blind` work on os.environ; idempotent."""
    # The object stays, for many modules hold it.
    os.environ.__class__ = _Guarded


@contextmanager
def blind() -> Iterator[None]:
    """Hide vendors' variables from this task and from the threads that it starts."""
    token = _is_blind.set(True)
    try:
        yield
    finally:
        _is_blind.reset(token)
