"""Events out of bytes, wherever those are cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.transport.body import TooLong
from router.transport.sse import MAX_EVENT, Event, EventStream, is_broken_event, parsed

HELLO, BYE = Event("", '{"text":"сім 🙂"}'), Event("", "[DONE]")


def events_of(*pieces: bytes) -> list[Event]:
    stream = EventStream()
    return [event for piece in pieces for event in stream.feed(piece)] + stream.close()


BODIES = {
    "as OpenAI sends them": b'data: {"text":"\xd1\x81\xd1\x96\xd0\xbc \xf0\x9f\x99\x82"}\n\ndata: [DONE]\n\n',
    "CRLF": b'data: {"text":"\xd1\x81\xd1\x96\xd0\xbc \xf0\x9f\x99\x82"}\r\n\r\ndata: [DONE]\r\n\r\n',
    "CR": b'data: {"text":"\xd1\x81\xd1\x96\xd0\xbc \xf0\x9f\x99\x82"}\r\rdata: [DONE]\r\r',
    "without a space": b'data:{"text":"\xd1\x81\xd1\x96\xd0\xbc \xf0\x9f\x99\x82"}\n\ndata:[DONE]\n\n',
    "comments and other fields": b": hi\n\nid: 1\nretry: 5\n"
    b'data: {"text":"\xd1\x81\xd1\x96\xd0\xbc \xf0\x9f\x99\x82"}\n\n'
    b": keep-alive\n\nnobody: knows\n\n:\n\ndata: [DONE]\n\n",
    "a byte order mark": b'\xef\xbb\xbfdata: {"text":"\xd1\x81\xd1\x96\xd0\xbc \xf0\x9f\x99\x82"}\n\ndata: [DONE]\n\n',
    "no empty line between": b'data: {"text":"\xd1\x81\xd1\x96\xd0\xbc \xf0\x9f\x99\x82"}\ndata: [DONE]\n\n',
    "no line end at the end": b'data: {"text":"\xd1\x81\xd1\x96\xd0\xbc \xf0\x9f\x99\x82"}\n\ndata: [DONE]',
    "escapes": rb'data: {"text":"\u0441\u0456\u043c \ud83d\ude42"}' + b"\n\ndata: [DONE]\n\n",
}


@pytest.mark.parametrize("body", BODIES)
@given(cuts=st.lists(st.integers(0, 120), max_size=6))
def test_events_are_the_same_however_the_body_is_cut(body: str, cuts: list[int]) -> None:
    raw = BODIES[body]
    ends = sorted({0, len(raw), *(cut for cut in cuts if cut < len(raw))})
    found = events_of(*(raw[start:end] for start, end in pairwise(ends)))
    assert [(event.name, event.data.replace(r"\u0441\u0456\u043c \ud83d\ude42", "сім 🙂")) for event in found] == [
        HELLO,
        BYE,
    ]


@pytest.mark.parametrize(
    ("body", "events"),
    [
        pytest.param(b'data: {"a":\ndata: 1}\n\n', [Event("", '{"a":\n1}')], id="data in several lines"),
        pytest.param(b'event: error\ndata: {"a":1}\n\n', [Event("error", '{"a":1}')], id="a name"),
        pytest.param(b"event: ping\n\ndata: 1\n\n", [Event("", "1")], id="a name without data is none"),
        pytest.param(b'{"a":1}\n{"b":2}\n', [Event("", '{"a":1}'), Event("", '{"b":2}')], id="JSON lines"),
        pytest.param(b"data: \xff\n\n", [Event("", "\ufffd")], id="no UTF-8"),
        pytest.param(rb'data: "\ud83d"' + b"\n\n", [Event("", r'"\ufffd"')], id="half a character"),
        pytest.param(b"", [], id="nothing"),
        pytest.param(b"\r\n\r\n\n\r", [], id="empty lines"),
        pytest.param(b"data:\n\n", [Event("", "")], id="empty data"),
    ],
)
def test_events(body: bytes, events: list[Event]) -> None:
    assert events_of(body) == events


def test_an_event_has_a_ceiling_and_a_stream_of_short_ones_has_none() -> None:
    stream = EventStream()
    piece = b"data: " + b"x" * (MAX_EVENT // 4) + b"\n\n"
    assert sum(len(stream.feed(piece)) for _ in range(8)) == 8
    for _ in range(4):
        stream.feed(b"x" * (MAX_EVENT // 4))
    with pytest.raises(TooLong, match="longer than"):
        stream.feed(b"x")


@given(st.binary(max_size=200))
def test_no_bytes_make_trouble(body: bytes) -> None:
    assert all(isinstance(event.data, str) for event in events_of(body))


@pytest.mark.parametrize(
    ("event", "is_broken"),
    [
        pytest.param(Event("", '{"error":{"message":"no"}}'), True, id="an error inside"),
        pytest.param(Event("error", "no"), True, id="by its name"),
        pytest.param(Event("", '{"type":"error","error":{"type":"overloaded_error"}}'), True, id="Anthropic's"),
        pytest.param(Event("", '{"choices":[{"delta":{},"finish_reason":"network_error"}]}'), True, id="a cut"),
        pytest.param(Event("", '{"choices":[{"delta":{"content":"7"}}]}'), False, id="a piece"),
        pytest.param(Event("", "[DONE]"), False, id="the end"),
        pytest.param(Event("", "7"), False, id="a number"),
    ],
)
def test_an_event_that_ends_all_is_seen(event: Event, *, is_broken: bool) -> None:
    assert is_broken_event(event, parsed(event.data)) is is_broken
