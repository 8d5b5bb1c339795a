"""Asks a vendor which models a key may use; free of charge, and the reply also carries the vendor's time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from yarl import URL

from router.catalog.vendors import Vendor, base_of, of_prefix, prefix_of
from router.config.models import Key, Provider
from router.jsonl import decode
from router.text import clean
from router.transport.session import Session
from router.transport.wire_errors import wire_failure
from router.types import Reply

TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class Listing:
    """What came back: the models' names, the reply's `Date` header, and why there are no names where there are none."""

    models: tuple[str, ...] = ()
    date: str = ""
    problem: str = ""


async def list_models(provider: Provider, key: Key) -> Listing:
    """Ask once; never raises for failures of a vendor or the network."""
    prefix = prefix_of(next(iter(provider.models.values()), ""))
    base = provider.base_url or base_of(prefix)
    if base is None:
        return Listing(problem="it is not known where this vendor lists its models")
    url, headers = _address(of_prefix(prefix), base.rstrip("/"), key.secret.reveal() if key.secret else "")
    headers |= provider.headers
    session = Session(max_connections=1)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return _read(await session.exchange("GET", URL(url), headers))
    except Exception as error:
        if not (wire := wire_failure(error)):
            raise
        return Listing(problem=wire)
    finally:
        await session.close()


def _address(vendor: Vendor | None, base: str, secret: str) -> tuple[str, dict[str, str]]:
    """The URL and the headers with the key, in the vendor's own manner."""
    dialect, listing = (vendor.dialect, vendor.listing) if vendor else ("openai", "")
    if dialect == "anthropic":
        version = {"anthropic-version": "2023-06-01"}
        return f"{base.removesuffix('/v1')}/v1/models?limit=1000", {**version, "x-api-key": secret}
    if dialect == "gemini":
        return f"{base}/models?pageSize=1000", {"x-goog-api-key": secret}
    bearer = {"authorization": f"Bearer {secret}"} if secret else {}
    if listing == "tags":
        return f"{base}/api/tags", bearer
    return f"{base}/models", bearer


def _read(reply: Reply) -> Listing:
    date = reply.headers.get("date", "")
    if reply.status != 200:  # noqa: PLR2004 - HTTP's own number
        return Listing(date=date, problem=reply.error or f"HTTP {reply.status}")
    try:
        models = tuple(clean(name) for name in _names(decode(reply.body)))
    except ValueError:
        return Listing(date=date, problem=reply.error or "no JSON")
    return Listing(models, date, "" if models else "an empty list")


def _names(body: object) -> Iterator[str]:
    """`data[].id` at OpenAI, Anthropic and all who speak as they do, `models[].name` at Google and Ollama."""
    items = body if isinstance(body, list) else None
    if isinstance(body, Mapping):
        items = body.get("data") or body.get("models")
    for item in items if isinstance(items, list) else ():
        name = (item.get("id") or item.get("name")) if isinstance(item, Mapping) else None
        if isinstance(name, str):
            yield name.removeprefix("models/")
