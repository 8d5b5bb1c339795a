"""From LiteLLM's exceptions back to what the vendor said, whichever class LiteLLM has chosen for it."""

from __future__ import annotations

import inspect
import socket
import ssl
from collections.abc import Callable
from types import ModuleType

import aiohttp
import httpx
import openai
import pytest

from router.transport.litellm_import import Refused, load
from router.transport.wire_errors import chain, is_refusal, lost, reply_of, wire_failure

KNOWN = frozenset(
    {
        "APIConnectionError",
        "APIError",
        "APIResponseValidationError",
        "AuthenticationError",
        "BadGatewayError",
        "BadRequestError",
        "BlockedPiiEntityError",
        "BudgetExceededError",
        "ContentPolicyViolationError",
        "ContextWindowExceededError",
        "GuardrailRaisedException",
        "ImageFetchError",
        "InternalServerError",
        "InvalidRequestError",
        "JSONSchemaValidationError",
        "LiteLLMUnknownProvider",
        "MidStreamFallbackError",
        "MockException",
        "ModelNotMappedError",
        "ModifyResponseException",
        "NotFoundError",
        "OpenAIError",
        "PaymentRequiredError",
        "PermissionDeniedError",
        "RateLimitError",
        "RejectedRequestError",
        "SensitiveDataRouteException",
        "ServiceUnavailableError",
        "Timeout",
        "UnprocessableEntityError",
        "UnsupportedParamsError",
        "VectorStoreSearchError",
    }
)
"""Every exception of LiteLLM 1.106.2. A new one may hide a reply in a new place: look, then list it."""

BODY = '{"error":{"message":"Rate limit reached","code":"rate_limit_exceeded"}}'
ASKED = httpx.Request("POST", "http://vendor/v1/chat/completions")
FILLING: dict[str, object] = {
    "status_code": 500,
    "response": httpx.Response(500, request=ASKED),
    "request": ASKED,
    "body": None,
    "current_cost": 2.0,
    "max_budget": 1.0,
    "is_pre_first_chunk": True,
    "num_retries": None,
    "max_retries": None,
    "headers": None,
    "request_data": {},
    "original_exception": None,
    "failures": (),
}


def exceptions() -> dict[str, type[BaseException]]:
    found: ModuleType = load().exceptions
    return {
        name: value
        for name, value in vars(found).items()
        if isinstance(value, type) and issubclass(value, BaseException) and value.__module__ == found.__name__
    }


def made(kind: type[BaseException]) -> BaseException:
    """An instance, whatever it wants to be given."""
    if kind.__init__ in {Exception.__init__, ValueError.__init__}:
        return kind("some message")
    needed = [each for each in inspect.signature(kind).parameters.values() if each.default is inspect.Parameter.empty]
    named = [each for each in needed if each.kind not in {each.VAR_POSITIONAL, each.VAR_KEYWORD}]
    return kind(**{each.name: FILLING.get(each.name, f"some {each.name}") for each in named})


def raised(outer: BaseException, *causes: BaseException) -> BaseException:
    """The outer one with its causes below it, as LiteLLM leaves them: as context."""
    for error, cause in zip((outer, *causes), causes, strict=False):
        error.__context__ = cause
    return outer


def said_by_the_vendor() -> BaseException:
    reply = httpx.Response(429, text=BODY, headers={"Retry-After": "7"}, request=ASKED)
    return openai.RateLimitError("Rate limit reached", response=reply, body={"message": "Rate limit reached"})


def test_litellm_has_no_exception_that_we_have_not_looked_at() -> None:
    assert sorted(exceptions()) == sorted(KNOWN)


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_what_the_vendor_said_is_found_below_any_of_them(name: str) -> None:
    reply = reply_of(raised(made(exceptions()[name]), said_by_the_vendor()))
    assert (reply.status, reply.error, reply.body) == (429, "", BODY)


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_a_lost_connection_is_found_below_any_of_them(name: str) -> None:
    refused = httpx.ConnectError("All connection attempts failed")
    reply = reply_of(raised(made(exceptions()[name]), refused, ConnectionRefusedError(111, "Connection refused")))
    assert (reply.status, reply.error, dict(reply.headers)) == (None, "connect", {})
    assert "Connection refused" in reply.body


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_alone_they_are_litellms_own_words(name: str) -> None:
    error = made(exceptions()[name])
    assert is_refusal(error)
    assert not is_refusal(raised(error, said_by_the_vendor()))
    assert not is_refusal(raised(error, ConnectionResetError()))
    assert str(Refused(error))
    assert not str(Refused(error)).startswith("litellm")


