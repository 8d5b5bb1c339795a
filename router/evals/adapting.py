"""One wish, said in each vendor's own way: how much to think, and which schema to keep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

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
    """A configuration in which every provider says the wishes in its own way.

    `sent` is what each is sent for them, for run.json; `notes` say it to people. With `in_words` the schema must stand
    in the messages, too: some model would not know of it else, and all are to be asked the same.
    """

    config: Config
    sent: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    in_words: bool = False


def adapted(config: Config, model: str | None, *, reasoning: str | None, schema: Schema | None) -> Adapted:
    """Say the wishes to every provider that takes them; raises ConfigError where none takes a reasoning level.

    LiteLLM is asked what each model takes, which imports it.
    """
    made = Adapted(config)
    if reasoning is not None:
        made = _thinking(made, model, reasoning)
    return made if schema is None else _keeping(made, model, schema)


def _thinking(made: Adapted, model: str | None, level: str) -> Adapted:
    sent: dict[str, Mapping[str, Json]] = {}
    refused: dict[str, str] = {}
    for provider in _asked(made.config):
        try:
            sent[provider.name] = mapped(_model(provider, model), {"reasoning_effort": level})
        except Refused as why:
            refused[provider.name] = str(why)
    if not sent:
        why_not = "; ".join(f"{name}: {why}" for name, why in refused.items())
        raise ConfigError(f"--reasoning {level}: no model takes it: {why_not}")
    notes = [f"--reasoning {level}: {name} is sent {_words(params)}" for name, params in sent.items()]
    notes += [f"--reasoning {level}: {name} takes none and is asked without ({why})" for name, why in refused.items()]
    return _with_params(made, {name: {"reasoning_effort": level} for name in sent}, sent, notes)


def _words(params: Mapping[str, Json]) -> str:
    return encode(params).decode() if params else "nothing, which is its way to say that"


def _keeping(made: Adapted, model: str | None, schema: Schema) -> Adapted:
    native = [each.name for each in _asked(made.config) if takes_schema(_model(each, model))]
    prompted = [each.name for each in _asked(made.config) if each.name not in native]
    notes = [f"--schema {schema.path}: native for {', '.join(native) or 'nobody'}"]
    if prompted:
        notes = [f"{notes[0]}; in words, for all alike, because of {', '.join(prompted)}"]
    modes: dict[str, Mapping[str, Json]] = {name: {"schema_mode": "native"} for name in native}
    modes |= {name: {"schema_mode": "prompted"} for name in prompted}
    params: dict[str, Mapping[str, Json]] = {name: {"response_format": schema.response_format} for name in native}
    return replace(_with_params(made, params, modes, notes), in_words=bool(prompted))


def _asked(config: Config) -> tuple[Provider, ...]:
    return tuple(provider for provider in config.providers if provider.enabled)


def _model(provider: Provider, name: str | None) -> str:
    return provider.model_for(name) or next(iter(provider.models.values()))


def _with_params(
    made: Adapted, params: Mapping[str, Mapping[str, Json]], sent: Mapping[str, Mapping[str, Json]], notes: list[str]
) -> Adapted:
    providers = tuple(
        replace(each, params={**each.params, **params.get(each.name, {})}) for each in made.config.providers
    )
    together = {name: {**made.sent.get(name, {}), **sent.get(name, {})} for name in {**made.sent, **sent}}
    return replace(made, config=replace(made.config, providers=providers), sent=together, notes=(*made.notes, *notes))
