"""Continuing a run: which rows are kept, which are asked again and why, and which are only scored again.

A row stands if what would be asked now is what was asked then, by its fingerprint.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple, Protocol, TypeAlias

from router.errors import ConfigError, InternalError
from router.evals.earlier import Earlier
from router.evals.fingerprint import Fingerprint, fingerprint_now
from router.evals.items import Item
from router.evals.kept import KeptRows
from router.evals.plan import Plan
from router.evals.results import Row
from router.evals.scores import MarkingStopped, ScorerFailed
from router.evals.trials import Trial, trials
from router.jsonl import decode

NOT_MARKED = frozenset({ScorerFailed.code, MarkingStopped.code, InternalError.code})
"""Reasons of errors in spite of an answer."""

Left: TypeAlias = Literal["done", "mark", "ask"]
"""What is left to do about a trial that has a row."""


class Found(NamedTuple):
    """What is left to do about a row, and why; `why` is empty where nothing is."""

    left: Left
    why: str = ""


@dataclass(frozen=True, slots=True)
class Before:
    """What a run has done before this part of it; nothing, where it is new.

    `started` and the `resumed` are the beginnings of its parts, as run.json has them.
    """

    kept: KeptRows | None = None
    earlier: Earlier = field(default_factory=Earlier)
    started: str | None = None
    resumed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def is_done(self, trial: Trial) -> bool:
        """Whether nothing is left to do for a trial."""
        return self.kept is not None and self.kept.left(trial.id) == "done"

    def row(self, trial: Trial) -> Row | None:
        """What there is of a trial already, if it still counts."""
        found = self.kept.get(trial.id) if self.kept is not None and self.kept.left(trial.id) != "ask" else None
        return found.row if found else None

    def to_mark(self, trial: Trial) -> Row | None:
        """The row of a trial whose answer stands, and is to be marked again."""
        if self.kept is None or self.kept.left(trial.id) != "mark":
            return None
        found = self.kept.get(trial.id)
        return found.row if found else None


def described(directory: Path) -> Mapping[str, object]:
    """The run.json of a run; raises ConfigError where there is none to read."""
    path = directory / "run.json"
    try:
        found = decode(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{directory}: there is no run to continue ({path.name}: {error.strerror})") from None
    except ValueError as error:
        raise ConfigError(f"{path}: {error}; the run cannot be continued") from None
    if not isinstance(found, dict):
        raise ConfigError(f"{path}: this file does not describe a run, so the run cannot be continued")
    return found


class Book(Protocol):
    """Where results are written down."""

    def append(self, row: Row) -> None:
        """Put a row in."""
        ...

    def withdraw(self, trial: str) -> None:
        """Take the row of a trial out."""
        ...


class Unwritten:
    """Writes nothing down."""

    def append(self, row: Row) -> None:
        """Do nothing."""

    def withdraw(self, trial: str) -> None:
        """Do nothing."""


def foreseen(plan: Plan, directory: Path) -> tuple[str, ...]:
    """What is left of a run and what has changed, in words; nothing is written. Raises ConfigError as `survey` does."""
    return survey(plan, directory, Unwritten(), lambda _item, _row: None).notes


def survey(plan: Plan, directory: Path, book: Book, count: Callable[[Item, Row], None]) -> Before:
    """Look at everything that a run has done; `count` is told of every row that stands.

    Rows of trials that the plan does not have any more are taken out of the `book`, and those that it has again are put
    back. Raises ConfigError where the run is another one than this plan could go on with.
    """
    about = described(directory)
    _require_same(plan, about, directory)
    kept = KeptRows(directory / "results.jsonl")
    changes: Counter[tuple[str, str]] = Counter()
    asked = done = 0
    for trial in trials(plan):
        asked += 1
        if (row := _standing(trial, plan, kept, book, changes)) is not None:
            done += 1
            count(trial.item, row)
    for gone in kept.unnoted():
        book.withdraw(gone)
        changes["withdrawn", ""] += 1
    return Before(
        kept,
        Earlier.of_log(directory / "log.jsonl"),
        str(about.get("started")),
        _texts(about.get("resumed")),
        (f"{directory} is continued: {done:,} of {asked:,} were done", *_notes(changes, plan)),
    )


def _standing(trial: Trial, plan: Plan, kept: KeptRows, book: Book, changes: Counter[tuple[str, str]]) -> Row | None:
    """The row of a trial that is done."""
    found = kept.get(trial.id)
    if found is None:
        return None
    left, why = what_is_left(trial, found.row, plan)
    kept.note(trial.id, left)
    if why:
        changes[why, str(trial.prompt.path) if why == "prompt" else found.row.provider] += 1
    if left != "done":
        return None
    if found.is_withdrawn:
        book.append(found.row)
    return found.row


def what_is_left(trial: Trial, row: Row, plan: Plan) -> Found:
    """Whether a row stands, is to be marked again, or asked again."""
    changed = Fingerprint.parse(row.fingerprint).changed(fingerprint_now(trial, plan, row.provider))
    if why := _why_ask(changed):
        return Found("ask", why)
    is_answered = row.outcome != "error" or row.reason in NOT_MARKED
    if row.reason == MarkingStopped.code:
        return Found("mark")
    if row.outcome == "error" and plan.retry_errors:
        return Found("mark" if is_answered else "ask", "errors")
    return Found("mark", "marking") if "marking" in changed and is_answered else Found("done")


def _why_ask(changed: Collection[str]) -> str:
    """What is another one now, and was sent; a prompt may change in what nobody is sent."""
    if "question" in changed:
        return "prompt" if "prompt" in changed else "data"
    return next((name for name in ("parameters", "model") if name in changed), "")


# --- whether it is the same run -------------------------------------------------------------------


def _require_same(plan: Plan, about: Mapping[str, object], path: Path) -> None:
    if "scored" in about:
        raise ConfigError(f"{path}: this run only scored the answers of {about['scored']} again; continue that one")
    if (about.get("simulated") is True) is not plan.config.simulated:
        was, now = ("simulated", "--rehearse") if about.get("simulated") else ("real", "--live")
        raise ConfigError(f"{path}: this run asked {was} vendors and cannot be continued with others; add {now}")
    was_shape, shape = _shape_then(about), _shape(plan)
    if differing := [name for name in shape if shape[name] != was_shape[name]]:
        name = differing[0]
        raise ConfigError(
            f"{path}: this run has {was_shape[name]}, but the command asks for {shape[name]}; "
            "use the same as before, or begin a new run"
        )


def _shape(plan: Plan) -> dict[str, str]:
    """What the names of trials depend on, in words."""
    return {
        "prompts": _several(len(plan.prompts), "prompt"),
        "epochs": _several(plan.epochs, "epoch"),
        "models": _several(max(1, len(plan.models)), "model"),
        "across": f"--across {plan.across}",
    }


def _shape_then(about: Mapping[str, object]) -> dict[str, str]:
    epochs = about.get("epochs")
    return {
        "prompts": _several(len(_listed(about.get("prompts"))), "prompt"),
        "epochs": _several(epochs if isinstance(epochs, int) else 1, "epoch"),
        "models": _several(max(1, len(_listed(about.get("models")))), "model"),
        "across": f"--across {about.get('across')}",
    }


def _several(number: int, noun: str) -> str:
    return f"one {noun}" if number == 1 else f"several {noun}s"


# --- what is said of it ---------------------------------------------------------------------------


def _notes(changes: Counter[tuple[str, str]], plan: Plan) -> Iterator[str]:
    data = str(plan.task.describes.get("path", plan.task.name))
    for (why, where), number in sorted(changes.items()):
        rows = "its row is" if number == 1 else f"its {number:,} rows are"
        match why:
            case "prompt" if plan.schema and plan.in_words:
                yield f"{where} or {plan.schema.path} has changed since: {rows} asked again"
            case "prompt":
                yield f"{where} has changed since: {rows} asked again"
            case "data":
                yield f"{data} has changed since: {where}: {rows} asked again"
            case "parameters":
                yield f"the parameters for {where} have changed since: {rows} asked again"
            case "model":
                yield f"the model of {where} has changed since: {rows} asked again"
            case "marking":
                yield f"the scorer or expected answer has changed since: {where}: {number:,} answers are scored again"
            case "errors":
                yield f"--retry-errors: {where or 'not sent'}: {number:,} without an answer or a score are tried again"
            case "withdrawn":
                yield f"{number:,} rows belong to items that are no longer asked: they do not count, but stay on disk"


def _listed(value: object) -> Sequence[Mapping[str, object]]:
    return [each if isinstance(each, Mapping) else {} for each in value] if isinstance(value, list) else []


def _texts(value: object) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list) else ()
