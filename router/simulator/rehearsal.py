"""Turns a declared configuration into simulated vendors, and into the same configuration against them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from router.catalog.vendors import dialect_of
from router.config.models import Config, Key, Provider, Secret
from router.config.parameters import refusal
from router.jsonl import encode
from router.rates import Rate
from router.simulator.dialects import DialectName
from router.simulator.endpoint import Endpoint
from router.simulator.spec import VendorSpec

_NOWHERE = "http://127.0.0.1:9"
_PLAIN = re.compile(r"[A-Za-z_][\w-]*", re.ASCII)


def specs_for(config: Config, seed: int) -> tuple[VendorSpec, ...]:
    """One simulated vendor for each enabled provider, with the limits that it declares and made-up keys."""
    return tuple(_spec(provider, seed) for provider in config.providers if provider.enabled)


def rehearsed(config: Config, specs: Sequence[VendorSpec], endpoints: Sequence[Endpoint]) -> Config:
    """The same configuration with the vendors' addresses and keys in place of the real ones."""
    specs_by_name = {spec.name: spec for spec in specs}
    endpoints_by_name = {endpoint.name: endpoint for endpoint in endpoints}
    providers = tuple(
        _rehearsed(provider, specs_by_name[provider.name], endpoints_by_name[provider.name])
        if provider.enabled
        else provider
        for provider in config.providers
    )
    return replace(config, providers=providers, simulated=True)


def as_rehearsed(config: Config) -> Config:
    """What a rehearsal makes of a configuration, where nothing is started: nobody listens at its addresses."""
    specs = specs_for(config, 0)
    return rehearsed(config, specs, [Endpoint(spec.name, spec.dialect, _NOWHERE) for spec in specs])


def rewritten(config: Config) -> tuple[str, ...]:
    """The enabled providers of which a model is rehearsed in another dialect than its vendor's."""
    return tuple(
        provider.name
        for provider in config.providers
        if provider.enabled
        and any(_spoken(model, _dialect_of(provider)) != model for model in provider.models.values())
    )


def as_yaml(specs: Sequence[VendorSpec], endpoints: Sequence[Endpoint]) -> str:
    """A `providers.yaml` for running vendors, for other programs and for people to try."""
    spec_of = {spec.name: spec for spec in specs}
    blocks = [_block(spec_of[endpoint.name], endpoint) for endpoint in endpoints]
    lines = [
        "# These vendors are simulated: no request leaves this machine.",
        "simulated: true",
        "rehearse: never",
        "providers:",
    ]
    return "\n".join([*lines, *(line for block in blocks for line in block)]) + "\n"


def _spec(provider: Provider, seed: int) -> VendorSpec:
    return VendorSpec(
        provider.name,
        _dialect_of(provider),
        keys=tuple((_secret(key), key.account) for key in _keys(provider, seed)),
        address_limits=provider.rates,
        account_limits=provider.key_rates,
        token_limits=provider.tokens,
        seed=seed,
    )


def _secret(key: Key) -> str:
    return key.secret.reveal() if key.secret else ""


def _keys(provider: Provider, seed: int) -> tuple[Key, ...]:
    if any(key.secret is None for key in provider.keys):
        return ()
    declared = provider.keys or _undeclared(provider)
    return tuple(replace(key, secret=_made_up(provider.name, number, seed)) for number, key in enumerate(declared, 1))


def _undeclared(provider: Provider) -> tuple[Key, ...]:
    names = [f"{provider.name}#{number}" for number in range(1, max(1, provider.declared_keys) + 1)]
    return tuple(Key(name, None, name) for name in names)


def _made_up(name: str, number: int, seed: int) -> Secret:
    digest = hashlib.sha256(f"{seed}:{name}:{number}".encode()).hexdigest()
    return Secret(f"sim-{name}-{number}-{digest[:24]}")


def _rehearsed(provider: Provider, spec: VendorSpec, endpoint: Endpoint) -> Provider:
    declared = provider.keys or _undeclared(provider)
    keys = (
        tuple(replace(key, secret=Secret(secret)) for key, (secret, _) in zip(declared, spec.keys, strict=True))
        if spec.keys
        else provider.keys
    )
    models = {size: _spoken(model, spec.dialect) for size, model in provider.models.items()}
    # A simulated vendor knows neither the real one's credentials nor the gateway before it.
    params = {name: value for name, value in provider.params.items() if not refusal(name)}
    by_model = {_spoken(model, spec.dialect): params for model, params in provider.params_by_model.items()}
    return replace(
        provider,
        base_url=endpoint.base_url,
        keys=keys,
        models=models,
        params=params,
        params_by_model=by_model,
        headers={},
        missing=(),
        stands_for={models[size]: model for size, model in provider.models.items()},
    )


def _dialect_of(provider: Provider) -> DialectName:
    return dialect_of(next(iter(provider.models.values()))) or "openai"


def _spoken(model: str, dialect: DialectName) -> str:
    """LiteLLM's name under which it asks for the model in this dialect."""
    if dialect_of(model) == dialect:
        return model
    return f"{dialect}/{model.partition('/')[2] or model}"


def _block(spec: VendorSpec, endpoint: Endpoint) -> list[str]:
    model = spec.models[0] if spec.models else "simulated"
    lines = [
        f"  {spec.name if _PLAIN.fullmatch(spec.name) else _quoted(spec.name)}:",
        f"    model: {_quoted(f'{spec.dialect}/{model}')}",
        f"    base_url: {_quoted(endpoint.base_url)}",
    ]
    if spec.keys:
        lines.append("    keys:")
        lines += [f"      - {{key: {_quoted(key)}, account: {_quoted(account)}}}" for key, account in spec.keys]
    else:
        lines.append("    keys: none")
    limits = (("rate", spec.address_limits), ("key_rate", spec.account_limits))
    for name, rates in (*limits, ("tokens", spec.token_limits)):
        if rates:
            lines.append(f"    {name}: {_listed(rates)}")
    return lines


def _listed(rates: Iterable[Rate]) -> str:
    return f"[{', '.join(str(rate) for rate in rates)}]"


def _quoted(text: str) -> str:
    return encode(text).decode()  # a JSON string is a YAML string too
