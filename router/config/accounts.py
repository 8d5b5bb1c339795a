"""Which keys are one account: those that say so, and the same key at the same address under whatever providers.

A vendor limits its account, and knows nothing of our names for it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from router.catalog.vendors import host_of
from router.config.models import Key, Provider

Place = tuple[str, str]
"""An account as the file names it: the provider, and the account's name there."""


def identified(providers: Sequence[Provider]) -> tuple[Provider, ...]:
    """The same providers with each key's `account_id`: equal where the vendor sees one account, in every run."""
    ids = _ids(providers)
    return tuple(
        replace(
            provider,
            keys=tuple(replace(key, account_id=ids[provider.name, key.account]) for key in provider.keys),
        )
        for provider in providers
    )


def shared(providers: Iterable[Provider]) -> dict[str, list[tuple[Provider, Key]]]:
    """The accounts that stand under several providers, with one key of each of these."""
    found: dict[str, dict[str, tuple[Provider, Key]]] = {}
    for provider in providers:
        for key in provider.keys:
            found.setdefault(key.account_id, {}).setdefault(provider.name, (provider, key))
    return {id_: [*each.values()] for id_, each in found.items() if id_ and len(each) > 1}


def _ids(providers: Iterable[Provider]) -> Mapping[Place, str]:
    """Join accounts that have a key in common; the smallest fingerprint of a group names it, in whatever order."""
    groups: dict[Place, tuple[set[Place], set[str]]] = {}
    first: dict[str, Place] = {}
    for provider in providers:
        for key in provider.keys:
            place, print_ = (provider.name, key.account), _fingerprint(provider, key)
            mine = groups.setdefault(place, ({place}, set()))
            mine[1].add(print_)
            theirs = groups[first.setdefault(print_, place)]
            if theirs is not mine:
                joined = (mine[0] | theirs[0], mine[1] | theirs[1])
                groups.update(dict.fromkeys(joined[0], joined))
    return {place: min(prints) for place, (_, prints) in groups.items()}


def _fingerprint(provider: Provider, key: Key) -> str:
    """A hash of key and address. Where no key is needed there is no account: each provider is its own."""
    host = host_of(next(iter(provider.models.values()), ""), provider.base_url)
    who = key.secret.reveal() if key.secret else f"\n{provider.name}/{key.account}"
    return hashlib.sha256(f"{host}\n{who}".encode()).hexdigest()[:16]
