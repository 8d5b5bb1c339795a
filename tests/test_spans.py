"""A run's log as spans: which there are, what hangs under what, and what each says."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from router.analysis.rows import Logged
from router.analysis.spans import Kind, Span, spans
from router.log.event import Event
from router.log.events import AttemptFinished, ItemSettled, RunFinished, RunStarted


def call(item: str = "i1", attempt: int = 1, *, ok: bool = True, model: str = "openai/gpt", **told: object) -> Event:
    usual = {"status": 200 if ok else 429, "latency_s": 0.5, "fault": None if ok else "rate_limit"}
    return AttemptFinished(
        item=item,
        attempt=attempt,
        provider="acme",
        key="acme#1",
        key_hash="cfbdd9f4",
        model=model,
        ok=ok,
        **{**usual, **told},  # type: ignore[arg-type]
    )


def trace(*events: Event, run: str = "r") -> list[Span]:
    """The spans of events that were written a second apart, from 100 on."""
    return list(spans(Logged(100.0 + second, run, True, event) for second, event in enumerate(events)))  # noqa: FBT003


def tree(found: Sequence[Span]) -> list[str]:
    """Each span with the names of those above it."""
    by_id = {span.id: span for span in found}
    assert len(by_id) == len(found)

    def path(span: Span) -> str:
        return f"{path(by_id[span.parent])} > {span.name}" if span.parent else span.name

    return [path(span) for span in found]


SETTLED = ItemSettled("i1", "right", 1, 0.9)


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param([], [], id="an empty log"),
        pytest.param([RunStarted(), RunFinished()], ["run"], id="no item"),
        pytest.param(
            [RunStarted(), call(ok=False), call(attempt=2), SETTLED],
            ["run > item > chat gpt", "run > item > chat gpt", "run > item", "run"],
            id="two attempts",
        ),
        pytest.param(
            [RunStarted(), call()],
            ["run > item > chat gpt", "run > item", "run"],
            id="killed before the item was settled",
        ),
        pytest.param(
            [RunStarted(), call(), RunStarted(resumed=True), call(), SETTLED],
            [*["run > item > chat gpt", "run > item"] * 2, "run"],
            id="the same attempt again after it went on",
        ),
        pytest.param(
            [RunStarted(), call(), call("i1/judge"), SETTLED],
            [
                *("run > item > chat gpt", "run > item > judge > chat gpt"),
                *("run > item > judge", "run > item", "run"),
            ],
            id="a judge",
        ),
    ],
)
def test_what_hangs_under_what(events: list[Event], expected: list[str]) -> None:
    assert tree(trace(*events)) == expected


def test_an_attempt_says_what_the_conventions_name() -> None:
    attempt = trace(call(tokens_in=7, tokens_out=3, cost_usd=0.5, waited_s=0.25, waited_for="rate"))[0]
    assert (attempt.kind, attempt.start, attempt.end, attempt.error) == (Kind.CLIENT, 99.5, 100.0, "")
    assert {name: value for name, value in attempt.attributes.items() if value is not None} == {
        "router.run": "r",
        "router.simulated": True,
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt",
        "gen_ai.usage.input_tokens": 7,
        "gen_ai.usage.output_tokens": 3,
        "http.response.status_code": 200,
        "router.item": "i1",
        "router.attempt": 1,
        "router.provider": "acme",
        "router.key": "acme#1",
        "router.waited_s": 0.25,
        "router.waited_for": "rate",
        "router.cost_usd": 0.5,
    }


@pytest.mark.parametrize(
    ("model", "vendor", "asked"),
    [
        pytest.param("gemini/gemini-3", "gcp.gemini", "gemini-3", id="the conventions' own name"),
        pytest.param("azure/mine", "azure.ai.openai", "mine", id="azure"),
        pytest.param("bedrock_converse/claude", "aws.bedrock", "claude", id="another prefix of a vendor"),
        pytest.param("openrouter/openai/gpt", "openrouter", "openai/gpt", id="a name that they do not have"),
        pytest.param("gpt-4o", "acme", "gpt-4o", id="no prefix"),
        pytest.param("meta/llama", "acme", "meta/llama", id="a slash that is no prefix"),
    ],
)
def test_vendor_and_model(model: str, vendor: str, asked: str) -> None:
    told = trace(call(model=model))[0].attributes
    assert (told["gen_ai.provider.name"], told["gen_ai.request.model"]) == (vendor, asked)


def test_a_failed_call_is_an_error_without_the_vendors_words() -> None:
    attempt = trace(call(ok=False, vendor_code="slow_down", message="secret words"))[0]
    assert attempt.error == attempt.attributes["error.type"] == "rate_limit"
    assert attempt.attributes["http.response.status_code"] == 429
    assert attempt.attributes["router.vendor_code"] == "slow_down"
    assert "secret words" not in str(attempt)


@pytest.mark.parametrize(
    ("events", "error"),
    [
        pytest.param([call(ok=False), ItemSettled("i1", "error", 1)], "rate_limit", id="its last fault"),
        pytest.param([ItemSettled("i1", "error", 0)], "error", id="nothing was sent"),
        pytest.param([call(ok=False), call(attempt=2), ItemSettled("i1", "wrong", 2)], "", id="an answer"),
    ],
)
def test_an_item_without_an_answer_is_an_error(events: list[Event], error: str) -> None:
    assert next(span.error for span in trace(*events) if span.name == "item") == error


@pytest.mark.parametrize(
    ("ended", "error", "finished"),
    [
        pytest.param([RunFinished(right=1)], "", True, id="by itself"),
        pytest.param([RunFinished(interrupted=True, why="Ctrl-C")], "interrupted", True, id="by a signal"),
        pytest.param([RunFinished(why="nothing could be sent")], "stopped", True, id="early"),
        pytest.param([], "", False, id="killed"),
        pytest.param([RunFinished(interrupted=True), RunStarted(prompts=("a", "b"))], "", False, id="goes on"),
    ],
)
def test_how_a_run_ended(ended: list[Event], error: str, finished: bool) -> None:  # noqa: FBT001
    root = trace(RunStarted(prompts=("a", "b")), *ended)[-1]
    assert (root.error, root.attributes["router.finished"], root.parent) == (error, finished, "")
    assert root.attributes["router.prompts"] == ("a", "b")


def test_ids_are_the_same_every_time_and_a_runs_own() -> None:
    events = (RunStarted(), call(), SETTLED)
    assert trace(*events) == trace(*events)
    ids = [{each for span in trace(*events, run=run) for each in (span.trace, span.id)} for run in ("r", "s")]
    assert not ids[0] & ids[1]
    assert {len(each) for each in ids[0]} == {16, 32}
