"""Data as a page carries it: JSON, gzipped, in base64, in a script element that no browser runs."""

from __future__ import annotations

import base64
import gzip

from router.jsonl import encode
from router.reports.html.markup import Markup, element

LEVEL = 6
"""Of gzip: beyond it the time doubles for a hundredth of the size."""


def packed(value: object) -> str:
    """A value as base64 of gzipped JSON; the same value is the same text."""
    return base64.b64encode(gzip.compress(encode(value), LEVEL, mtime=0)).decode("ascii")


def block(name: str, data: str) -> Markup:
    """The element that carries packed data under a name."""
    return element("script", Markup(data), type="application/gzip;base64", id=f"block-{name}")
