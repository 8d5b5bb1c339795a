"""The models that a run asks for: names under `models:`, or LiteLLM's, which the file need not have."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import NoReturn

from router.catalog.vendors import of_model, prefix_of
from router.config.models import Config, Provider
from router.errors import ConfigError
from router.suggest import nearest


def asking(config: Config, names: Iterable[str], place: str = "--model") -> Config:
    """The same providers, where every name is one of their models; raises ConfigError for a name that fits nowhere.

    LiteLLM's name of a model that the file does not have goes to the providers of its prefix: to those at the vendor's
    own address, or where there are none, to those at an address of their own.
    """
    for name in names:
        having = [each.name for each in config.providers if each.enabled and each.model_for(name)]
        config = _named(config, name, having or _fitting(config, name, place))
    return config


def _named(config: Config, name: str, holders: Iterable[str]) -> Config:
    """What has it under its LiteLLM name has it under this one too: in a rehearsal the other changes."""
    return replace(
        config,
        providers=tuple(
            replace(each, models={**each.models, name: each.model_for(name) or name})
            if each.name in holders and name not in each.models
            else each
            for each in config.providers
        ),
    )


def _fitting(config: Config, name: str, place: str) -> list[str]:
    enabled = [each for each in config.providers if each.enabled]
    alike = [each for each in enabled if "/" in name and _prefix(each) == prefix_of(name)]
    fitting = [each for each in alike if of_model(_first(each), each.base_url) == of_model(name)] or alike
    if not fitting:
        refuse(config, name, place)
    return [each.name for each in fitting]


def refuse(config: Config, name: str, place: str) -> NoReturn:
    """Raise ConfigError for a model that nobody has, with the nearest that somebody has."""
    enabled = [each for each in config.providers if each.enabled]
    names = sorted({own for each in enabled for own in (*each.models, *each.models.values())})
    close = nearest(name, names) or next((each for each in names if each.rpartition("/")[2] == name), None)
    prefixes = ", ".join(sorted({f"{_prefix(each)}/…" for each in enabled}))
    raise ConfigError(
        f"{place}: no enabled provider of {config.path} has a model called {name!r}"
        f"{f'; did you mean {close}?' if close else ''} (known: {', '.join(names)}, and any name like {prefixes})"
    )


def _first(provider: Provider) -> str:
    return next(iter(provider.models.values()), "")


def _prefix(provider: Provider) -> str:
    return prefix_of(_first(provider))
