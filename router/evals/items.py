"""Items: what one record of a data set asks, and what is expected for it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TypeAlias, cast

from router.config.parameters import refused
from router.errors import ConfigError
from router.evals.choices import gold_choice, texts_and_labels
from router.evals.images import Image, image_of
from router.evals.templates import Expression, expression
from router.suggest import nearest
from router.types import Json, Message

QUESTION_FIELDS = ("question", "input", "prompt", "messages")
EXPECTED_FIELDS = ("expected", "target", "answer")
IMAGE_FIELDS = ("images", "image")
_ALIASES = (QUESTION_FIELDS, EXPECTED_FIELDS, IMAGE_FIELDS)

Place: TypeAlias = str
"""Where a record stands, for the head of a message: `data.jsonl:3`."""
Record: TypeAlias = Mapping[str, object]


class BadRow(ConfigError):
    """One record of a data set is no item; the others may be."""


@dataclass(frozen=True, slots=True)
class Item:
    """One question with its expected answer, None where nobody knows it; `variables` are what a prompt may name.

    `golds` are several expected answers, any of which will do. `messages` is a conversation whose last message holds
    the question, empty where the question is a text. `choice` is the index of the right one among `choices`.
    `params` are parameters that the item brings along for its call.
    """

    id: str
    question: str
    expected: str | None
    variables: Mapping[str, object]
    golds: tuple[str, ...] = ()
    messages: tuple[Message, ...] = ()
    choices: tuple[str, ...] = ()
    choice: int | None = None
    images: tuple[Image, ...] = ()
    params: Mapping[str, Json] = field(default_factory=dict)

    @property
    def accepted(self) -> tuple[str, ...]:
        """Every expected answer; none where nobody knows one."""
        return self.golds or (() if self.expected is None else (self.expected,))

    def to_json(self) -> dict[str, object]:
        """What is kept of it beside the answers; images that it holds itself are not."""
        return {
            "id": self.id,
            "question": self.question,
            "expected": self.expected,
            "golds": self.golds,
            "choices": self.choices,
            "choice": self.choice,
            "variables": _plain(self.variables),
            "messages": self.messages,
        }

    @classmethod
    def from_json(cls, record: Mapping[str, object]) -> Item:
        """Read a line of items.jsonl; raises ValueError where it is none."""
        try:
            return cls(
                id=str(record["id"]),
                question=str(record["question"]),
                expected=None if record["expected"] is None else str(record["expected"]),
                variables=cast("Mapping[str, object]", record["variables"]),
                golds=tuple(map(str, cast("Sequence[object]", record["golds"]))),
                messages=tuple(cast("Sequence[Message]", record["messages"])),
                choices=tuple(map(str, cast("Sequence[object]", record["choices"]))),
                choice=cast("int | None", record["choice"]),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"this is not an item: {error}") from None


def _plain(value: object) -> object:
    """The value as JSON can say it."""
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    return value if isinstance(value, str | int | float | None) else str(value)


@dataclass(frozen=True, slots=True)
class FieldMap:
    """Fields that are made of others by expressions, as `--map` names them."""

    expressions: Mapping[str, Expression] = field(default_factory=dict)
    texts: tuple[str, ...] = ()

    @classmethod
    def parse(cls, texts: Iterable[str]) -> FieldMap:
        """Read each `FIELD=EXPRESSION`; raises ConfigError naming the one that cannot be read."""
        texts, found = tuple(texts), dict[str, Expression]()
        for text in texts:
            name, equals, source = text.partition("=")
            if not equals or not name.strip().isidentifier():
                raise ConfigError(f"--map {text!r}: write FIELD=EXPRESSION, such as expected='answer.strip()'")
            try:
                found[name.strip()] = expression(source)
            except ValueError as error:
                raise ConfigError(f"--map {text!r}: the expression {error}") from None
        return cls(found, texts)

    def applied(self, place: Place, record: Record) -> Record:
        """The record with the fields that are made, without other names for them; raises BadRow."""
        if not self.expressions:
            return record
        values = {**record, "row": record}
        made = {name: self._made(place, name, values) for name in self.expressions}
        hidden = {other for names in _ALIASES for other in names if set(names) & made.keys()}
        return {name: value for name, value in record.items() if name not in hidden} | made

    def _made(self, place: Place, name: str, values: Record) -> object:
        try:
            return self.expressions[name](values)
        except ValueError as error:
            there = ", ".join(str(each) for each in values if each != "row")
            raise BadRow(f"{place}: --map {name}: {error} (there are: {there})") from None


NO_MAP = FieldMap()


def item_of(place: Place, record: object, mapped: FieldMap = NO_MAP, directory: Path = Path()) -> tuple[Item, bool]:
    """The item that a record holds, and whether it has an id of its own, or is known by its content; raises BadRow.

    `directory` is where the paths of images begin.
    """
    if not isinstance(record, Mapping):
        raise BadRow(f'{place}: expected an object such as {{"question": "…", "expected": "…"}}')
    content = _content(place, record)
    record, params = _unbatched(place, record)
    fields = mapped.applied(place, record)
    question, messages = _question(place, fields)
    choices, labels = texts_and_labels(fields.get("choices"))
    gold = next((fields[name] for name in EXPECTED_FIELDS if name in fields), None)
    golds = tuple(_golds(place, fields, gold))
    is_named = not _is_blank(fields.get("id"))
    item = Item(
        id=_text(place, fields, "id").strip() if is_named else hashlib.sha256(content).hexdigest()[:16],
        question=question,
        expected=None if not golds else golds[0] if not _is_list(gold) else json.dumps(golds, ensure_ascii=False),
        variables={**record, **fields, "question": question, **({"choices": list(choices)} if choices else {})},
        golds=golds if _is_list(gold) else (),
        messages=messages,
        choices=choices,
        choice=gold_choice(gold, choices, labels),
        images=tuple(_images(place, fields, directory)),
        params=params,
    )
    return item, is_named


def _content(place: Place, record: Record) -> bytes:
    """All that a record says; raises BadRow for a text that no request, log or file could hold."""
    try:
        return json.dumps(record, sort_keys=True, skipkeys=True, ensure_ascii=False, default=_as_json).encode()
    except UnicodeEncodeError:
        raise BadRow(f"{place}: a text holds half a character (a lone surrogate)") from None


def _as_json(value: object) -> str:
    return hashlib.sha256(value).hexdigest() if isinstance(value, bytes) else str(value)


# --- the question ---------------------------------------------------------------------------------


def _unbatched(place: Place, record: Record) -> tuple[Record, Mapping[str, Json]]:
    """A line of OpenAI's batch format as id, messages and parameters; its model is this tool's to choose.

    https://platform.openai.com/docs/guides/batch
    """
    body = record.get("body")
    if "custom_id" not in record or not isinstance(body, Mapping):
        return record, {}
    if not str(record.get("url", "chat/completions")).endswith("chat/completions"):
        raise BadRow(f"{place}: url is {record['url']}; only /v1/chat/completions can be asked")
    params = cast("Mapping[str, Json]", {k: v for k, v in body.items() if k not in {"messages", "model"}})
    for names, why in refused(params):
        raise BadRow(f"{place}: body.{'.'.join(names)} may not be set: {why}")
    rest = {name: value for name, value in record.items() if name not in {"body", "custom_id", "method", "url"}}
    return {"id": record["custom_id"], "messages": body.get("messages"), **rest}, params


def _question(place: Place, fields: Record) -> tuple[str, tuple[Message, ...]]:
    name = _field(place, fields)
    value = fields[name]
    if not _is_list(value) and name != "messages":
        return _text(place, fields, name), ()
    messages = tuple(_messages(place, name, value))
    if messages[-1]["role"] == "assistant":
        cut = f"--map messages='{name}[:-1]'"
        raise BadRow(f"{place}: the last of {name} is the assistant's, so nothing is asked; cut it off with {cut}")
    asked = next((message for message in reversed(messages) if message["role"] == "user"), messages[-1])
    return text_of(asked), messages


def _messages(place: Place, name: str, value: object) -> Iterator[Message]:
    each = value if isinstance(value, Sequence) else ()
    for number, message in enumerate(each, 1):
        role, content = (message.get("role"), message.get("content")) if isinstance(message, Mapping) else (None, None)
        if not isinstance(role, str) or not isinstance(content, str | list | None):
            raise BadRow(f'{place}: message {number} of {name} must be like {{"role": "user", "content": "…"}}')
        yield cast("Message", dict(message))
    if not each:
        raise BadRow(f'{place}: {name} must be a list of messages such as {{"role": "user", "content": "…"}}')


def text_of(message: Message) -> str:
    """The text of a chat message, without the images beside it."""
    content = message.get("content")
    if isinstance(content, list):
        texts = (part.get("text") for part in content if isinstance(part, Mapping))
        return "\n".join(text for text in texts if isinstance(text, str))
    return content if isinstance(content, str) else ""


def _images(place: Place, fields: Record, directory: Path) -> Iterator[Image]:
    for name in IMAGE_FIELDS:
        value = fields.get(name)
        for source in value if isinstance(value, list | tuple) else (value,):
            if not _is_blank(source):
                try:
                    yield image_of(source, directory)
                except ValueError as error:
                    raise BadRow(f"{place}: the field {name}: {error}") from None


# --- what is expected -----------------------------------------------------------------------------


def _golds(place: Place, fields: Record, gold: object) -> Iterator[str]:
    name = next((name for name in EXPECTED_FIELDS if name in fields), "")
    for each in gold if isinstance(gold, list | tuple) else (gold,):
        if not _is_blank(each):
            yield _text(place, {name: each}, name)


def _is_blank(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _is_list(value: object) -> bool:
    return isinstance(value, list | tuple)


# --- fields ---------------------------------------------------------------------------------------


def _field(place: Place, fields: Record) -> str:
    """The first field that holds the question; one that is blank gives way to the next."""
    found = [name for name in QUESTION_FIELDS if name in fields]
    if found:
        return next((name for name in found if not _is_blank(fields[name])), found[0])
    present = [str(name) for name in fields]
    hints = (f"; is {close} meant as {name}?" for name in QUESTION_FIELDS if (close := nearest(name, present)))
    raise BadRow(
        f"{place}: there is no field {' or '.join(QUESTION_FIELDS)}{next(hints, '')} "
        f"(there are: {', '.join(present) or 'none'}); name another with --map question=FIELD"
    )


def _text(place: Place, fields: Record, name: str) -> str:
    value = fields[name]
    if isinstance(value, str):
        text = value
    elif isinstance(value, Decimal):
        text = str(value)
    else:
        text = json.dumps(value) if isinstance(value, int | float) else ""
    if text.strip():
        return text
    raise BadRow(f"{place}: the field {name} must be a text or a number and not empty")
