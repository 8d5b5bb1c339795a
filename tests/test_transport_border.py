"""What a vendor's server may do to us: nothing of it costs more than one call of one item, through any door."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import Iterator

import pytest
from vendors import (
    JSON,
    Border,
    Came,
    RawVendor,
    Says,
    ScriptedVendor,
    border,
    chat,
    make_provider,
    raw_vendor,
    refusal,
    said,
    scripted,
)

from router.config.models import Door
from router.faults import Blame, Kind
from router.jsonl import decode, encode
from router.log.scrub import Scrubber
from router.transport import reading
from router.transport.body import MAX_OBJECTS, MAX_UNPACKED, MAX_WIRE
from router.transport.model_list import list_models

DOORS: tuple[tuple[str, Door], ...] = (
    ("openai/gpt-4o-mini", "auto"),
    ("openai/gpt-4o-mini", "litellm"),
    ("anthropic/claude-haiku-5-5", "auto"),
    ("gemini/gemini-3.5-flash-lite", "auto"),
    ("nlp_cloud/some-model", "auto"),
)
NAMES = ("direct", "OpenAI's SDK", "Anthropic", "Gemini", "a handler that blocks a thread")
every_door = pytest.mark.parametrize(("model", "door"), DOORS, ids=NAMES)
pytestmark = pytest.mark.filterwarnings("ignore:Items? .* on TypedDict:UserWarning")


@pytest.fixture(scope="module")
def there() -> Iterator[Border]:
    with border() as opened:
        yield opened


def ask_raw(there: Border, vendor: RawVendor, model: str, door: Door) -> Came:
    async def opened() -> Came:
        async with raw_vendor(vendor):
            return await asyncio.wait_for(there.ask_at(f"{vendor.url}/v1", model, door), 30)

    return there.runner.run(opened())


# Redirects.


@every_door
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("place", ["elsewhere", "itself", "a path"])
def test_no_redirect_is_followed(there: Border, model: str, door: Door, status: int, place: str) -> None:
    elsewhere = scripted()
    other: ScriptedVendor = there.runner.run(elsewhere.__aenter__())
    target = {"elsewhere": f"{other.url}/v1/chat?key=1", "itself": f"{there.vendor.url}/v1", "a path": "/v2/chat"}[
        place
    ]
    good = chat("fine")
    came = there.ask(Says(status, good.body, {**JSON, "location": target}), model, door)
    there.runner.run(elsewhere.__aexit__(None, None, None))
    assert (came.fault.kind, came.fault.status) == (Kind.MALFORMED_REPLY, status)
    assert came.fault.reaction.blame is Blame.PROVIDER
    host = (other if place == "elsewhere" else there.vendor).url
    assert host in came.fault.message
    assert "key=1" not in came.fault.message
    assert (len(came.seen), came.told, other.seen) == (1, 1, [])


@every_door
@pytest.mark.parametrize(
    "headers", [{}, {"location": "http://["}, {"location": "x" * 5000}], ids=["none", "bad", "long"]
)
def test_a_redirect_to_nowhere(there: Border, model: str, door: Door, headers: dict[str, str]) -> None:
    came = there.ask(Says(302, b"", headers), model, door)
    assert (came.fault.kind, came.fault.status, len(came.seen)) == (Kind.MALFORMED_REPLY, 302, 1)
    assert len(came.fault.message) < 500


def test_asking_for_models_follows_none_either(there: Border) -> None:
    there.vendor.says(Says(307, b"", {"location": "http://vendor.invalid/v1"}))
    provider = make_provider("openai/m", there.vendor.url)
    listing = there.runner.run(list_models(provider, provider.keys[0]))
    assert "vendor.invalid" in listing.problem
    assert len(there.vendor.seen) == 1


# Bodies.

HEAD = b"HTTP/1.1 %d OK\r\ncontent-type: application/json\r\n%s\r\n"
MEGABYTE = b"x" * 2**20
CHUNK = b"100000\r\n" + MEGABYTE + b"\r\n"


def packed(megabytes: int, wbits: int = 31) -> bytes:
    packer = zlib.compressobj(9, wbits=wbits)
    return b"".join([packer.compress(b" " * 2**20) for _ in range(megabytes)] + [packer.flush()])


BOMB = packed(300)
BODIES = {
    "endless": (b"transfer-encoding: chunked\r\n", b"", CHUNK),
    "without a length": (b"", b"", MEGABYTE),
    "announced": (b"content-length: 17000000\r\n", b"", MEGABYTE),
    "gzip": (b"content-encoding: gzip\r\ncontent-length: %d\r\n" % len(BOMB), BOMB, b""),
    "deflate": (b"content-encoding: deflate\r\n", packed(300, -15), b""),
}


CEILINGS = [(*DOORS[0], body, status) for body in BODIES for status in (200, 429)]
CEILINGS += [(model, door, body, 200) for model, door in DOORS[1:] for body in ("endless", "gzip")]


@pytest.mark.parametrize(("model", "door", "body", "status"), CEILINGS)
def test_bodies_have_a_ceiling(there: Border, model: str, door: Door, body: str, status: int) -> None:
    headers, first, more = BODIES[body]
    vendor = RawVendor(HEAD % (status, headers) + first, more, max_bytes=2 * MAX_WIRE)
    came = ask_raw(there, vendor, model, door)
    assert (came.fault.kind, came.fault.status) == (Kind.MALFORMED_REPLY, status)
    assert "is longer than" in came.fault.message
    assert len(vendor.requests) == 1
    assert vendor.sent < 2 * MAX_WIRE


@every_door
def test_objects_have_a_ceiling_too(there: Border, model: str, door: Door) -> None:
    body = b'{"choices":[' + b"{}," * (MAX_OBJECTS + 1) + b"{}]}"
    came = ask_raw(there, RawVendor(HEAD % (200, b"content-length: %d\r\n" % len(body)) + body, b""), model, door)
    assert came.fault.kind is Kind.MALFORMED_REPLY
    assert "objects: more than 500,000 are not read" in came.fault.message


@every_door
def test_a_long_answer_below_the_ceiling_is_one(there: Border, model: str, door: Door) -> None:
    assert there.ask(chat("七 " * 500_000), model, door).answer.text == "七 " * 500_000


@every_door
@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("text", ["k", "{", "<", "七"])
def test_a_long_reply_that_is_no_answer_holds_nobody_up(
    there: Border, model: str, door: Door, status: int, text: str
) -> None:
    """LiteLLM's regexes took more than the 10 s that this call has."""
    came = there.ask(Says(status, (text * 2**21)[: 2**21].encode(), JSON), model, door)
    assert came.fault.kind is not Kind.TIMEOUT


