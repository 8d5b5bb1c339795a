"""The values that travel: what is asked, what came back, what was tried. Frozen; times in seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from router.faults import Fault

Json: TypeAlias = "str | int | float | bool | None | Sequence[Json] | Mapping[str, Json]"
"""Anything that JSON can say."""

Message: TypeAlias = Mapping[str, Json]
"""One chat message, `{"role": "user", "content": "…"}`."""


@dataclass(frozen=True, slots=True)
class Request:
    """One question for a model: messages, parameters for LiteLLM, an id that names it in logs.

    `only` names the providers that may be asked, None for any.
    """

    messages: tuple[Message, ...]
    id: str = ""
    only: frozenset[str] | None = None
    params: Mapping[str, Json] = field(default_factory=dict)

    @classmethod
    def of(cls, prompt: str | Sequence[Message] | Request) -> Request:
        """Take what a caller has at hand: a text, a list of messages, or a request."""
        if isinstance(prompt, Request):
            return prompt
        if isinstance(prompt, str):
            return cls(({"role": "user", "content": prompt},))
        return cls(tuple(prompt))


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that a vendor says it counted; None where it did not say.

    `tokens_cached` are those of `tokens_in` that were read from a cache, `tokens_reasoning` those of `tokens_out` that
    were spent on thinking.
    """

    tokens_in: int | None = None
    tokens_out: int | None = None
    tokens_cached: int | None = None
    tokens_reasoning: int | None = None

    @property
    def total(self) -> int | None:
        """Both together, or None where either is missing."""
        if self.tokens_in is None or self.tokens_out is None:
            return None
        return self.tokens_in + self.tokens_out


@dataclass(frozen=True, slots=True)
class Reply:
    """What a vendor's server really answered, through whichever door it came.

    `status` is None where no answer came; `error` then names the failure (`connect`, `timeout`, `cut`).
    With a status, `error` says why the reply cannot be used, whatever it holds. Header names are lower case. `body`
    is the whole text as received.
    """

    status: int | None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """One good reply: text, usage and why the model stopped.

    `message` is the vendor's whole message in OpenAI's shape and `logprobs` what stands beside it; `reasoning` is what
    the model thought aloud; `raw` is the vendor's JSON as it came, None where it was none; `request_id` is the
    vendor's name for the call.
    """

    text: str
    usage: Usage = Usage()
    finish_reason: str = ""
    model: str = ""
    cost_usd: float | None = None
    limits: Mapping[str, str] = field(default_factory=dict)
    reasoning: str = ""
    message: Mapping[str, Json] = field(default_factory=dict)
    logprobs: Json = None
    raw: Json = None
    request_id: str = ""

    @property
    def tool_calls(self) -> Sequence[Json]:
        """The tools that the model wants called, in OpenAI's shape."""
        calls = self.message.get("tool_calls")
        return calls if isinstance(calls, list) else ()


@dataclass(frozen=True, slots=True)
class Chunk:
    """One piece of an answer that comes as a stream: what is new in it for the first choice.

    `tool_calls` holds pieces of calls, which belong together by their `index`; `usage` mostly stands in the last chunk.
    `raw` is the whole event in OpenAI's shape. `says_something` is false for one without a part of the answer, as the
    first, which holds the role alone.
    """

    text: str = ""
    reasoning: str = ""
    tool_calls: Sequence[Json] = ()
    finish_reason: str = ""
    usage: Usage = Usage()
    raw: Json = None
    says_something: bool = False


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call that was sent: where, for how long, in which service tier (empty for the usual), the fault or None."""

    number: int
    provider: str
    key: str
    key_hash: str
    model: str
    latency_s: float
    waited_s: float
    waited_for: str
    fault: Fault | None = None
    tier: str = ""

    @property
    def ok(self) -> bool:
        """Whether an answer came back."""
        return self.fault is None


@dataclass(frozen=True, slots=True)
class Completion:
    """An answer with where it came from and what it took."""

    text: str
    provider: str
    key: str
    key_hash: str
    model: str
    usage: Usage
    finish_reason: str
    latency_s: float
    waited_s: float
    attempts: tuple[Attempt, ...]
    cost_usd: float | None = None
    answer: Answer = Answer("")

    @property
    def raw(self) -> Json:
        """The vendor's JSON as it came, None where it was none."""
        return self.answer.raw

    @property
    def message(self) -> Mapping[str, Json]:
        """The vendor's whole message in OpenAI's shape."""
        return self.answer.message

    @property
    def tool_calls(self) -> Sequence[Json]:
        """The tools that the model wants called, in OpenAI's shape."""
        return self.answer.tool_calls

    @property
    def reasoning(self) -> str:
        """What the model thought aloud; empty where the vendor keeps it."""
        return self.answer.reasoning

    @property
    def logprobs(self) -> Json:
        """Log probabilities where they were asked for, as the vendor gave them."""
        return self.answer.logprobs

    @property
    def request_id(self) -> str:
        """The vendor's name for the call, for questions to its support."""
        return self.answer.request_id
