"""What a run asked and was answered, item by item."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from router.errors import ConfigError
from router.evals.items import Item
from router.evals.kept import KeptRows
from router.evals.prompts import Prompt, Turn, with_words
from router.evals.rescoring import Answers
from router.evals.results import Row
from router.evals.templates import Text
from router.types import Message

MISSED = frozenset({"wrong", "unparsable"})


@dataclass(frozen=True, slots=True)
class Shown:
    """One item with its rows, and the messages by prompt; a prompt that cannot be rendered any more is not there."""

    item: Item
    rows: tuple[Row, ...]
    asked: Mapping[str, Sequence[Message]] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        """All of it as JSON can say it."""
        return {
            "item": self.item.to_json(),
            "asked": self.asked,
            "rows": [row.to_json() for row in self.rows],
        }


@dataclass(frozen=True, slots=True)
class Wish:
    """Which items: those with a wrong answer, those that are right in one row and wrong in another, or by their ids."""

    wrong: bool = False
    flipped: bool = False
    ids: frozenset[str] = frozenset()

    def takes(self, id_: str, outcomes: Sequence[str]) -> bool:
        """Whether an item with these outcomes is meant."""
        missed = any(outcome in MISSED for outcome in outcomes)
        flipped = missed and "right" in outcomes
        return (not self.ids or id_ in self.ids) and (not self.wrong or missed) and (not self.flipped or flipped)


def shown(answers: Answers, wish: Wish) -> Iterator[Shown]:
    """The items that are meant, in the order in which they were answered; raises ConfigError where an id is none."""
    kept = KeptRows(answers.directory / "results.jsonl")
    trials: dict[str, list[tuple[str, str]]] = {}
    for row in kept.rows():
        trials.setdefault(row.id, []).append((row.trial, row.outcome))
    if unknown := sorted(wish.ids - trials.keys()):
        first = next(iter(trials), "none")
        raise ConfigError(f"{answers.directory}: there is no item {unknown[0]!r} in it (the first is {first})")
    prompts = prompts_of(answers.described)
    for id_, ended in trials.items():
        if wish.takes(id_, [outcome for _, outcome in ended]):
            found = (kept.get(trial) for trial, _ in ended)
            rows = sorted((each.row for each in found if each), key=lambda row: _order(row, list(prompts)))
            item = answers.item(rows[0])
            yield Shown(item, tuple(rows), dict(_asked(answers, item, prompts)))


def prompts_of(described: Mapping[str, object]) -> dict[str, Prompt]:
    """The prompts of a run as they were, from its run.json."""
    listed = described.get("prompts")
    found = {}
    for each in listed if isinstance(listed, list) else ():
        path = Path(str(each.get("path")))
        turns = tuple(Turn(str(turn["role"]), Text(str(turn["text"]), path)) for turn in each.get("turns", ()))
        if turns:
            found[str(each.get("name"))] = Prompt(str(each.get("name")), path, turns)
    return found


def _asked(answers: Answers, item: Item, prompts: Mapping[str, Prompt]) -> Iterator[tuple[str, Sequence[Message]]]:
    words = str(answers.described.get("words") or "")
    for name, prompt in prompts.items():
        try:
            messages = prompt.ask(item)
        except ConfigError:
            continue
        yield name, with_words(messages, words) if words else messages


def _order(row: Row, prompts: Sequence[str]) -> tuple[int, str, int, str]:
    place = prompts.index(row.prompt) if row.prompt in prompts else len(prompts)
    return place, row.asked_model or "", row.epoch, row.provider