def test_unpacking_leaves_the_loop_to_others(there: Border) -> None:
    turns = 0

    async def spin() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def both() -> None:
        spinning = asyncio.create_task(spin())
        vendor = RawVendor(HEAD % (200, b"content-encoding: gzip\r\n") + BOMB)
        async with raw_vendor(vendor):
            await there.ask_at(vendor.url, "openai/gpt-4o-mini", "auto")
        spinning.cancel()

    there.runner.run(both())
    assert turns > MAX_UNPACKED / 2**18


GOOD = chat("сім").body


@every_door
@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        pytest.param("gzip", gzip.compress(GOOD[:50]) + gzip.compress(GOOD[50:]), id="two members"),
        pytest.param("deflate", zlib.compress(GOOD), id="deflate"),
        pytest.param("deflate", zlib.compress(GOOD)[2:-4], id="raw deflate"),
        pytest.param("gzip", GOOD, id="not packed at all"),
        pytest.param("identity", GOOD, id="identity"),
        pytest.param("X-GZIP", gzip.compress(GOOD), id="by its old name"),
    ],
)
def test_packed_bodies(there: Border, model: str, door: Door, encoding: str, body: bytes) -> None:
    came = there.ask(Says(200, body, {**JSON, "content-encoding": encoding}), model, door)
    if model.startswith("openai/"):
        assert came.answer.text == "сім"
    assert len(came.seen) == 1


@every_door
@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        pytest.param("gzip", gzip.compress(GOOD)[:-30], id="half of it"),
        pytest.param("br", b"\x0b\x02\x80", id="never asked for"),
        pytest.param("gzip", gzip.compress(GOOD)[:30] + b"\0" * 40, id="broken"),
    ],
)
def test_bodies_that_cannot_be_unpacked(there: Border, model: str, door: Door, encoding: str, body: bytes) -> None:
    came = there.ask(Says(200, body, {**JSON, "content-encoding": encoding}), model, door)
    assert came.fault.kind is Kind.MALFORMED_REPLY


# Texts.


@every_door
@pytest.mark.parametrize(
    "charset",
    ["utf-7", "unicode_escape", "raw_unicode_escape", "punycode", "idna", "zlib", "hex", "undefined", "x" * 999, '"'],
)
@pytest.mark.parametrize("status", [200, 500])
def test_no_charset_makes_trouble(there: Border, model: str, door: Door, charset: str, status: int) -> None:
    body = chat("+2AA-\\ud800 \\udc00 七").body if status == 200 else b'{"error": {"message": "+2AA- \\ud800"}}'
    came = there.ask(Says(status, body, {"content-type": f"application/json; charset={charset}"}), model, door)
    assert decode(encode(came.result))
    if model.startswith("openai/") and status == 200:
        assert "七" in came.answer.text


