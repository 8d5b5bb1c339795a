"""One line of results.jsonl, and a running summary of many in bounded memory."""

from __future__ import annotations

import dataclasses
from array import array
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, TypeVar, get_args

from router.evals.stats import bounds, percentile, wilson

Verdict: TypeAlias = Literal["right", "wrong", "unparsable", "error"]
"""What became of an item; an error is never counted as a wrong answer."""

VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

T = TypeVar("T", str, int, bool)


@dataclass(frozen=True, slots=True)
class Row:
    """One item, prompt and epoch. `answer` is what the scorer found, `response` the model's whole text.

    `attempts` counts the calls that were sent. Times are in seconds, `latency_s` is that of the last call.
    `provider`, `key` (such as `openai#2`) and `model` are empty where nothing was sent.
    """

    id: str
    epoch: int
    prompt: str
    provider: str
    key: str
    model: str
    outcome: Verdict
    expected: str
    answer: str | None = None
    response: str = ""
    fault: str | None = None
    attempts: int = 0
    latency_s: float | None = None
    waited_s: float = 0.0
    tokens_in: int | None = None
    tokens_out: int | None = None
    cost_usd: float | None = None
    finish_reason: str = ""
    simulated: bool = False

    def to_json(self) -> dict[str, object]:
        """The line's object, its fields in the order above."""
        return {name: getattr(self, name) for name in FIELDS}

    @classmethod
    def from_json(cls, record: Mapping[str, object]) -> Row:
        """Read a line's object; unknown fields are passed over. Raises ValueError naming the field."""
        return cls(
            id=_given(record, "id", str),
            epoch=_given(record, "epoch", int),
            prompt=_given(record, "prompt", str),
            provider=_given(record, "provider", str),
            key=_given(record, "key", str),
            model=_given(record, "model", str),
            outcome=_verdict(record),
            expected=_given(record, "expected", str),
            answer=_maybe(record, "answer", str),
            response=_maybe(record, "response", str) or "",
            fault=_maybe(record, "fault", str),
            attempts=_maybe(record, "attempts", int) or 0,
            latency_s=_number(record, "latency_s"),
            waited_s=_number(record, "waited_s") or 0.0,
            tokens_in=_maybe(record, "tokens_in", int),
            tokens_out=_maybe(record, "tokens_out", int),
            cost_usd=_number(record, "cost_usd"),
            finish_reason=_maybe(record, "finish_reason", str) or "",
            simulated=_maybe(record, "simulated", bool) or False,
        )


FIELDS = tuple(field.name for field in dataclasses.fields(Row))
"""The names of a results.jsonl line, in order."""


def _maybe(record: Mapping[str, object], name: str, kind: type[T]) -> T | None:
    value = record.get(name)
    # A boolean is an int to isinstance, but 3 attempts are not `true`.
    if value is None or (isinstance(value, kind) and (kind is bool or not isinstance(value, bool))):
        return value
    raise ValueError(f"field {name}: expected {kind.__name__}, found {value!r:.60}")


def _given(record: Mapping[str, object], name: str, kind: type[T]) -> T:
    value = _maybe(record, name, kind)
    if value is None:
        raise ValueError(f"field {name} is missing")
    return value


def _number(record: Mapping[str, object], name: str) -> float | None:
    value = record.get(name)
    return value if isinstance(value, float) else _maybe(record, name, int)


def _verdict(record: Mapping[str, object]) -> Verdict:
    value = record.get("outcome")
    for verdict in VERDICTS:
        if verdict == value:
            return verdict
    raise ValueError(f"field outcome: expected one of {', '.join(VERDICTS)}, found {value!r:.60}")


@dataclass(slots=True)
class Counts:
    """What some rows add up to; 8 bytes a row, for the percentiles."""

    verdicts: Counter[Verdict] = field(default_factory=Counter)
    latencies_s: array[float] = field(default_factory=lambda: array("d"))
    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: float = 0.0
    priced: int = 0

    @property
    def items(self) -> int:
        """All rows, with an answer or without."""
        return self.verdicts.total()

    @property
    def answered(self) -> int:
        """Rows with an answer, be it right, wrong or unparsable."""
        return self.items - self.verdicts["error"]

    @property
    def accuracy(self) -> float | None:
        """The share of right answers among the answered, None before the first."""
        return self.verdicts["right"] / self.answered if self.answered else None

    def add(self, row: Row) -> None:
        """Count one row; the latency of a call that failed is not an answer's and stays out."""
        self.verdicts[row.outcome] += 1
        if row.latency_s is not None and row.outcome != "error":
            self.latencies_s.append(row.latency_s)
        self.tokens_in += row.tokens_in or 0
        self.tokens_out += row.tokens_out or 0
        if row.cost_usd is not None:
            self.cost_usd += row.cost_usd
            self.priced += 1

    def summary(self) -> dict[str, object]:
        """The counts with `accuracy`, its 95 % `interval` (Wilson's, over the answered) and its `bounds`.

        The bounds hold whatever the errors would have been: from all wrong to all right.
        Latencies are in seconds, None without answers; `cost_usd` is None where no row had a price.
        """
        right, answered = self.verdicts["right"], self.answered
        latencies = sorted(self.latencies_s)
        return {
            "items": self.items,
            "answered": answered,
            **{verdict: self.verdicts[verdict] for verdict in VERDICTS},
            "accuracy": self.accuracy,
            "interval": dataclasses.asdict(wilson(right, answered)),
            "bounds": dataclasses.asdict(bounds(right, answered, self.verdicts["error"])),
            "latency_p50_s": percentile(latencies, 50) if latencies else None,
            "latency_p95_s": percentile(latencies, 95) if latencies else None,
            "tokens_in": self.tokens_in,
            "tokens_out": self.tokens_out,
            # Rounded, so that rows in another order (a resumed run) give the same sum.
            "cost_usd": round(self.cost_usd, 9) if self.priced else None,
            "priced": self.priced,
        }


class Tally:
    """A running summary of rows: the whole and each provider's part; the rows themselves are not kept."""

    def __init__(self) -> None:
        self.total = Counts()
        self.providers: dict[str, Counts] = {}
        self.simulated = False

    def add(self, row: Row) -> None:
        """Count one row, for its provider too if something was sent."""
        self.total.add(row)
        self.simulated = self.simulated or row.simulated
        if row.provider:
            self.providers.setdefault(row.provider, Counts()).add(row)

    def summary(self) -> dict[str, object]:
        """The whole as `Counts.summary` has it, `simulated`, and the same for each of `providers`."""
        parts = {name: self.providers[name].summary() for name in sorted(self.providers)}
        return {**self.total.summary(), "simulated": self.simulated, "providers": parts}
