"""Asks each key one question, as cheap as can be: providers at the same time, the keys of each one after another."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, NamedTuple

from router.catalog.limits import told_limits
from router.check import key_shapes, verdicts
from router.check.findings import Checkup, Finding, Heard, KeyView, Level, ProviderView, Verdict
from router.check.vendor_limits import compare
from router.config.masking import secrets
from router.config.models import Config, Key, Provider
from router.errors import RouterError
from router.faults import Fault, Kind
from router.log.scrub import Scrubber
from router.simulator.stage import rehearsal
from router.simulator.troubles import Trouble
from router.transport import Call, Transport
from router.types import Answer, Request

if TYPE_CHECKING:
    from router.store import StateStore
    from router.transport.model_list import Listing

MIN_PAUSE_S = 1.0
"""Between two questions to one provider, however fast it may be asked."""
CEILINGS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
COSTLY = frozenset(
    {*CEILINGS, "n", "thinking", "reasoning_effort", "tools", "tool_choice", "response_format", "stream"}
)
"""Parameters of the file that are left out: they cost tokens, or do not go with a ceiling of one token."""
PROBE = Request(({"role": "user", "content": "Hi"},), params={"max_tokens": 1})
SKEWED_S = 5.0
"""A clock that is off by more than this misreads times that vendors tell, such as when to ask again."""

Answers = Mapping[str, Heard]
"""What was heard, by the key's name."""


class Asked(NamedTuple):
    """The configuration that was asked, the simulated vendors' in a rehearsal, and what was heard."""

    config: Config
    answers: Answers


@dataclass(frozen=True, slots=True)
class ProbeDeps:
    """How questions are asked: what tests replace. `wall` is in seconds since the epoch."""

    transport: Callable[[Config], Transport]
    models: Callable[[Provider, Key], Awaitable[Listing]]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    wall: Callable[[], float] = time.time
    min_pause_s: float = MIN_PAUSE_S

    @classmethod
    def real(cls) -> ProbeDeps:
        """Over the network, or over loopback where the vendors are simulated."""
        from router.transport.litellm_transport import LiteLLMTransport
        from router.transport.model_list import list_models

        return cls(LiteLLMTransport, list_models)


async def ask_all(
    config: Config,
    *,
    rehearse: bool = False,
    troubles: Sequence[tuple[str, Trouble]] = (),
    deps: ProbeDeps | None = None,
) -> Asked:
    """Ask every key of every usable provider, or of simulated vendors in their place."""
    async with AsyncExitStack() as stack:
        if rehearse:
            config = await stack.enter_async_context(rehearsal(config, troubles=troubles))
        chosen = deps or ProbeDeps.real()
        heard = await asyncio.gather(*(_ask_provider(config, provider, chosen) for provider in config.usable))
    return Asked(config, {name: each for answers in heard for name, each in answers.items()})


async def _ask_provider(config: Config, provider: Provider, deps: ProbeDeps) -> dict[str, Heard]:
    """Ask one provider's keys, each after a pause. A transport of its own: what breaks one breaks no other."""
    cheap = replace(provider, params={name: value for name, value in provider.params.items() if name not in COSTLY})
    alone = replace(config, providers=(cheap,))
    transport = deps.transport(alone)
    scrub = Scrubber(secrets(alone))
    heard: dict[str, Heard] = {}
    try:
        await transport.prepare()
        for key in cheap.keys:
            if heard:
                await deps.sleep(_pause_s(provider, deps.min_pause_s))
            heard[key.name] = await _ask(cheap, key, transport, deps, is_first=not heard)
    except Exception as error:  # noqa: BLE001 - LiteLLM raises what it likes about a model or a parameter
        # It is the same for every key: what fails here fails before anything is sent.
        said = str(error) if isinstance(error, RouterError) else f"{type(error).__name__}: {error}"
        refused = Heard(Verdict.UNASKABLE, _model(provider), "unaskable", message=_one_line(scrub(said))[:500])
        heard.update({key.name: refused for key in provider.keys if key.name not in heard})
    finally:
        await transport.aclose()
    return heard


def _pause_s(provider: Provider, min_s: float) -> float:
    rate = provider.paced_rate
    return min_s if rate is None else max(min_s, 1 / rate.per_second)


def _model(provider: Provider) -> str:
    return provider.model_for(None) or ""


async def _ask(provider: Provider, key: Key, transport: Transport, deps: ProbeDeps, *, is_first: bool) -> Heard:
    """Ask one key, once more without the ceiling where the model refuses to have one."""
    heard, result = await _send(provider, key, transport, deps, PROBE)
    if isinstance(result, Fault) and _refuses_ceiling(result):
        await deps.sleep(_pause_s(provider, deps.min_pause_s))
        heard, result = await _send(provider, key, transport, deps, replace(PROBE, params={}))
    # One list a provider tells its time; it costs nothing, and answers come without their Date.
    if heard.verdict is Verdict.NO_ACCESS or (is_first and heard.verdict is not Verdict.UNREACHABLE):
        await deps.sleep(_pause_s(provider, deps.min_pause_s))
        heard = await _with_listing(provider, key, heard, deps)
    return heard