@every_door
@pytest.mark.parametrize("status", [b"200", b"429", b"500"])
def test_headers_may_hold_any_bytes(there: Border, model: str, door: Door, status: bytes) -> None:
    odd = b"x-ratelimit-reset: \xff\xfe\xed\xa0\x80\r\nretry-after: \xe9\r\nx-amzn-errortype: \x9b31m\xff\r\n"
    reply = b"HTTP/1.1 " + status + b" \xff\r\n" + odd + b"content-length: %d\r\n\r\n" % len(GOOD) + GOOD
    came = ask_raw(there, RawVendor(reply), model, door)
    assert decode(encode(came.result))
    assert all(value.isprintable() for value in came.result.limits.values())


@every_door
def test_half_a_character_is_replaced(there: Border, model: str, door: Door) -> None:
    body = chat("cut HERE").body.replace(b"HERE", b"\\ud83d")
    came = there.ask(Says(200, body, JSON), model, door)
    if model.startswith("openai/"):
        assert came.answer.text == "cut \ufffd"


@every_door
@pytest.mark.parametrize("count", [-1, -(10**18), 2**53, 2**63, 10**30, 1.5, True, "7", [7], {}], ids=repr)
def test_absurd_usage_is_none(there: Border, model: str, door: Door, count: object) -> None:
    if isinstance(count, int) and count >= 2**63:  # as no encoder of ours would write it
        body = chat("fine").body.replace(b'"prompt_tokens":11', f'"prompt_tokens":{count}'.encode())
    else:
        body = chat("fine", usage={"prompt_tokens": count, "completion_tokens": count}).body
    came = there.ask(Says(200, body, JSON), model, door)
    if model.startswith("openai/"):
        assert came.answer.text == "fine"
        assert came.answer.usage.tokens_in is None


@every_door
def test_no_message_moves_a_terminal(there: Border, model: str, door: Door) -> None:
    came = there.ask(refusal(400, "bad \x1b[2J\x1b]0;owned\x07 \x9b31m \u202e request"), model, door)
    assert came.fault.message.isprintable()
    assert "request" in came.fault.message


# HTTP that is none.

BROKEN = {
    "a bad chunk": HEAD % (200, b"transfer-encoding: chunked\r\n") + b"zz\r\nfine\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 7\r\n\r\nabcdefg",
    "a negative length": b"HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\nabcdefg",
    "a header of 9 KB": b"HTTP/1.1 200 OK\r\nx-long: " + b"x" * 9000 + b"\r\ncontent-length: 2\r\n\r\n{}",
    "another protocol": b"SSH-2.0-OpenSSH_9.6\r\n",
    "half a body": HEAD % (200, b"content-length: 999\r\n") + b'{"choices": [',
    "half a body of an error": HEAD % (429, b"content-length: 999\r\n") + b'{"error": {"message": "Rate',
    "half a header": b"HTTP/1.1 200 OK\r\ncontent-le",
    "nothing": b"",
    "no status": b"HTTP/1.1 OK\r\n\r\n",
    "a status of its own": b"HTTP/1.1 20 OK\r\n\r\n",
    "noise": bytes(range(256)),
}


@every_door
@pytest.mark.parametrize("reply", BROKEN)
def test_broken_http_is_a_failure_of_the_wire(there: Border, model: str, door: Door, reply: str) -> None:
    vendor = RawVendor(BROKEN[reply])
    came = ask_raw(there, vendor, model, door)
    assert (came.fault.kind, came.fault.status) == (Kind.CONNECTION, None)
    assert came.fault.reaction.blame is Blame.PROVIDER
    assert (len(vendor.requests), came.told) == (1, 1)
    assert came.fault.message


# Answers that are none.


@every_door
@pytest.mark.parametrize("content", [5, {}, [5], [], "", None, True, {"text": 5}, [{"text": 5}], [{"type": "image"}]])
def test_an_answer_without_words_is_none(there: Border, model: str, door: Door, content: object) -> None:
    message = {"role": "assistant", "content": content}
    came = there.ask(chat("", choices=[{"index": 0, "message": message, "finish_reason": "stop"}]), model, door)
    assert came.fault.kind is Kind.MALFORMED_REPLY
    assert "not sent" not in came.fault.message


CALL = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a":3,"b":4}'}}


@pytest.mark.parametrize(("model", "door"), DOORS[:2], ids=NAMES[:2])
@pytest.mark.parametrize(
    ("message", "reason"),
    [
        pytest.param({"content": None, "tool_calls": [CALL]}, "tool_calls", id="tools"),
        pytest.param({"content": None, "refusal": "I will not."}, "stop", id="a refusal"),
        pytest.param({"content": ""}, "length", id="no room"),
    ],
)
def test_what_is_an_answer_without_a_text(
    there: Border, model: str, door: Door, message: dict[str, object], reason: str
) -> None:
    came = there.ask(
        chat("", choices=[{"index": 0, "message": {"role": "assistant", **message}, "finish_reason": reason}]),
        model,
        door,
    )
    assert (came.answer.text, came.answer.finish_reason) == ("", reason)
    assert came.answer.tool_calls == message.get("tool_calls", ())
    assert {"role": "assistant", **message}.items() <= came.answer.message.items()


