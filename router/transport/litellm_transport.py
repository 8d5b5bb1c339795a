"""The transport that real calls take: it chooses the door, bounds the call, and decides what came back."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace

from router.classify import classify, examine, limits
from router.config.models import Config, Key, Secret
from router.errors import ConfigError
from router.faults import Fault, Kind
from router.jsonl import decode
from router.log.scrub import Scrubber
from router.transport.acompletion import WideDoor
from router.transport.base import Call
from router.transport.direct import PREFIXES, DirectDoor
from router.transport.litellm_import import Refused, load, without_callbacks
from router.transport.openai_shape import answer_of
from router.transport.parameters import prefix_of
from router.transport.session import adding, open_session, telling
from router.transport.wire_errors import MAX_WORDS, lost
from router.types import Answer, Reply, Request

SPARE_CONNECTIONS = 16
NOWHERE = "http://127.0.0.1:9/v1"
"""A port on which nothing listens: the discard service of old, refused at once."""
NO_KEY = Key("nobody#1", Secret("warming-up"), "nobody")


class LiteLLMTransport:
    """Sends calls through LiteLLM's knowledge of each vendor; opens its session in `prepare`."""

    def __init__(
        self,
        config: Config,
        wall: Callable[[], float] = time.time,
        timeout: Callable[[float], AbstractAsyncContextManager[object]] = asyncio.timeout,
    ) -> None:
        self._config = config
        self._wall = wall
        self._timeout = timeout
        self._scrub = Scrubber(key for provider in config.providers for key in provider.keys)

    async def prepare(self) -> None:
        """Import LiteLLM beside the loop and open the one session; raises ConfigError for what it cannot send."""
        await asyncio.to_thread(load)
        most = sum(provider.max_in_flight for provider in self._config.usable) + SPARE_CONNECTIONS
        self._session = open_session(max_connections=most, trust_env=not self._config.simulated)
        self._direct = DirectDoor(self._session)
        self._wide = WideDoor(self._session)
        try:
            await self._warm()
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

    async def _warm_one(self, call: Call) -> None:
        if self._is_direct(call):
            self._direct.warm(call)
        elif call.key is call.provider.keys[0]:
            key = NO_KEY if call.key.secret else call.key
            await self._wide.send(replace(call, provider=replace(call.provider, base_url=NOWHERE), key=key))

    def _is_direct(self, call: Call) -> bool:
        return call.provider.door == "auto" and prefix_of(call.model) in PREFIXES

    async def aclose(self) -> None:
        """Close the session; the transport cannot be used after that."""
        if hasattr(self, "_session"):
            self._wide.close()
            await self._session.close()

    async def send(self, call: Call, on_sent: Callable[[], None]) -> Answer | Fault:
        """Send once: an Answer, or the Fault that says what its failure means."""
        try:
            async with self._timeout(call.provider.timeout_s):
                with telling(on_sent), adding(call.provider.headers):
                    result = await self._through(call)
        except TimeoutError:
            silent = Reply(None, error="timeout", body=f"no whole reply within {call.provider.timeout_s:g} s")
            result = self._fault(call, silent)
        return self._clean(result)

    async def _through(self, call: Call) -> Answer | Fault:
        try:
            if self._is_direct(call):
                return self._read(call, await self._directly(call), None)
            return self._read(call, *await self._wide.send(call))
        except Refused as refused:
            # A mistake is one for every request to this model here, so other vendors may still take the item.
            return Fault(Kind.PERMISSION if refused.is_a_mistake else Kind.BAD_REQUEST, f"not sent: {refused}")
        except Exception as error:  # noqa: BLE001 - even a defect costs one call and no run, and its text may hold a key
            return Fault(Kind.UNKNOWN, f"{type(error).__name__}: {error}"[:MAX_WORDS])

    async def _directly(self, call: Call) -> Reply:
        try:
            return await self._direct.send(call)
        except Exception as error:
            if (silence := lost(error)) is None:
                raise
            return silence

    def _read(self, call: Call, reply: Reply, theirs: Answer | None) -> Answer | Fault:
        """What came back. OpenAI's shape is read in one way through both doors, all others by LiteLLM (`theirs`)."""
        parsed = _parsed(reply.body)
        if (reply.body or theirs is None) and (fault := self._examined(call, reply, parsed)):
            return fault
        ours = answer_of(parsed) if isinstance(parsed, dict) and isinstance(parsed.get("choices"), list) else None
        answer = theirs if ours is None or (theirs and not ours.text) else ours
        if answer is None:
            return Fault(Kind.MALFORMED_REPLY, "there is no answer in the reply", reply.status)
        return replace(answer, limits=limits(reply.headers))

    def _examined(self, call: Call, reply: Reply, parsed: object) -> Fault | None:
        return examine(reply, provider=prefix_of(call.model), now=self._wall(), parsed=parsed)

    def _fault(self, call: Call, reply: Reply) -> Fault:
        return classify(reply, provider=prefix_of(call.model), now=self._wall())

    def _clean(self, result: Answer | Fault) -> Answer | Fault:
        """Take keys out of everything that a vendor can have echoed, once, at the border."""
        if isinstance(result, Answer):
            text = self._scrub(result.text)
            return result if text is result.text else replace(result, text=text)
        limits_ = {name: self._scrub(value) for name, value in result.limits.items()}
        return replace(
            result,
            message=self._scrub(result.message),
            vendor_code=self._scrub(result.vendor_code),
            limits=limits_,
        )


def _parsed(body: str) -> object:
    try:
        return decode(body)
    except ValueError:
        return None