def test_headers_have_lower_case_names() -> None:
    assert reply_of(said_by_the_vendor()).headers["retry-after"] == "7"


class Spoken(Exception):
    """A vendor's exception as LiteLLM's handlers raise it: the status they met, the body as its text."""

    def __init__(self, status_code: object, message: str) -> None:
        super().__init__(message)
        self.status_code = status_code


@pytest.mark.parametrize(
    ("error", "status", "body"),
    [
        pytest.param(Spoken(402, BODY), 402, BODY, id="a handler's own"),
        pytest.param(Spoken("402", BODY), 402, BODY, id="a status as text"),
        pytest.param(Spoken(0, "no such module"), None, "no such module", id="no status"),
        pytest.param(raised(ValueError("outer {"), Spoken(418, BODY)), 418, BODY, id="the longest that looks like one"),
        pytest.param(
            Spoken(500, "bad <value>\nTraceback (most recent call last):\n  File x, policy"),
            500,
            "bad <value>",
            id="without a traceback",
        ),
    ],
)
def test_a_status_without_a_response(error: BaseException, status: int | None, body: str) -> None:
    reply = reply_of(error)
    assert (reply.status, reply.body) == (status, body)


def test_a_chain_may_be_a_ring() -> None:
    first, second = ValueError("first"), ValueError("second")
    first.__context__, second.__context__ = second, first
    assert [str(link) for link in chain(first)] == ["first", "second"]


def connector_error(cause: OSError) -> aiohttp.ClientConnectorError:
    key = aiohttp.client_reqrep.ConnectionKey("vendor", 443, True, True, None, None, None)  # noqa: FBT003 - its shape
    return aiohttp.ClientConnectorError(key, cause)


@pytest.mark.parametrize(
    ("error", "wire"),
    [
        pytest.param(TimeoutError(), "timeout", id="our own limit"),
        pytest.param(aiohttp.ServerTimeoutError(), "timeout", id="aiohttp's"),
        pytest.param(httpx.ReadTimeout("x"), "timeout", id="httpx's"),
        pytest.param(raised(connector_error(OSError()), socket.gaierror(-2, "unknown")), "dns", id="no such name"),
        pytest.param(raised(connector_error(OSError()), ssl.SSLCertVerificationError("x")), "tls", id="certificate"),
        pytest.param(connector_error(OSError(111, "refused")), "connect", id="refused"),
        pytest.param(httpx.ConnectError("x"), "connect", id="httpx cannot connect"),
        pytest.param(aiohttp.ServerDisconnectedError(), "cut", id="cut"),
        pytest.param(aiohttp.ClientPayloadError(), "cut", id="cut in the middle"),
        pytest.param(ConnectionResetError(), "cut", id="reset"),
        pytest.param(httpx.RemoteProtocolError("x"), "cut", id="httpx is cut"),
        pytest.param(aiohttp.InvalidURL("x"), "connect", id="no address"),
        pytest.param(ValueError("x"), "", id="nothing of the wire"),
    ],
)
def test_failures_of_the_wire_have_names(error: BaseException, wire: str) -> None:
    assert wire_failure(error) == wire
    silence = lost(error)
    assert (silence.error if silence else "") == wire


def unsupported() -> BaseException:
    said = "some-model does not support temperature=0.5. To drop unsupported params, set `litellm.drop_params`"
    kind: type[Exception] = load().exceptions.UnsupportedParamsError
    return kind(said)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        pytest.param(unsupported, "some-model does not support temperature=0.5.", id="without LiteLLM's advice"),
        pytest.param(lambda: ValueError("no\nTraceback (most recent call last):\n x"), "no", id="without a traceback"),
        pytest.param(KeyError, "KeyError", id="without words"),
    ],
)
def test_a_refusal_is_told_in_plain_words(make: Callable[[], BaseException], text: str) -> None:
    assert str(Refused(make())) == text