ANTHROPIC = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude",
    "content": [
        {"type": "thinking", "thinking": "3 and 4", "signature": "s"},
        {"type": "text", "text": "7"},
        {"type": "tool_use", "id": "call_1", "name": "add", "input": {"a": 3}},
    ],
    "stop_reason": "tool_use",
    "usage": {"input_tokens": 5, "output_tokens": 7, "cache_read_input_tokens": 6, "cache_creation_input_tokens": 0},
}


def test_an_answer_keeps_what_the_vendor_said(there: Border) -> None:
    logprobs = {"content": [{"token": "7", "logprob": -0.1}]}
    message = {"role": "assistant", "content": "7", "reasoning_content": "3 and 4", "some_extension": [1]}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": logprobs}
    usage = {
        "prompt_tokens": 11,
        "completion_tokens": 7,
        "total_tokens": 18,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 5},
    }
    script = chat("", choices=[choice], usage=usage)
    for model, door in DOORS[:2]:
        answer = there.ask(Says(200, script.body, {**JSON, "x-request-id": "req_1"}), model, door).answer
        assert (answer.text, answer.reasoning, answer.logprobs) == ("7", "3 and 4", logprobs)
        assert (answer.message, answer.request_id, answer.raw) == (message, "req_1", decode(script.body))
        counted = answer.usage
        assert (counted.tokens_in, counted.tokens_out, counted.tokens_cached, counted.tokens_reasoning) == (11, 7, 4, 5)


def test_an_answer_in_another_dialect_is_read_by_litellm(there: Border) -> None:
    answer = there.ask(said(ANTHROPIC, request_id="req_1"), "anthropic/claude-haiku-5-5").answer
    assert (answer.text, answer.reasoning, answer.raw, answer.request_id) == ("7", "3 and 4", ANTHROPIC, "req_1")
    (call,) = answer.tool_calls
    assert encode(call).count(b'"add"') == 1
    assert (answer.usage.tokens_in, answer.usage.tokens_out, answer.usage.tokens_cached) == (11, 7, 6)


@pytest.mark.parametrize(("model", "door"), DOORS[:2], ids=NAMES[:2])
@pytest.mark.parametrize("spelt", [pytest.param(str, id="as it is"), pytest.param(lambda s: s, id="escaped")])
def test_no_part_of_an_answer_holds_a_key(there: Border, model: str, door: Door, spelt: object) -> None:
    secret = make_provider(model, None).keys[0].secret
    assert secret is not None
    key = secret.reveal()
    there.transport._reader.scrub = Scrubber([("openai#1", secret)])
    echo = key if spelt is str else "".join(f"\\u{ord(letter):04x}" for letter in key)
    choice = {"message": {"content": "fine", "extra": ["KEY"]}, "finish_reason": "KEY", "logprobs": {"of": "KEY"}}
    body = chat("", choices=[choice], model="KEY", KEY="KEY").body.replace(b"KEY", echo.encode())
    came = there.ask(Says(200, body, {**JSON, "x-request-id": key, "x-ratelimit-x": key}), model, door)
    assert came.answer.text == "fine"
    assert key not in encode(came.result).decode()
    assert key not in repr(came.result)


def test_a_crash_on_reading_is_a_malformed_reply(there: Border, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_body: object) -> object:
        raise RuntimeError("a defect")

    monkeypatch.setattr(reading, "answer_of", broken)
    for model, door in DOORS[:2]:
        fault = there.ask(chat("fine"), model, door).fault
        assert fault.kind is Kind.MALFORMED_REPLY
        assert "a defect" in fault.message
        assert "not sent" not in fault.message


ODD = {
    "a list in a message": {"type": "message", "content": [5]},
    "a candidate of numbers": {"candidates": [{"content": {"parts": [5]}}]},
    "a text that is none": {"candidates": [{"content": {"parts": [{"text": 5}]}, "finishReason": "STOP"}]},
    "blocks of nothing": {"type": "message", "content": [{"type": "text"}], "usage": {}},
    "choices of strings": {"choices": ["fine"]},
    "no usage": {"type": "message", "content": [{"type": "text", "text": 7}], "usage": {"input_tokens": "x"}},
    "an empty list": [],
    "a generated number": {"generated_text": 5},
}


@every_door
@pytest.mark.parametrize("body", ODD)
def test_no_odd_body_is_called_not_sent(there: Border, model: str, door: Door, body: str) -> None:
    came = there.ask(said(ODD[body]), model, door)
    assert came.fault.kind is Kind.MALFORMED_REPLY
    assert "not sent" not in came.fault.message
