"""Images and files in messages: what may be sent to a vendor as a URL, and what must be inline.

Where a vendor wants them inline, LiteLLM would fetch the address from this machine: whatever an item names, in a
network that only this machine can see, and for some vendors with the event loop held up meanwhile. So it never gets
to see such an address.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from router.catalog.vendors import images_of, prefix_of
from router.types import Message

MAX_SHOWN = 100
_FETCHED = frozenset({"file", "document"})
"""Parts whose addresses LiteLLM fetches whoever the vendor is."""


def why_unsendable(messages: Iterable[Message], model: str) -> str:
    """Why a part of the messages cannot be sent to a model's vendor; empty where all can."""
    return next((why for part in _parts(messages) if (why := _why(part, prefix_of(model)))), "")


def _parts(messages: Iterable[Message]) -> Iterator[Mapping[str, object]]:
    for message in messages:
        content = message.get("content")
        for part in content if isinstance(content, list) else ():
            if isinstance(part, dict) and part.get("type", "text") != "text":
                yield part


def _why(part: Mapping[str, object], prefix: str) -> str:
    kind, images = str(part["type"]), images_of(prefix)
    if images == "none" and kind == "image_url":
        return f"LiteLLM leaves images out on the way to {prefix}/: send the item to another vendor"
    address = next(_addresses(part), "")
    if not address or (images == "url" and kind not in _FETCHED):
        return ""
    who = "a file" if kind in _FETCHED else f"{prefix}/ takes images"
    must = "must come inline" if kind in _FETCHED else "inline only"
    return f"{who} {must}: name a local file or a data: URL instead of {address[:MAX_SHOWN]}, which is not fetched"


def _addresses(value: object) -> Iterator[str]:
    """The addresses that a part holds, wherever they stand."""
    if isinstance(value, str):
        if value[:8].lower().startswith(("http://", "https://")):
            yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _addresses(inner)
