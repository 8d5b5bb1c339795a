"""The option `--trouble` of `eval` and `simulate`: what goes wrong with which simulated vendor."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from router.errors import ConfigError

if TYPE_CHECKING:
    from router.config.models import Config
    from router.simulator.troubles import Trouble

TROUBLE_HELP = "In a rehearsal: NAME=KIND[#KEY][@START][+LENGTH][*SHARE], such as openai=hang@5s+20s. Repeat it."


def parse_troubles(texts: Iterable[str], config: Config) -> tuple[tuple[str, Trouble], ...]:
    """Read every `NAME=…`; raises ConfigError naming what is wrong and what is possible."""
    from router.simulator.troubles import parse_trouble

    names = [provider.name for provider in config.providers if provider.enabled]
    troubles = []
    for text in texts:
        name, equals, kind = text.partition("=")
        if not equals or name not in names:
            raise ConfigError(f"--trouble {text!r}: begin with one of {', '.join(f'{name}=' for name in names)}")
        try:
            troubles.append((name, parse_trouble(kind)))
        except ValueError as error:
            raise ConfigError(f"--trouble {text!r}: {error}") from None
    return tuple(troubles)
