"""One line of results.jsonl."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypeVar, get_args

Verdict: TypeAlias = Literal["right", "wrong", "unparsable", "unscored", "error"]
"""What became of an item; an error is never counted as a wrong answer, nor an answer that nobody could mark."""

VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

T = TypeVar("T", str, int, bool)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """How one trial ended. `trial` names what was asked: item, epoch, prompt and, where pinned, provider.

    `answer` is what the scorer found, `response` the model's whole text, `reasoning` what it thought aloud. `reason`
    says why there is no verdict: `truncated`, `refused`, `filtered`, `schema` or `no_answer` where there is an answer,
    `scorer_failed` where nothing could mark it, else `deadline`, `nothing_serves`, `attempts_exhausted`,
    `bad_request`, ... and the last `fault`, or the reason again where no call failed. `score` is from 0 to 1, None
    where nobody marked; `why` is the scorer's word for it. `expected` is None where nobody knows, a JSON list where
    several answers will do. `attempts` counts the calls that were sent. Times are in seconds, `latency_s` is that of
    the last call; `tokens_cached` are among `tokens_in`, `tokens_reasoning` among `tokens_out`.
    `asked_model` is the name of `--model` that was asked for, None where there was none.
    `fingerprint` tells whether it would be asked in the same way now; what is `cached` was answered in another run.
    `key` (such as `openai#2`) and `model` are empty where nothing was sent, `provider` too unless it was pinned.
    """

    trial: str
    id: str
    epoch: int
    prompt: str
    provider: str
    key: str
    model: str
    outcome: Verdict
    reason: str | None = None
    score: float | None = None
    why: str = ""
    expected: str | None = None
    answer: str | None = None
    response: str = ""
    reasoning: str = ""
    fault: str | None = None
    attempts: int = 0
    latency_s: float | None = None
    waited_s: float = 0.0
    tokens_in: int | None = None
    tokens_cached: int | None = None
    tokens_reasoning: int | None = None
    tokens_out: int | None = None
    cost_usd: float | None = None
    finish_reason: str = ""
    simulated: bool = False
    asked_model: str | None = None
    fingerprint: str = ""
    cached: bool = False

    def to_json(self) -> dict[str, object]:
        """The line's object, its fields in the order above."""
        return {name: getattr(self, name) for name in FIELDS}

    @classmethod
    def from_json(cls, record: Mapping[str, object]) -> Row:
        """Read a line's object; unknown fields are passed over. Raises ValueError naming the field."""
        return cls(
            trial=_given(record, "trial", str),
            id=_given(record, "id", str),
            epoch=_given(record, "epoch", int),
            prompt=_given(record, "prompt", str),
            provider=_given(record, "provider", str),
            key=_given(record, "key", str),
            model=_given(record, "model", str),
            outcome=_verdict(record),
            reason=_maybe(record, "reason", str),
            score=_number(record, "score"),
            why=_maybe(record, "why", str) or "",
            expected=_maybe(record, "expected", str),
            answer=_maybe(record, "answer", str),
            response=_maybe(record, "response", str) or "",
            reasoning=_maybe(record, "reasoning", str) or "",
            fault=_maybe(record, "fault", str),
            attempts=_maybe(record, "attempts", int) or 0,
            latency_s=_number(record, "latency_s"),
            waited_s=_number(record, "waited_s") or 0.0,
            tokens_in=_maybe(record, "tokens_in", int),
            tokens_cached=_maybe(record, "tokens_cached", int),
            tokens_reasoning=_maybe(record, "tokens_reasoning", int),
            tokens_out=_maybe(record, "tokens_out", int),
            cost_usd=_number(record, "cost_usd"),
            finish_reason=_maybe(record, "finish_reason", str) or "",
            simulated=_maybe(record, "simulated", bool) or False,
            asked_model=_maybe(record, "asked_model", str),
            fingerprint=_maybe(record, "fingerprint", str) or "",
            cached=_maybe(record, "cached", bool) or False,
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
