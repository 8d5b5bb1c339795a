"""From the file's tree to a Config: variables filled in, options read, every mistake kept with its place."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar, cast

from router.config import schema as rows
from router.config.accounts import identified
from router.config.models import Config, Door, Key, Provider, Rehearse, Secret
from router.config.parameters import MODEL, PLACES, refused
from router.config.schema import Option
from router.config.values import KeyEntry, Misfit, described, text
from router.config.variables import ADVICE, Variables, filled_in, named_in, unread
from router.config.yaml_nodes import Mistake, Node, kind_of, shown_text
from router.types import Json

T = TypeVar("T")
D = TypeVar("D")

_NO_PARAMS: Mapping[str, Json] = {}
_AUTO: Door = "auto"
_NEVER: Rehearse = "never"

_OTHER_WORDS = {
    "api_key": "keys",
    "api_keys": "keys",
    "rpm": "rate",
    "rps": "rate",
    "tpm": "tokens",
    "api_base": "base_url",
    "url": "base_url",
    "endpoint": "base_url",
    "max_in_flight": "concurrency",
    "retries": "attempts",
    **{name: option for name, option in PLACES.items() if " " not in option},
}
"""What other tools call our options, for "did you mean"."""

_SECTIONS = {"the top level": rows.OF_FILE, "defaults": rows.IN_DEFAULTS, "a provider": rows.OF_PROVIDER}


def read(root: Node, path: Path, variables: Mapping[str, str]) -> tuple[Config, list[Mistake]]:
    """The configuration that a tree declares and all that is wrong with it; use it only without mistakes."""
    named = frozenset(named_in(root))
    filled, usual = Variables(variables).with_usual_names(named)
    reading = _Reading(filled, named | frozenset(usual.values()), usual)
    return reading.config(root, path), reading.mistakes


@dataclass(slots=True)
class _Values:
    """The options that a section sets, where each stands, and those that wait for a variable."""

    nodes: dict[str, Node] = field(default_factory=dict)
    unset: list[tuple[Option[object], str, Node, list[str]]] = field(default_factory=list)
    filled_in: frozenset[str] = frozenset()
    _parsed: dict[str, object] = field(default_factory=dict)

    def put(self, option: Option[object], value: object) -> None:
        self._parsed[option.name] = value

    def get(self, option: Option[T], fallback: D) -> T | D:
        return cast("T | D", self._parsed.get(option.name, fallback))


@dataclass(slots=True)
class _Keys:
    """The keys of one provider while they are read, and where each stands; `declared` counts those not set too."""

    keys: list[Key] = field(default_factory=list)
    places: dict[Secret, tuple[str, Node]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    declared: int = 0


@dataclass(slots=True)
class _Reading:
    """One pass over a file, keeping what is wrong.

    `named` are all variables that the file names, `usual` those that are read in the place of others.
    """

    variables: Variables
    named: frozenset[str]
    usual: Mapping[str, str]
    mistakes: list[Mistake] = field(default_factory=list)

    def config(self, root: Node, path: Path) -> Config:
        if not isinstance(root.value, Mapping):
            self.mistake(root, f"the file holds {kind_of(root)}; expected a mapping with providers:")
            return Config(path, ())
        values = self.section(root, rows.OF_FILE)
        nothing = Node({}, root.line, root.column)
        defaults = self.section(values.nodes.get(rows.DEFAULTS.name, nothing), rows.IN_DEFAULTS, "defaults")
        self.needed(values)
        self.needed(defaults)
        self.check_params("defaults", defaults, None)
        providers = identified(tuple(self.providers(root, values.nodes.get(rows.PROVIDERS.name), defaults)))
        return Config(
            path,
            providers,
            values.get(rows.REHEARSE, _NEVER),
            defaults.get(rows.ATTEMPTS, 4),
            simulated=values.get(rows.SIMULATED, fallback=False),
            variables=self.variables.brought,
        )

    def providers(self, root: Node, node: Node | None, defaults: _Values) -> Iterator[Provider]:
        if node is None:
            self.mistake(root, "providers is missing; expected providers: with at least one vendor")
        elif node.value == {}:
            self.mistake(node, "providers is empty; expected at least one vendor")
        elif isinstance(node.value, Mapping):
            for name, body in node.value.items():
                yield from self.provider(name, body, node.names[name], defaults)

    def provider(self, name: str, body: Node, place: tuple[int, int], defaults: _Values) -> Iterator[Provider]:
        name = self.provider_name(name, place)
        if not isinstance(body.value, Mapping):
            self.mistake(body, f"{name} is {described(body)}; expected a mapping with model and keys")
            return
        values = self.section(body, rows.OF_PROVIDER, name)
        keys = self.keys(name, values, place)
        self.check_burst(name, values, defaults)
        models = self.models(name, values, place)
        prefix = next(iter(models.values()), "").partition("/")[0]
        self.check_params(name, values, prefix)
        organization = values.get(rows.ORGANIZATION, None)
        enabled = values.get(rows.ENABLED, fallback=True)
        self.needed(values, None if enabled and keys.keys else keys.missing)
        yield Provider(
            name=name,
            models=models,
            keys=tuple(keys.keys),
            rates=values.get(rows.RATE, ()),
            base_url=values.get(rows.BASE_URL, None),
            burst=values.get(rows.BURST, defaults.get(rows.BURST, 1)),
            tokens=values.get(rows.TOKENS, ()),
            key_rates=values.get(rows.KEY_RATE, ()),
            concurrency=values.get(rows.CONCURRENCY, defaults.get(rows.CONCURRENCY, None)),
            timeout_s=values.get(rows.TIMEOUT, defaults.get(rows.TIMEOUT, 120.0)),
            params={**defaults.get(rows.PARAMS, _NO_PARAMS), **values.get(rows.PARAMS, _NO_PARAMS)},
            headers={
                **values.get(rows.HEADERS, _NO_HEADERS),
                **({} if organization is None else {"OpenAI-Organization": organization}),
            },
            price=values.get(rows.PRICE, None),
            door=values.get(rows.TRANSPORT, defaults.get(rows.TRANSPORT, _AUTO)),
            enabled=enabled,
            missing=tuple(dict.fromkeys(keys.missing)),
            declared_keys=max(1, keys.declared),
            unread=unread(prefix, self.named, self.variables.held),
            usual=self.usual_names(values.nodes.get(rows.KEYS.name)),
            line=place[0],
            filled_in=defaults.filled_in | values.filled_in,
        )

    def provider_name(self, name: str, place: tuple[int, int]) -> str:
        # Screens and logs tell it, so it must not be a key that lost its place.
        if re.fullmatch(rows.PROVIDER_NAME, name) and shown_text(name, 64) == repr(name):
            return name
        expected = "a name of letters, digits, - _ and . (at most 64), such as openai-2"
        self.mistake(place, f"the provider's name is {shown_text(name)}; expected {expected}")
        return "the provider"

    def section(self, node: Node, options: Sequence[Option[object]], where: str = "") -> _Values:
        values = _Values()
        known = {option.name: option for option in options}
        for name, item in node.value.items() if isinstance(node.value, Mapping) else ():
            if name in known:
                values.nodes[name] = item
                self.option(known[name], item, f"{where}.{name}".lstrip("."), values)
            else:
                self.mistake(node.names[name], _unknown(name, list(known), where or "the file"))
        return values

    def option(self, option: Option[object], node: Node, where: str, values: _Values) -> None:
        unset: list[str] = []
        try:
            # Sections and keys fill in their own parts, so that each can say what it lacks.
            secret = option.name in _MAY_BE_SECRET
            filled = node if option.name in _FILLED_LATER else self.variables.fill(node, unset, may_be_secret=secret)
            if unset:
                values.unset.append((option, where, node, unset))
            else:
                values.put(option, option.parse(filled))
                values.filled_in |= set(filled_in(filled, option.name))
        except* Misfit as misfits:
            self.misfits(where, option.expected, misfits.exceptions)

    def needed(self, values: _Values, missing: list[str] | None = None) -> None:
        """Refuse options whose variables are not set; a provider that is left out anyway only notes them."""
        for option, where, node, names in values.unset:
            if missing is None or option.name in {"model", "models"}:
                self.mistake(node, f"{where} needs the variable {', '.join(names)}, which is not set; {ADVICE}")
            else:
                missing.extend(names)

    def models(self, name: str, values: _Values, place: tuple[int, int]) -> Mapping[str, str]:
        one, several = values.nodes.get(rows.MODEL.name), values.nodes.get(rows.MODELS.name)
        if one and several:
            second = max(one, several, key=lambda node: (node.line, node.column))
            self.mistake(second, f"{name} has both model and models; expected one of them")
        if not one and not several:
            self.mistake(place, f"{name} has no model; expected model: with {rows.MODEL.expected}")
        model = values.get(rows.MODEL, None)
        return values.get(rows.MODELS, _NO_MODELS) if model is None else {"default": model}

    def check_params(self, where: str, values: _Values, prefix: str | None) -> None:
        """Refuse what is no parameter of a model, each at its own place."""
        node = values.nodes.get(rows.PARAMS.name)
        params = node.plain() if node else None
        if node and isinstance(params, Mapping):
            for path, why in refused(params, prefix):
                words = f"{where}.params holds {shown_text('.'.join(path))}; {why}"
                self.mistake(node.place_of(*path), words)

    def check_burst(self, name: str, values: _Values, defaults: _Values) -> None:
        burst = values.get(rows.BURST, defaults.get(rows.BURST, 1))
        rates = (*values.get(rows.RATE, ()), *values.get(rows.KEY_RATE, ()))
        least = min(rates, key=lambda rate: rate.amount, default=None)
        node = values.nodes.get("burst") or defaults.nodes.get("burst")
        # One call at once is what any rate allows, 1/min too.
        if node and least and 1 < burst >= least.amount:
            self.mistake(node, f"{name}.burst is {burst}; expected less than its smallest rate, {least}")

    def keys(self, name: str, values: _Values, place: tuple[int, int]) -> _Keys:
        """The keys that are set, numbered by where they stand, so that a name finds its entry."""
        read = _Keys()
        node = values.nodes.get(rows.KEYS.name)
        if node is None:
            self.mistake(place, f"{name} has no keys; expected keys: with {rows.KEYS.expected}")
            return read
        for entry in values.get(rows.KEYS, ()):
            try:
                self.entry(name, entry, read)
            except Misfit as misfit:
                self.misfits(f"{name}.keys", misfit.expected, [misfit])
        if isinstance(node.value, str) and read.missing:
            read.declared = 2  # one variable may hold several keys: rehearse as if it did
        return read

    def entry(self, name: str, entry: KeyEntry, read: _Keys) -> None:
        unset: list[str] = []
        filled = self.variables.fill(entry.key, unset, may_be_secret=True)
        account = entry.account and self.variables.fill(entry.account, unset)
        if unset:
            read.missing.extend(unset)
            read.declared += 1
            return
        parts = [part.strip() for part in filled.text.split(",") if part.strip()]
        if not parts:
            raise Misfit(entry.key, rows.KEYS.expected, "without a key")
        for part in parts:
            read.declared += 1
            key_name = f"{name}#{read.declared}"
            secret = None if part.lower() == "none" else Secret(part)
            if secret:
                self.check_key(key_name, secret, entry.key, read)
            read.keys.append(Key(key_name, secret, text(account) if account else key_name))

    def check_key(self, name: str, secret: Secret, node: Node, read: _Keys) -> None:
        if not re.fullmatch(r"[!-~]+", secret.reveal()) or "${" in secret.reveal():
            odd = "a space, a line end, a full-width sign, or ${…} inside a variable"
            self.mistake(node, f"{name} contains what no key contains ({odd}); copy it again from the vendor's page")
        first, where = read.places.setdefault(secret, (name, node))
        if first != name:
            twice = f"{name} and {first} ({where.line}:{where.column}) are the same key"
            self.mistake(node, f"{twice}, fingerprint {secret.fingerprint}; expected every key once")

    def usual_names(self, node: Node | None) -> Mapping[str, str]:
        return {name: self.usual[name] for name in (named_in(node) if node else ()) if name in self.usual}

    def misfits(self, where: str, expected: str, misfits: Sequence[Exception]) -> None:
        for misfit in misfits:
            if isinstance(misfit, Misfit):
                words = f"{where} is {misfit.found}; expected {misfit.expected or expected}"
                self.mistake(misfit.node, words)

    def mistake(self, place: Node | tuple[int, int], words: str) -> None:
        line, column = (place.line, place.column) if isinstance(place, Node) else place
        self.mistakes.append(Mistake(line, column, words))


_NO_MODELS: Mapping[str, str] = {}
_NO_HEADERS: Mapping[str, str] = {}
_MAY_BE_SECRET = frozenset({rows.PARAMS.name, rows.HEADERS.name, rows.ORGANIZATION.name, rows.BASE_URL.name})
_FILLED_LATER = frozenset({rows.KEYS.name, rows.DEFAULTS.name, rows.PROVIDERS.name})


def _unknown(name: str, known: Sequence[str], where: str) -> str:
    near = difflib.get_close_matches(name.lower(), known, n=1)
    other = _OTHER_WORDS.get(name.lower())
    nearest = other if other in known else next(iter(near), None)
    homes = [section for section, options in _SECTIONS.items() if name in {row.name for row in options}]
    if name in MODEL and rows.PARAMS.name in known:
        advice = f"it is a parameter of the model: write params: {{{name}: …}}"
    elif nearest:
        advice = f"did you mean {nearest}?"
    elif homes:
        advice = f"{name} belongs under {homes[0]}"
    else:
        advice = f"expected one of {', '.join(known)}"
    return f"{shown_text(name)} is not an option of {where}; {advice}"
