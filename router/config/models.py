"""What `providers.yaml` declares, as values: providers, their keys, models and limits."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from router.rates import Rate
from router.types import Json

Rehearse = Literal["when-no-keys", "always", "never"]
Door = Literal["auto", "litellm"]

MAX_IN_FLIGHT = 512
ASSUMED_LATENCY_S = 30.0
"""The calls in flight are limited to rate times this latency (Little's law): reasoning models take that long."""


class Secret:
    """A credential that shows only its fingerprint, however it is printed."""

    __slots__ = ("_fingerprint", "_value")

    def __init__(self, value: str) -> None:
        self._value = value
        self._fingerprint = hashlib.sha256(value.encode()).hexdigest()[:8]

    def reveal(self) -> str:
        """Return the credential itself; only the transport and the log's scrubber have a use for it."""
        return self._value

    @property
    def fingerprint(self) -> str:
        """The first 8 hex digits of its SHA-256: enough to tell keys apart, useless to a thief."""
        return self._fingerprint

    def __repr__(self) -> str:
        return f"Secret({self.fingerprint})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)


@dataclass(frozen=True, slots=True)
class Key:
    """One credential of a provider, known to logs and screens as `openai#2`.

    `secret` is None for a provider that needs no key. Keys with the same `account` share its limits; `account_id`, a
    hash of key and address, is the same for one account under several providers, and empty where nobody worked it out.
    """

    name: str
    secret: Secret | None
    account: str
    account_id: str = field(default="", compare=False)

    @property
    def fingerprint(self) -> str:
        """The first 8 hex digits of the key's SHA-256; empty where there is no key."""
        return self.secret.fingerprint if self.secret else ""


@dataclass(frozen=True, slots=True)
class Price:
    """What a vendor takes, in dollars for a million tokens; `cached` for what is read from a cache, None as `input`."""

    input: float
    output: float
    cached: float | None = None


@dataclass(frozen=True)
class Provider:
    """One vendor as declared. `models` maps the names of `--model` to LiteLLM's; the first is the default.

    `params` go to all of its models, `params_by_model` over them to those of LiteLLM's name; `headers` go with every
    call. `filled_in` names the places (`params.user`, `headers.X-Title`) whose values came from variables, and are
    shown nowhere. `unread` are variables that other tools heed for this vendor, that are set, and that the file does
    not name; `usual` those that were read because the file's own, their plurals, are not set.
    A simulated model `stands_for` another, whose price it has.
    """

    name: str
    models: Mapping[str, str]
    keys: tuple[Key, ...]
    rates: tuple[Rate, ...]
    base_url: str | None = None
    burst: int = 1
    tokens: tuple[Rate, ...] = ()
    key_rates: tuple[Rate, ...] = ()
    concurrency: int | None = None
    timeout_s: float = 120.0
    params: Mapping[str, Json] = field(default_factory=dict)
    params_by_model: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    price: Price | None = None
    door: Door = "auto"
    enabled: bool = True
    missing: tuple[str, ...] = ()
    declared_keys: int = 1
    unread: tuple[str, ...] = ()
    usual: Mapping[str, str] = field(default_factory=dict)
    line: int = 0
    filled_in: frozenset[str] = field(default=frozenset(), compare=False)
    stands_for: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def is_usable(self) -> bool:
        """Whether it takes part in a run: enabled, with a key or without the need of one."""
        return self.enabled and bool(self.keys)

    @property
    def why_left_out(self) -> str:
        """Why it takes no part, for the screen and the log; empty where it does."""
        if not self.enabled:
            return "enabled: false"
        if not self.keys:
            return f"none of its keys is set ({', '.join(self.missing)})"
        return ""

    @property
    def keys_from(self) -> str:
        """Which variables its keys come from, where the file names others; empty where it names these."""
        return " and ".join(f"{name} is not set, and {one} is read" for name, one in self.usual.items())

    def account_id(self, account: str) -> str:
        """The identity of one of its accounts, which other providers may share."""
        ids = (key.account_id for key in self.keys if key.account == account)
        return next(ids, "") or f"{self.name}/{account}"

    def model_for(self, size: str | None) -> str | None:
        """LiteLLM's name of the model called `size` here, None where it has no such; the first by default."""
        if size is None:
            return next(iter(self.models.values()))
        return self.models.get(size) or next((m for m in self.models.values() if m == size), None)

    def params_of(self, model: str) -> Mapping[str, Json]:
        """The parameters for one of its models, by LiteLLM's name."""
        return {**self.params, **self.params_by_model.get(model, {})}

    def with_params(self, params: Mapping[str, Json], models: Iterable[str]) -> Provider:
        """The same provider, which sends more parameters to some of its models, by LiteLLM's names."""
        more = {model: {**self.params_by_model.get(model, {}), **params} for model in models}
        return replace(self, params_by_model={**self.params_by_model, **more})

    @cached_property
    def paced_rate(self) -> Rate | None:
        """The tightest declared limit on calls that is paced, over all its accounts; None without one."""
        accounts = len({key.account for key in self.keys}) or 1
        paced = [rate for rate in self.rates if rate.is_paced]
        paced += [Rate(rate.amount * accounts, rate.period_s) for rate in self.key_rates if rate.is_paced]
        return min(paced, key=lambda rate: rate.per_second, default=None)

    @property
    def window_s(self) -> float:
        """The window of that limit, a second at least; `inf` without one."""
        return math.inf if self.paced_rate is None else max(1.0, self.paced_rate.period_s)

    @property
    def max_in_flight(self) -> int:
        """`concurrency`, or what the rate starts in ASSUMED_LATENCY_S, between 4 and MAX_IN_FLIGHT."""
        if self.concurrency is not None:
            return self.concurrency
        if self.paced_rate is None:
            return MAX_IN_FLIGHT
        return max(4, min(MAX_IN_FLIGHT, math.ceil(self.paced_rate.per_second * ASSUMED_LATENCY_S)))


@dataclass(frozen=True, slots=True)
class Config:
    """A whole `providers.yaml`: every declared provider in the file's order, usable or not.

    `variables` holds what ${…} brought into keys, headers, parameters and addresses, by the variables' names.
    """

    path: Path
    providers: tuple[Provider, ...]
    rehearse: Rehearse = "never"
    attempts: int = 4
    simulated: bool = False
    variables: Mapping[str, Secret] = field(default_factory=dict, compare=False)

    @property
    def usable(self) -> tuple[Provider, ...]:
        """The providers that take part."""
        return tuple(provider for provider in self.providers if provider.is_usable)

    @property
    def left_out(self) -> tuple[Provider, ...]:
        """The providers that take no part; each says why."""
        return tuple(provider for provider in self.providers if not provider.is_usable)

    @property
    def wants_rehearsal(self) -> bool:
        """Whether the file asks for simulated vendors, given the keys that are set."""
        return self.rehearse == "always" or (self.rehearse == "when-no-keys" and not self.usable)
