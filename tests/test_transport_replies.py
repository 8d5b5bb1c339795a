"""What a vendor says reaches classification as it was said, through either door; and so does silence."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from email.utils import formatdate

import pytest
from vendors import HTML, JSON, Border, Says, border, chat, make_provider, refusal, said, zipped

from router.config.models import Door, Price
from router.faults import Kind
from router.transport.base import Call
from router.types import Reply, Request

pytestmark = pytest.mark.filterwarnings("ignore:Items? .* on TypedDict:UserWarning")
DOORS: tuple[Door, ...] = ("auto", "litellm")
BLOCKED = b"<!DOCTYPE html><html><head><title>Attention Required! | Cloudflare</title></head><body>1020</body></html>"
GEMINI_KEY = {
    "error": {
        "code": 400,
        "message": "API key not valid. Please pass a valid API key.",
        "status": "INVALID_ARGUMENT",
        "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}],
    }
}
ANTHROPIC_BUSY = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}, "request_id": "r"}
EMPTY_ANSWER = {"choices": [{"message": {"role": "assistant", "content": ""}, "finish_reason": "stop"}]}
HIDDEN = {"error": {"message": "Provider returned error", "code": 502}}


@dataclass(frozen=True, slots=True)
class Case:
    script: Says
    kind: Kind
    model: str = "openai/gpt-4o-mini"
    wait_s: float | None = None
    until: float | None = None

    @property
    def expected_s(self) -> float | None:
        """The wait that is named, counted from now: the suite may have run for minutes since this was imported."""
        return self.wait_s if self.until is None else self.until - time.time()


DATE = time.time() + 1800

CASES = {
    "429, seconds": Case(refusal(429, "Rate limit reached", Retry_After="7"), Kind.RATE_LIMIT, wait_s=7),
    "429, a date": Case(
        refusal(429, "Rate limit reached", Retry_After=formatdate(DATE, usegmt=True)), Kind.RATE_LIMIT, until=DATE
    ),
    "429, milliseconds": Case(refusal(429, "Rate limit reached", Retry_After_Ms="2500"), Kind.RATE_LIMIT, wait_s=2.5),
    "403, a wall": Case(Says(403, BLOCKED, HTML), Kind.IP_BLOCKED),
    "402, DeepSeek": Case(refusal(402, "Insufficient Balance"), Kind.NO_CREDIT, "deepseek/deepseek-chat"),
    "529, Anthropic": Case(said(ANTHROPIC_BUSY, 529), Kind.OVERLOADED, "anthropic/claude-haiku-5-5"),
    "400, Gemini's key": Case(said(GEMINI_KEY, 400), Kind.INVALID_KEY, "gemini/gemini-3.5-flash-lite"),
    "200, an error inside": Case(said(HIDDEN), Kind.SERVER_ERROR, "openrouter/openai/gpt-4o-mini"),
    "200, nothing": Case(Says(200, b"", JSON), Kind.MALFORMED_REPLY),
    "200, an empty answer": Case(said(EMPTY_ANSWER), Kind.MALFORMED_REPLY),
    "200, no JSON": Case(Says(200, b"hello", JSON), Kind.MALFORMED_REPLY),
    "200, a page": Case(Says(200, b"<html><body>Welcome</body></html>", HTML), Kind.MALFORMED_REPLY),
    "200, half of it": Case(Says(200, chat("fine").body[:60], JSON), Kind.MALFORMED_REPLY),
    "200, a stream": Case(
        Says(200, b'data: {"choices":[{"delta":{"content":"7"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n', JSON),
        Kind.MALFORMED_REPLY,
    ),
    "200, somebody else's shape": Case(said({"result": "7"}), Kind.MALFORMED_REPLY),
    "429, packed": Case(zipped(refusal(429, "Rate limit reached", Retry_After="7")), Kind.RATE_LIMIT, wait_s=7),
    "500, Chinese in GBK": Case(
        Says(500, "系统繁忙".encode("gbk"), {"content-type": "text/plain; charset=gbk"}), Kind.OVERLOADED
    ),
    "500, a megabyte": Case(refusal(500, "x" * 1_000_000), Kind.SERVER_ERROR),
}


@pytest.fixture(scope="module")
def there() -> Iterator[Border]:
    with border() as opened:
        yield opened


def reply_through(there: Border, door: Door, case: Case) -> Reply:
    """The reply just before it is classified."""
    there.vendor.says(case.script)
    provider = make_provider(case.model, there.vendor.url + "/v1", door)
    call = Call(provider, provider.keys[0], case.model, Request.of("What is 3 + 4?"))
    return there.runner.run(there.transport._through(call, lambda: None))[0]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("name", CASES)
def test_the_reply_is_the_vendors_own(there: Border, door: Door, name: str) -> None:
    case = CASES[name]
    reply = reply_through(there, door, case)
    plain = CASES["429, seconds"].script if name == "429, packed" else case.script
    charset = "gbk" if "GBK" in name else "utf-8"
    assert (reply.status, reply.error) == (case.script.status, "")
    assert reply.body == plain.body.decode(charset)
    wanted = {name.lower(): value for name, value in case.script.headers.items()}
    assert wanted.items() <= reply.headers.items()
    assert all(name == name.lower() for name in reply.headers)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("name", CASES)
def test_and_means_the_same(there: Border, door: Door, name: str) -> None:
    case = CASES[name]
    came = there.ask(case.script, case.model, door)
    assert len(came.seen) == 1
    assert came.fault.kind is case.kind
    assert came.fault.retry_after_s == (None if case.expected_s is None else pytest.approx(case.expected_s, rel=0.2))


@pytest.mark.parametrize("door", DOORS)
def test_a_packed_answer_is_unpacked(there: Border, door: Door) -> None:
    for model in ("openai/gpt-4o-mini", "deepseek/deepseek-chat", "groq/some-model", "azure/some-model"):
        assert there.ask(zipped(chat("сім" * 9000)), model, door).answer.text == "сім" * 9000


@pytest.mark.parametrize("door", DOORS)
def test_limit_headers_come_with_faults_and_answers(there: Border, door: Door) -> None:
    good = chat("fine")
    limits = {"X-RateLimit-Remaining-Requests": "0", "Retry-After": "1"}
    expected = {"x-ratelimit-remaining-requests": "0", "retry-after": "1"}
    for model in ("openai/gpt-4o-mini", "anthropic/claude-haiku-5-5", "cohere/command-a", "azure/some-model"):
        assert there.ask(Says(200, good.body, {**JSON, **limits}), model, door).answer.limits == expected
        assert there.ask(Says(429, b"{}", {**JSON, **limits}), model, door).fault.limits == expected


# StallDetector.

SILENT_MODELS = ("openai/gpt-4o-mini", "deepseek/deepseek-chat", "anthropic/claude-haiku-5-5", "azure/some-model")


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("model", SILENT_MODELS)
@pytest.mark.parametrize(
    "script",
    [
        pytest.param(Says(hangs=True), id="hangs"),
        pytest.param(Says(200, chat("fine").body, JSON, drip_s=0.15), id="trickles"),
    ],
)
def test_the_whole_call_is_bounded(there: Border, door: Door, model: str, script: Says) -> None:
    came = there.ask(script, model, door, timeout_s=0.4)
    assert (came.fault.kind, came.fault.status) == (Kind.TIMEOUT, None)
    assert (len(came.seen), came.told) == (1, 1)


def closed_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("model", SILENT_MODELS)
def test_a_refused_connection(there: Border, door: Door, model: str) -> None:
    came = there.ask(chat("fine"), model, door, url=f"http://127.0.0.1:{closed_port()}/v1")
    assert (came.fault.kind, came.fault.status, came.told) == (Kind.CONNECTION, None, 0)
    assert "127.0.0.1" in came.fault.message
    assert "litellm" not in came.fault.message


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("model", SILENT_MODELS)
def test_a_name_that_nobody_has(there: Border, door: Door, model: str) -> None:
    came = there.ask(chat("fine"), model, door, url="http://vendor.invalid/v1", timeout_s=20)
    assert (came.fault.kind, came.fault.status, came.told) == (Kind.CONNECTION, None, 0)
    assert "vendor.invalid" in came.fault.message


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("model", SILENT_MODELS)
@pytest.mark.parametrize(
    "script",
    [
        pytest.param(Says(cuts=True), id="cut"),
        pytest.param(Says(resets=True), id="reset"),
        pytest.param(Says(200, chat("fine" * 99).body, JSON, cuts=True), id="cut in the middle"),
        pytest.param(Says(500, refusal(500, "x" * 99).body, JSON, resets=True), id="reset in the middle"),
    ],
)
def test_a_lost_connection(there: Border, door: Door, model: str, script: Says) -> None:
    came = there.ask(script, model, door)
    assert (came.fault.kind, came.fault.status) == (Kind.CONNECTION, None)


@pytest.mark.parametrize("door", DOORS)
def test_a_cancelled_call_ends_at_once(there: Border, door: Door) -> None:
    there.vendor.says(Says(hangs=True))
    provider = make_provider("openai/gpt-4o-mini", there.vendor.url + "/v1", door)
    call = Call(provider, provider.keys[0], "openai/gpt-4o-mini", Request.of("What is 3 + 4?"))

    async def cancel() -> None:
        on_wire = asyncio.Event()
        sending = asyncio.create_task(there.transport.send(call, on_wire.set))
        await on_wire.wait()
        sending.cancel()
        await sending

    with pytest.raises(asyncio.CancelledError):
        there.runner.run(cancel())


# What it costs, good or bad.

BILLED = {"usage": {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}}
GOOD = {"choices": [{"message": {"role": "assistant", "content": "7"}, "finish_reason": "stop"}]}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    ("script", "dollars"),
    [
        pytest.param(said({**GOOD, **BILLED}), 0.002, id="an answer"),
        pytest.param(said({**EMPTY_ANSWER, **BILLED}), 0.002, id="one without a word"),
        pytest.param(said({**HIDDEN, **BILLED}), 0.002, id="an error that was billed"),
        pytest.param(said(HIDDEN), None, id="an error that was not"),
        pytest.param(Says(200, b"hello", JSON), None, id="no JSON"),
    ],
)
def test_what_was_billed_is_known(there: Border, door: Door, script: Says, dollars: float | None) -> None:
    there.vendor.says(script)
    plain = make_provider("openai/gpt-4o-mini", there.vendor.url + "/v1", door)
    provider = replace(plain, name="priced", price=Price(1.0, 10.0))
    call = Call(provider, provider.keys[0], "openai/gpt-4o-mini", Request.of("What is 3 + 4?"))
    result = there.runner.run(there.transport.send(call, lambda: None))
    assert result.cost_usd == (None if dollars is None else pytest.approx(dollars))
