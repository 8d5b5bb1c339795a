"""Failed calls by provider, key and kind, with examples."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from router.analysis.items import ItemCounts, Pending
from router.analysis.rows import family_of, fault_of
from router.faults import Family
from router.log.events import AttemptFinished

EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Example:
    """One failed call in the vendor's words."""

    seen_at: float
    item: str
    message: str


@dataclass(slots=True)
class Errors:
    """The failed calls of one key with one kind of fault.

    `statuses` and `vendor_codes` count what the vendor said, `examples` are the first calls with words of their own,
    `slowest_s` is the longest that one of them took. `items` are those of all calls of this family at the provider.
    """

    provider: str
    key: str
    fault: str
    family: Family
    items: ItemCounts
    first_at: float
    last_at: float = 0.0
    slowest_s: float = 0.0
    statuses: Counter[str] = field(default_factory=Counter)
    vendor_codes: Counter[str] = field(default_factory=Counter)
    models: list[str] = field(default_factory=list)
    examples: list[Example] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many calls."""
        return self.statuses.total()

    def add(self, at: float, call: AttemptFinished) -> None:
        """Count one call."""
        self.last_at = max(self.last_at, at)
        self.slowest_s = max(self.slowest_s, call.latency_s)
        self.statuses[str(call.status or "none")] += 1
        if call.vendor_code:
            self.vendor_codes[call.vendor_code] += 1
        if call.model not in self.models:
            self.models.append(call.model)
        message = call.message or ""
        if len(self.examples) < EXAMPLES and message not in {example.message for example in self.examples}:
            self.examples.append(Example(at, call.item, message))


class ErrorCounts:
    """Reads failed calls and counts them."""

    def __init__(self, pending: Pending) -> None:
        self._pending = pending
        self._found: dict[tuple[str, str, str], Errors] = {}
        self._items: dict[tuple[str, Family], ItemCounts] = {}

    def failed(self, at: float, call: AttemptFinished) -> None:
        """Count a failed call."""
        fault = fault_of(call)
        errors = self._found.get((call.provider, call.key, fault))
        if errors is None:
            family = family_of(fault)
            items = self._items.setdefault((call.provider, family), ItemCounts(_provider=call.provider))
            errors = self._found[call.provider, call.key, fault] = Errors(
                call.provider, call.key, fault, family, items, at
            )
        errors.add(at, call)
        self._pending.count(errors.items, call.item)

    def found(self) -> tuple[Errors, ...]:
        """The most frequent first."""
        return tuple(sorted(self._found.values(), key=lambda row: (-row.count, row.provider, row.key, row.fault)))
