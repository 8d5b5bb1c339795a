"""Errors by provider, key and kind, over time, with examples."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from router.analysis.rows import Call

CELLS = 32
EXAMPLES = 3

_Name = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Example:
    """One failed call in the vendor's words."""

    seen_at: float
    item: str
    message: str


@dataclass(frozen=True, slots=True)
class Errors:
    """The failed calls of one key with one kind of fault.

    `timeline` counts them in steps of `step_s` seconds from the start of the whole log; `statuses` and
    `vendor_codes` count what the vendor said, and `examples` are the first calls with words of their own.
    `slowest_s` is the longest that one of them took.
    """

    provider: str
    key: str
    fault: str
    family: str
    count: int
    first_at: float
    last_at: float
    slowest_s: float
    statuses: dict[str, int]
    vendor_codes: dict[str, int]
    models: tuple[str, ...]
    examples: tuple[Example, ...]
    step_s: float
    timeline: tuple[int, ...]


@dataclass(slots=True)
class _Counted:
    family: str
    first_at: float
    last_at: float = 0.0
    slowest_s: float = 0.0
    statuses: Counter[str] = field(default_factory=Counter)
    vendor_codes: Counter[str] = field(default_factory=Counter)
    models: set[str] = field(default_factory=set)
    examples: dict[str, Example] = field(default_factory=dict)

    def add(self, call: Call) -> None:
        self.last_at = max(self.last_at, call.at)
        self.slowest_s = max(self.slowest_s, call.latency_s)
        self.statuses[str(call.status or "none")] += 1
        if call.vendor_code:
            self.vendor_codes[call.vendor_code] += 1
        self.models.add(call.model)
        if len(self.examples) < EXAMPLES:
            self.examples.setdefault(call.message, Example(call.at, call.item, call.message))


class Timelines:
    """Counts over time in at most CELLS steps each; all have one step, which doubles as time goes on."""

    def __init__(self, step_s: float = 1.0) -> None:
        self.step_s = step_s
        self._start_at: float | None = None
        self._cells: dict[_Name, list[int]] = {}

    def start(self, at: float) -> None:
        """Say when the log begins, once."""
        if self._start_at is None:
            self._start_at = at

    def add(self, name: _Name, at: float) -> None:
        """Count one. What is older than the start counts as the start."""
        self.start(at)
        after_s = max(0.0, at - (self._start_at or 0.0))
        while after_s >= CELLS * self.step_s:
            self._fold()
        cells = self._cells.setdefault(name, [0] * CELLS)
        cells[int(after_s / self.step_s)] += 1

    def until(self, at: float) -> None:
        """Make room for the end of the log, so that a timeline shows the time without errors too."""
        while self._start_at is not None and at - self._start_at >= CELLS * self.step_s:
            self._fold()

    def of(self, name: _Name) -> tuple[int, ...]:
        """The counts of one name."""
        return tuple(self._cells[name])

    def _fold(self) -> None:
        self.step_s *= 2
        for name, cells in self._cells.items():
            folded = [cells[i] + cells[i + 1] for i in range(0, CELLS, 2)]
            self._cells[name] = folded + [0] * (CELLS - len(folded))


class ErrorCounts:
    """Reads calls and counts the failed ones."""

    def __init__(self) -> None:
        self._counted: dict[_Name, _Counted] = {}
        self._timelines = Timelines()

    def start(self, at: float) -> None:
        """Say when the log begins."""
        self._timelines.start(at)

    def call(self, call: Call) -> None:
        """Count a call if it failed."""
        if call.ok:
            return
        name = (call.provider, call.key, call.fault)
        counted = self._counted.get(name)
        if counted is None:
            counted = self._counted[name] = _Counted(str(call.family), call.at)
        counted.add(call)
        self._timelines.add(name, call.at)

    def frozen(self, ended_at: float) -> tuple[Errors, ...]:
        """The most frequent first."""
        self._timelines.until(ended_at)
        rows = [self._errors(name, counted) for name, counted in self._counted.items()]
        return tuple(sorted(rows, key=lambda row: (-row.count, row.provider, row.key, row.fault)))

    def _errors(self, name: _Name, counted: _Counted) -> Errors:
        provider, key, fault = name
        return Errors(
            provider=provider,
            key=key,
            fault=fault,
            family=counted.family,
            count=counted.statuses.total(),
            first_at=counted.first_at,
            last_at=counted.last_at,
            slowest_s=counted.slowest_s,
            statuses=dict(counted.statuses.most_common()),
            vendor_codes=dict(counted.vendor_codes.most_common()),
            models=tuple(sorted(counted.models)),
            examples=tuple(counted.examples.values()),
            step_s=self._timelines.step_s,
            timeline=self._timelines.of(name),
        )
