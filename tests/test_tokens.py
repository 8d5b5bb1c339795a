from __future__ import annotations

import base64

import pytest

from router.engine.tokens import IMAGE_TOKENS, LOW_DETAIL_IMAGE_TOKENS, estimate
from router.rates import Rate
from router.types import Json, Request

PICTURE = "data:image/png;base64," + base64.b64encode(bytes(150_000)).decode()


@pytest.mark.parametrize(
    ("params", "ceiling"),
    [
        pytest.param({}, 256, id="no ceiling"),
        pytest.param({"max_tokens": 50}, 50, id="max_tokens"),
        pytest.param({"max_completion_tokens": 60}, 60, id="max_completion_tokens"),
        pytest.param({"max_tokens": None}, 256, id="not a number"),
    ],
)
def test_a_reply_is_reserved_up_to_its_ceiling(params: dict[str, Json], ceiling: int) -> None:
    found = estimate(Request(({"role": "user", "content": "七" * 10},), params=params))
    assert found == (10, 10 + 4 + ceiling)


@pytest.mark.parametrize(
    ("content", "text", "others"),
    [
        pytest.param("x" * 300, 100, 0, id="text"),
        pytest.param([{"type": "text", "text": "x" * 300}], 100, 0, id="a part of text"),
        pytest.param([{"type": "image_url", "image_url": {"url": PICTURE}}], 0, IMAGE_TOKENS, id="OpenAI's image"),
        pytest.param(
            [{"type": "image_url", "image_url": {"url": PICTURE, "detail": "low"}}],
            0,
            LOW_DETAIL_IMAGE_TOKENS,
            id="of low detail",
        ),
        pytest.param(
            [{"type": "image", "source": {"type": "base64", "data": PICTURE}}], 0, IMAGE_TOKENS, id="Anthropic's image"
        ),
        pytest.param(
            [{"type": "text", "text": "abc"}, {"type": "image_url", "image_url": PICTURE}], 1, IMAGE_TOKENS, id="both"
        ),
        pytest.param(None, 0, 0, id="nothing"),
        pytest.param(["abc", 5], 1, 0, id="no message that anybody sends"),
    ],
)
def test_an_image_counts_flat_and_not_as_its_base64(content: Json, text: int, others: int) -> None:
    found = estimate(Request(({"role": "user", "content": content},), params={"max_tokens": 0}))
    assert found == (text, text + others + 4)


@pytest.mark.parametrize(("characters", "never"), [(3_000, None), (6_000, None), (6_300, Rate(1000, 60))])
def test_what_will_never_fit(characters: int, never: Rate | None) -> None:
    limits = [Rate(10_000, 60), Rate(1000, 60)]
    assert estimate(Request.of("x" * characters)).never_fits(limits) == never
