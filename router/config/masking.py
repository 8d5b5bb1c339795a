"""What may be shown of parameters and headers: neither what variables brought, nor what is called a key."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from router.config.models import Config, Provider, Secret
from router.config.parameters import MODEL
from router.types import Json

MASK = "***"
_TELLING = re.compile(r"key|secret|token(?!s)|passw|credential|authorization|cookie", re.IGNORECASE)
_SCHEMAS = frozenset({"tools", "functions", "response_format", "response_schema", "guided_json"})
"""Names inside these are the user's own, and belong to no credential."""


def is_telling(name: str) -> bool:
    """Whether what is called so is a credential: `aws_secret_access_key`, and not `max_tokens`, `prompt_cache_key`."""
    return _TELLING.search(name) is not None and name not in MODEL


def shown(provider: Provider) -> dict[str, Json]:
    """The parameters and headers of a provider, MASK in the place of every secret."""
    return {place: _without(held, place, provider, lambda _path, _text: None) for place, held in _places(provider)}


def secrets(config: Config) -> Iterator[tuple[str, Secret]]:
    """Every key and other secret of a configuration, with the name that may stand in its place."""
    for provider in config.providers:
        yield from ((key.name, key.secret) for key in provider.keys if key.secret)
        hidden: dict[str, str] = {}
        for place, held in _places(provider):
            _without(held, place, provider, hidden.__setitem__)
        for path, text in hidden.items():
            # `Bearer abc` is a secret, and so is `abc`.
            yield from ((f"{provider.name}.{path}", Secret(part)) for part in {text, *text.split()})
    yield from ((f"${{{name}}}", secret) for name, secret in config.variables.items())


def _places(provider: Provider) -> tuple[tuple[str, Json], ...]:
    return ("params", provider.params), ("headers", provider.headers)


def _without(
    value: Json, path: str, provider: Provider, hide: Callable[[str, str], None], *, is_secret: bool = False
) -> Json:
    """The value with MASK for every secret; `hide` is told the path and the text of each."""
    if isinstance(value, Mapping):
        return {
            name: _without(item, f"{path}.{name}", provider, hide, is_secret=is_secret or _tells(name, path))
            for name, item in value.items()
        }
    if value is None or isinstance(value, bool):
        return value
    if not isinstance(value, str | int | float):
        return [_without(item, f"{path}.{n}", provider, hide, is_secret=is_secret) for n, item in enumerate(value)]
    if not is_secret and path not in provider.filled_in:
        return value
    hide(path, str(value))
    return MASK


def _tells(name: str, path: str) -> bool:
    return is_telling(name) and _SCHEMAS.isdisjoint(path.split("."))
