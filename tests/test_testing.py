from __future__ import annotations

import asyncio

import pytest
from conftest import make_provider

from router.faults import Fault, Kind
from router.testing import Script, ScriptedTransport, run_virtual
from router.transport.base import Call, Piece, stream
from router.types import Answer, Chunk, Request

PROVIDER = make_provider(keys=2)


def call(key: int = 0) -> Call:
    return Call(PROVIDER, PROVIDER.keys[key], "openai/m", Request.of("hi"))


def test_hours_pass_at_once_and_in_order() -> None:
    async def main() -> list[tuple[str, int]]:
        loop = asyncio.get_running_loop()
        woken: list[tuple[str, int]] = []

        async def sleeper(name: str, seconds: float) -> None:
            await asyncio.sleep(seconds)
            woken.append((name, round(loop.time())))

        await asyncio.gather(sleeper("late", 7200), sleeper("early", 60))
        return woken

    assert run_virtual(main()) == [("early", 60), ("late", 7200)]


def test_waiting_for_nothing_is_an_error_and_no_hang() -> None:
    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="nothing will ever happen"):
        run_virtual(main())


@pytest.mark.parametrize(
    ("script", "result", "seconds"),
    [
        pytest.param(lambda _call: Answer("7"), Answer("7"), 2, id="answer after the usual time"),
        pytest.param(lambda _call: (5.0, Answer("7")), Answer("7"), 5, id="answer after its own time"),
        pytest.param(lambda _call: Fault(Kind.TIMEOUT), Fault(Kind.TIMEOUT), 2, id="fault"),
    ],
)
def test_a_transport_answers_by_script(script: Script, result: Answer | Fault, seconds: float) -> None:
    async def main() -> tuple[Answer | Fault, float]:
        transport = ScriptedTransport(script, latency_s=2)
        await transport.prepare()
        said = await transport.send(call(), lambda: None)
        await transport.aclose()
        return said, asyncio.get_running_loop().time()

    said, took = run_virtual(main())
    assert said == result
    assert took == pytest.approx(seconds, abs=0.001)


@pytest.mark.parametrize(
    ("result", "texts"),
    [
        pytest.param(Answer("3 + 4 is 7"), ["3 ", "+ ", "4 ", "is ", "7"], id="answer"),
        pytest.param(Answer(""), [], id="answer without words"),
        pytest.param(Fault(Kind.TIMEOUT), ["It ", "is"], id="fault"),
    ],
)
def test_a_stream_comes_word_by_word(result: Answer | Fault, texts: list[str]) -> None:
    async def main() -> tuple[list[Piece], float]:
        transport = ScriptedTransport(lambda _call: result, begun="It is")
        return [piece async for piece in stream(transport, call(), lambda: None)], asyncio.get_running_loop().time()

    (*pieces, last), took = run_virtual(main())
    assert [piece.text for piece in pieces if isinstance(piece, Chunk)] == texts
    assert last == result
    assert took == pytest.approx(len(texts) + 1, abs=0.001)


def test_a_transport_remembers_what_was_sent_when() -> None:
    async def main() -> ScriptedTransport:
        transport = ScriptedTransport(lambda _call: Answer("7"), latency_s=1)
        sent: list[float] = []
        for key in (0, 1, 0):
            await transport.send(call(key), lambda: sent.append(asyncio.get_running_loop().time()))
        assert sent == [at for at, _ in transport.calls]
        return transport

    transport = run_virtual(main())
    assert transport.counts() == {"acme#1": 2, "acme#2": 1}
    assert [round(at) for at, _ in transport.calls] == [0, 1, 2]
