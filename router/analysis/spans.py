"""A run's log as spans of one trace: the run, its items, their attempts, by OpenTelemetry's conventions for GenAI.

Attributes: https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/ (1.37); what these have no word for is
`router.…`. No prompt, no answer and no word of a vendor's is in them, and of a key its name alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from router.analysis.rows import Logged, fault_of
from router.catalog.vendors import of_prefix, prefix_of
from router.log.events import AttemptFinished, ItemSettled, RunFinished, RunStarted

JUDGE = "/judge"
"""What the id of a call that marks an item's answer has at its end."""


class Kind(IntEnum):
    """Whose work a span is, as OTLP numbers it."""

    INTERNAL = 1
    CLIENT = 3


@dataclass(frozen=True, slots=True)
class Span:
    """One span: ids in hex, times in seconds since the epoch; `error` is empty where none is known.

    Names are few, as backends group by them: which item it is about stands in the attributes.
    """

    trace: str
    id: str
    parent: str
    name: str
    kind: Kind
    start: float
    end: float
    attributes: Mapping[str, object]
    error: str = ""


@dataclass(slots=True)
class _Open:
    """An item that has had calls and is not settled."""

    start: float
    end: float
    fault: str = ""

    def add(self, start: float, end: float, call: AttemptFinished) -> None:
        self.start, self.end = min(self.start, start), max(self.end, end)
        self.fault = "" if call.ok else fault_of(call)


def spans(lines: Iterable[Logged]) -> Iterator[Span]:
    """The spans of one log, children first; they hold no more of it than the items that are being asked.

    Ids are hashes of the run, the item and the attempt, so that the same log always gives the same.
    """
    trace: _Trace | None = None
    for line in lines:
        trace = trace or _Trace(line)
        yield from trace.add(line)
    if trace is not None:
        yield from trace.end()


@dataclass(slots=True)
class _Trace:
    """A run so far."""

    first: Logged
    at: float = 0.0
    round: int = 0
    started: RunStarted = field(default_factory=RunStarted)
    finished: RunFinished | None = None
    open: dict[str, _Open] = field(default_factory=dict)

    def add(self, line: Logged) -> Iterator[Span]:
        """Take one line in, and give what it completes."""
        self.at = max(self.at, line.at)
        match line.event:
            case RunStarted() as event:
                yield from self._left()
                self.round, self.started, self.finished = self.round + 1, event, None
            case AttemptFinished() as event:
                yield self._attempt(line.at, event)
            case ItemSettled() as event:
                yield from self._settled(line.at, event)
            case RunFinished() as event:
                self.finished = event

    def end(self) -> Iterator[Span]:
        """The items that were never settled, and the run."""
        yield from self._left()
        error = _stopped(self.finished)
        attributes = {**_run(self.started, self.finished), "error.type": error or None}
        yield self._span((), None, "run", Kind.INTERNAL, (self.first.at, self.at), attributes, error)

    def _attempt(self, at: float, call: AttemptFinished) -> Span:
        start = at - call.latency_s
        self.open.setdefault(call.item, _Open(start, at)).add(start, at, call)
        model = _model(call)
        return self._span(
            (call.item, call.attempt),
            (call.item,),
            f"chat {model}".strip(),
            Kind.CLIENT,
            (start, at),
            _call(call, model),
            "" if call.ok else fault_of(call),
        )

    def _settled(self, at: float, settled: ItemSettled) -> Iterator[Span]:
        """An item, and the judge's calls for it, which are settled with it."""
        judged = settled.item + JUDGE
        if judged in self.open:
            yield self._item(judged, self.open.pop(judged), {}, (settled.item,))
        known = self.open.pop(settled.item, _Open(at, at))
        known.start, known.end = min(known.start, at - settled.elapsed_s), max(known.end, at)
        known.fault = (known.fault or "error") if settled.outcome == "error" else ""
        yield self._item(
            settled.item, known, {"router.outcome": settled.outcome, "router.attempts": settled.attempts}, ()
        )

    def _left(self) -> Iterator[Span]:
        for item, known in self.open.items():
            yield self._item(item, known, {}, ())
        self.open.clear()

    def _item(self, item: str, known: _Open, told: Mapping[str, object], parent: tuple[object, ...]) -> Span:
        attributes = {"router.item": item, **told, "error.type": known.fault or None}
        times = (known.start, known.end)
        return self._span((item,), parent, "judge" if parent else "item", Kind.INTERNAL, times, attributes, known.fault)

    def _span(  # noqa: PLR0917 - a span's fields
        self,
        what: tuple[object, ...],
        parent: tuple[object, ...] | None,
        name: str,
        kind: Kind,
        times: tuple[float, float],
        attributes: Mapping[str, object],
        error: str,
    ) -> Span:
        everywhere = {"router.run": self.first.run, "router.simulated": self.first.simulated}
        return Span(
            trace=_hash(32, self.first.run, self.first.at),
            id=self._id(what),
            parent="" if parent is None else self._id(parent),
            name=name,
            kind=kind,
            start=times[0],
            end=times[1],
            attributes={**everywhere, **attributes},
            error=error,
        )

    def _id(self, what: tuple[object, ...]) -> str:
        """Of an item's spans also by how often the run had begun: what is asked again counts attempts from 1 again."""
        return _hash(16, self.first.run, self.first.at, *((self.round, *what) if what else ()))


def _hash(digits: int, *parts: object) -> str:
    return hashlib.sha256("\0".join(map(str, parts)).encode(errors="replace")).hexdigest()[:digits]


def _stopped(finished: RunFinished | None) -> str:
    if finished is None:
        return ""
    return "interrupted" if finished.interrupted else "stopped" if finished.why else ""


def _run(started: RunStarted, finished: RunFinished | None) -> dict[str, object]:
    ended = finished or RunFinished()
    counts = ("right", "wrong", "unparsable", "unscored", "error")
    return {
        "router.task": started.task,
        "router.prompts": started.prompts,
        "router.providers": started.providers,
        "router.finished": finished is not None,
        **{f"router.{name}": getattr(ended, name) if finished else None for name in counts},
        "router.accuracy": ended.accuracy,
    }


def _model(call: AttemptFinished) -> str:
    """The vendor's own name of the model."""
    prefix = prefix_of(call.model)
    return call.model.removeprefix(f"{prefix}/") if of_prefix(prefix) else call.model


def _vendor(call: AttemptFinished) -> str:
    """Whose API it is: by LiteLLM's prefix, else the provider's name in the file."""
    prefix = prefix_of(call.model)
    vendor = of_prefix(prefix)
    return vendor.telemetry or prefix if vendor else call.provider


def _call(call: AttemptFinished, model: str) -> dict[str, object]:
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": _vendor(call),
        "gen_ai.request.model": model or None,
        "gen_ai.usage.input_tokens": call.tokens_in,
        "gen_ai.usage.output_tokens": call.tokens_out,
        "http.response.status_code": call.status,
        "error.type": None if call.ok else fault_of(call),
        "router.item": call.item,
        "router.attempt": call.attempt,
        "router.provider": call.provider,
        "router.key": call.key,
        "router.family": call.family,
        "router.blame": call.blame,
        "router.action": call.action,
        "router.vendor_code": call.vendor_code,
        "router.retry_after_s": call.retry_after_s,
        "router.service_tier": call.service_tier,
        "router.waited_s": call.waited_s,
        "router.waited_for": call.waited_for or None,
        "router.cost_usd": call.cost_usd,
    }
