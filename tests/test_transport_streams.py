"""Streams through both doors: what comes, what their ends mean, and that nobody goes on who is not listened to."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import aclosing

import pytest
from vendors import (
    EVENTS,
    JSON,
    USED,
    Border,
    Came,
    RawVendor,
    Says,
    border,
    chat,
    event,
    make_provider,
    raw_vendor,
    refusal,
    said,
    stream,
)

from router.config.models import Door
from router.faults import Fault, Kind
from router.jsonl import encode
from router.log.scrub import Scrubber
from router.transport.base import Call
from router.transport.sse import MAX_EVENT
from router.types import Answer, Chunk, Request, Usage

DOORS: tuple[tuple[str, Door], ...] = (
    ("openai/gpt-4o-mini", "auto"),
    ("openai/gpt-4o-mini", "litellm"),
    ("mistral/some-model", "litellm"),
    ("azure/some-model", "auto"),
)
NAMES = ("direct", "OpenAI's SDK", "LiteLLM's own client", "Azure's SDK")
every_door = pytest.mark.parametrize(("model", "door"), DOORS, ids=NAMES)
GONE_S = 20.0


@pytest.fixture(scope="module")
def there() -> Iterator[Border]:
    with border() as opened:
        yield opened


def ask_raw(there: Border, vendor: RawVendor, model: str, door: Door, timeout_s: float = 10.0) -> Came:
    async def opened() -> Came:
        async with raw_vendor(vendor):
            asking = there.ask_at(f"{vendor.url}/v1", model, door, streams=True, timeout_s=timeout_s)
            return await asyncio.wait_for(asking, 30)

    return there.runner.run(opened())


# Good streams.


@every_door
def test_a_stream_is_its_pieces_and_then_its_answer(there: Border, model: str, door: Door) -> None:
    came = there.ask(stream("3 + 4", " is ", "сім 🙂", x_request_id="req_1"), model, door, streams=True)
    assert [chunk.text for chunk in came.chunks if chunk.says_something] == ["3 + 4", " is ", "сім 🙂"]
    answer = came.answer
    assert (answer.text, answer.finish_reason, answer.model) == ("3 + 4 is сім 🙂", "stop", "served-model")
    assert (answer.usage, answer.request_id) == (Usage(11, 7), "req_1")
    assert (len(came.seen), came.told) == (1, 1)
    assert came.seen[0].json["stream"] is True


@every_door
@pytest.mark.parametrize("drip_s", [0.0, 0.01], ids=["at once", "dripping"])
def test_both_doors_see_the_same(there: Border, model: str, door: Door, drip_s: float) -> None:
    says = stream("Hello, ", "world")
    came = there.ask(Says(200, says.body, says.headers, drip_s=drip_s), model, door, streams=True)
    assert [encode(chunk.raw) for chunk in came.chunks][1] == event(content="Hello, ")[6:-2]
    assert (came.text, came.answer.text) == ("Hello, world", "Hello, world")


def test_the_connection_is_used_again(there: Border) -> None:
    there.vendor.says(stream("7"))
    before = there.vendor.accepted
    for _ in range(5):
        there.ask(stream("7"), "openai/gpt-4o-mini", streams=True)
    assert there.vendor.accepted - before <= 2


@every_door
@pytest.mark.parametrize(
    "says",
    [
        pytest.param(stream("7", done=False), id="without [DONE]"),
        pytest.param(Says(200, stream("7").body.replace(b"\n", b"\r\n"), EVENTS), id="CRLF"),
        pytest.param(Says(200, b": busy\n\n" * 99 + stream("7").body, EVENTS), id="comments before"),
        pytest.param(Says(200, stream("7").body.rstrip(), EVENTS), id="no line end at the end"),
        pytest.param(
            Says(200, event(content="7") + event(finish_reason="stop", usage=None), EVENTS), id="without usage"
        ),
        pytest.param(Says(200, event(content="7", finish_reason="length"), EVENTS), id="cut at the token limit"),
    ],
)
def test_good_streams_of_all_kinds(there: Border, model: str, door: Door, says: Says) -> None:
    assert there.ask(says, model, door, streams=True).answer.text == "7"


@every_door
@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "text/event-stream; charset=utf-8"])
def test_a_stream_by_another_name(there: Border, model: str, door: Door, content_type: str) -> None:
    says = Says(200, stream("7").body, {"content-type": content_type})
    came = there.ask(says, model, door, streams=True)
    if door == "auto" and model.startswith("openai"):
        assert came.answer.text == "7"
    assert isinstance(came.result, Answer) or came.fault.kind is Kind.MALFORMED_REPLY


@every_door
def test_a_whole_answer_to_who_asked_for_a_stream(there: Border, model: str, door: Door) -> None:
    came = there.ask(chat("fine"), model, door, streams=True)
    assert ([chunk.text for chunk in came.chunks], came.answer.text) == (["fine"], "fine")
    assert came.answer.usage == Usage(11, 7)


@every_door
def test_tool_calls_come_in_pieces_and_whole(there: Border, model: str, door: Door) -> None:
    first = {"index": 0, "id": "1", "type": "function", "function": {"name": "add", "arguments": '{"x":'}}
    second = {"index": 0, "function": {"arguments": "3}"}}
    events = [event(tool_calls=[first]), event(tool_calls=[second]), event(finish_reason="tool_calls")]
    came = there.ask(Says(200, b"".join(events), EVENTS), model, door, streams=True)
    assert [list(chunk.tool_calls) for chunk in came.chunks[:2]] == [[first], [second]]
    (call,) = came.answer.tool_calls
    assert encode(call).count(rb'"{\"x\":3}"') == 1


# Bad ones.

HELLO = event(content="Hello, ")
ERROR = b'data: {"error": {"message": "Overloaded", "type": "overloaded_error", "code": 503}}\n\n'
BAD = {
    "no end": (HELLO, Kind.MALFORMED_REPLY, "without a finish_reason"),
    "no end, but [DONE]": (HELLO + b"data: [DONE]\n\n", Kind.MALFORMED_REPLY, "without a finish_reason"),
    "nothing but an end": (event(finish_reason="stop"), Kind.MALFORMED_REPLY, ""),
    "nothing": (b"", Kind.MALFORMED_REPLY, ""),
    "[DONE] alone": (b"data: [DONE]\n\n", Kind.MALFORMED_REPLY, ""),
    "an error": (HELLO + ERROR, Kind.OVERLOADED, "Overloaded"),
    "an error at once": (ERROR, Kind.OVERLOADED, "Overloaded"),
    "an error by name": (HELLO + b'event: error\ndata: {"message": "Overloaded"}\n\n', Kind.OVERLOADED, "Overloaded"),
    "a cut by its own name": (HELLO + event(finish_reason="network_error"), Kind.SERVER_ERROR, ""),
    "no JSON": (HELLO + b"data: hello\n\n", Kind.MALFORMED_REPLY, ""),
    "half an event": (HELLO + HELLO[:30], Kind.MALFORMED_REPLY, ""),
}


@every_door
@pytest.mark.parametrize("name", BAD)
def test_a_stream_that_is_no_answer_is_one_fault(there: Border, model: str, door: Door, name: str) -> None:
    body, kind, words = BAD[name]
    came = there.ask(Says(200, body, {**EVENTS, "x-ratelimit-remaining-requests": "0"}), model, door, streams=True)
    assert (came.fault.kind, came.fault.status) == (kind, 200)
    assert words in came.fault.message
    assert came.text == ("Hello, " if body.startswith(HELLO) else "")


@every_door
@pytest.mark.parametrize(
    ("says", "kind"),
    [
        pytest.param(refusal(429, "Rate limit reached", Retry_After="7"), Kind.RATE_LIMIT, id="429"),
        pytest.param(refusal(401, "Incorrect API key provided"), Kind.INVALID_KEY, id="401"),
        pytest.param(refusal(500), Kind.SERVER_ERROR, id="500"),
        pytest.param(said({"error": {"message": "Overloaded", "code": 503}}), Kind.OVERLOADED, id="200, an error"),
        pytest.param(Says(302, b"", {"location": "http://127.0.0.1:9/"}), Kind.MALFORMED_REPLY, id="a redirect"),
        pytest.param(Says(200, b"<html>hello</html>", JSON), Kind.MALFORMED_REPLY, id="a page"),
        pytest.param(Says(cuts=True), Kind.CONNECTION, id="cut"),
        pytest.param(Says(resets=True), Kind.CONNECTION, id="reset"),
        pytest.param(Says(200, stream("7" * 99).body, EVENTS, cuts=True), Kind.CONNECTION, id="cut in the middle"),
        pytest.param(Says(200, stream("7" * 99).body, EVENTS, resets=True), Kind.CONNECTION, id="reset in the middle"),
    ],
)
def test_failures_mean_what_they_mean_without_a_stream(
    there: Border, model: str, door: Door, says: Says, kind: Kind
) -> None:
    came = there.ask(says, model, door, streams=True)
    assert came.fault.kind is kind
    assert (len(came.seen), came.told) == (1, 1)
    if kind is Kind.RATE_LIMIT:
        assert (came.fault.retry_after_s, dict(came.fault.limits)) == (7, {"retry-after": "7"})


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n%s\r\n"
CHUNKED = HEAD % b"transfer-encoding: chunked\r\n"


def chunk(body: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(body), body)


@every_door
@pytest.mark.parametrize(
    ("more", "kind"),
    [
        pytest.param(b"", Kind.TIMEOUT, id="silence"),
        pytest.param(chunk(b"data: " + b"x" * 2**20), Kind.MALFORMED_REPLY, id="an event without end"),
        pytest.param(chunk(event(content="x" * 2**18) * 4), Kind.MALFORMED_REPLY, id="events without end"),
    ],
)
def test_a_stream_without_end_is_ended(there: Border, model: str, door: Door, more: bytes, kind: Kind) -> None:
    vendor = RawVendor(CHUNKED + chunk(HELLO), more, max_bytes=4 * MAX_EVENT if more else 0, holds=not more)
    came = ask_raw(there, vendor, model, door, timeout_s=10.0 if more else 0.3)
    assert came.fault.kind is kind
    assert came.text.startswith("Hello, ")
    assert vendor.sent < 4 * MAX_EVENT


def test_comments_are_no_chunks(there: Border) -> None:
    """A server that only says that it is alive is waited for as long as one that says nothing."""
    said = Says(200, HELLO + b": alive\n\n" * 90, EVENTS, drip_s=0.1)
    came = there.ask(said, "openai/gpt-4o-mini", streams=True, timeout_s=0.3)
    assert came.fault.kind is Kind.TIMEOUT
    assert "no more of the stream within 0.3 s" in came.fault.message


@every_door
@pytest.mark.parametrize("way", ["closed", "cancelled"])
def test_who_stops_listening_hangs_up(there: Border, model: str, door: Door, way: str) -> None:
    vendor = RawVendor(CHUNKED + chunk(HELLO), holds=True)

    async def main() -> None:
        async with raw_vendor(vendor):
            provider = make_provider(model, vendor.url, door)
            call = Call(provider, provider.keys[0], model, Request.of("What is 3 + 4?"))
            pieces = there.transport.stream(call, lambda: None)
            first = await anext(pieces)
            assert isinstance(first, Chunk)
            if way == "cancelled":
                waiting = asyncio.ensure_future(anext(pieces))
                await asyncio.sleep(0)
                waiting.cancel()
                await asyncio.gather(waiting, return_exceptions=True)
            else:
                await pieces.aclose()
            await asyncio.wait_for(vendor.gone.wait(), GONE_S)
            here = asyncio.current_task()
            assert [task for task in asyncio.all_tasks() if task is not here and task.get_coro() is None] == []

    there.runner.run(main())


@every_door
def test_a_call_that_is_cancelled_before_its_head_hangs_up(there: Border, model: str, door: Door) -> None:
    vendor = RawVendor(b"", holds=True)

    async def main() -> None:
        async with raw_vendor(vendor):
            provider = make_provider(model, vendor.url, door)
            call = Call(provider, provider.keys[0], model, Request.of("What is 3 + 4?"))
            on_wire = asyncio.Event()

            async def listen() -> None:
                async with aclosing(there.transport.stream(call, on_wire.set)) as pieces:
                    async for _ in pieces:
                        pass

            listening = asyncio.create_task(listen())
            await on_wire.wait()
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
            await asyncio.wait_for(vendor.gone.wait(), GONE_S)

    there.runner.run(main())


# Keys.


@every_door
def test_no_piece_holds_a_key(there: Border, model: str, door: Door) -> None:
    secret = make_provider(model, None).keys[0].secret
    assert secret is not None
    there.transport._reader.scrub = Scrubber([("openai#1", secret)])
    echoed = secret.reveal()
    came = there.ask(
        Says(200, event(content=f"my key is {echoed}", extra=[echoed]) + event(finish_reason="stop"), EVENTS),
        model,
        door,
        streams=True,
    )
    assert came.answer.text == "my key is [openai#1]"
    assert echoed not in repr((came.chunks, came.result))
    assert echoed not in encode((came.chunks, came.result)).decode()


# Other dialects, which LiteLLM reads.


def events(*bodies: Mapping[str, object], named: bool = False) -> Says:
    lines = [(b"event: %s\n" % str(b["type"]).encode() if named else b"") + b"data: " + encode(b) for b in bodies]
    return Says(200, b"\n\n".join(lines) + b"\n\n", EVENTS)


def lines(*bodies: Mapping[str, object]) -> Says:
    return Says(200, b"".join(encode(body) + b"\n" for body in bodies), {"content-type": "application/x-ndjson"})


def anthropic(*, until: int = 99) -> Says:
    usage = {"input_tokens": 11, "output_tokens": 1}
    message = {"id": "m", "type": "message", "role": "assistant", "model": "claude", "content": [], "usage": usage}
    bodies: list[dict[str, object]] = [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        *({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}} for text in "ab"),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 7}},
        {"type": "message_stop"},
    ]
    return events(*bodies[:until], named=True)


def gemini(*, until: int = 99) -> Says:
    def part(text: str, **more: object) -> dict[str, object]:
        return {"candidates": [{"content": {"parts": [{"text": text}], "role": "model"}, "index": 0, **more}]}

    usage = {"promptTokenCount": 11, "candidatesTokenCount": 7, "totalTokenCount": 18}
    return events(*[part("a"), part("b"), {**part("", finishReason="STOP"), "usageMetadata": usage}][:until])


def cohere(*, until: int = 99) -> Says:
    def delta(text: str) -> dict[str, object]:
        return {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": text}}}}

    usage = {"tokens": {"input_tokens": 11, "output_tokens": 7}}
    end: dict[str, object] = {"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": usage}}
    bodies: list[dict[str, object]] = [delta("a"), delta("b"), end]
    return lines(*bodies[:until])


def ollama(*, until: int = 99) -> Says:
    parts: list[dict[str, object]] = [
        {"model": "m", "message": {"role": "assistant", "content": text}, "done": False} for text in "ab"
    ]
    end = {"model": "m", "message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop",
           "prompt_eval_count": 11, "eval_count": 7}  # fmt: skip
    bodies: list[dict[str, object]] = [*parts, end]
    return lines(*bodies[:until])


DIALECTS = {
    "anthropic/claude-haiku-5-5": (anthropic, 5),
    "gemini/gemini-3.5-flash-lite": (gemini, 2),
    "cohere_chat/command-a": (cohere, 2),
    "ollama_chat/some-model": (ollama, 2),
}


@pytest.mark.parametrize("model", DIALECTS)
def test_other_dialects(there: Border, model: str) -> None:
    dialect, _ = DIALECTS[model]
    came = there.ask(dialect(), model, streams=True)
    assert (came.text, came.answer.text, came.answer.finish_reason) == ("ab", "ab", "stop")
    counted = came.answer.usage.tokens_in, came.answer.usage.tokens_out
    # LiteLLM looks for Cohere's at another place than where they are.
    assert counted == ((None, None) if "cohere" in model else (USED["prompt_tokens"], USED["completion_tokens"]))
    assert (len(came.seen), came.told) == (1, 1)


def test_the_reason_of_an_end_is_the_vendors(there: Border) -> None:
    says = gemini()
    cut = Says(200, says.body.replace(b'"STOP"', b'"MAX_TOKENS"'), says.headers)
    came = there.ask(cut, "gemini/gemini-3.5-flash-lite", streams=True)
    assert came.answer.finish_reason == "length"


@pytest.mark.parametrize("model", DIALECTS)
def test_no_end_is_made_up_for_them(there: Border, model: str) -> None:
    dialect, until = DIALECTS[model]
    came = there.ask(dialect(until=until), model, streams=True)
    assert came.text == "ab"
    assert came.fault.kind is Kind.MALFORMED_REPLY


ANTHROPIC_BUSY = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}


@pytest.mark.parametrize(
    ("model", "begun", "error"),
    [
        pytest.param("anthropic/claude-haiku-5-5", anthropic(until=5), ANTHROPIC_BUSY, id="Anthropic"),
        pytest.param(
            "gemini/gemini-3.5-flash-lite", gemini(until=2),
            {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}, id="Gemini",
        ),
    ],
)  # fmt: skip
def test_an_error_in_their_streams_is_told_by_the_vendors_words(
    there: Border, model: str, begun: Says, error: dict[str, object]
) -> None:
    says = Says(200, begun.body + events({"type": "error", **error}, named=True).body, EVENTS)
    came = there.ask(says, model, streams=True)
    assert came.text == "ab"
    assert came.fault.kind is Kind.OVERLOADED


@pytest.mark.parametrize("model", DIALECTS)
@pytest.mark.parametrize(
    ("says", "kind"),
    [
        pytest.param(refusal(429, "Rate limit reached", Retry_After="7"), Kind.RATE_LIMIT, id="429"),
        pytest.param(Says(cuts=True), Kind.CONNECTION, id="cut"),
        pytest.param(Says(200, b"", EVENTS), Kind.MALFORMED_REPLY, id="nothing"),
        pytest.param(Says(200, b"data: hello\n\n", EVENTS), Kind.MALFORMED_REPLY, id="no JSON"),
        pytest.param(Says(200, b"\0\1\2\n" * 99, EVENTS), Kind.MALFORMED_REPLY, id="bytes"),
    ],
)
def test_their_failures(there: Border, model: str, says: Says, kind: Kind) -> None:
    came = there.ask(says, model, streams=True)
    assert came.fault.kind is kind
    assert len(came.seen) == 1


def test_a_handler_that_blocks_a_thread_gives_its_answer_in_the_end(there: Border) -> None:
    came = there.ask(said({"generated_text": "7", "nb_input_tokens": 1}), "nlp_cloud/some-model", streams=True)
    assert isinstance(came.result, Answer | Fault)
    assert len(came.seen) == 1
