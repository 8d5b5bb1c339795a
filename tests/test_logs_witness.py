"""What `router logs` tells against the request logs of the vendors themselves: real HTTP, the real engine, one loop.

On a busy machine a call may be given up whose reply was on its way: of that a vendor knows nothing. Such calls are
allowed for, by number, and nothing else is.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from vendors import Says, Seen, chat, make_config, refusal, said, scripted
from vendors import make_provider as declare

from router.analysis import Analysis, analyse
from router.clock import LoopClock
from router.config.models import Key, Provider, Secret
from router.engine.router import Router
from router.faults import Kind
from router.log.events import ItemSettled, RunFinished, RunStarted
from router.log.writer import JsonLog
from router.rates import parse_rate
from router.reports.logs_text import render
from router.transport.litellm_transport import LiteLLMTransport
from router.types import Request

ITEMS = 240
OK = "ok"

Reply = tuple[str, Says]
"""What a vendor means by a reply (`ok`, or a fault), and the reply."""
Manner = Callable[[int, str], Reply]
"""What a vendor answers to its n-th request (from 1), with a key."""

GOOD: Reply = (OK, chat("7"))
NO_CREDIT = refusal(402, "Insufficient Balance")
WAIT_AN_HOUR = said(
    {"error": {"message": "Rate limit reached", "code": "rate_limit_exceeded"}}, 429, retry_after="3600"
)
SLOW_DOWN = said({"error": {"message": "Too many requests", "code": "rate_limit_exceeded"}}, 429, retry_after="0.2")
DEAD = said({"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}}, 401)
FILTERED = said({"error": {"message": "The prompt triggered content management policy", "code": "content_filter"}}, 400)
BROKEN_INSIDE = said({"error": {"message": "The server had an error", "type": "server_error", "code": 500}})
NULL = said(
    {
        "id": "c",
        "object": "chat.completion",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": None}, "finish_reason": "stop"}],
    }
)
BLOCK = Says(
    403,
    b"<html><title>Attention Required! | Cloudflare</title>Sorry, you have been blocked</html>",
    {"content-type": "text/html", "server": "cloudflare", "cf-ray": "9f-FRA"},
)


def sometimes(kind: str, reply: Says, every: int) -> Manner:
    return lambda number, _key: (kind, reply) if number % every == 0 else GOOD


def after(first: int, kind: str, reply: Says) -> Manner:
    return lambda number, _key: (kind, reply) if number > first else GOOD


MANNERS: Mapping[str, Manner] = {
    "good": lambda _number, _key: GOOD,
    "v402": after(9, Kind.NO_CREDIT, NO_CREDIT),
    "vra3600": after(5, Kind.RATE_LIMIT, WAIT_AN_HOUR),
    "vslow": sometimes(Kind.RATE_LIMIT, SLOW_DOWN, 7),
    "vdead": lambda _number, key: (Kind.INVALID_KEY, DEAD) if key.endswith("2") else GOOD,
    "vfilter": sometimes(Kind.CONTENT_FILTER, FILTERED, 4),
    "verr200": sometimes(Kind.SERVER_ERROR, BROKEN_INSIDE, 3),
    "vreset": sometimes(Kind.CONNECTION, Says(resets=True), 3),
    "vempty": sometimes(Kind.MALFORMED_REPLY, Says(200, b"", {"content-type": "application/json"}), 4),
    "vbadjson": sometimes(Kind.MALFORMED_REPLY, Says(200, b'{"choices": [', {"content-type": "application/json"}), 4),
    "vnull": sometimes(Kind.MALFORMED_REPLY, NULL, 4),
    "vhang": sometimes(Kind.TIMEOUT, Says(hangs=True), 6),
    "vblock": after(12, Kind.IP_BLOCKED, BLOCK),
}
TWO_KEYS = frozenset({"vdead"})


@dataclass(slots=True)
class Witness:
    """A vendor's own log: what it answered to whom, in its own words."""

    manner: Manner
    answered: list[tuple[str, str, int]] = field(default_factory=list)

    def __call__(self, seen: Seen) -> Says:
        meant, reply = self.manner(len(self.answered) + 1, seen.bearer)
        status = 0 if reply.hangs or reply.resets else reply.status
        self.answered.append((seen.bearer, meant, status))
        return reply

    def count(self, *, key: str | None = None, meant: str | None = None, status: int | None = None) -> int:
        """Its requests with a key, of a kind, with a status."""
        wanted = (key, meant, status)
        return sum(all(want in {None, told} for want, told in zip(wanted, each, strict=True)) for each in self.answered)


def provider(name: str, url: str) -> Provider:
    one = declare("openai/some-model", f"{url}/v1", timeout_s=2.0 if name == "vhang" else 60.0)
    keys = tuple(Key(f"{name}#{n}", Secret(f"sk-{name}-{n}"), f"{name}#{n}") for n in range(1, 2 + (name in TWO_KEYS)))
    return replace(one, name=name, keys=keys, rates=(parse_rate("60/s"),))


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Analysis, Mapping[str, Witness]]:
    path = tmp_path_factory.mktemp("witness") / "log.jsonl"
    witnesses = {name: Witness(manner) for name, manner in MANNERS.items()}
    asyncio.run(asked(path, witnesses))
    return analyse([path]), witnesses


