"""What is known of vendors: `vendors.toml`, which people read and extend, as values.

A vendor is found by LiteLLM's prefix of a model, or by the host of an address, which says more.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

TABLE = Path(__file__).with_name("vendors.toml")
DEFAULT_PREFIX = "openai"
"""LiteLLM's for a name that has none and looks like no other vendor's."""

Dialect = Literal["openai", "anthropic", "gemini"]
Counts = Literal["requests", "tokens"]
Images = Literal["url", "inline", "none"]
_WINDOWS = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86400.0, "reset": 0.0}


@dataclass(frozen=True, slots=True)
class KeyShape:
    """How keys of one vendor, and of nobody else, begin; `pattern` where their beginning alone does not tell."""

    begins: str
    source: str
    pattern: str = ""

    def fits(self, key: str) -> bool:
        """Whether a key has this shape."""
        return re.search(self.pattern, key) is not None if self.pattern else key.startswith(self.begins)


@dataclass(frozen=True, slots=True)
class LimitHeader:
    """A header that states a limit: what it counts, over how many seconds; 0 where its reset tells that."""

    name: str
    counts: Counts
    period_s: float


@dataclass(frozen=True, slots=True)
class Vendor:
    """One table of the catalogue.

    `direct` are the prefixes whose requests are the same through both doors, `other_dialect` those that LiteLLM asks
    in a dialect that is not simulated. `begins` is how every key begins, as far as is known, `shapes` what tells a key
    of this vendor from all others. `credentials` are what it takes beside a key, `params` what its models take beside
    OpenAI's parameters, `clock` the zone of its times that name none. `retry_arguments` is false where LiteLLM would
    put them into the body, `hidden_retries` true where it retries without listing the vendor among those like OpenAI;
    `instead` is the prefix to write, `standard_tier` its name of the service tier that is not flex,
    `telemetry` OpenTelemetry's name of it where that is not its prefix; `images` is how it
    is sent images, where `direct` does not tell. `shares`, `limits` and `bans` are for people, from `sources`.
    """

    id: str
    name: str
    prefixes: tuple[str, ...]
    base: str | None = None
    hosts: tuple[str, ...] = ()
    direct: frozenset[str] = frozenset()
    dialect: Dialect = "openai"
    other_dialect: frozenset[str] = frozenset()
    bare_models: str = ""
    listing: str = ""
    begins: tuple[str, ...] = ()
    shapes: tuple[KeyShape, ...] = ()
    headers: tuple[LimitHeader, ...] = ()
    params: frozenset[str] = frozenset()
    credentials: frozenset[str] = frozenset()
    package: str = ""
    imports: tuple[str, ...] = ()
    extra: str = ""
    clock: str = ""
    retry_arguments: bool = True
    hidden_retries: bool = False
    schemas: bool = True
    images: Images | None = None
    instead: str = ""
    standard_tier: str = "default"
    telemetry: str = ""
    shares: str = ""
    limits: str = ""
    bans: str = ""
    sources: tuple[str, ...] = ()


@cache
def vendors() -> tuple[Vendor, ...]:
    """Every vendor, in the order of the file."""
    tables = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    return tuple(_vendor(name, table) for name, table in tables.items())


def of_prefix(prefix: str) -> Vendor | None:
    """Whose models LiteLLM names with a prefix."""
    return _by_prefix().get(prefix)


def of_host(host: str) -> Vendor | None:
    """Whose server it is."""
    return _by_host().get(host)


def of_model(model: str, base_url: str | None = None) -> Vendor | None:
    """Who is asked for a model: by the address where one is given, None for a relay or one's own."""
    return of_prefix(prefix_of(model)) if base_url is None else of_host(urlsplit(base_url).hostname or "")


def prefix_of(model: str) -> str:
    """LiteLLM's prefix in its name of a model, `openai` in `openai/gpt-4o-mini`."""
    return model.partition("/")[0]


def base_of(prefix: str) -> str | None:
    """Where a vendor takes calls and lists its models when the file names no address; None where nobody knows."""
    vendor = of_prefix(prefix)
    return vendor.base if vendor else None


def host_of(model: str, base_url: str | None) -> str:
    """The host (and port) that calls for a model go to; the prefix itself where nobody knows its host."""
    prefix = prefix_of(model)
    return urlsplit(base_url or base_of(prefix) or "").netloc.lower() or prefix


def is_direct(prefix: str) -> bool:
    """Whether requests with a prefix are the same through both doors, which a contract test holds."""
    vendor = of_prefix(prefix)
    return vendor is not None and prefix in vendor.direct


def images_of(prefix: str) -> Images:
    """Whether images may go to a vendor by their address, or inline only; whoever is not known takes them inline."""
    vendor = of_prefix(prefix)
    return (vendor and vendor.images) or ("url" if is_direct(prefix) else "inline")


def takes_schemas(prefix: str) -> bool:
    """Whether a vendor takes a schema of the answer where LiteLLM says so."""
    vendor = of_prefix(prefix)
    return vendor is None or vendor.schemas


def dialect_of(model: str) -> Dialect | None:
    """The dialect in which LiteLLM asks for a model; None for one that is not simulated."""
    prefix, slash, _ = model.partition("/")
    if not slash:
        prefix = next((each.prefixes[0] for each in vendors() if _is_bare(each, model)), DEFAULT_PREFIX)
    vendor = of_prefix(prefix)
    if vendor is None:
        return "openai"
    return None if prefix in vendor.other_dialect else vendor.dialect


def _is_bare(vendor: Vendor, model: str) -> bool:
    return bool(vendor.bare_models) and model.startswith(vendor.bare_models)


@cache
def _by_prefix() -> Mapping[str, Vendor]:
    return {prefix: vendor for vendor in vendors() for prefix in vendor.prefixes}


@cache
def _by_host() -> Mapping[str, Vendor]:
    return {host: vendor for vendor in vendors() for host in _hosts(vendor)}


def _hosts(vendor: Vendor) -> Iterator[str]:
    yield from vendor.hosts
    if vendor.base and (host := urlsplit(vendor.base).hostname) and host != "localhost":
        yield host


_TUPLES = ("prefixes", "hosts", "begins", "imports", "sources")
_SETS = ("other_dialect", "params", "credentials")


def _vendor(name: str, table: Mapping[str, Any]) -> Vendor:
    fields = dict(table)
    fields |= {field: tuple(table[field]) for field in _TUPLES if field in table}
    fields |= {field: frozenset(table[field]) for field in _SETS if field in table}
    direct = table.get("direct", False)
    fields["direct"] = frozenset(table["prefixes"] if direct is True else direct or ())
    fields["shapes"] = tuple(KeyShape(**shape) for shape in table.get("shapes", ()))
    fields["headers"] = tuple(
        LimitHeader(header["name"], header["counts"], _WINDOWS[header["per"]]) for header in table.get("headers", ())
    )
    return Vendor(id=name, **fields)
