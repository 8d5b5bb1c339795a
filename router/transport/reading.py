"""Reads a Reply, or the events of a stream, into an Answer or exactly one Fault, with all keys removed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import cast

from router.catalog.vendors import prefix_of
from router.classify import classify, examine, limits
from router.config.masking import secrets
from router.config.models import Config
from router.faults import Fault, Kind
from router.jsonl import encode
from router.log.scrub import Scrubber
from router.text import clean
from router.transport.base import Call
from router.transport.openai_shape import answer_of, each_text, request_id, says_something, usage_of
from router.transport.openai_stream import Assembly
from router.transport.price import Tariff, cost_usd, price_list, tariffs_of
from router.transport.sse import DONE, Event, is_broken_event, parsed
from router.types import Answer, Chunk, Json, Reply


class Reader:
    """Reads replies for a whole run. Its only state is the tariffs that it has worked out."""

    def __init__(self, config: Config, wall: Callable[[], float] = time.time, scrub: Scrubber | None = None) -> None:
        self.scrub = scrub or Scrubber(secrets(config))
        self._config = config
        self._wall = wall
        self._tariffs: dict[tuple[str, str | None, str, str], list[Tariff]] = {}

    def read(self, call: Call, reply: Reply, theirs: Answer | None = None) -> Answer | Fault:
        """What a whole reply says.

        OpenAI's shape is read in one way through both doors, all others by LiteLLM, whose reading is `theirs`.
        """
        if reply.status is not None and reply.error:
            return self.clean_fault(
                Fault(Kind.MALFORMED_REPLY, reply.error, reply.status, limits=limits(reply.headers))
            )
        return self._clean(self._judged(call, reply, cast("Json", parsed(reply.body)), theirs))

    def completed(self, call: Call, reply: Reply, body: Mapping[str, Json]) -> Answer | Fault:
        """What a completion says that was put together from a stream."""
        return self._clean(self._judged(call, reply, body, None))

    def fault(self, call: Call, reply: Reply) -> Fault:
        """What a failure means."""
        return self.clean_fault(classify(reply, provider=prefix_of(call.model), now=self._wall()))

    def _judged(self, call: Call, reply: Reply, body: Json, theirs: Answer | None) -> Answer | Fault:
        billed = self.billed(call, body, theirs)
        if fault := examine(reply, provider=prefix_of(call.model), now=self._wall(), parsed=body):
            return replace(fault, cost_usd=billed)
        ours = answer_of(body) if isinstance(body, dict) and isinstance(body.get("choices"), list) else None
        answer = theirs if ours is None or (theirs and theirs.text and not ours.text) else ours
        if answer is None or not says_something(answer):
            return Fault(Kind.MALFORMED_REPLY, "there is no answer in the reply", reply.status, cost_usd=billed)
        return replace(
            answer,
            cost_usd=billed,
            limits=limits(reply.headers),
            raw=body,
            request_id=request_id(reply.headers),
        )

    def billed(self, call: Call, body: Json, theirs: Answer | None = None) -> float | None:
        """What the vendor takes for a reply, good or bad, by the tokens and the tier that it names."""
        said = body if isinstance(body, dict) else {}
        ours = usage_of(said.get("usage"))
        usage = ours if ours.total is not None or theirs is None else theirs.usage
        if usage.total is None:
            return None
        return cost_usd(usage, self._tariffs_of(call, str(said.get("service_tier") or "")))

    def _tariffs_of(self, call: Call, served: str) -> list[Tariff]:
        tier = served or str({**call.provider.params_of(call.model), **call.request.params}.get("service_tier", ""))
        name = (call.provider.name, call.provider.base_url, call.model, tier)
        if name not in self._tariffs:
            simulated = self._config.simulated
            self._tariffs[name] = tariffs_of(call.provider, call.model, price_list(), simulated=simulated, tier=tier)
        return self._tariffs[name]

    def _clean(self, result: Answer | Fault) -> Answer | Fault:
        """Take keys out of everything that a vendor can have echoed, once, at the border; and what moves a terminal."""
        if isinstance(result, Fault):
            return self.clean_fault(result)
        said = encode(result).decode()
        return result if self.scrub(said) == said else _in_texts(result, self.scrub)

    def clean_fault(self, fault: Fault) -> Fault:
        """The same for a fault, whoever made it."""
        return replace(
            fault,
            message=clean(self.scrub(fault.message)),
            vendor_code=clean(self.scrub(fault.vendor_code)),
            limits={name: self.scrub(value) for name, value in fault.limits.items()},
        )


class Reading:
    """One stream under way: its events become Chunks; `result` is the Answer or the Fault with which it ended."""

    def __init__(self, reader: Reader, call: Call, head: Reply) -> None:
        self.result: Answer | Fault | None = None
        self._reader = reader
        self._call = call
        self._head = head
        self._whole = Assembly()

    def take(self, news: Sequence[Event] | Reply | None) -> Iterator[Chunk]:
        """Read the next events, up to the one that ends the stream; a whole reply; or the end of the body."""
        if news is None:
            self._end()
        elif isinstance(news, Reply):
            self.result = self._reader.read(self._call, news)
            if isinstance(self.result, Answer):
                yield _as_chunk(self.result)
        else:
            yield from self._events(news)

    def _events(self, events: Sequence[Event]) -> Iterator[Chunk]:
        for event in events:
            if event.data == DONE:
                return self._end()
            body = parsed(event.data)
            if not isinstance(body, dict) or is_broken_event(event, body):
                return self._break_off(self._reader.fault(self._call, replace(self._head, body=event.data)))
            yield self._whole.add(self._scrubbed(event.data, body))
        return None

    def _end(self) -> None:
        if self._whole.is_finished:
            self.result = self._reader.completed(self._call, self._head, self._whole.body())
            return
        why = "the stream ended without a finish_reason: the answer may be cut off"
        fault = Fault(Kind.MALFORMED_REPLY, why, self._head.status, limits=limits(self._head.headers))
        self._break_off(self._reader.clean_fault(fault))

    def _break_off(self, fault: Fault) -> None:
        self.result = replace(fault, cost_usd=self._reader.billed(self._call, self._whole.body()))

    def _scrubbed(self, data: str, body: dict[str, Json]) -> dict[str, Json]:
        scrub = self._reader.scrub
        return body if scrub(data) == data else cast("dict[str, Json]", each_text(body, scrub))


def _as_chunk(answer: Answer) -> Chunk:
    """A whole answer as the only piece of its stream."""
    choice: Json = {"index": 0, "delta": answer.message, "finish_reason": answer.finish_reason or None}
    raw: Json = {"object": "chat.completion.chunk", "model": answer.model, "choices": [choice]}
    return Chunk(
        answer.text, answer.reasoning, answer.tool_calls, answer.finish_reason, answer.usage, raw, says_something=True
    )


def _in_texts(answer: Answer, change: Callable[[str], str]) -> Answer:
    """The same answer with every text in it changed."""
    return replace(
        answer,
        text=change(answer.text),
        reasoning=change(answer.reasoning),
        finish_reason=change(answer.finish_reason),
        model=change(answer.model),
        request_id=change(answer.request_id),
        limits={name: change(value) for name, value in answer.limits.items()},
        message=cast("Mapping[str, Json]", each_text(answer.message, change)),
        logprobs=each_text(answer.logprobs, change),
        raw=each_text(answer.raw, change),
    )
