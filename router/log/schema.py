"""What the events' classes say of their fields: types in JSON, SQL and documents, and how a line is read."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from types import NoneType
from typing import NamedTuple, TypeAlias, TypeVar, get_args, get_origin, get_type_hints

from router.log.event import Event, Head, Moment
from router.log.events import EVENTS

E = TypeVar("E", bound=Event)
Row: TypeAlias = Mapping[str, object]
"""One line of a log."""
MAX_SHAPES = 1000


class Type(NamedTuple):
    """One type of a field: its name in documents and in SQL, how JSON has it, and what stands for a missing value."""

    words: str
    sql: str
    json: tuple[type, ...]
    missing: object


TYPES: Mapping[object, Type] = {
    str: Type("text", "VARCHAR", (str,), ""),
    Moment: Type("text", "TIMESTAMP", (str,), ""),
    bool: Type("boolean", "BOOLEAN", (bool,), missing=False),
    int: Type("number", "BIGINT", (int,), 0),
    float: Type("number", "DOUBLE", (float, int), 0.0),
    Mapping: Type("object", "JSON", (dict,), {}),
    Sequence: Type("list of texts", "VARCHAR[]", (list, tuple), ()),
}


class Field(NamedTuple):
    """One field of an event."""

    name: str
    type: Type
    missing: object

    def read(self, row: Row) -> object:
        """Its value in a line; one of the wrong type counts as missing."""
        value = row.get(self.name)
        return value if type(value) in self.type.json else self.missing


def fields_of(record: type[Event | Head]) -> tuple[Field, ...]:
    """The fields of an event's class, in order."""
    hints = get_type_hints(record)
    return tuple(_field(each.name, hints[each.name]) for each in fields(record))


def _field(name: str, hint: object) -> Field:
    options = (hint,) if get_origin(hint) in TYPES else get_args(hint) or (hint,)
    (plain,) = (each for each in options if each is not NoneType)
    found = TYPES[get_origin(plain) or plain]
    return Field(name, found, None if NoneType in options else found.missing)


def columns() -> dict[str, str]:
    """Every field of a log with its SQL type; one that two events have as different types is a text, or JSON."""
    found: dict[str, str] = {}
    records: tuple[type[Event | Head], ...] = (Head, *EVENTS)
    for each in (field for record in records for field in fields_of(record)):
        kinds = {found.get(each.name, each.type.sql), each.type.sql}
        found[each.name] = each.type.sql if len(kinds) == 1 else "JSON" if "JSON" in kinds else "VARCHAR"
    return found


def reader_of(record: type[E]) -> Callable[[Row], E | None]:
    """How a line of this event is read; None for one without what is required.

    Nearly all lines have the types of an earlier one, and are taken as they are.
    """
    known = [f._replace(missing=None) if f.name in record.required else f for f in fields_of(record)]
    names = [field.name for field in known]
    required = [names.index(name) for name in record.required]
    shapes: set[tuple[type, ...]] = set()

    def read(row: Row) -> E | None:
        values = [*map(row.get, names)]
        if (shape := tuple(map(type, values))) not in shapes:
            fitting = [field.read(row) for field in known]
            if all(map(operator.is_, values, fitting)) and len(shapes) < MAX_SHAPES:
                shapes.add(shape)
            values = fitting
        for index in required:
            if values[index] is None or values[index] == "":
                return None
        event = object.__new__(record)
        vars(event).update(zip(names, values, strict=True))
        return event

    return read
