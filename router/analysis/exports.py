"""A run in other tools' shapes: JUnit's XML, inspect_ai's log, rows for CSV. Pure: results go in, text comes out."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from router.analysis.results import Header, Results
from router.analysis.showing import Shown
from router.evals.results import FIELDS, Row
from router.text import clean
from router.types import Message

INSPECT_VERSION = 2
"""That of inspect_ai's log: https://inspect.aisi.org.uk/eval-logs.html"""
STOP_REASONS: Mapping[str, str] = {
    "length": "max_tokens",
    "max_tokens": "max_tokens",
    "content_filter": "content_filter",
    "tool_calls": "tool_calls",
}
VALUES: Mapping[str, str] = {"right": "C", "wrong": "I", "unparsable": "I"}
"""inspect_ai's words for verdicts."""


@dataclass(slots=True)
class _Counted:
    """What many rows add up to."""

    right: int = 0
    marked: int = 0
    tokens_in: int = 0
    tokens_out: int = 0

    def add(self, row: Row) -> None:
        self.right += row.outcome == "right"
        self.marked += row.outcome in VALUES
        self.tokens_in += row.tokens_in or 0
        self.tokens_out += row.tokens_out or 0


def csv_lines(results: Results) -> Iterator[str]:
    """The rows as CSV with a header, one line each; a field may hold line ends, in quotes."""
    yield _csv(FIELDS)
    for row in results.rows():
        yield _csv(tuple(row.to_json().values()))


def _csv(values: Sequence[object]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue()


def junit(results: Results) -> str:
    """JUnit's XML: a suite for each prompt, a case for each trial; wrong is a failure, no answer an error."""
    root = ET.Element("testsuites", name=results.name)
    suites: dict[str, ET.Element] = {name: ET.SubElement(root, "testsuite", name=name) for name in results.prompts}
    for row in results.rows():
        suite = suites.get(row.prompt)
        if suite is None:
            suite = suites[row.prompt] = ET.SubElement(root, "testsuite", name=row.prompt)
        _case(suite, row)
    for suite in suites.values():
        suite.set("tests", str(len(suite)))
        for kind, name in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
            suite.set(name, str(len(suite.findall(f"testcase/{kind}"))))
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _case(suite: ET.Element, row: Row) -> None:
    seconds = f"{row.latency_s or 0.0:.3f}"
    case = ET.SubElement(suite, "testcase", classname=row.provider or row.prompt, name=row.trial, time=seconds)
    said = f"expected {row.expected}, found {row.answer}"
    match row.outcome:
        case "wrong" | "unparsable":
            failure = ET.SubElement(case, "failure", message=clean(said), type=row.reason or row.outcome)
            failure.text = _plain(row.response)
        case "error":
            ET.SubElement(case, "error", message=clean(row.why or str(row.reason)), type=str(row.fault))
        case "unscored":
            ET.SubElement(case, "skipped", message="nothing is expected")


def _plain(text: str) -> str:
    """A text without what XML cannot say."""
    return "\n".join(clean(line) for line in text.splitlines())


def inspect_log(header: Header, items: Sequence[Shown], prompt: str) -> dict[str, object]:
    """The answers to one prompt as a log of inspect_ai, which `inspect view` opens."""
    samples, counted = [], _Counted()
    models: dict[str, _Counted] = {}
    for item in items:
        for row in (row for row in item.rows if row.prompt == prompt):
            counted.add(row)
            models.setdefault(row.model or "none", _Counted()).add(row)
            samples.append(_sample(item, row, header.scorer))
    first = next(iter(models), "none")
    ids = list(dict.fromkeys(str(sample["id"]) for sample in samples))
    return {
        "version": INSPECT_VERSION,
        "status": header.status,
        "eval": {
            "eval_id": f"{header.run}-{prompt}",
            "run_id": header.run,
            "created": header.started,
            "task": prompt,
            "task_id": f"{header.run}-{prompt}",
            "task_version": 0,
            "dataset": {"name": header.task, "samples": len(ids), "sample_ids": ids},
            "model": first if len(models) <= 1 else "router",
            "config": {},
        },
        "plan": {"name": "plan", "steps": [], "config": {}},
        "results": _results(counted, len(samples), header.scorer),
        "stats": {
            "started_at": header.started,
            "completed_at": header.ended,
            "model_usage": {model: _usage(each.tokens_in, each.tokens_out) for model, each in models.items()},
        },
        "samples": samples,
    }


def _results(counted: _Counted, samples: int, scorer: str) -> dict[str, object]:
    accuracy = counted.right / counted.marked if counted.marked else 0.0
    metrics = {"accuracy": {"name": "accuracy", "value": accuracy, "params": {}}}
    return {
        "total_samples": samples,
        "completed_samples": counted.marked,
        "scores": [{"name": scorer, "scorer": scorer, "params": {}, "metrics": metrics}],
    }


def _sample(item: Shown, row: Row, scorer: str) -> dict[str, object]:
    asked = list(item.asked.get(row.prompt, ())) or [{"role": "user", "content": item.item.question}]
    answer = {"role": "assistant", "content": row.response, "source": "generate", "model": row.model}
    score = {"value": VALUES[row.outcome], "answer": row.answer, "explanation": row.why or row.reason}
    return {
        "id": _told_apart(row),
        "epoch": row.epoch,
        "input": item.item.question,
        "target": list(item.item.accepted) or "",
        "messages": [*map(_message, asked), *([] if row.outcome == "error" else [answer])],
        "output": {
            "model": row.model,
            "choices": [{"message": answer, "stop_reason": STOP_REASONS.get(row.finish_reason, "stop")}],
            "usage": _usage(row.tokens_in or 0, row.tokens_out or 0),
            "time": row.latency_s,
        },
        "scores": {scorer: score} if row.outcome in VALUES else {},
        "metadata": {"provider": row.provider, "key": row.key, "outcome": row.outcome, "attempts": row.attempts},
        "error": _error(row) if row.outcome == "error" else None,
    }


def _told_apart(row: Row) -> str:
    """The item's id, with the model or provider where it was asked of several: a sample is one of its epoch."""
    rest = row.trial.removeprefix(row.id).removeprefix(f"/{row.prompt}").replace(f"@{row.epoch}", "", 1)
    return f"{row.id}{rest}"


def _message(message: Message) -> dict[str, object]:
    content = message.get("content")
    parts = content if isinstance(content, list) else [{"text": content}]
    texts = (str(part.get("text", "[image]")) for part in parts if isinstance(part, Mapping))
    return {"role": message["role"], "content": "\n".join(texts)}


def _usage(tokens_in: int, tokens_out: int) -> dict[str, int]:
    return {"input_tokens": tokens_in, "output_tokens": tokens_out, "total_tokens": tokens_in + tokens_out}


def _error(row: Row) -> dict[str, str]:
    message = f"{row.reason}: {row.why}" if row.why else str(row.reason)
    return {"message": message, "traceback": "", "traceback_ansi": ""}
