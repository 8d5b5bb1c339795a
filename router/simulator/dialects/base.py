"""What is said between a client and a simulated vendor, before it is put into a vendor's own dialect."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Literal, Protocol

from router.jsonl import decode

Action = Literal["chat", "models", "unknown"]
JSON_TYPE: Mapping[str, str] = {"content-type": "application/json"}
SSE_TYPE: Mapping[str, str] = {"content-type": "text/event-stream; charset=utf-8"}
HTML_TYPE: Mapping[str, str] = {"content-type": "text/html; charset=UTF-8", "server": "cloudflare"}


class Cause(StrEnum):
    """Why a vendor refuses a call."""

    INVALID_KEY = "invalid_key"
    REVOKED_KEY = "revoked_key"
    SUSPENDED = "suspended"
    NO_CREDIT = "no_credit"
    REGION = "region"
    RATE = "rate"
    TOKENS = "tokens"
    NO_MODEL = "no_model"
    BAD_REQUEST = "bad_request"
    NOT_FOUND = "not_found"
    SERVER_ERROR = "server_error"
    UNAVAILABLE = "unavailable"
    OVERLOADED = "overloaded"


@dataclass(frozen=True, slots=True)
class Wire:
    """A request as it came; header and query names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Call:
    """What a client wants. `question` is the last user message's text, `prompt` the text of all messages.

    `problem` says why the body is of no use; empty where it is.
    """

    action: Action
    key: str = ""
    model: str = ""
    stream: bool = False
    wants_usage: bool = False
    is_sse: bool = True
    question: str = ""
    prompt: str = ""
    messages: int = 0
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """A model's reply: text, tokens, the call's number at this vendor, the Unix time."""

    text: str
    tokens_in: int
    tokens_out: int
    number: int
    unix: float

    @property
    def tokens(self) -> int:
        """Both together."""
        return self.tokens_in + self.tokens_out


@dataclass(frozen=True, slots=True)
class Denial:
    """A refusal, in seconds and calls (or tokens); a vendor that `echoes` always shows the whole key."""

    cause: Cause
    key: str = ""
    echoes: bool = False
    model: str = ""
    why: str = ""
    limit: int = 0
    used: int = 0
    requested: int = 1
    period_s: float = 60.0
    wait_s: float = 0.0

    def told(self, message: str) -> str:
        """Fill a message's places, and add the whole key where this vendor has that habit."""
        text = message.format(
            key=self.key if self.echoes else masked(self.key),
            whole_key=self.key,
            model=self.model,
            why=self.why,
            limit=self.limit,
            used=self.used,
            requested=self.requested,
            period=period_name(self.period_s),
            initial=period_name(self.period_s).split()[-1][0].upper(),
            wait=go_duration(self.wait_s),
            wait_s=f"{self.wait_s:.9f}".rstrip("0").rstrip("."),
        )
        if self.echoes and self.key and self.key not in text:
            return f"{text} (API key: {self.key})"
        return text


@dataclass(frozen=True, slots=True)
class Gauge:
    """Where one limit stands: how much there is, how much is left, seconds until all of it is back."""

    limit: int
    remaining: int
    reset_s: float


@dataclass(frozen=True, slots=True)
class Standing:
    """The tightest limits on calls and on tokens; None where the vendor has none."""

    requests: Gauge | None = None
    tokens: Gauge | None = None


@dataclass(frozen=True, slots=True)
class Spoken:
    """A reply in a vendor's dialect."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Dialect(Protocol):
    """How one family of vendors reads and speaks."""

    def read(self, wire: Wire) -> Call:
        """Understand a request; what cannot be understood is said in the call itself."""

    def answer(self, call: Call, said: Said) -> bytes:
        """The body of a good reply."""

    def stream(self, call: Call, said: Said) -> tuple[bytes, ...]:
        """The pieces of a good reply as they leave, one after the other."""

    def models(self, names: tuple[str, ...]) -> bytes:
        """The body of the list of models."""

    def deny(self, denial: Denial, number: int) -> Spoken:
        """A refusal, the vendor's wait included."""

    def limit_headers(self, standing: Standing, unix: float) -> dict[str, str]:
        """The vendor's own headers about its limits; none where it has none."""

    def id_headers(self, number: int) -> dict[str, str]:
        """The header that names the request."""


def masked(key: str) -> str:
    """A key as OpenAI's errors show it: its first 8 and last 4 characters."""
    return f"{key[:8]}{'*' * 12}{key[-4:]}" if len(key) > 16 else "*" * len(key)  # noqa: PLR2004


def object_of(body: bytes) -> Mapping[str, object] | None:
    """The JSON object of a body, None where it is none."""
    try:
        value = decode(body)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def text_of(content: object) -> str:
    """The text of a message's content, whether it is a string or a list of parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(text_of(part.get("text", "")) for part in content if isinstance(part, dict))
    return ""


def objects_of(value: object) -> list[Mapping[str, object]]:
    """The objects of a list; empty where it is none."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def last_of(texts: Iterable[tuple[object, str]], role: str) -> str:
    """The last text of a role."""
    return next((text for who, text in reversed(list(texts)) if who == role), "")


def words_of(text: str) -> list[str]:
    """Cut a text into pieces for a stream; joined they are the text again."""
    return [text[start : start + 12] for start in range(0, len(text), 12)]


def period_name(period_s: float) -> str:
    """Name a period as vendors do: `min`, `day`."""
    return {1.0: "sec", 60.0: "min", 3600.0: "hour", 86400.0: "day"}.get(period_s, f"{period_s:g} sec")


def go_duration(seconds: float) -> str:
    """Write a time as Go does and as OpenAI's headers do: `6ms`, `1.2s`, `6m0s`, `1h0m0s`."""
    millis = math.ceil(seconds * 1000 - 1e-6)
    if millis <= 0:
        return "0s"
    if millis < 1000:  # noqa: PLR2004 - a second
        return f"{millis}ms"
    minutes, rest = divmod(millis, 60_000)
    hours, minutes = divmod(minutes, 60)
    lead = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return f"{lead}{rest / 1000:g}s"


def rfc3339(unix: float) -> str:
    """Write a time as Anthropic's headers do, at the next whole second: `2026-11-23T16:27:00Z`."""
    return datetime.fromtimestamp(math.ceil(unix), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
