"""Every option of `providers.yaml`, a row each: its name, how it is read, what is expected, what it means.

The reading, the messages and the JSON Schema all come from these rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar, get_args

from router.config import parameters
from router.config import values as parsers
from router.config.models import Door, Rehearse
from router.config.yaml_nodes import Node
from router.types import Json

T_co = TypeVar("T_co", covariant=True)

PROVIDER_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"
_DOORS: tuple[Door, ...] = get_args(Door)
_REHEARSALS: tuple[Rehearse, ...] = get_args(Rehearse)


@dataclass(frozen=True, slots=True)
class Option(Generic[T_co]):
    """One option; `parse` raises Misfit, or a group of them where several values are wrong."""

    name: str
    parse: Callable[[Node], T_co]
    expected: str
    doc: str
    schema: Mapping[str, Json] = field(default_factory=dict)


_VARIABLE: Mapping[str, Json] = {"type": "string", "pattern": r"\$\{"}
_TEXT_SCHEMA: Mapping[str, Json] = {"type": "string", "minLength": 1}
_WHOLE_SCHEMA: Mapping[str, Json] = {"anyOf": [{"type": "integer", "minimum": 1}, _VARIABLE]}
_MODEL_SCHEMA: Mapping[str, Json] = {"type": "string", "pattern": r"^[\w.-]+/\S+$|\$\{"}
_RATE_SCHEMA: Mapping[str, Json] = {"type": "string", "pattern": r"^\s*[0-9.]+\s*[kKmM]?\s*/|\$\{"}
_RATES_SCHEMA: Mapping[str, Json] = {"anyOf": [_RATE_SCHEMA, {"type": "array", "items": _RATE_SCHEMA, "minItems": 1}]}
_KEY_SCHEMA: Mapping[str, Json] = {
    "type": "object",
    "properties": {
        "key": {**_TEXT_SCHEMA, "description": "The key, usually ${A_VARIABLE}."},
        "account": {
            **_TEXT_SCHEMA,
            "description": "Keys with the same account share its limits; absent: an account of its own.",
        },
    },
    "required": ["key"],
    "additionalProperties": False,
}

MODEL = Option(
    "model",
    parsers.model,
    parsers.MODEL_EXPECTED,
    "LiteLLM's name of the model, such as openai/gpt-4o-mini.",
    _MODEL_SCHEMA,
)
MODELS = Option(
    "models",
    parsers.models,
    "names with models, such as {small: deepseek/deepseek-v4-flash}",
    "Several models under names of your own, selected by --model; the first is the default.",
    {"type": "object", "minProperties": 1, "additionalProperties": _MODEL_SCHEMA},
)
BASE_URL = Option(
    "base_url",
    parsers.url,
    "an address such as https://api.example.com/v1",
    "The vendor's address where it is not LiteLLM's own; without a user, a password or a query.",
    {"type": "string", "pattern": r"^https?://[^?#@]+$|\$\{"},
)
KEYS = Option(
    "keys",
    parsers.key_entries,
    "${A_VARIABLE}, a list of keys, or none",
    "A variable with one key or several, comma-separated; a list of keys; or none where none is needed.",
    {
        "anyOf": [
            _TEXT_SCHEMA,
            {"type": "array", "minItems": 1, "items": {"anyOf": [_TEXT_SCHEMA, _KEY_SCHEMA]}},
        ]
    },
)
RATE = Option(
    "rate",
    parsers.rates,
    "a rate such as 300/min or 5/s, or a list of them",
    "Calls that the vendor accepts over all keys: 300/min, 5/s, or a list such as [300/min, 10000/day].",
    _RATES_SCHEMA,
)
BURST = Option(
    "burst",
    parsers.whole,
    "a whole number from 1 up",
    "How many calls may leave at once (1). More costs steady rate, since the rate holds in every window.",
    _WHOLE_SCHEMA,
)
TOKENS = Option(
    "tokens",
    parsers.rates,
    "a rate of tokens such as 150k/min, or a list of them",
    "How many tokens, of questions and answers, the vendor accepts: 150k/min.",
    _RATES_SCHEMA,
)
KEY_RATE = Option(
    "key_rate",
    parsers.rates,
    "a rate such as 60/min, or a list of them",
    "How many calls each account may make, where several keys have accounts of their own.",
    _RATES_SCHEMA,
)
CONCURRENCY = Option(
    "concurrency",
    parsers.whole,
    "a whole number from 1 up",
    "Maximum of calls in flight; absent: what the rate needs, at most 512.",
    _WHOLE_SCHEMA,
)
TIMEOUT = Option(
    "timeout",
    parsers.duration_s,
    "a duration such as 30s or 1m30s, or a number of seconds",
    "How long one call may take: 30s, 1m30s, or a number of seconds (120s).",
    {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "string", "pattern": r"^\s*\d|\$\{"}]},
)
PARAMS = Option(
    "params",
    parsers.params,
    "parameters of the model, such as {temperature: 0}",
    "Parameters of the model, handed to LiteLLM with every call: {temperature: 0, max_tokens: 256}.",
    {"type": "object", "propertyNames": {"enum": sorted(parameters.MODEL.union(*parameters.CREDENTIALS.values()))}},
)
_NUMBER_SCHEMA: Mapping[str, Json] = {"anyOf": [{"type": "number", "minimum": 0}, _VARIABLE]}
HEADERS = Option(
    "headers",
    parsers.headers,
    "headers with texts, such as {X-Title: eval}",
    "HTTP headers sent with every call; never shown if they come from ${…}.",
    {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}},
)
ORGANIZATION = Option(
    "organization",
    parsers.text,
    "the organisation's id",
    "Sent as OpenAI-Organization, for keys of several organisations.",
    _TEXT_SCHEMA,
)
PRICE = Option(
    "price",
    parsers.price,
    "dollars per million tokens, such as {input: 0.15, output: 0.6}",
    "Dollars per million tokens of input, output and (cached) input read from a cache, where LiteLLM's list has none.",
    {
        "type": "object",
        "properties": {"input": _NUMBER_SCHEMA, "output": _NUMBER_SCHEMA, "cached": _NUMBER_SCHEMA},
        "required": ["input", "output"],
        "additionalProperties": False,
    },
)
TRANSPORT = Option(
    "transport",
    parsers.one_of(_DOORS),
    "auto or litellm",
    "auto takes the direct way through LiteLLM where there is one; litellm always uses litellm.acompletion.",
    {"anyOf": [{"enum": _DOORS}, _VARIABLE]},
)
ENABLED = Option(
    "enabled",
    parsers.flag,
    "true or false",
    "false leaves the provider out of every run.",
    {"anyOf": [{"type": "boolean"}, _VARIABLE]},
)
ATTEMPTS = Option(
    "attempts",
    parsers.whole,
    "a whole number from 1 up",
    "How many failed calls end a question (4); refusals that only ask to wait are not counted.",
    _WHOLE_SCHEMA,
)
REHEARSE = Option(
    "rehearse",
    parsers.one_of(_REHEARSALS),
    "when-no-keys, always or never",
    "When simulated vendors take the place of the real ones: when-no-keys, always, or never (the default).",
    {"anyOf": [{"enum": _REHEARSALS}, _VARIABLE]},
)
SIMULATED = Option(
    "simulated",
    parsers.flag,
    "true or false",
    "true if the addresses below are simulated vendors (`router simulate` writes it); every file of a run says so.",
    {"anyOf": [{"type": "boolean"}, _VARIABLE]},
)
DEFAULTS = Option(
    "defaults", parsers.mapping, "a mapping of options", "Options that apply where a provider has none of its own."
)
PROVIDERS = Option(
    "providers",
    parsers.mapping,
    "a mapping of names with providers",
    "The vendors, under names of your own; keys and logs use them: openai#1.",
)

IN_DEFAULTS: Sequence[Option[object]] = (TIMEOUT, ATTEMPTS, BURST, CONCURRENCY, PARAMS, TRANSPORT)
OF_PROVIDER: Sequence[Option[object]] = (
    *(MODEL, MODELS, BASE_URL, KEYS, RATE, BURST, TOKENS, KEY_RATE),
    *(CONCURRENCY, TIMEOUT, PARAMS, HEADERS, ORGANIZATION, PRICE, TRANSPORT, ENABLED),
)
OF_FILE: Sequence[Option[object]] = (REHEARSE, SIMULATED, DEFAULTS, PROVIDERS)


def schema() -> dict[str, Json]:
    """The JSON Schema (draft 7, which editors know) of the whole file."""
    provider: Json = {
        **_object_schema(OF_PROVIDER),
        "required": ["keys"],
        "oneOf": [{"required": ["model"]}, {"required": ["models"]}],
    }
    nested: Mapping[str, Mapping[str, Json]] = {
        DEFAULTS.name: _object_schema(IN_DEFAULTS),
        PROVIDERS.name: {
            "type": "object",
            "minProperties": 1,
            "propertyNames": {"pattern": f"^{PROVIDER_NAME}$"},
            "additionalProperties": provider,
        },
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "providers.yaml of router",
        **_object_schema(OF_FILE, nested),
        "required": ["providers"],
    }


def _object_schema(
    options: Sequence[Option[object]], nested: Mapping[str, Mapping[str, Json]] | None = None
) -> dict[str, Json]:
    properties: dict[str, Json] = {
        option.name: {"description": option.doc, **((nested or {}).get(option.name) or option.schema)}
        for option in options
    }
    return {"type": "object", "properties": properties, "additionalProperties": False}
