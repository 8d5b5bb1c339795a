"""Translates a reasoning level and a JSON Schema into each vendor's own parameters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from router.config.models import Config, Provider
from router.errors import ConfigError
from router.evals.schemas import Schema
from router.jsonl import encode
from router.transport.litellm_import import Refused
from router.transport.mapped import mapped, takes_schema
from router.types import Json

LEVELS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


@dataclass(frozen=True, slots=True)
class Adapted:
    """A configuration in which every provider has its own parameters for the reasoning level and the schema.

    `sent` is what each is sent for them, for run.json; `notes` say it to people. With `in_words` the schema must stand
    in the messages, too: some model would not know of it else, and all are to be asked the same.
    """

    config: Config
    sent: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    in_words: bool = False


class _Asked(NamedTuple):
    """A provider with one of the models that it is asked for; `name` tells them apart."""

    provider: Provider
    model: str
    name: str


def adapted(config: Config, models: Sequence[str], *, reasoning: str | None, schema: Schema | None) -> Adapted:
    """Set the parameters of every model that accepts them; raises ConfigError if no model accepts the level.

    LiteLLM is asked what each of `models` takes, which imports it; none means the first of each provider.
    """
    made, asked = Adapted(config), list(_asked(config, models))
    if reasoning is not None:
        made = _thinking(made, asked, reasoning)
    return made if schema is None else _keeping(made, asked, schema)


def _asked(config: Config, models: Sequence[str]) -> Iterator[_Asked]:
    for each in (provider for provider in config.providers if provider.enabled):
        found = dict.fromkeys(model for name in models or (None,) if (model := each.model_for(name)))
        for model in found or (next(iter(each.models.values())),):
            yield _Asked(each, model, each.name if len(found) <= 1 else f"{each.name} {model}")


def _thinking(made: Adapted, asked: Sequence[_Asked], level: str) -> Adapted:
    sent: list[tuple[_Asked, Mapping[str, Json]]] = []
    refused: dict[str, str] = {}
    for each in asked:
        try:
            sent.append((each, mapped(each.model, {"reasoning_effort": level})))
        except Refused as why:
            refused[each.name] = str(why)
    if not sent:
        why_not = "; ".join(f"{name}: {why}" for name, why in refused.items())
        raise ConfigError(f"--reasoning {level}: no model accepts it: {why_not}")
    notes = [f"--reasoning {level}: {each.name} is sent {_words(params)}" for each, params in sent]
    notes += [
        f"--reasoning {level}: {name} does not accept it and is asked without it ({why})"
        for name, why in refused.items()
    ]
    shown = {each.name: params for each, params in sent}
    return _with_params(made, [each for each, _ in sent], {"reasoning_effort": level}, shown, notes)


def _words(params: Mapping[str, Json]) -> str:
    return encode(params).decode() if params else "no parameter, which means this level there"


def _keeping(made: Adapted, asked: Sequence[_Asked], schema: Schema) -> Adapted:
    native = [each for each in asked if takes_schema(each.model)]
    prompted = [each.name for each in asked if each not in native]
    notes = [f"--schema {schema.path}: sent natively to {', '.join(each.name for each in native) or 'no provider'}"]
    if prompted:
        notes = [f"{notes[0]}; added to every question as text, as needed for {', '.join(prompted)}"]
    modes: dict[str, Mapping[str, Json]] = {each.name: {"schema_mode": "native"} for each in native}
    modes |= {name: {"schema_mode": "prompted"} for name in prompted}
    made = _with_params(made, native, {"response_format": schema.response_format}, modes, notes)
    return replace(made, in_words=bool(prompted))


def _with_params(
    made: Adapted,
    takers: Iterable[_Asked],
    params: Mapping[str, Json],
    sent: Mapping[str, Mapping[str, Json]],
    notes: list[str],
) -> Adapted:
    models: dict[str, list[str]] = {}
    for each in takers:
        models.setdefault(each.provider.name, []).append(each.model)
    providers = tuple(each.with_params(params, models.get(each.name, ())) for each in made.config.providers)
    together = {name: {**made.sent.get(name, {}), **sent.get(name, {})} for name in {**made.sent, **sent}}
    return replace(made, config=replace(made.config, providers=providers), sent=together, notes=(*made.notes, *notes))
