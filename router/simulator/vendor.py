"""The behaviour of one simulated vendor, without any I/O: a call and the time in, a decision out.

A call passes four places, each of which may end it: firewall, door (keys), meter (limits), engine.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import log

from router.simulator.arithmetic import reply
from router.simulator.dialects import DIALECTS
from router.simulator.dialects.base import HTML_TYPE, JSON_TYPE, SSE_TYPE, Call, Cause, Denial, Said, Wire
from router.simulator.meter import Meter
from router.simulator.spec import VendorSpec
from router.simulator.stats import OK, Refusal, Tally
from router.simulator.troubles import Kind, Trouble

SUSPENDS_WITHIN_S = 60.0
REFUSES_IN = 0.1
"""A refusal takes a tenth of the time of an answer."""
TRICKLE_PAUSE_S = 1.0
SLOW_STREAM_PAUSE_S = 2.0

_BLOCKED_PAGE = b"""<!DOCTYPE html>
<html lang="en-US"><head><title>Attention Required! | Cloudflare</title></head>
<body><h1>Sorry, you have been blocked</h1><p>You are unable to access this site.</p>
<p>Error code: 1020</p></body></html>
"""
_GATEWAY_PAGE = b"""<!DOCTYPE html>
<html lang="en-US"><head><title>502: Bad gateway</title></head>
<body><h2>What can I do?</h2><p>Please try again in a few minutes.</p></body></html>
"""
_ENGINE_CAUSES = {
    Kind.SERVER_ERROR: Cause.SERVER_ERROR,
    Kind.UNAVAILABLE: Cause.UNAVAILABLE,
    Kind.OVERLOADED: Cause.OVERLOADED,
}
_FIREWALL = (Kind.IP_BLOCK, Kind.REGION_BLOCK)
_DOOR = (Kind.REVOKED_KEY, Kind.NO_CREDIT)
_BODY = (Kind.HANG, Kind.CUT, Kind.NON_JSON, Kind.EMPTY, Kind.TRICKLE, Kind.SLOW_STREAM)
_ENGINE = (*_ENGINE_CAUSES, *_BODY)


@dataclass(frozen=True, slots=True)
class Decision:
    """What a vendor does with a call: after `delay_s` it answers, unless it hangs.

    `pieces` leave one after the other with `pause_s` between them; a single piece is an ordinary body. With
    `cuts` the connection drops in the middle of them. `cause` names a refusal or trouble for the statistics.
    """

    status: int
    headers: Mapping[str, str]
    pieces: tuple[bytes, ...]
    delay_s: float = 0.0
    pause_s: float = 0.0
    hangs: bool = False
    cuts: bool = False
    cause: str = ""

    @property
    def body(self) -> bytes:
        """The whole of what it says."""
        return b"".join(self.pieces)


@dataclass(slots=True)
class _Standing:
    """What a vendor remembers of a key: its name here, its account, its latest 429s with no success since."""

    name: str
    account: str
    pushes: deque[float] = field(default_factory=deque)
    is_suspended: bool = False


class Vendor:
    """One vendor. Times passed in are seconds since it started; `started_unix` is that moment's Unix time."""

    def __init__(self, spec: VendorSpec, started_unix: float = 0.0) -> None:
        self.spec = spec
        self.tally = Tally()
        self.troubles = spec.troubles
        self._dialect = DIALECTS[spec.dialect]
        self._meter = Meter(spec)
        self._rng = random.Random(f"{spec.seed}:{spec.name}")
        self._started_unix = started_unix
        self._number = 0
        self._keys = {
            secret: _Standing(f"{spec.name}#{number}", account) for number, (secret, account) in enumerate(spec.keys, 1)
        }

    def answer(self, wire: Wire, now: float) -> Decision:
        """Read a request and decide about it."""
        return self.decide(self._dialect.read(wire), now)

    def decide(self, call: Call, now: float) -> Decision:
        """Decide about a call and count it."""
        self._number += 1
        delay_s = self._latency()
        said = self._say(call, now)
        if call.action == "chat":
            self._meter.see(call.key, said.tokens, now)
        decision = (
            self._at_the_firewall(call, now)
            or self._at_the_door(call, now)
            or self._at_the_meter(call, said, now)
            or self._in_the_engine(call, said, now)
        )
        self._note(call, decision, now)
        return replace(decision, delay_s=delay_s * (1 if decision.status == OK else REFUSES_IN))

    def add_troubles(self, troubles: Iterable[Trouble], now: float) -> None:
        """Let more troubles come; their times count from now."""
        self.troubles += tuple(replace(trouble, start_s=trouble.start_s + now) for trouble in troubles)

    def is_down(self, now: float) -> bool:
        """Whether it refuses connections."""
        return any(t.kind is Kind.DOWN and t.is_active(now) for t in self.troubles)

    def next_change(self, now: float) -> float:
        """When it next goes down or comes up again; infinity where nothing is planned."""
        edges = [edge for t in self.troubles if t.kind is Kind.DOWN for edge in (t.start_s, t.end_s)]
        return min((edge for edge in edges if edge > now), default=float("inf"))

    def stats(self) -> dict[str, object]:
        """What it saw: calls by key, first refusals, and the most arrivals in any window of each limit."""
        suspended = [key.name for key in self._keys.values() if key.is_suspended]
        return {
            "simulated": True,
            "name": self.spec.name,
            **self.tally.to_json(),
            "peaks": self._meter.peaks(),
            "suspended": suspended,
        }

    def _latency(self) -> float:
        median = self.spec.latency_median_s
        return self._rng.lognormvariate(log(median), self.spec.latency_sigma) if median > 0 else 0.0

    def _say(self, call: Call, now: float) -> Said:
        spec = self.spec
        own = spec.accuracy_reasoned if "reason" in call.prompt else None
        accuracy = spec.accuracy if own is None else own
        text = reply(call.question, call.prompt, accuracy=accuracy, seed=spec.seed, name=spec.name)
        tokens_in = len(call.prompt.encode()) // 3 + 4 * call.messages
        return Said(text, tokens_in, len(text.encode()) // 3 + 1, self._number, self._started_unix + now)

    def _at_the_firewall(self, call: Call, now: float) -> Decision | None:
        trouble = self._trouble(_FIREWALL, call, now)
        if trouble is None:
            return None
        if trouble.kind is Kind.REGION_BLOCK:
            return self._deny(call, Denial(Cause.REGION))
        return Decision(403, HTML_TYPE, (_BLOCKED_PAGE,), cause=trouble.kind)

    def _at_the_door(self, call: Call, now: float) -> Decision | None:
        cause = self._wrong_key(call, now) or self._wrong_request(call)
        return self._deny(call, Denial(cause, why=call.problem)) if cause else None

    def _wrong_request(self, call: Call) -> Cause | None:
        if call.problem:
            return Cause.NOT_FOUND if call.action == "unknown" else Cause.BAD_REQUEST
        is_unknown = call.action == "chat" and self.spec.models and call.model not in self.spec.models
        return Cause.NO_MODEL if is_unknown else None

    def _wrong_key(self, call: Call, now: float) -> Cause | None:
        standing = self._keys.get(call.key)
        if self.spec.keys and standing is None:
            return Cause.INVALID_KEY
        if standing is not None and standing.is_suspended:
            return Cause.SUSPENDED
        trouble = self._trouble(_DOOR, call, now)
        if trouble is None or trouble.kind is Kind.REVOKED_KEY:
            return Cause.REVOKED_KEY if trouble else None
        return Cause.NO_CREDIT

    def _at_the_meter(self, call: Call, said: Said, now: float) -> Decision | None:
        if call.action != "chat":
            return None
        overrun = self._meter.admit(call.key, said.tokens, now)
        if overrun is None:
            return None
        self._push(call.key, now)
        window, of_tokens = overrun.limit.window, overrun.limit.of_tokens
        denial = Denial(
            Cause.TOKENS if of_tokens else Cause.RATE,
            limit=window.limit,
            used=window.used(now),
            requested=said.tokens if of_tokens else 1,
            period_s=window.period_s,
            wait_s=overrun.wait_s,
        )
        denied = self._deny(call, denial)
        return replace(denied, headers={**denied.headers, **self._limit_headers(call, now)}, cause=overrun.limit.name)

    def _push(self, key: str, now: float) -> None:
        standing = self._keys.get(key)
        if standing is None or not self.spec.suspend_after:
            return
        standing.pushes.append(now)
        while standing.pushes[0] <= now - SUSPENDS_WITHIN_S:
            standing.pushes.popleft()
        standing.is_suspended = len(standing.pushes) >= self.spec.suspend_after

    def _in_the_engine(self, call: Call, said: Said, now: float) -> Decision:
        standing = self._keys.get(call.key)
        if standing is not None:
            standing.pushes.clear()
        trouble = self._trouble(_ENGINE, call, now)
        if trouble is not None and trouble.kind in _ENGINE_CAUSES:
            return self._deny(call, Denial(_ENGINE_CAUSES[trouble.kind]))
        good = self._good(call, said, now)
        return good if trouble is None else self._spoilt(good, trouble.kind)

    def _good(self, call: Call, said: Said, now: float) -> Decision:
        headers = {**self._limit_headers(call, now), **self._dialect.id_headers(said.number)}
        if call.action == "models":
            return Decision(OK, {**JSON_TYPE, **headers}, (self._dialect.models(self.spec.models),))
        if call.stream:
            content_type = SSE_TYPE if call.is_sse else JSON_TYPE
            return Decision(OK, {**content_type, **headers}, self._dialect.stream(call, said))
        return Decision(OK, {**JSON_TYPE, **headers}, (self._dialect.answer(call, said),))

    def _spoilt(self, good: Decision, kind: Kind) -> Decision:
        spoilt = replace(good, cause=kind)
        if kind is Kind.HANG:
            return replace(spoilt, hangs=True)
        if kind is Kind.CUT:
            return replace(spoilt, cuts=True)
        if kind is Kind.EMPTY:
            return replace(spoilt, pieces=(b"",))
        if kind is Kind.NON_JSON:
            status = self._rng.choice((OK, 502))
            return Decision(status, HTML_TYPE, (_GATEWAY_PAGE,), cause=kind)
        if kind is Kind.TRICKLE:
            return replace(spoilt, pieces=_cut(good.body, 1), pause_s=TRICKLE_PAUSE_S)
        pieces = good.pieces if len(good.pieces) > 1 else _cut(good.body, 64)
        return replace(spoilt, pieces=pieces, pause_s=SLOW_STREAM_PAUSE_S)

    def _limit_headers(self, call: Call, now: float) -> dict[str, str]:
        return self._dialect.limit_headers(self._meter.standing(call.key, now), self._started_unix + now)

    def _deny(self, call: Call, denial: Denial) -> Decision:
        told = replace(denial, key=call.key, echoes=self.spec.echo_keys, model=call.model)
        spoken = self._dialect.deny(told, self._number)
        return Decision(spoken.status, spoken.headers, (spoken.body,), cause=denial.cause)

    def _trouble(self, kinds: tuple[Kind, ...], call: Call, now: float) -> Trouble | None:
        for trouble in self.troubles:
            if trouble.kind in kinds and trouble.is_active(now) and self._strikes(trouble, call):
                return trouble
        return None

    def _strikes(self, trouble: Trouble, call: Call) -> bool:
        if trouble.key is not None and not self._is_meant(trouble, call):
            return False
        return trouble.share >= 1 or self._rng.random() < trouble.share

    def _is_meant(self, trouble: Trouble, call: Call) -> bool:
        standing = self._keys.get(call.key)
        if standing is None:
            return False
        meant = next((k for k in self._keys.values() if k.name == f"{self.spec.name}#{trouble.key}"), None)
        if trouble.kind is Kind.NO_CREDIT:
            return meant is not None and meant.account == standing.account
        return meant is standing

    def _note(self, call: Call, decision: Decision, now: float) -> None:
        standing = self._keys.get(call.key)
        name = standing.name if standing else "unknown" if self.spec.keys else "anybody"
        answered = not (decision.hangs or decision.cuts)
        self.tally.count(name, decision.status if answered else 0)
        if decision.cause:
            self.tally.refuse(Refusal(round(now, 6), name, decision.status if answered else 0, decision.cause))


def _cut(body: bytes, size: int) -> tuple[bytes, ...]:
    return tuple(body[start : start + size] for start in range(0, len(body), size))
