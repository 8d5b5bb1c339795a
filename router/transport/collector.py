"""Posts traces to an OpenTelemetry collector by OTLP/HTTP with JSON: https://opentelemetry.io/docs/specs/otlp/#otlphttp."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from urllib.parse import unquote

from yarl import URL

from router.errors import CannotWrite, ConfigError
from router.jsonl import decode
from router.text import clean
from router.transport.session import Session
from router.transport.wire_errors import wire_failure
from router.types import Reply

TRACES = "/v1/traces"
TIMEOUT_S = 30.0
_AGAIN = "; it had taken {taken} requests before. Send all again: their spans keep their ids"


def traces_url(address: str) -> URL:
    """Where a collector takes traces: `/v1/traces` is added to an address that does not end so. Raises ConfigError."""
    try:
        url = URL(address.rstrip("/").removesuffix(TRACES) + TRACES)
    except ValueError as error:
        raise ConfigError(f"--output {address}: this is no address of a collector ({error})") from None
    if not url.host:
        raise ConfigError(f"--output {address}: there is no host in it; such as http://localhost:4318")
    return url


def headers_of(text: str) -> dict[str, str]:
    """The headers of OTEL_EXPORTER_OTLP_HEADERS, `name=value,name=value` with values in percent-encoding."""
    pairs = (each.partition("=") for each in text.split(","))
    return {name.strip().lower(): unquote(value.strip()) for name, _, value in pairs if name.strip()}


async def post_traces(address: str, requests: Iterable[bytes], headers: Mapping[str, str]) -> int:
    """Post each request, one after the other, and return how many there were.

    Raises CannotWrite for the first that is not taken whole; what was taken before stays there.
    """
    url, taken = traces_url(address), 0
    session = Session(max_connections=1)
    try:
        for body in requests:
            if problem := await _post(session, url, body, {**headers, "content-type": "application/json"}):
                raise CannotWrite(f"--output {url}: {problem}{_AGAIN.format(taken=taken) if taken else ''}")
            taken += 1
    finally:
        await session.close()
    return taken


async def _post(session: Session, url: URL, body: bytes, headers: Mapping[str, str]) -> str:
    """Why a request was not taken; empty where it was."""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return _refused(await session.exchange("POST", url, headers, body))
    except Exception as error:
        if not (wire := wire_failure(error)):
            raise
        return f"the collector cannot be reached ({wire})"


def _refused(reply: Reply) -> str:
    if reply.status != 200:  # noqa: PLR2004 - the only status of a success
        return f"the collector answered {reply.error or f'HTTP {reply.status}'}: {clean(reply.body)[:200]}"
    try:
        said = decode(reply.body or "{}")
    except ValueError:
        return ""
    partial = said.get("partialSuccess") if isinstance(said, dict) else None
    rejected = partial.get("rejectedSpans") if isinstance(partial, dict) else None
    if not isinstance(partial, dict) or rejected in {None, 0, "0"}:
        return ""
    return f"the collector rejected {rejected} spans: {clean(str(partial.get('errorMessage', '')))[:200]}"
