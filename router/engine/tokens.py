"""How many tokens a request will be counted as, before any vendor has counted them.

Vendors reserve a prompt's tokens and the reply's ceiling when a call arrives, and settle the difference afterwards. So
does the pace: it is charged this estimate, and corrected by the usage that the reply states.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from router.rates import Rate
from router.types import Json, Message, Request

BYTES_PER_TOKEN = 3
"""English has four or more, Chinese three: rather too many tokens than too few."""
MESSAGE_TOKENS = 4
IMAGE_TOKENS = 1_105
"""LiteLLM's `calculate_img_tokens`: 85 and 170 for each of six tiles of 512 pixels, whatever its base64 is long."""
LOW_DETAIL_IMAGE_TOKENS = 85
REPLY_TOKENS = 256
"""What a reply without a ceiling is taken to have."""
CLEARLY = 2.0
"""A text estimated at so many times a limit has more tokens than it, unless each of them had six bytes."""


class Estimate(NamedTuple):
    """Tokens of the text alone, and all that a vendor reserves: text, images and the reply's ceiling."""

    text: int
    total: int

    def never_fits(self, limits: Iterable[Rate]) -> Rate | None:
        """The first limit under which no vendor will ever take it. In doubt it waits for a full window, and goes."""
        return next((limit for limit in limits if self.text > CLEARLY * limit.amount), None)


UNCOUNTED = Estimate(0, 0)
"""Where no limit on tokens is declared, nobody counts."""


def estimate(request: Request) -> Estimate:
    """Guess what vendors will count for a request."""
    parts = tuple(_parts(request.messages))
    text = sum(len(part.encode()) for part in parts if isinstance(part, str)) // BYTES_PER_TOKEN
    others = sum(_other_tokens(part) for part in parts if not isinstance(part, str))
    return Estimate(text, text + others + MESSAGE_TOKENS * len(request.messages) + _ceiling(request.params))


def _parts(messages: Iterable[Message]) -> Iterable[str | Mapping[str, Json]]:
    """The texts of all messages, and the parts that are none."""
    for message in messages:
        content = message.get("content")
        for part in [content] if not isinstance(content, Sequence) or isinstance(content, str) else content:
            text = part.get("text") if isinstance(part, Mapping) else part
            if isinstance(text, str):
                yield text
            elif isinstance(part, Mapping):
                yield part


def _other_tokens(part: Mapping[str, Json]) -> int:
    image = part.get("image_url")
    is_low = isinstance(image, Mapping) and image.get("detail") == "low"
    return LOW_DETAIL_IMAGE_TOKENS if is_low else IMAGE_TOKENS


def _ceiling(params: Mapping[str, Json]) -> int:
    ceiling = params.get("max_tokens", params.get("max_completion_tokens"))
    return ceiling if isinstance(ceiling, int) else REPLY_TOKENS
