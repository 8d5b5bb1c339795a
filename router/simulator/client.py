"""Talks to running simulated vendors: what they saw, and which troubles they get."""

from __future__ import annotations

from collections.abc import Iterable

import aiohttp

from router.jsonl import decode, encode
from router.simulator.endpoint import STATS_PATH, TROUBLES_PATH, Endpoint


async def stats_of(endpoint: Endpoint) -> dict[str, object]:
    """Ask a running vendor what it saw."""
    async with aiohttp.ClientSession() as session, session.get(endpoint.root + STATS_PATH) as response:
        value = decode(await response.read())
    if not isinstance(value, dict):
        raise TypeError(f"{endpoint.root}{STATS_PATH} answered no JSON object")
    return value


async def trouble(endpoint: Endpoint, texts: Iterable[str]) -> None:
    """Give a running vendor troubles from now on; raises ValueError where one cannot be read."""
    body = encode(list(texts))
    async with (
        aiohttp.ClientSession() as session,
        session.post(endpoint.root + TROUBLES_PATH, data=body) as response,
    ):
        if not response.ok:
            raise ValueError(await response.text())
