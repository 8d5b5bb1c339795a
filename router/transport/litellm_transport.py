"""The transport for real calls: it chooses the door, enforces the timeout, and interprets the result."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, replace

from yarl import URL

from router.catalog.vendors import base_of, is_direct, prefix_of
from router.config.models import Config, Key, Provider, Secret
from router.errors import ConfigError
from router.faults import Fault, Kind
from router.log.scrub import Scrubber
from router.transport.acompletion import WideDoor
from router.transport.base import Call, Piece
from router.transport.direct import DirectDoor
from router.transport.litellm_import import Refused, load, without_callbacks
from router.transport.media import why_unsendable
from router.transport.reading import Reader, Reading
from router.transport.session import OnSent, Session
from router.transport.wire_errors import MAX_WORDS, lost
from router.types import Answer, Reply, Request

SPARE_CONNECTIONS = 16
CONNECTING_S = 2.0
NOWHERE = "http://127.0.0.1:9/v1"
"""A port on which nothing listens (the old discard service), so that connections are refused at once."""
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
        self._timeout = timeout
        self._reader = Reader(config, wall, scrub)

    async def prepare(self) -> None:
        """Import LiteLLM in a thread and open the session; raises ConfigError for calls that LiteLLM cannot send."""
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
                return self._reader.read(call, *await self._through(call, sent))
        except Exception as error:  # noqa: BLE001 - even a defect costs one call and no run
            return self._failed(call, error, "no whole reply", was_sent=sent.was)

    async def _through(self, call: Call, on_sent: OnSent) -> tuple[Reply, Answer | None]:
        """What came off the wire, and LiteLLM's reading of it through the wide door."""
        _check(call)
        if self._is_direct(call):
            return await self._direct.send(call, on_sent), None
        return await self._wide.send(call, on_sent)

    async def stream(self, call: Call, on_sent: OnSent) -> AsyncGenerator[Piece, None]:
        """Send once, and yield the answer piece by piece; the last is the Answer, or the Fault that ended it.

        The provider's timeout is the longest wait for the first piece, and for each next one.
        """
        sent = _Sent(on_sent)
        try:
            async with self._timeout(call.provider.timeout_s):
                _check(call)
                stream = await (self._direct if self._is_direct(call) else self._wide).stream(call, sent)
            try:
                reading = Reading(self._reader, call, stream.head)
                while (result := reading.result) is None:
                    async with self._timeout(call.provider.timeout_s):
                        news = await stream.next_events()
                    for chunk in reading.take(news):
                        yield chunk
                if isinstance(result, Answer):
                    await stream.drain()
            finally:
                await stream.close()
            yield result
        except Exception as error:  # noqa: BLE001 - even a defect costs one call and no run
            yield self._failed(call, error, "no more of the stream", was_sent=sent.was)

    def _failed(self, call: Call, error: Exception, waited_for: str, *, was_sent: bool) -> Fault:
        """What an exception means: a failure of the wire, or what LiteLLM or we could not put together or read."""
        if isinstance(error, TimeoutError) and isinstance(error.__cause__, asyncio.CancelledError):
            silent = f"{waited_for} within {call.provider.timeout_s:g} s"
            return self._reader.fault(call, Reply(None, error="timeout", body=silent))
        if (silence := lost(error)) is not None and not isinstance(error, Refused):
            return self._reader.fault(call, silence)
        return self._reader.clean_fault(_gone_wrong(error, was_sent=was_sent))


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


def _check(call: Call) -> None:
    if why := why_unsendable(call.request.messages, call.model):
        raise Refused(ValueError(why))


def _gone_wrong(error: Exception, *, was_sent: bool) -> Fault:
    """What LiteLLM or we could not put together or read. "Not sent" is said of nothing that was."""
    said = str(error) if isinstance(error, Refused) else f"{type(error).__name__}: {error}"[:MAX_WORDS]
    if was_sent:
        return Fault(Kind.MALFORMED_REPLY, f"the reply cannot be read: {said}")
    if not isinstance(error, Refused):
        return Fault(Kind.UNKNOWN, said)
    # A mistake is one for every request to this model here, so other vendors may still take the item.
    kind = Kind.PERMISSION if error.is_a_mistake else Kind.BAD_REQUEST
    return Fault(kind, f"not sent: {said}", was_sent=False)
