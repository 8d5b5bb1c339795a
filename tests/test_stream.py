"""An answer while it comes: first piece commits, the permit is held to the end, and who stops listening hangs up."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, suppress

import pytest
from conftest import make_config, make_provider

from router.engine.router import Router
from router.engine.stream import MAX_AHEAD, Stream
from router.errors import AttemptsExhausted, CallError, DeadlineExceeded, InternalError, ItemRefused, RouterError
from router.faults import Fault, Kind
from router.testing import Script, ScriptedTransport, run_virtual
from router.transport.base import Call, Piece
from router.types import Answer, Chunk, Usage

SEVEN = Answer("3 + 4 is 7", Usage(11, 7), "stop")
WORDS = ["3 ", "+ ", "4 ", "is ", "7"]
BUSY = Fault(Kind.OVERLOADED, "busy", 503)


class Pieces(ScriptedTransport):
    """Says the same pieces to everybody, a second apart; `left` counts the streams that were left early."""

    def __init__(self, *pieces: Piece) -> None:
        super().__init__(lambda _call: SEVEN)
        self.pieces = pieces
        self.left = 0

    async def stream(self, call: Call, on_sent: Callable[[], None]) -> AsyncGenerator[Piece, None]:
        on_sent()
        self.calls.append((asyncio.get_running_loop().time(), call))
        is_over = False
        try:
            for piece in self.pieces:
                await asyncio.sleep(1)
                is_over = not isinstance(piece, Chunk)
                yield piece
        finally:
            self.left += not is_over


def word(text: str) -> Chunk:
    return Chunk(text, says_something=True)


ROLE = Chunk(raw={"choices": [{"delta": {"role": "assistant"}}]})


def router_over(transport: ScriptedTransport, names: Sequence[str] = ("acme",)) -> Router:
    providers = [make_provider(name, rates=["600/min"]) for name in names]
    return Router(make_config(*providers), transport=transport)


async def read(stream: Stream) -> list[str]:
    return [chunk.text async for chunk in stream]


async def nobody_out(router: Router) -> None:
    """Nothing is in flight."""
    await asyncio.sleep(0)
    assert [lane.provider_state.in_flight for lane in router.lanes] == [0] * len(router.lanes)


def test_an_answer_comes_in_pieces_and_is_whole_at_the_end() -> None:
    async def main() -> None:
        transport = ScriptedTransport(lambda _call: SEVEN)
        async with router_over(transport) as router:
            async with router.stream("What is 3 + 4?") as stream:
                assert await read(stream) == WORDS
                assert await read(stream) == []
            assert stream.completion is not None
            assert (stream.completion.text, stream.completion.usage) == ("3 + 4 is 7", Usage(11, 7))
            assert [attempt.provider for attempt in stream.completion.attempts] == ["acme"]
            await nobody_out(router)

    run_virtual(main())


def test_the_permit_is_held_to_the_end() -> None:
    async def main() -> None:
        async with router_over(Pieces(ROLE, word("7"), word("!"), SEVEN)) as router:
            stream = router.stream("?")
            held = [router.lanes[0].provider_state.in_flight async for _ in stream]
            assert held == [1, 1, 1]
            await nobody_out(router)

    run_virtual(main())


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(lambda call: SEVEN if call.provider.name == "bolt" else BUSY, id="fails at once"),
        pytest.param(lambda call: SEVEN if call.provider.name == "bolt" else (9.0, BUSY), id="fails late"),
    ],
)
def test_a_failure_before_the_first_piece_is_sent_elsewhere_unseen(script: Script) -> None:
    async def main() -> None:
        async with router_over(ScriptedTransport(script), ["acme", "bolt"]) as router:
            for _ in range(4):
                stream = router.stream("?")
                assert await read(stream) == WORDS
                assert stream.completion is not None
                assert stream.completion.provider == "bolt"
            await nobody_out(router)

    run_virtual(main())


def test_what_holds_no_part_of_the_answer_commits_to_nothing() -> None:
    async def main() -> None:
        transport = Pieces(ROLE, BUSY)
        async with router_over(transport) as router:
            with pytest.raises(AttemptsExhausted):
                await read(router.stream("?"))
            assert len(transport.calls) == 4

    run_virtual(main())


def test_after_the_first_piece_the_failure_is_the_end() -> None:
    async def main() -> None:
        transport = ScriptedTransport(lambda _call: BUSY, begun="3 + 4")
        async with router_over(transport, ["acme", "bolt"]) as router:
            stream = router.stream("?")
            assert [(await anext(stream)).text for _ in range(3)] == ["3 ", "+ ", "4"]
            with pytest.raises(AttemptsExhausted, match="busy") as raised:
                await anext(stream)
            assert raised.value.fault == BUSY
            assert (len(transport.calls), stream.completion) == (1, None)
            await nobody_out(router)

    run_virtual(main())


def test_pieces_held_back_come_with_the_answer() -> None:
    async def main() -> None:
        cut = Answer("", finish_reason="length")
        async with router_over(Pieces(ROLE, cut)) as router:
            assert [chunk async for chunk in router.stream("?")] == [ROLE]

    run_virtual(main())


async def broken_off(router: Router) -> None:
    async for _ in router.stream("?"):
        break
    gc.collect()


async def closed(router: Router) -> None:
    async with aclosing(router.stream("?")) as stream:
        await anext(stream)


async def left(router: Router) -> None:
    async with router.stream("?") as stream:
        await anext(stream)


async def cancelled(router: Router) -> None:
    reading = asyncio.create_task(read(router.stream("?")))
    await asyncio.sleep(1.5)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)


async def raising(router: Router) -> None:
    with suppress(ZeroDivisionError):
        async with router.stream("?") as stream:
            async for _ in stream:
                raise ZeroDivisionError


@pytest.mark.parametrize("leave", [broken_off, closed, left, cancelled, raising])
def test_who_stops_listening_hangs_up_and_costs_no_strike(leave: Callable[[Router], object]) -> None:
    async def main() -> None:
        transport = Pieces(word("7"), word("!"), SEVEN)
        async with router_over(transport) as router:
            await leave(router)  # type: ignore[misc]
            await asyncio.sleep(0.01)
            assert transport.left == 1
            await nobody_out(router)
            assert router.lanes[0].provider_state.health.strikes == 0
            assert not [task for task in asyncio.all_tasks() if task.get_name() == "stream"]

    run_virtual(main())


def test_a_stream_that_is_never_read_sends_nothing() -> None:
    async def main() -> None:
        transport = Pieces(SEVEN)
        async with router_over(transport) as router:
            router.stream("?")
            async with router.stream("?"):
                await asyncio.sleep(9)
            assert transport.calls == []

    run_virtual(main())


def test_a_slow_reader_holds_the_vendor_up() -> None:
    async def main() -> None:
        transport = Pieces(*[word("x")] * (3 * MAX_AHEAD), SEVEN)
        async with router_over(transport) as router, router.stream("?") as stream:
            await anext(stream)
            await asyncio.sleep(9999)
            assert stream._hand._chunks.qsize() == MAX_AHEAD
            assert len(await read(stream)) == 3 * MAX_AHEAD - 1

    run_virtual(main())


def test_a_deadline_is_for_the_whole_of_it() -> None:
    async def main() -> None:
        async with router_over(Pieces(word("7"), word("!"), SEVEN)) as router:
            stream = router.stream("?", deadline=1.5)
            assert (await anext(stream)).text == "7"
            with pytest.raises(DeadlineExceeded):
                await anext(stream)
            await nobody_out(router)

    run_virtual(main())


def test_long_streams_are_no_silence() -> None:
    """A vendor that talks for minutes would else be sent one probe at a time, and its calls taken back."""

    async def main() -> None:
        transport = Pieces(*[word("x")] * 200, SEVEN)
        async with router_over(transport, ["acme", "bolt"]) as router:
            streams = await asyncio.gather(*(read(router.stream("?")) for _ in range(40)))
            assert [len(texts) for texts in streams] == [200] * 40
            assert len(transport.calls) == 40
            assert transport.calls[-1][0] < 10

    run_virtual(main())


@pytest.mark.parametrize(
    ("pieces", "params", "error"),
    [
        pytest.param([word("7")], {}, InternalError, id="a transport without an end"),
        pytest.param([], {"base_url": "http://elsewhere"}, ItemRefused, id="a parameter that nobody may set"),
    ],
)
def test_defects_and_refusals(pieces: list[Piece], params: dict[str, str], error: type[CallError]) -> None:
    async def main() -> None:
        async with router_over(Pieces(*pieces)) as router:
            with pytest.raises(error):
                await read(router.stream("?", params=params))

    run_virtual(main())


def test_a_router_must_be_entered() -> None:
    with pytest.raises(RouterError, match="async with"):
        router_over(Pieces(SEVEN)).stream("?")
