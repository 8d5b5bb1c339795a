"""Scorers that read a text by rule: a field of a JSON object, a number, a choice, a pattern, a set."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from router.errors import ConfigError
from router.evals.answers import last_number, last_object_with, number_in, without_thinking
from router.evals.choices import named_choice
from router.evals.items import Item
from router.evals.scores import UNPARSABLE, Ask, Score, Scorer, ScorerFailed
from router.suggest import did_you_mean
from router.types import Completion

MAX_SEARCH_S = 2.0
"""For one search of a pattern: some patterns take longer than any run on some texts."""

Compare: TypeAlias = Callable[[str, str], Score]
"""Takes the model's text, without its thinking, and one expected answer."""


@dataclass(frozen=True, slots=True)
class TextScorer:
    """Compares a text with each expected answer; the best counts."""

    name: str
    compare: Compare
    lacks: str = "text"
    wants: str = ""
    form: Callable[[str], str | None] = str
    reads_end: bool = False
    needs_gold: bool = True

    def ideal(self, item: Item) -> str | None:
        """The expected answer in the form that is looked for."""
        return self.form(item.accepted[0]) if item.accepted else None

    async def score(self, item: Item, completion: Completion, ask: Ask) -> Score:  # noqa: ARG002 - asks nobody
        """Mark an answer."""
        text = without_thinking(completion.text)
        found = [self.compare(text, gold) for gold in item.accepted]
        return max(found, key=lambda score: (score.value, score.answer is not None))


# --- how texts compare ----------------------------------------------------------------------------


def field_of_json(name: str, text: str, expected: str) -> Score:
    """Score a field of the last JSON object that has it: a number, a text, or true or false where that is expected.

    Where a number is expected, anything else is no answer.
    """
    holder = last_object_with(name, text)
    value = holder[name] if holder is not None else None
    if isinstance(value, bool) and expected.strip().lower() in {"true", "false"}:
        return _compare(str(value).lower(), expected.lower())
    if not isinstance(value, str) or not value.strip():
        return UNPARSABLE
    if number_in(value) is None and number_in(expected) is not None:
        return UNPARSABLE
    return _compare(value, expected)


def exact(options: frozenset[str], text: str, expected: str) -> Score:
    """Score the whole answer, stripped, letter by letter."""
    answer = text.strip()
    return _score(answer, is_right=_eased(answer, options) == _eased(expected, options)) if answer else UNPARSABLE


def contains(options: frozenset[str], text: str, expected: str) -> Score:
    """Score whether the expected text stands anywhere in the answer."""
    answer = text.strip()
    return _score(answer, is_right=_eased(expected, options) in _eased(answer, options)) if answer else UNPARSABLE


def number(text: str, expected: str) -> Score:
    """Score the last number in the answer."""
    found = last_number(text)
    return UNPARSABLE if found is None else _compare(found, expected)


def match_of(pattern: str) -> Compare:
    """Score the first match of a pattern, or its first group; raises ConfigError where it is none."""
    # `re` cannot be stopped, and holds up everything; this one takes the same patterns and a time limit.
    import regex

    try:
        compiled = regex.compile(pattern)
    except regex.error as error:
        raise ConfigError(f"scorer regex:{pattern}: this is not a regular expression: {error}") from None
    group = 1 if compiled.groups else 0

    def compare(text: str, expected: str) -> Score:
        try:
            match = compiled.search(text, timeout=MAX_SEARCH_S)
        except TimeoutError:
            raise ScorerFailed(
                f"scorer regex:{pattern} took more than {MAX_SEARCH_S:g} s for {len(text)} characters"
            ) from None
        found = match[group] if match else None
        return UNPARSABLE if found is None else _compare(found, expected)

    return compare


def _compare(answer: str, expected: str) -> Score:
    got, wanted = number_in(answer), number_in(expected)
    if got is not None and wanted is not None:
        return _score(answer, is_right=got == wanted)
    return _score(answer, is_right=answer.strip() == expected.strip())


def _score(answer: str, *, is_right: bool) -> Score:
    return Score(float(is_right), answer.strip())


def _eased(text: str, options: frozenset[str]) -> str:
    text = " ".join(text.split()) if "whitespace" in options else text.strip()
    return text.casefold() if "ignore_case" in options else text


# --- choice and set, which see the item -----------------------------------------------------------

_SAID = ("infer", "answer", "choice")
"""Fields of a JSON answer that may name the choice."""
_PARTS = re.compile(r"[,;\n、，；]")
_BULLET = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s+")


