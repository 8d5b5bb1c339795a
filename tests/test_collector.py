"""Traces are posted to a collector: where to, with what, and what it may answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port
from test_evaluate import Ran
from test_show import ran as ran  # noqa: PLC0414 - a fixture

from router.cli.app import run
from router.errors import CannotWrite, ConfigError
from router.transport.collector import headers_of, post_traces, traces_url


@dataclass
class Collector:
    """Takes traces and keeps them; answers with `status` and `said`."""

    status: int = 200
    said: str = "{}"
    got: list[tuple[Mapping[str, str], bytes]] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        self.got.append((request.headers.copy(), await request.read()))
        return web.Response(status=self.status, text=self.said, content_type="application/json")

    async def posted(self, requests: Iterable[bytes], headers: Mapping[str, str] | None = None) -> int:
        async with self.server() as server:
            return await post_traces(str(server.make_url("/")), requests, headers or {})

    def server(self) -> TestServer:
        app = web.Application()
        app.router.add_post("/v1/traces", self.take)
        return TestServer(app)


def test_each_request_is_posted_in_order() -> None:
    collector = Collector()
    assert asyncio.run(collector.posted([b"1", b"2"], headers={"x-team": "me"})) == 2
    assert [body for _, body in collector.got] == [b"1", b"2"]
    assert {(head["Content-Type"], head["x-team"]) for head, _ in collector.got} == {("application/json", "me")}


@pytest.mark.parametrize(
    ("status", "said", "problem"),
    [
        pytest.param(401, "who are you?", "the collector answered HTTP 401: who are you", id="refused"),
        pytest.param(302, "", "the collector answered", id="a redirect is not followed"),
        pytest.param(
            200,
            '{"partialSuccess": {"rejectedSpans": "3", "errorMessage": "too old"}}',
            "the collector rejected 3 spans: too old",
            id="in part",
        ),
    ],
)
def test_what_is_not_taken_is_told(status: int, said: str, problem: str) -> None:
    collector = Collector(status, said)
    with pytest.raises(CannotWrite, match=rf"/v1/traces: {problem}[^;]*$"):
        asyncio.run(collector.posted([b"1", b"2"]))
    assert len(collector.got) == 1


def test_what_was_taken_before_is_told() -> None:
    def until_it_is_full() -> Iterator[bytes]:
        yield b"1"
        collector.status = 503
        yield b"2"

    collector = Collector()
    with pytest.raises(CannotWrite, match=r"HTTP 503.*; it had taken 1 requests before. Send all again"):
        asyncio.run(collector.posted(until_it_is_full()))


@pytest.mark.parametrize("said", ["", "{}", "ok", '{"partialSuccess": {}}', '{"partialSuccess": {"rejectedSpans": 0}}'])
def test_what_is_taken(said: str) -> None:
    assert asyncio.run(Collector(said=said).posted([b"1"])) == 1


def test_nobody_listens() -> None:
    with pytest.raises(CannotWrite, match="the collector cannot be reached"):
        asyncio.run(post_traces(f"http://127.0.0.1:{unused_port()}", [b"1"], {}))


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        pytest.param("http://h:4318", "http://h:4318/v1/traces", id="a collector"),
        pytest.param("http://h:4318/", "http://h:4318/v1/traces", id="with a slash"),
        pytest.param("https://h/otlp", "https://h/otlp/v1/traces", id="under a path"),
        pytest.param("http://h/v1/traces", "http://h/v1/traces", id="the place itself"),
    ],
)
def test_where_traces_go(address: str, expected: str) -> None:
    assert str(traces_url(address)) == expected


@pytest.mark.parametrize("address", ["http://", "http://h:99999999"])
def test_an_address_that_is_none(address: str) -> None:
    with pytest.raises(ConfigError, match=f"--output {address}"):
        traces_url(address)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", {}, id="none"),
        pytest.param("Authorization=Basic%20eA==, x=1", {"authorization": "Basic eA==", "x": "1"}, id="two"),
    ],
)
def test_headers(text: str, expected: dict[str, str]) -> None:
    assert headers_of(text) == expected


def test_a_run_is_sent(ran: Ran, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(["export", "--to", "otel"]) == 0
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-team=me")
    collector = Collector()

    async def sent() -> int:
        async with collector.server() as server:
            return await asyncio.to_thread(run, ["export", "--to", "otel", "-o", str(server.make_url("/"))])

    assert asyncio.run(sent()) == 0
    assert "sent: 1 request to http://127.0.0.1" in capsys.readouterr().err
    ((head, body),) = collector.got
    assert head["x-team"] == "me"
    assert body + b"\n" == (ran.evaluation.directory / "otel.jsonl").read_bytes()
