"""YAML read into values that know where they stand in their file; the only importer of yaml."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import yaml

from router.errors import ConfigError
from router.types import Json

Scalar: TypeAlias = "str | int | float | bool | None"

MAX_SHOWN = 20
MAX_DEPTH = 50
MAX_VALUES = 10_000

_SPELLED = "tag:yaml.org,2002:"
_CONSTRUCTED = frozenset(_SPELLED + name for name in ("null", "bool", "int", "float"))
# Python would make a date of 2024-10-21; in a configuration it is a version, and JSON has no dates.
_TEXT = frozenset(_SPELLED + name for name in ("str", "timestamp", "value", "merge"))
_LARGEST_INT = 2**63


@dataclass(frozen=True, slots=True)
class Node:
    """One value of a file with its place; lines and columns count from 1.

    `written` is a scalar exactly as the file has it, `text` the same after variables are filled in.
    `names` holds the place of each name of a mapping.
    """

    value: Scalar | tuple[Node, ...] | Mapping[str, Node]
    line: int
    column: int
    written: str = ""
    text: str = ""
    names: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def is_filled_in(self) -> bool:
        """Whether a variable's value stands in it."""
        return self.text != self.written

    def place_of(self, name: str, *inner: str) -> tuple[int, int]:
        """Where a name of this mapping stands, or a name inside what it names."""
        assert isinstance(self.value, Mapping)  # noqa: S101 - who asks has seen the names
        return self.value[name].place_of(*inner) if inner else self.names[name]

    def plain(self) -> Json:
        """The value without its places, as JSON could say it."""
        if isinstance(self.value, tuple):
            return [item.plain() for item in self.value]
        if isinstance(self.value, Mapping):
            return {name: item.plain() for name, item in self.value.items()}
        return self.value


@dataclass(frozen=True, slots=True, order=True)
class Mistake:
    """One thing that is wrong in a file, and where."""

    line: int
    column: int
    text: str


def refuse(source: str, mistakes: Iterable[Mistake]) -> ConfigError:
    """The error that tells up to MAX_SHOWN mistakes in the file's order, a line for each."""
    ordered = sorted(set(mistakes))
    lines = [f"{source}:{m.line}:{m.column}: {m.text}" for m in ordered[:MAX_SHOWN]]
    if len(ordered) > MAX_SHOWN:
        lines.append(f"{source}: and {len(ordered) - MAX_SHOWN} more mistakes")
    return ConfigError("\n".join(lines))


def parse(text: str, source: str) -> tuple[Node, list[Mistake]]:
    """The file's tree, and what is wrong in it without ending the reading, such as a name that is there twice.

    Raises ConfigError where the text is no YAML.
    """
    try:
        # The pure Python loader: the C one ends the process on deep nesting instead of raising.
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        builder = _Builder(loader)
        return (builder.build(root, 0) if root else Node(None, 1, 1)), builder.mistakes
    except yaml.reader.ReaderError as error:
        raise refuse(source, [_unprintable(text, error)]) from None
    except yaml.MarkedYAMLError as error:
        raise refuse(source, [_syntax_mistake(text, error)]) from None
    except (RecursionError, _TooLargeError):
        limits = f"{MAX_DEPTH} levels deep or holds more than {MAX_VALUES} values, aliases unfolded"
        raise refuse(source, [Mistake(1, 1, f"this YAML is nested more than {limits}")]) from None


def scalar(text: str) -> Scalar:
    """What an unquoted text means in YAML: `5` is a number, `yes` a boolean; raises ValueError."""
    loader = yaml.SafeLoader("")
    tag = loader.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
    return _constructed(loader, yaml.ScalarNode(tag, text))


def kind_of(node: Node) -> str:
    """The type of a value in plain words."""
    kinds: Sequence[tuple[type | tuple[type, ...], str]] = (
        (bool, "a boolean"),
        ((int, float), "a number"),
        (str, "a text"),
        (tuple, "a list"),
        (Mapping, "a mapping"),
    )
    return next((words for kind, words in kinds if isinstance(node.value, kind)), "nothing")


class _TooLargeError(Exception):
    pass


class _Builder:
    """Turns yaml's nodes into ours; counts them, since a few aliases may unfold to billions."""

    def __init__(self, loader: yaml.SafeLoader) -> None:
        self.mistakes: list[Mistake] = []
        self._loader = loader
        self._count = 0

    def build(self, node: yaml.Node, depth: int) -> Node:
        self._count += 1
        if depth > MAX_DEPTH or self._count > MAX_VALUES:
            raise _TooLargeError
        line, column = _place(node.start_mark)
        if isinstance(node, yaml.MappingNode) and node.tag == _SPELLED + "map":
            return self._mapping(node, line, column, depth)
        if isinstance(node, yaml.SequenceNode) and node.tag == _SPELLED + "seq":
            return Node(tuple(self.build(item, depth + 1) for item in node.value), line, column)
        if isinstance(node, yaml.ScalarNode):
            return Node(self._scalar(node, line, column), line, column, node.value, node.value)
        self.mistakes.append(Mistake(line, column, "YAML tags (!name) are not read here; leave the tag out"))
        return Node(None, line, column)

    def _mapping(self, node: yaml.MappingNode, line: int, column: int, depth: int) -> Node:
        values: dict[str, Node] = {}
        names: dict[str, tuple[int, int]] = {}
        for key, item in node.value:
            place = _place(key.start_mark)
            if why := _unfit_name(key, names):
                self.mistakes.append(Mistake(*place, why))
            else:
                names[key.value] = place
                values[key.value] = self.build(item, depth + 1)
        return Node(values, line, column, names=names)

    def _scalar(self, node: yaml.ScalarNode, line: int, column: int) -> Scalar:
        try:
            return _constructed(self._loader, node)
        except ValueError as error:
            self.mistakes.append(Mistake(line, column, str(error)))
            return None