def _refuses_ceiling(fault: Fault) -> bool:
    return fault.kind is Kind.BAD_REQUEST and any(name in fault.message for name in CEILINGS)


async def _send(
    provider: Provider, key: Key, transport: Transport, deps: ProbeDeps, request: Request
) -> tuple[Heard, Answer | Fault]:
    started = deps.wall()
    result = await transport.send(Call(provider, key, _model(provider), request), lambda: None)
    fault = result if isinstance(result, Fault) else None
    heard = Heard(
        verdict=verdicts.of(fault),
        model=_model(provider),
        fault=str(fault.kind) if fault else "",
        status=fault.status if fault else None,
        vendor_code=fault.vendor_code if fault else "",
        message=_one_line(fault.message) if fault else "",
        latency_s=round(deps.wall() - started, 3),
        limits=dict(result.limits),
    )
    return heard, result


async def _with_listing(provider: Provider, key: Key, heard: Heard, deps: ProbeDeps) -> Heard:
    """Add the vendor's clock and, where this key may not use its model, the models that it has."""
    started = deps.wall()
    listing = await deps.models(provider, key)
    models = listing.models if heard.verdict is Verdict.NO_ACCESS else ()
    return replace(heard, models=models, skew_s=_skew_s(listing.date, started, deps.wall()))


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _skew_s(date: str, started: float, ended: float) -> float | None:
    """How far our clock is ahead of a `Date` header, which counts whole seconds; 0 where it may be right."""
    try:
        told_at = parsedate_to_datetime(date).timestamp()
    except ValueError:
        return None
    if started <= told_at + 1 and told_at <= ended:
        return 0.0
    return round((started + ended) / 2 - (told_at + 0.5), 1)


def merge(checkup: Checkup, asked: Asked) -> Checkup:
    """The offline checkup with what was heard, and what follows from it."""
    names = {provider.name: provider for provider in asked.config.providers}
    providers = tuple(_with_answers(view, names[view.name], asked.answers) for view in checkup.providers)
    found = [*checkup.findings, *_skew(asked.answers.values())]
    for provider in asked.config.usable:
        found += _of_provider(provider, asked.answers)
    simulated = asked.config.simulated
    if not simulated:
        found = [finding for finding in found if not (finding.code == "dropped" and _works(asked, finding.where))]
    return replace(checkup, providers=providers, findings=tuple(found), live=True, simulated=simulated)


def forget_working(memory: StateStore, asked: Asked) -> None:
    """Forget of every key that works that it was ever dropped; a rehearsal teaches nothing."""
    for provider in () if asked.config.simulated else asked.config.usable:
        for key in provider.keys:
            if _works(asked, key.name) and (dropped := memory.recall(key, provider)):
                memory.forget(dropped.identity)


def _works(asked: Asked, name: str) -> bool:
    return name in asked.answers and asked.answers[name].verdict is Verdict.WORKS


def _with_answers(view: ProviderView, provider: Provider, answers: Answers) -> ProviderView:
    """The view with its keys' answers; a rehearsal may have asked keys that the file only announces."""
    known = {key.name for key in view.keys}
    more = tuple(KeyView(k.name, k.fingerprint, k.account) for k in provider.keys if k.name not in known)
    return replace(view, keys=tuple(replace(key, heard=answers.get(key.name)) for key in (*view.keys, *more)))


def _of_provider(provider: Provider, answers: Answers) -> Iterator[Finding]:
    heard = {key.name: answers[key.name] for key in provider.keys if key.name in answers}
    yield from verdicts.findings(provider, heard)
    vendor = key_shapes.vendor_of(provider)
    yield from compare(provider, [limit for each in heard.values() for limit in told_limits(vendor, each.limits)])


def _skew(heard: Iterable[Heard]) -> Iterator[Finding]:
    """Whether this machine's clock is wrong: by the median of what vendors say, for one vendor's may be too."""
    skews = [each.skew_s for each in heard if each.skew_s is not None]
    skew_s = statistics.median(skews) if skews else 0.0
    if abs(skew_s) > SKEWED_S:
        side = "ahead of" if skew_s > 0 else "behind"
        message = (
            f"this machine's clock is {abs(skew_s):,.0f} s {side} the vendors', by {len(skews)} of their Date headers; "
            "so it misreads waits that they give as times: set it, or switch on NTP"
        )
        yield Finding(Level.WARNING, "clock_skew", "", message)
