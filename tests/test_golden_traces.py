"""What the engine sends, when and with which key: five runs on the virtual loop, call by call as in `golden/`.

A call that leaves at another time or with another key is a change of behaviour. One that is meant is recorded by
`uv run python tests/test_golden_traces.py` (only these: add their names) and explained in its commit.

Each key's calls are compared by themselves, to a millisecond: nobody minds which of two keys goes first within one.
What a vendor says and how long it takes depends on the key and the time alone, so which item a lane takes shows only
where items differ in what they ask for.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
import sys
import zlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

import pytest
from conftest import make_config, make_provider

from router import Fault, Kind, Request, Router, RouterError, Usage
from router.clock import LoopClock
from router.config.models import Provider
from router.testing import ScriptedTransport, run_virtual
from router.transport import Call
from router.types import Answer

GOLDEN = Path(__file__).parent / "golden"
COMMAND = "uv run python tests/test_golden_traces.py"
BEGAN = 1_795_453_200.0
ENDS_WITHIN_S = 600.0
NEAR_MS = 1
SHOWN = 3


class Sent(NamedTuple):
    """One call as it left: milliseconds since the run began, where, with which key."""

    at_ms: int
    provider: str
    key: str


Trace = Sequence[Sent]


class Trouble(NamedTuple):
    """From `begins` to `ends`, in seconds, these providers or keys fail."""

    who: frozenset[str]
    fault: Fault
    begins: float
    ends: float = math.inf
    took_s: float = 0.1


class Ask(NamedTuple):
    """One call of the router, and the second in which it is made."""

    at: float = 0.0
    only: frozenset[str] | None = None
    avoid: frozenset[str] = frozenset()
    priority: int = 0
    max_tokens: int = 100


@dataclass(frozen=True)
class Script:
    providers: Sequence[Provider]
    asks: Sequence[Ask]
    troubles: Sequence[Trouble] = ()


def these(*names: str) -> frozenset[str]:
    return frozenset(names)


CALM = Script(
    (
        make_provider("acme", keys=3, rates=["5/s", "240/min"]),
        make_provider("bolt", keys=2, key_rates=["2/s"], burst=2),
        make_provider("coil", keys=4, accounts=["one", "one", "two", "two"], concurrency=3),
        make_provider("dune"),
    ),
    [Ask(at=0.01 * number, only=(None, these("acme", "bolt", "coil"))[number % 2]) for number in range(600)],
)
FIVE_TROUBLES = Script(
    (
        make_provider("openai", keys=3, rates=["300/min"]),
        make_provider("deepseek", keys=3, accounts=["main", "main", "other"], rates=["5/s"]),
        make_provider("moonshot", keys=2, rates=["240/min"]),
        make_provider("anthropic", rates=["240/min"]),
        make_provider("zhipu", rates=["2/s"], concurrency=4),
    ),
    [Ask()] * 1200,
    (
        Trouble(these("openai#1"), Fault(Kind.REVOKED_KEY, "this key has been revoked", 401), 5),
        Trouble(these("deepseek#1", "deepseek#2"), Fault(Kind.NO_CREDIT, "Insufficient Balance", 402), 6),
        Trouble(these("moonshot"), Fault(Kind.IP_BLOCKED, "you have been blocked", 403), 7, 27),
        Trouble(these("anthropic"), Fault(Kind.OVERLOADED, "Overloaded", 529), 8, 38),
        Trouble(these("zhipu"), Fault(Kind.TIMEOUT, "no whole reply within 60 s"), 9, 29, took_s=60),
    ),
)
OUTAGE = Script(
    [make_provider(f"lane{number}", keys=20, concurrency=3) for number in range(1, 21)],
    [Ask(at=0.02 * number) for number in range(200)],
    (
        Trouble(
            these(*(f"lane{number}" for number in range(1, 19))), Fault(Kind.SERVER_ERROR, "out of order", 503), 1, 9
        ),
    ),
)
ONLY_AND_AVOID = Script(
    (
        make_provider("acme", keys=2, rates=["3/s"]),
        make_provider("bolt", keys=2, key_rates=["90/min"]),
        make_provider("coil", keys=2, concurrency=3),
        make_provider("dune", rates=["4/s"], concurrency=3),
        make_provider("echo", concurrency=1),
    ),
    [
        Ask(at=0.08 * number, only=only, avoid=avoid, priority=number % 3)
        for number, (only, avoid) in enumerate(
            70
            * [
                (None, these()),
                (these("acme", "bolt"), these()),
                (None, these("coil")),
                (these("dune"), these("dune")),
                (these("coil", "dune", "acme"), these("dune")),
                (None, these("acme", "bolt", "dune")),
                (these("bolt"), these()),
                (these("coil", "echo"), these("echo")),
            ]
        )
    ],
    (
        Trouble(these("coil"), Fault(Kind.SERVER_ERROR, "out of order", 503), 4, 14),
        Trouble(these("acme#2"), Fault(Kind.RATE_LIMIT, "slow down", 429), 8, 9),
        Trouble(these("bolt#1"), Fault(Kind.CONNECTION, "reset"), 10, 12),
        Trouble(these("dune"), Fault(Kind.RATE_LIMIT, "slow down", 429, retry_after_s=5), 16, 17),
        Trouble(these("coil#2"), Fault(Kind.CONCURRENCY, "too many at once", 429, retry_after_s=1), 26, 27),
    ),
)
TOKEN_LIMITS = Script(
    (
        make_provider("acme", keys=2, rates=["9/s"], tokens=["31k/min"]),
        make_provider("bolt", tokens=["430/s"], rates=["17/s"]),
        make_provider("coil", keys=2, tokens=["67k/min", "2300/s"], concurrency=4),
    ),
    [Ask(max_tokens=100 + 290 * (number % 5)) for number in range(400)],
    (Trouble(these("coil#1"), Fault(Kind.TOKEN_LIMIT, "tokens per minute", 429, retry_after_s=3), 5, 6),),
)
SCRIPTS: Mapping[str, Script] = {
    "calm": CALM,
    "five_troubles": FIVE_TROUBLES,
    "outage": OUTAGE,
    "only_and_avoid": ONLY_AND_AVOID,
    "token_limits": TOKEN_LIMITS,
}


@dataclass
class Vendors:
    """Answers by the troubles of the time; the n-th call of a key always takes as long."""

    troubles: Sequence[Trouble]
    seen: Counter[str] = field(default_factory=Counter)

    def says(self, call: Call) -> tuple[float, Answer | Fault]:
        now, key = asyncio.get_running_loop().time(), call.key.name
        self.seen[key] += 1
        for trouble in self.troubles:
            if trouble.begins <= now < trouble.ends and trouble.who & {key, call.provider.name}:
                return trouble.took_s, trouble.fault
        share = zlib.crc32(f"{key} {self.seen[key]}".encode()) / 2**32
        return 0.3 + 0.5 * share, Answer("7", Usage(30, round(200 * share)))


async def play(script: Script) -> Trace:
    loop = asyncio.get_running_loop()
    transport = ScriptedTransport(Vendors(script.troubles).says)
    clock = LoopClock(loop, loop.time(), BEGAN)
    config = make_config(*script.providers)
    async with Router(config, transport=transport, rng=random.Random(0), clock=clock) as router:
        async with asyncio.timeout(ENDS_WITHIN_S):
            await asyncio.gather(*(answered(router, ask) for ask in script.asks))
    return sorted(Sent(round(1000 * at), call.provider.name, call.key.name) for at, call in transport.calls)


async def answered(router: Router, ask: Ask) -> None:
    await asyncio.sleep(ask.at)
    request = Request(({"role": "user", "content": "3 + 4"},), params={"max_tokens": ask.max_tokens})
    with suppress(RouterError):
        await router.complete(request, only=ask.only, avoid=ask.avoid, priority=ask.priority)


def difference(recorded: Trace, played: Trace) -> str:
    """What leaves otherwise first, with what leaves next in either trace; empty where both are the same."""
    before, after = by_key(recorded), by_key(played)
    pairs = (pair for key in before | after for pair in zip_longest(before[key], after[key]))
    first = min((min(filter(None, pair)) for pair in pairs if not is_same(*pair)), default=None)
    if first is None:
        return ""
    return (
        f"from {first.at_ms} ms on, where {first.key} goes otherwise:\n"
        f"  recorded: {shown(recorded, first.at_ms)}\n"
        f"  played:   {shown(played, first.at_ms)}\n"
        f"({len(recorded)} calls recorded, {len(played)} played)"
    )


def by_key(trace: Trace) -> defaultdict[str, list[Sent]]:
    calls = defaultdict[str, list[Sent]](list)
    for sent in trace:
        calls[sent.key].append(sent)
    return calls


def is_same(recorded: Sent | None, played: Sent | None) -> bool:
    return recorded is not None and played is not None and abs(recorded.at_ms - played.at_ms) <= NEAR_MS


def shown(trace: Trace, from_ms: int) -> str:
    """The calls from a time on, as many as fit a line."""
    later = [f"{sent.at_ms} {sent.key}" for sent in trace if sent.at_ms >= from_ms]
    return ", ".join([*later[:SHOWN], "…"] if len(later) > SHOWN else [*later, "the end"])


def path_of(name: str) -> Path:
    return GOLDEN / f"{name}.json"


def read(name: str) -> Trace:
    return [Sent(*each) for each in json.loads(path_of(name).read_text(encoding="utf-8"))]


def record(name: str) -> None:
    lines = ",\n".join(map(json.dumps, run_virtual(play(SCRIPTS[name]))))
    path_of(name).write_text(f"[\n{lines}\n]\n", encoding="utf-8")


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_call_leaves_as_recorded(name: str) -> None:
    found = difference(read(name), run_virtual(play(SCRIPTS[name])))
    assert not found, f"{name} differs from {path_of(name).name} {found}\nif that is meant: {COMMAND} {name}"


@pytest.mark.parametrize(
    ("played", "seen"),
    [
        pytest.param([Sent(0, "a", "a#1"), Sent(5, "b", "b#1"), Sent(9, "a", "a#1")], "", id="the same"),
        pytest.param([Sent(5, "b", "b#1"), Sent(0, "a", "a#1"), Sent(9, "a", "a#1")], "", id="in another order"),
        pytest.param([Sent(1, "a", "a#1"), Sent(4, "b", "b#1"), Sent(9, "a", "a#1")], "", id="1 ms apart"),
        pytest.param([Sent(0, "a", "a#1"), Sent(7, "b", "b#1"), Sent(9, "a", "a#1")], "from 5 ms", id="2 ms apart"),
        pytest.param([Sent(0, "a", "a#2"), Sent(5, "b", "b#1"), Sent(9, "a", "a#1")], "from 0 ms", id="another key"),
        pytest.param([Sent(0, "a", "a#1"), Sent(5, "b", "b#1")], "from 9 ms", id="one call fewer"),
        pytest.param(
            [Sent(0, "a", "a#1"), Sent(5, "b", "b#1"), Sent(9, "a", "a#1"), Sent(9, "a", "a#1")],
            "from 9 ms",
            id="one call more",
        ),
        pytest.param([], "from 0 ms", id="nothing"),
    ],
)
def test_a_difference_is_seen_and_its_time_named(played: Trace, seen: str) -> None:
    recorded = [Sent(0, "a", "a#1"), Sent(5, "b", "b#1"), Sent(9, "a", "a#1")]
    assert difference(recorded, played)[: len("from 0 ms")] == seen
    assert (not seen) or f"(3 calls recorded, {len(played)} played)" in difference(recorded, played)


def test_every_record_has_its_script() -> None:
    assert sorted(path.stem for path in GOLDEN.glob("*")) == sorted(SCRIPTS)


if __name__ == "__main__":
    for each in sys.argv[1:] or SCRIPTS:
        record(each)
