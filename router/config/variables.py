"""Variables of a file, `${NAME}`: filled in, and what they brought remembered, for it may be secret."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from router.config.models import Secret
from router.config.values import Misfit
from router.config.yaml_nodes import Node, scalar

ADVICE = "set it in the environment or in .env beside the file, or write ${NAME:-default}"
_SEVERAL = "_API_KEYS"
_VARIABLE = re.compile(r"\$\{([A-Za-z_]\w*)(?::-([^}]*))?\}", re.ASCII)
_BARE = re.compile(r"(?:^|(?<=[\s,=/]))\$([A-Za-z_]\w*)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Variables:
    """What the environment and `.env` set. `brought` collects by name what was filled in where secrets may stand."""

    held: Mapping[str, str]
    brought: dict[str, Secret] = field(default_factory=dict)

    def with_usual_names(self, names: Iterable[str]) -> tuple[Variables, Mapping[str, str]]:
        """The same, with `OPENAI_API_KEY` in the place of an `OPENAI_API_KEYS` that is not set, as any tool reads it.

        Also what stands in whose place, by the names that are not set.
        """
        usual = {name: name.removesuffix("S") for name in names if name.endswith(_SEVERAL) and not self.held.get(name)}
        found = {name: one for name, one in usual.items() if self.held.get(one)}
        return replace(self, held={**self.held, **{name: self.held[one] for name, one in found.items()}}), found

    def fill(self, node: Node, unset: list[str], *, may_be_secret: bool = False) -> Node:
        """The value with its variables filled in; the names of those that are not set go to `unset`.

        What a variable brings is read as if it stood in the file: `5` is a number. An empty variable is not set.
        """
        if isinstance(node.value, tuple):
            items = tuple(self.fill(item, unset, may_be_secret=may_be_secret) for item in node.value)
            return replace(node, value=items)
        if isinstance(node.value, Mapping):
            filled = {name: self.fill(item, unset, may_be_secret=may_be_secret) for name, item in node.value.items()}
            return replace(node, value=filled)
        if not isinstance(node.value, str) or "$" not in node.value:
            return node
        self._refuse_bare(node, node.value, anywhere=may_be_secret)
        return self._filled(node, node.value, unset, may_be_secret=may_be_secret) if "${" in node.value else node

    def _filled(self, node: Node, written: str, unset: list[str], *, may_be_secret: bool) -> Node:
        if "${" in _VARIABLE.sub("", written):
            raise Misfit(node, "${NAME} or ${NAME:-default}", "a ${ that does not begin a variable")

        def held(variable: re.Match[str]) -> str:
            name, default = variable.groups()
            value = self.held.get(name)
            if not value and default is None:
                unset.append(name)
            # A whole address is no secret: it may hold neither a password nor a query.
            if value and may_be_secret and "://" not in value:
                self.brought[name] = Secret(value)
            return value or default or ""

        text = _VARIABLE.sub(held, written)
        try:
            return replace(node, value=scalar(text), text=text)
        except ValueError:
            raise Misfit(node) from None

    def _refuse_bare(self, node: Node, written: str, *, anywhere: bool) -> None:
        """Refuse `$NAME`, which would be sent as it stands; elsewhere a text may begin so, if it names no variable."""
        bare = _BARE.search(written)
        if bare and (anywhere or bare[1] in self.held):
            raise Misfit(node, f"${{{bare[1]}}}, with braces", f"${bare[1]}, which is not a variable without braces")


def filled_in(node: Node, path: str) -> Iterator[str]:
    """The places in a filled value that a variable has had a part in: `params.stop.0`."""
    if node.is_filled_in:
        yield path
    inner: Iterator[tuple[object, Node]] = iter(())
    if isinstance(node.value, tuple):
        inner = enumerate(node.value)
    elif isinstance(node.value, Mapping):
        inner = iter(node.value.items())
    for name, item in inner:
        yield from filled_in(item, f"{path}.{name}")


def unread(prefix: str, named: frozenset[str], held: Mapping[str, str]) -> tuple[str, ...]:
    """Variables that are set, that other tools use for a vendor, and that the file does not name."""
    vendor = prefix.upper()
    names = [f"{vendor}_{end}" for end in ("API_KEY", "BASE_URL", "API_BASE", "ORGANIZATION", "ORG_ID", "PROJECT_ID")]
    return tuple(name for name in names if held.get(name) and name not in named)


def named_in(node: Node) -> Iterator[str]:
    """Every variable that a value names."""
    if isinstance(node.value, tuple):
        for item in node.value:
            yield from named_in(item)
    elif isinstance(node.value, Mapping):
        for item in node.value.values():
            yield from named_in(item)
    elif isinstance(node.value, str):
        yield from (match[1] for match in _VARIABLE.finditer(node.value))