@dataclass(frozen=True, slots=True)
class ChoiceScorer:
    """Compares the choice that an answer names with the right one, each by letter, index or text."""

    name: str = "choice"
    lacks: str = "choice in it"
    wants: str = "the letter, index (from 0) or text of exactly one of the item's choices"
    reads_end: bool = False
    needs_gold: bool = True

    def ideal(self, item: Item) -> str | None:
        """The text of the right choice."""
        return "" if item.choice is None else item.choices[item.choice]

    async def score(self, item: Item, completion: Completion, ask: Ask) -> Score:  # noqa: ARG002 - asks nobody
        """Mark an answer; raises ScorerFailed where the item has no right choice."""
        if item.choice is None:
            raise ScorerFailed(f"the expected answer of item {item.id}, {item.expected!r:.60}, is not {self.wants}")
        text = without_thinking(completion.text)
        found = named_choice(_said(text), item.choices)
        return UNPARSABLE if found is None else _score(item.choices[found], is_right=found == item.choice)


def _said(text: str) -> str:
    """What a JSON answer says in its field, or the whole text."""
    values = ((last_object_with(name, text) or {}).get(name) for name in _SAID)
    return next((value for value in values if isinstance(value, str) and value.strip()), text)


@dataclass(frozen=True, slots=True)
class SetScorer:
    """Compares a list in any order: right where both are the same, the score is what they share of what either has."""

    name: str = "set"
    lacks: str = "list in it"
    wants: str = ""
    reads_end: bool = False
    needs_gold: bool = True

    def ideal(self, item: Item) -> str | None:
        """The expected ones as a JSON list."""
        return json.dumps(sorted(_expected_set(item)))

    async def score(self, item: Item, completion: Completion, ask: Ask) -> Score:  # noqa: ARG002 - asks nobody
        """Mark an answer by Jaccard's index."""
        got, wanted = _answered_set(without_thinking(completion.text)), _expected_set(item)
        if not got:
            return UNPARSABLE
        return Score(
            len(got & wanted) / len(got | wanted), json.dumps(sorted(got), ensure_ascii=False), right=got == wanted
        )


def _expected_set(item: Item) -> frozenset[str]:
    return _normal(item.golds or _PARTS.split(item.expected or ""))


def _answered_set(text: str) -> frozenset[str]:
    """The last JSON list in a text, or its parts between commas and lines."""
    for begin in reversed([match.start() for match in re.finditer(r"\[", text)][-100:]):
        try:
            value, _ = json.JSONDecoder().raw_decode(text, begin)
        except (ValueError, RecursionError):
            continue
        if all(isinstance(each, str | int | float) for each in value):
            return _normal(map(str, value))
    return _normal(_PARTS.split(text))


def _normal(parts: object) -> frozenset[str]:
    texts = (_BULLET.sub("", part).strip(" \t\"'`.").casefold() for part in parts)  # type: ignore[attr-defined]
    return frozenset(text for text in texts if text)


# --- by name --------------------------------------------------------------------------------------

_EASING = frozenset({"ignore_case", "whitespace"})


def _json_scorer(name: str, argument: str) -> Scorer:
    return TextScorer(
        name,
        partial(field_of_json, argument),
        lacks=f'{{"{argument}": …}}',
        form=lambda gold: json.dumps({argument: gold}),
    )


def _eased_scorer(compare: Callable[[frozenset[str], str, str], Score], name: str, argument: str) -> Scorer:
    options = frozenset(filter(None, argument.split(",")))
    if unknown := sorted(options - _EASING):
        close = did_you_mean(unknown[0], _EASING)
        raise ConfigError(
            f"scorer {name}: there is no option {unknown[0]!r}{close} (known: {', '.join(sorted(_EASING))})"
        )
    return TextScorer(name, partial(compare, options))


def _regex_scorer(name: str, argument: str) -> Scorer:
    return TextScorer(name, match_of(argument), lacks="match of the pattern", form=lambda _gold: None)


WITH_ARGUMENT: Mapping[str, Callable[[str, str], Scorer]] = {
    "json": _json_scorer,
    "exact": partial(_eased_scorer, exact),
    "contains": partial(_eased_scorer, contains),
    "regex": _regex_scorer,
}
"""By the word before the colon; each takes the whole name and what stands behind the colon."""
PLAIN: Mapping[str, Scorer] = {
    "infer": _json_scorer("infer", "infer"),
    "exact": TextScorer("exact", partial(exact, frozenset())),
    "contains": TextScorer("contains", partial(contains, frozenset())),
    "includes": TextScorer("includes", partial(contains, frozenset())),
    "number": TextScorer("number", number, lacks="number in it", wants="a number", reads_end=True),
    "choice": ChoiceScorer(),
    "set": SetScorer(),
}
"""By their whole name."""