async def asked(path: Path, witnesses: Mapping[str, Witness]) -> None:
    async with AsyncExitStack() as owned:
        vendors = {name: await owned.enter_async_context(scripted()) for name in witnesses}
        for name, witness in witnesses.items():
            vendors[name].script = witness
        config = make_config(*(provider(name, vendor.url) for name, vendor in vendors.items()), simulated=False)
        clock = LoopClock.start()
        log = JsonLog(path, "witnessed", scrub=str, wall=clock.wall)
        log.write(RunStarted(rates={each.name: list(map(str, each.rates)) for each in config.providers}))
        transport = LiteLLMTransport(config)
        router = await owned.enter_async_context(
            Router(config, transport=transport, log=log, rng=random.Random(0), clock=clock)
        )
        requests = (Request(({"role": "user", "content": "3 + 4"},), f"q{number}") for number in range(ITEMS))
        async with aclosing(router.map(requests, window=48)) as outcomes:
            async for outcome in outcomes:
                verdict = "error" if outcome.error else "right"
                log.write(ItemSettled(outcome.request.id, verdict, len(outcome.attempts)))
        log.write(RunFinished(items=ITEMS))
        log.close()


def given_up(analysis: Analysis, witness: Witness, name: str) -> int:
    """Calls that timed out though the vendor meant to answer them."""
    timeouts = sum(row.count for row in analysis.errors if (row.provider, row.fault) == (name, Kind.TIMEOUT))
    return max(0, timeouts - witness.count(meant=Kind.TIMEOUT))


@pytest.mark.parametrize("name", MANNERS)
def test_calls_are_counted_as_the_vendor_counts_them(told: tuple[Analysis, Mapping[str, Witness]], name: str) -> None:
    analysis, witness = told[0], told[1][name]
    lost = given_up(analysis, witness, name)
    for usage in (each for each in analysis.usage if each.provider == name):
        key = None if usage.key is None else f"sk-{name}-{usage.key.partition('#')[2]}"
        assert 0 <= usage.calls - witness.count(key=key) <= lost
        assert 0 <= witness.count(key=key, meant=OK) - usage.answered <= lost
        assert 0 <= witness.count(key=key, status=429) - usage.status_429 <= lost
        assert usage.failed == usage.calls - usage.answered


@pytest.mark.parametrize("name", MANNERS)
def test_failures_are_of_the_kind_that_the_vendor_meant(
    told: tuple[Analysis, Mapping[str, Witness]], name: str
) -> None:
    analysis, witness = told[0], told[1][name]
    found: Counter[str] = Counter()
    for row in analysis.errors:
        if row.provider == name:
            found[row.fault] += row.count
    meant = Counter(str(kind) for _, kind, _ in witness.answered if kind != OK)
    lost = given_up(analysis, witness, name)
    assert (found - meant) == Counter({str(Kind.TIMEOUT): lost} if lost else {})
    assert (meant - found).total() <= lost


def test_every_vendor_that_failed_is_named_and_no_other(told: tuple[Analysis, Mapping[str, Witness]]) -> None:
    analysis, witnesses = told
    failed = {name for name, witness in witnesses.items() if witness.count() > witness.count(meant=OK)}
    named = {each.provider for each in analysis.advice}
    assert failed <= named
    assert all(given_up(analysis, witnesses[name], name) for name in named - failed)
    assert len(failed) > len(MANNERS) / 2, "the run is too short for the vendors to show their manners"


def test_a_rate_is_advised_to_none_but_the_throttled(told: tuple[Analysis, Mapping[str, Witness]]) -> None:
    analysis, _ = told
    assert {each.provider for each in analysis.advice if each.set and "rate" in each.set} <= {"vslow"}
    text = render(analysis, 10_000)
    assert "alike" not in text
    assert "The daily quota" not in text
    assert [each.text for each in analysis.advice if each.provider == "v402" and "address" in each.text] == []


def test_each_event_has_one_chapter(told: tuple[Analysis, Mapping[str, Witness]]) -> None:
    analysis, _ = told
    for name, kind in (
        ("v402", "no_credit"),
        ("vra3600", "rate_limit"),
        ("vblock", "ip_blocked"),
        ("vdead", "invalid_key"),
    ):
        assert [(each.provider, each.fault) for each in analysis.episodes].count((name, kind)) <= 1


def test_the_run_is_counted_whole(told: tuple[Analysis, Mapping[str, Witness]]) -> None:
    analysis, witnesses = told
    (run,) = analysis.runs
    lost = sum(given_up(analysis, witness, name) for name, witness in witnesses.items())
    assert 0 <= run.calls - sum(witness.count() for witness in witnesses.values()) <= lost
    assert run.items == ITEMS
