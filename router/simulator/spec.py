"""What a simulated vendor is like, as a value that travels as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TypedDict, cast

from router.rates import Rate
from router.simulator.dialects import DialectName
from router.simulator.troubles import Kind, Trouble


class RateJson(TypedDict):
    """A rate as JSON."""

    amount: float
    period_s: float


class TroubleJson(TypedDict):
    """A trouble as JSON."""

    kind: str
    start_s: float
    duration_s: float | None
    share: float
    key: int | None


class SpecJson(TypedDict):
    """A vendor as JSON: the fields of `VendorSpec`."""

    name: str
    dialect: DialectName
    keys: Sequence[tuple[str, str]]
    address_limits: Sequence[RateJson]
    account_limits: Sequence[RateJson]
    token_limits: Sequence[RateJson]
    models: Sequence[str]
    latency_median_s: float
    latency_sigma: float
    accuracy: float
    accuracy_reasoned: float | None
    seed: int
    echo_keys: bool
    suspend_after: int
    troubles: Sequence[TroubleJson]


@dataclass(frozen=True, slots=True)
class VendorSpec:
    """One simulated vendor.

    `keys` are pairs of secret and account; without keys any caller is served. `address_limits` and
    `token_limits` hold for the whole vendor, `account_limits` for each account.
    Without `models` every model is known. Latencies are log-normal, in seconds. A key that gets
    `suspend_after` 429s in a row within a minute is suspended; 0 never suspends. `echo_keys` puts the
    caller's whole key into every error message. `accuracy_reasoned` is that of prompts which ask for reasons, where it
    is another one.
    """

    name: str
    dialect: DialectName = "openai"
    keys: tuple[tuple[str, str], ...] = ()
    address_limits: tuple[Rate, ...] = ()
    account_limits: tuple[Rate, ...] = ()
    token_limits: tuple[Rate, ...] = ()
    models: tuple[str, ...] = ()
    latency_median_s: float = 0.4
    latency_sigma: float = 0.35
    accuracy: float = 0.98
    accuracy_reasoned: float | None = None
    seed: int = 0
    echo_keys: bool = False
    suspend_after: int = 20
    troubles: tuple[Trouble, ...] = ()

    def to_json(self) -> SpecJson:
        """The same as a value that JSON can say."""
        return cast("SpecJson", asdict(self))

    @classmethod
    def from_json(cls, data: SpecJson) -> VendorSpec:
        """Build it again from `to_json`, or from that after a trip through JSON."""
        return cls(
            name=data["name"],
            dialect=data["dialect"],
            keys=tuple((secret, account) for secret, account in data["keys"]),
            address_limits=_rates(data["address_limits"]),
            account_limits=_rates(data["account_limits"]),
            token_limits=_rates(data["token_limits"]),
            models=tuple(data["models"]),
            latency_median_s=data["latency_median_s"],
            latency_sigma=data["latency_sigma"],
            accuracy=data["accuracy"],
            accuracy_reasoned=data["accuracy_reasoned"],
            seed=data["seed"],
            echo_keys=data["echo_keys"],
            suspend_after=data["suspend_after"],
            troubles=tuple(
                Trouble(Kind(t["kind"]), t["start_s"], t["duration_s"], t["share"], t["key"]) for t in data["troubles"]
            ),
        )


def _rates(data: Sequence[RateJson]) -> tuple[Rate, ...]:
    return tuple(Rate(rate["amount"], rate["period_s"]) for rate in data)
