"""`router explain`: what a fault, a vendor or a reply means, and what to change."""

from __future__ import annotations

import shutil
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from router.cli.streams import put, say
from router.errors import ConfigError

if TYPE_CHECKING:
    from router.catalog.vendors import Vendor

MAX_WIDTH = 100
NO_BODY = "{}"
"""Nothing is known of the body; an empty one would be a sign by itself."""


def explain(
    name: Annotated[
        str | None, typer.Argument(metavar="[FAULT|VENDOR|CODE]", help="Such as rate_limit, groq, 429.")
    ] = None,
    status: Annotated[int | None, typer.Option("--status", min=100, max=599, help="The status of a reply.")] = None,
    body: Annotated[str, typer.Option("--body", help="Its body: a file, or - for stdin.")] = "",
    header: Annotated[list[str] | None, typer.Option("--header", help="One of its headers, NAME: VALUE.")] = None,
    vendor: Annotated[str, typer.Option("--vendor", help="Whose reply it is: LiteLLM's prefix, such as zai.")] = "",
    json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")] = False,
) -> int:
    """Explain a fault, a vendor, or a reply: what it means, what the router does about it, what to change."""
    from router.analysis.explain import explain as explain_fault
    from router.analysis.explain import explain_reply, find
    from router.catalog.vendors import Vendor
    from router.faults import Kind
    from router.reports.explain_text import explanation_text, vendor_text
    from router.types import Reply

    if name is not None and status is None and name.isdecimal():
        status, name = int(name), None
    if (name is None) == (status is None):
        raise ConfigError("name one fault or vendor, as in `router explain rate_limit`, or a reply's --status")
    width = min(MAX_WIDTH, shutil.get_terminal_size().columns)
    if name is not None:
        found = find(name)
        if isinstance(found, Vendor):
            put((_json(_plain(found)) if json else vendor_text(found, width)) + "\n")
            return 0
        explanation = explain_fault(Kind(found))
    else:
        reply = Reply(status, dict(map(_header, header or ())), _text(body) if body else NO_BODY)
        if (read := explain_reply(reply, vendor, time.time())) is None:
            put((_json({"fault": None}) if json else "This is an answer; nothing is wrong with it.") + "\n")
            return 0
        explanation = read
        if not body:
            say("This is what the status alone says; the body says more: --body FILE, or --body - for stdin.")
    put((_json(asdict(explanation)) if json else explanation_text(explanation, width)) + "\n")
    return 0


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise ConfigError(f"--header {text!r}: write NAME: VALUE")
    return name.strip().lower(), value.strip()


def _text(body: str) -> str:
    if body == "-":
        return sys.stdin.read()
    try:
        return Path(body).read_text(encoding="utf-8", errors="replace") if body else ""
    except OSError as error:
        raise ConfigError(f"--body {body}: {error.strerror}; name a file, or - for stdin") from None


def _plain(vendor: Vendor) -> dict[str, object]:
    """JSON knows no sets."""
    return {name: sorted(value) if isinstance(value, frozenset) else value for name, value in asdict(vendor).items()}


def _json(value: object) -> str:
    from router.jsonl import encode_pretty

    return encode_pretty(value).decode().rstrip("\n")
