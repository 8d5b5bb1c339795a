"""Asks the cache, if there is one, and then the router."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

from router.config.models import Provider
from router.engine.router import Router
from router.errors import Outcome
from router.evals.cache import AnswerCache, key_of
from router.evals.marks import shortfall_of
from router.types import Answer, Completion, Request


class _Place(NamedTuple):
    """Somebody who may be asked, with LiteLLM's name of the model there."""

    provider: Provider
    model: str


class At(NamedTuple):
    """Where something is to be asked: at this provider, with this key's account, better not at those."""

    provider: str = ""
    key: str | None = None
    avoid: frozenset[str] = frozenset()


ANYWHERE = At()


@dataclass(frozen=True, slots=True)
class Asker:
    """The router of a run, behind its cache.

    What a vendor cut short, refused or filtered is not kept: it may be otherwise next time.
    """

    router: Router
    cache: AnswerCache | None = None

    async def outcome(
        self,
        request: Request,
        *,
        model: str | None,
        epoch: int,
        deadline: float | None,
        priority: int = 0,
        at: At = ANYWHERE,
    ) -> Outcome:
        """The answer that is kept, else what `Router.outcome` says; what is kept costs nothing and has no attempts."""
        request = replace(request, only=frozenset({at.provider})) if at.provider and not at.key else request
        ask = partial(self.router.outcome, key=at.key, avoid=at.avoid)
        if self.cache is None:
            return await ask(request, model=model, deadline=deadline, priority=priority)
        places = (place for place in self._places(request, model) if at.provider in {"", place.provider.name})
        keys = {self._key(request, place, epoch): place for place in places}
        if (kept := self.cache.get(list(keys))) is not None:
            return Outcome(request, _completion(*keys[kept[0]], kept[1]))
        outcome = await ask(request, model=model, deadline=deadline, priority=priority)
        if (said := outcome.completion) is not None and shortfall_of(said) is None:
            key = next((key for key, place in keys.items() if place.provider.name == said.provider), None)
            if key is not None:
                self.cache.put(key, said.answer)
        return outcome

    async def complete(
        self, request: Request, *, model: str | None, epoch: int, deadline: float | None, priority: int = 0
    ) -> Completion:
        """The same for a judge, who raises what `Router.complete` does."""
        outcome = await self.outcome(request, model=model, epoch=epoch, deadline=deadline, priority=priority)
        if outcome.error is not None:
            raise outcome.error
        assert outcome.completion is not None  # noqa: S101 - an outcome has either
        return outcome.completion

    def _key(self, request: Request, place: _Place, epoch: int) -> bytes:
        return key_of(request, *place, epoch, simulated=self.router.config.simulated)

    def _places(self, request: Request, model: str | None) -> Iterator[_Place]:
        for provider in self.router.config.usable:
            name = provider.model_for(model)
            if name is not None and (request.only is None or provider.name in request.only):
                yield _Place(provider, name)


def _completion(provider: Provider, model: str, answer: Answer) -> Completion:
    return Completion(
        text=answer.text,
        provider=provider.name,
        key="",
        key_hash="",
        model=answer.model or model,
        usage=answer.usage,
        finish_reason=answer.finish_reason,
        latency_s=0.0,
        waited_s=0.0,
        attempts=(),
        cost_usd=0.0,
        answer=answer,
    )
