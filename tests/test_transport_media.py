"""Nothing that a message names is fetched from this machine, whichever door the call takes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from test_transport_contract import OTHERS, PREFIXES
from vendors import Border, Came, Says, border, chat, make_provider

from router.catalog.vendors import images_of
from router.config.models import Door
from router.faults import Kind
from router.transport.base import Call
from router.transport.litellm_import import load
from router.transport.media import why_unsendable
from router.types import Json, Request

ADDRESS = "http://media.invalid/pic.png"
DATA = "data:image/png;base64,iVBORw0KGgo="
BEDROCK = "bedrock/anthropic.claude-3-haiku-20240307-v1:0"
INLINE = ("anthropic/claude-haiku-5-5", "gemini/gemini-3.5-flash-lite", "ollama/llava", "ollama_chat/llava", BEDROCK)
MODELS = (*(f"{prefix}/some-model" for prefix in sorted({*PREFIXES, *OTHERS})), *INLINE)
ONLY_TEXTS = ("azure_text/some-model",)
BY_ADDRESS = tuple(model for model in MODELS if images_of(model.partition("/")[0]) == "url" and model not in ONLY_TEXTS)


def image(url: str) -> Json:
    return {"type": "image_url", "image_url": {"url": url}}


PARTS: dict[str, Json] = {
    "an image": image(ADDRESS),
    "an image, in short": {"type": "image_url", "image_url": ADDRESS},
    "an image in capitals": image(ADDRESS.replace("http", "HTTP")),
    "a file by its id": {"type": "file", "file": {"file_id": ADDRESS}},
    "a file's data": {"type": "file", "file": {"file_data": ADDRESS}},
    "a document": {"type": "document", "source": {"type": "url", "url": ADDRESS}},
    "a film": {"type": "video_url", "video_url": {"url": ADDRESS}},
}


@pytest.fixture(scope="module")
def there() -> Iterator[Border]:
    load().user_url_validation = False  # else LiteLLM keeps away from this machine, and from no other
    with border() as opened:
        yield opened
    load().user_url_validation = True


def ask(there: Border, model: str, part: Json, door: Door = "auto") -> Came:
    """Ask about a part whose address, where it has one, is the vendor's own."""
    there.vendor.says(chat("fine"))
    there.vendor.script = lambda seen: Says(200, b"\x89PNG") if seen.method == "GET" else chat("fine")
    named = _placed(part, there.vendor.url)
    provider = make_provider(model, there.vendor.url + "/v1", door)
    request = Request(({"role": "user", "content": [{"type": "text", "text": "What is it?"}, named]},))
    call = Call(provider, provider.keys[0], model, request)
    result = there.runner.run(asyncio.wait_for(there.transport.send(call, lambda: None), 30))
    return Came(result, tuple(there.vendor.seen), 0)


def _placed(part: Json, url: str) -> Json:
    if isinstance(part, dict):
        return {name: _placed(value, url) for name, value in part.items()}
    return part.replace("http://media.invalid", url) if isinstance(part, str) else part


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("model", MODELS)
def test_nothing_is_fetched(there: Border, model: str, part: str) -> None:
    came = ask(there, model, PARTS[part])
    assert [seen.path for seen in came.seen if "pic.png" in seen.path] == []
    if not came.seen:
        assert came.fault.kind is Kind.BAD_REQUEST
        assert came.fault.message.startswith("not sent: ")


@pytest.mark.parametrize("model", BY_ADDRESS)
@pytest.mark.parametrize("door", ["auto", "litellm"])
def test_who_takes_addresses_gets_them(there: Border, model: str, door: Door) -> None:
    (seen,) = ask(there, model, image(ADDRESS), door).seen
    assert f"{there.vendor.url}/pic.png".encode() in seen.raw


@pytest.mark.parametrize("model", [*BY_ADDRESS, "anthropic/claude-haiku-5-5", "gemini/gemini-3.5-flash-lite", BEDROCK])
def test_an_image_inline_goes_to_all(there: Border, model: str) -> None:
    (seen,) = ask(there, model, image(DATA)).seen
    assert b"iVBORw0KGgo=" in seen.raw


@pytest.mark.parametrize(
    ("model", "part", "words"),
    [
        pytest.param(
            "gemini/m", image(ADDRESS), ("gemini/ takes images inline only", "data: URL", ADDRESS), id="inline"
        ),
        pytest.param("openai/m", PARTS["a file by its id"], ("a file must come inline", ADDRESS), id="a file"),
        pytest.param("deepseek/m", image(DATA), ("LiteLLM leaves images out", "deepseek/"), id="no images at all"),
        pytest.param("nobody/m", image("https://" + "x" * 999), ("nobody/", "xxx, which is not fetched"), id="long"),
        pytest.param("openai/m", image(ADDRESS), (), id="by address"),
        pytest.param("gemini/m", image(DATA), (), id="data"),
        pytest.param("gemini/m", {"type": "text", "text": ADDRESS}, (), id="an address in a text"),
    ],
)
def test_the_refusal_says_what_to_do(model: str, part: Json, words: tuple[str, ...]) -> None:
    why = why_unsendable(({"role": "user", "content": [part]},), model)
    assert bool(why) is bool(words)
    assert [word for word in words if word not in why] == []
    assert len(why) < 250