def _unfit_name(key: yaml.Node, earlier: Mapping[str, tuple[int, int]]) -> str:
    if not isinstance(key, yaml.ScalarNode) or _is_torn(key.value):
        return "a name must be a plain word; quote a value that begins with { or ["
    if key.tag == _SPELLED + "merge":
        return "merging with << is not read here; what providers share goes under defaults"
    if key.value in earlier:
        line, column = earlier[key.value]
        return f"{shown_text(key.value)} stands twice; it stands first at {line}:{column}; keep one"
    return ""


def _constructed(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> Scalar:
    """The scalar by the safe loader's rules; raises ValueError for what JSON could not say."""
    if node.tag in _TEXT:
        if _is_torn(node.value):
            raise ValueError("this text holds half a character (a lone surrogate); write the whole one")
        return str(node.value)
    if node.tag not in _CONSTRUCTED:
        raise ValueError("YAML tags (!name) are not read here; leave the tag out")
    try:
        value: Scalar = loader.construct_object(node)
    except (ValueError, LookupError, AttributeError, ArithmeticError, yaml.YAMLError):
        # Each is how the safe loader fails on some `!!int x` or `!!bool x`.
        raise ValueError("this value is not what its form or its YAML tag promises; quote it") from None
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("expected a finite number")
    if isinstance(value, int) and not -_LARGEST_INT <= value < _LARGEST_INT:
        raise ValueError("this number is too large; quote it where it is meant as a text")
    return value


def _is_torn(text: str) -> bool:
    """Whether it holds a lone surrogate, which neither UTF-8 nor JSON can carry."""
    return any("\ud800" <= letter <= "\udfff" for letter in text)


def _place(mark: yaml.Mark) -> tuple[int, int]:
    return mark.line + 1, mark.column + 1


def _unprintable(text: str, error: yaml.reader.ReaderError) -> Mistake:
    before = text[: error.position]
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    return Mistake(line, column, f"the character U+{error.character:04X} may not stand in YAML; delete it")


def _syntax_mistake(text: str, error: yaml.MarkedYAMLError) -> Mistake:
    mark = error.problem_mark or error.context_mark
    line, column = _place(mark) if mark else (1, 1)
    lines = text.splitlines()
    shown = lines[line - 1] if line <= len(lines) else ""
    said = _without_quotes(", ".join(part for part in (error.context, error.problem) if part))
    said += f", in the line `{outline(shown)}`" if shown.strip() else ""
    return Mistake(line, column, f"this is not YAML: {said}{_hint(shown, said)}")


_HINTS = (
    (
        r"\$\{",
        r"flow|token|found '[}:]'|expected ',' or",
        '; inside {…} and […] YAML wants quotes around ${…}: write {key: "${A}"}, not {key: ${A}}',
    ),
    (r"\t", "", "; indent with spaces, YAML takes no tabs"),
    (r"", r"mapping values are not allowed", "; quote a value that holds a colon and a space"),
    (r"", r"alias|directive|token", "; quote a value that begins with * & ! % @ or `"),
    (r"", r"single document", "; keep one document, without a second --- line"),
)


def _hint(line: str, said: str) -> str:
    return next((hint for sign, words, hint in _HINTS if re.search(sign, line) and re.search(words, said)), "")


def _without_quotes(said: str) -> str:
    """The parser's words without the words of the file, for one of those may be a key; signs may stay."""
    return re.sub(r"'[^']*'|\"[^\"]*\"", lambda m: m[0] if len(m[0]) <= 4 or m[0][1] == "<" else "…", said)  # noqa: PLR2004


_WORD = re.compile(r"\$\{\w+|[^\s{}\[\],:\"'#]+")


def outline(line: str) -> str:
    """A line's signs, variables and plain lower-case names; every other word, which may be a key, is `…`."""

    def kept(word: re.Match[str]) -> str:
        is_name = re.fullmatch(r"[a-z_]{1,16}", word[0]) and word.string.startswith(":", word.end())
        return word[0] if is_name or word[0].startswith("${") or not re.search(r"\w", word[0]) else "…"

    return _WORD.sub(kept, line.strip())[:120]


_LIKE_A_KEY = re.compile(
    r"\b(sk|pk|rk|gsk|xai|nvapi|hf)[-_][\w-]{7}|AIza|[A-Za-z0-9+=]{24}|(?=[A-Za-z+=]*\d)[A-Za-z0-9+=]{12}"
)


def shown_text(text: str, max_length: int = 60) -> str:
    """A text of the file, quoted for a message; what looks like a key or a password is only described."""
    if _LIKE_A_KEY.search(text) or re.search(r"//[^/]*@", text):
        return f"a text of {len(text)} characters (not shown, it may be a key)"
    without_defaults = re.sub(r"(\$\{\w+:-)[^}]*", r"\1…", text)
    return repr(without_defaults if len(without_defaults) <= max_length else without_defaults[:max_length] + "…")
