"""What a key tells of its vendor, and whether it is one at all.

Only shapes that one vendor alone uses tell anything: a bare `sk-` is OpenAI's, DeepSeek's, Moonshot's, Alibaba's and
many a relay's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from router.catalog.vendors import KeyShape, Vendor, of_model, vendors
from router.config.models import Provider

_PLACEHOLDER = re.compile(
    r"your[-_ ]?.{0,20}(?:key|token)|\bkey[-_]?here\b|change[-_]?me|placeholder|x{6,}|\.{3}|\*{3,}|[<>]"
    r"|^(?:todo|test|dummy|fake)$",
    re.IGNORECASE,
)


def looks_like(key: str) -> str:
    """The one vendor whose keys look so, empty where many vendors' do or nobody's."""
    return next((vendor.name for vendor, _ in _fitting(key)), "")


def beginning_of(key: str) -> str:
    """The public part of a key by which `looks_like` knew it, empty where it did not."""
    return next((shape.begins for _, shape in _fitting(key)), "")


def _fitting(key: str) -> Iterator[tuple[Vendor, KeyShape]]:
    """The longest beginning first: `sk-ant-` before a pattern that begins with `sk-`."""
    pairs = ((vendor, shape) for vendor in vendors() for shape in vendor.shapes if shape.fits(key))
    yield from sorted(pairs, key=lambda pair: -len(pair[1].begins))


def is_placeholder(key: str) -> bool:
    """Whether it is an example's text that nobody has replaced yet."""
    return _PLACEHOLDER.search(key) is not None


def vendor_of(provider: Provider) -> Vendor | None:
    """Whose server a provider asks: by its address, else by its model's prefix; None for a relay or one's own."""
    return of_model(next(iter(provider.models.values()), ""), provider.base_url)
