"""What a simulated vendor saw of its clients: the witness of benchmarks and tests."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

FIRST_REFUSALS = 20
OK = 200
TOO_MANY = 429


@dataclass(slots=True)
class Count:
    """The calls of one key by how they were answered; a call that got no answer is among `other`."""

    arrivals: int = 0
    ok: int = 0
    throttled: int = 0
    other: int = 0


@dataclass(frozen=True, slots=True)
class Refusal:
    """One refused call, in seconds since the vendor started."""

    at_s: float
    key: str
    status: int
    why: str


@dataclass(slots=True)
class Tally:
    """Counts of one vendor; keys go by their numbers, `openai#1`."""

    keys: dict[str, Count] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)
    in_flight: int = 0
    peak_in_flight: int = 0

    def count(self, key: str, status: int) -> None:
        """Note a call and how it is answered; 0 stands for no answer."""
        count = self.keys.setdefault(key, Count())
        count.arrivals += 1
        if status == OK:
            count.ok += 1
        elif status == TOO_MANY:
            count.throttled += 1
        else:
            count.other += 1

    def refuse(self, refusal: Refusal) -> None:
        """Keep the first few refusals."""
        if len(self.refusals) < FIRST_REFUSALS:
            self.refusals.append(refusal)

    def enter(self) -> None:
        """A call is being worked on."""
        self.in_flight += 1
        self.peak_in_flight = max(self.peak_in_flight, self.in_flight)

    def leave(self) -> None:
        """It is done."""
        self.in_flight -= 1

    def to_json(self) -> dict[str, object]:
        """The same as a value that JSON can say."""
        return asdict(self)
