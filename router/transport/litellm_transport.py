"""The transport that real calls take: it chooses the door, bounds the call, and decides what came back."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, replace
from typing import cast

from yarl import URL

from router.catalog.vendors import base_of, is_direct, prefix_of
from router.classify import classify, examine, limits
from router.config.masking import secrets
from router.config.models import Config, Key, Provider, Secret
from router.errors import ConfigError
from router.faults import Fault, Kind
from router.jsonl import decode, encode
from router.log.scrub import Scrubber
from router.text import clean
from router.transport.acompletion import WideDoor
from router.transport.base import Call
from router.transport.direct import DirectDoor
from router.transport.litellm_import import Refused, load, without_callbacks
from router.transport.openai_shape import answer_of, each_text, request_id, says_something, usage_of
from router.transport.price import Tariff, cost_usd, price_list, tariffs_of
from router.transport.session import OnSent, Session
from router.transport.wire_errors import MAX_WORDS, lost
from router.types import Answer, Json, Reply, Request

SPARE_CONNECTIONS = 16
CONNECTING_S = 2.0
NOWHERE = "http://127.0.0.1:9/v1"
"""A port on which nothing listens: the discard service of old, refused at once."""
NO_KEY = Key("nobody#1", Secret("warming-up"), "nobody")


class LiteLLMTransport:
    """Sends calls through LiteLLM's knowledge of each vendor; opens its session in `prepare`."""

    def __init__(
        self,
        config: Config,
        wall: Callable[[], float] = time.time,
        scrub: Scrubber | None = None,
        timeout: Callable[[float], AbstractAsyncContextManager[object]] = asyncio.timeout,
    ) -> None:
        self._config = config
        self._wall = wall
        self._timeout = timeout
        self._scrub = scrub or Scrubber(secrets(config))
        self._tariffs: dict[tuple[str, str | None, str, str], list[Tariff]] = {}

    async def prepare(self) -> None:
        """Import LiteLLM beside the loop and open the one session; raises ConfigError for what it cannot send."""
        await asyncio.to_thread(load)
        in_flight = sum(provider.max_in_flight for provider in self._config.usable)
        self._session = Session(in_flight + len(self._config.usable) + SPARE_CONNECTIONS)
        self._direct = DirectDoor(self._session)
        self._wide = WideDoor(self._session)
        try:
            await self._warm()
            await self._connect()
        except BaseException:
            await self.aclose()
            raise
        without_callbacks()

    async def _warm(self) -> None:
        """Have each door work once for every key, so that no first call is late and bunches up with the next.

        The wide door imports and builds as it goes; a call to a closed port of this machine takes it through all
        of that and reaches nobody. Raises ConfigError where LiteLLM refuses every provider; one among others only
        loses its calls.
        """
        mistakes: dict[str, Refused] = {}
        for provider in self._config.usable:
            for key, model in itertools.product(provider.keys, provider.models.values()):
                try:
                    await self._warm_one(Call(provider, key, model, Request.of("warming up")))
                except Refused as refused:
                    if refused.is_a_mistake:
                        mistakes.setdefault(provider.name, refused)
        if mistakes and len(mistakes) == len(self._config.usable):
            said = "; ".join(f"{name}: {refused}" for name, refused in mistakes.items())
            raise ConfigError(f"{self._config.path}: {said}")

    async def _connect(self) -> None:
        """Open a connection to every vendor that is quick to reach, so that its first call is not late."""
        addresses = {address for provider in self._config.usable for address in _addresses(provider)}
        with suppress(TimeoutError):
            async with asyncio.timeout(CONNECTING_S):
                await asyncio.gather(*(self._session.connect(URL(address)) for address in addresses))

    async def _warm_one(self, call: Call) -> None:
        if self._is_direct(call):
            self._direct.warm(call)
        elif call.key is call.provider.keys[0]:
            key = NO_KEY if call.key.secret else call.key
            nowhere = replace(call, provider=replace(call.provider, base_url=NOWHERE), key=key)
            await self._wide.send(nowhere, lambda: None)

    def _is_direct(self, call: Call) -> bool:
        return call.provider.door == "auto" and is_direct(prefix_of(call.model))

    async def aclose(self) -> None:
        """Close the session; the transport cannot be used after that."""
        if hasattr(self, "_session"):
            self._wide.close()
            await self._session.close()

    async def send(self, call: Call, on_sent: OnSent) -> Answer | Fault:
        """Send once: an Answer, or the Fault that says what its failure means."""
        sent = _Sent(on_sent)
        try:
            async with self._timeout(call.provider.timeout_s):
                return self._clean(self._read(call, *await self._through(call, sent)))
        except TimeoutError:
            silent = Reply(None, error="timeout", body=f"no whole reply within {call.provider.timeout_s:g} s")
            return self._clean(self._fault(call, silent))
        except Exception as error:  # noqa: BLE001 - even a defect costs one call and no run
            return self._clean(_gone_wrong(error, was_sent=sent.was))

    async def _through(self, call: Call, on_sent: OnSent) -> tuple[Reply, Answer | None]:
        """What came off the wire, and LiteLLM's reading of it through the wide door."""
        try:
            if self._is_direct(call):
                return await self._direct.send(call, on_sent), None
            return await self._wide.send(call, on_sent)
        except Refused:
            raise
        except Exception as error:
            if (silence := lost(error)) is None:
                raise
            return silence, None

    def _read(self, call: Call, reply: Reply, theirs: Answer | None) -> Answer | Fault:
        """What came back. OpenAI's shape is read in one way through both doors, all others by LiteLLM (`theirs`)."""
        if reply.status is not None and reply.error:
            return Fault(Kind.MALFORMED_REPLY, reply.error, reply.status, limits=limits(reply.headers))
        parsed = _parsed(reply.body)
        billed = self._billed(call, parsed, theirs)
        if fault := self._examined(call, reply, parsed):
            return replace(fault, cost_usd=billed)
        ours = answer_of(parsed) if isinstance(parsed, dict) and isinstance(parsed.get("choices"), list) else None
        answer = theirs if ours is None or (theirs and theirs.text and not ours.text) else ours
        if answer is None or not says_something(answer):
            return Fault(Kind.MALFORMED_REPLY, "there is no answer in the reply", reply.status, cost_usd=billed)
        return replace(
            answer,
            cost_usd=billed,
            limits=limits(reply.headers),
            raw=parsed,
            request_id=request_id(reply.headers),
        )

    def _billed(self, call: Call, parsed: Json, theirs: Answer | None) -> float | None:
        """What the vendor takes for a reply, good or bad, by the tokens and the tier that it names."""
        body = parsed if isinstance(parsed, dict) else {}
        ours = usage_of(body.get("usage"))
        usage = ours if ours.total is not None or theirs is None else theirs.usage
        if usage.total is None:
            return None
        return cost_usd(usage, self._tariffs_of(call, str(body.get("service_tier") or "")))

    def _tariffs_of(self, call: Call, served: str) -> list[Tariff]:
        tier = served or str({**call.provider.params_of(call.model), **call.request.params}.get("service_tier", ""))
        name = (call.provider.name, call.provider.base_url, call.model, tier)
        if name not in self._tariffs:
            simulated = self._config.simulated
            self._tariffs[name] = tariffs_of(call.provider, call.model, price_list(), simulated=simulated, tier=tier)
        return self._tariffs[name]

    def _examined(self, call: Call, reply: Reply, parsed: object) -> Fault | None:
        return examine(reply, provider=prefix_of(call.model), now=self._wall(), parsed=parsed)

    def _fault(self, call: Call, reply: Reply) -> Fault:
        return classify(reply, provider=prefix_of(call.model), now=self._wall())

    def _clean(self, result: Answer | Fault) -> Answer | Fault:
        """Take keys out of everything that a vendor can have echoed, once, at the border; and what moves a terminal."""
        if isinstance(result, Answer):
            said = encode(result).decode()
            return result if self._scrub(said) == said else _in_texts(result, self._scrub)
        return replace(
            result,
            message=clean(self._scrub(result.message)),
            vendor_code=clean(self._scrub(result.vendor_code)),
            limits={name: self._scrub(value) for name, value in result.limits.items()},
        )


def _addresses(provider: Provider) -> Iterator[str]:
    """Where its calls go, as far as that is known."""
    for model in provider.models.values():
        if address := provider.base_url or base_of(prefix_of(model)):
            yield address


@dataclass(slots=True)
class _Sent:
    """Passes on that a request has left, and remembers it."""

    tell: OnSent
    was: bool = False

    def __call__(self) -> None:
        self.was = True
        self.tell()


def _gone_wrong(error: Exception, *, was_sent: bool) -> Fault:
    """What LiteLLM or we could not put together or read. "Not sent" is said of nothing that was."""
    said = str(error) if isinstance(error, Refused) else f"{type(error).__name__}: {error}"[:MAX_WORDS]
    if was_sent:
        return Fault(Kind.MALFORMED_REPLY, f"the reply cannot be read: {said}")
    if not isinstance(error, Refused):
        return Fault(Kind.UNKNOWN, said)
    # A mistake is one for every request to this model here, so other vendors may still take the item.
    return Fault(Kind.PERMISSION if error.is_a_mistake else Kind.BAD_REQUEST, f"not sent: {said}")


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


def _parsed(body: str) -> Json:
    try:
        return cast("Json", decode(body))
    except ValueError:
        return None
