"""Prompt files: a text with `{{ question }}`, perhaps front matter; the only importer of jinja2.

Jinja, sandboxed and strict. Single braces, as in JSON examples, are left alone.
"""

from __future__ import annotations

import functools
import hashlib
import threading
import time
import traceback
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from router.config.parameters import refused
from router.errors import ConfigError
from router.evals.files import decode, open_bytes
from router.evals.scorers import DEFAULT_SCORER, get_scorer
from router.suggest import did_you_mean
from router.types import Json, Message

if TYPE_CHECKING:
    from jinja2 import Template, nodes
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    from router.config.yaml_nodes import Node

MAX_CHARACTERS = 10_000_000
MAX_RENDER_S = 5.0

_FENCE = "---"
# What an expression of a template may raise over the values of an item.
_FAILURES = (TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError, MemoryError)
_BRACES = "single braces need no doubling; two that are meant as text are written {{ '{{' }}"


@dataclass(frozen=True, slots=True)
class Text:
    """A template with where it stands: from `line` of `path` on, or inside a name of its front matter."""

    source: str
    path: Path
    line: int = 1
    inside: str = ""

    def at(self, line: int) -> str:
        """Where its line `line`, counted from 1, stands in the file, for the head of a message."""
        if self.inside:
            return f"{self.path}:{self.line}: in line {line} of {self.inside}"
        return f"{self.path}:{self.line + line - 1}"


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt file, read and found well-formed; `sha256` (hex) is that of the file's bytes."""

    name: str
    path: Path
    body: Text
    sha256: str
    system_text: Text | None = None
    scorer: str = DEFAULT_SCORER
    params: Mapping[str, Json] = field(default_factory=dict)

    @property
    def template(self) -> str:
        """The user's message as the file has it."""
        return self.body.source

    @property
    def system(self) -> str:
        """The system message as the file has it; empty where there is none."""
        return self.system_text.source if self.system_text else ""

    @property
    def texts(self) -> tuple[Text, ...]:
        """The templates, in the order of their messages."""
        return (self.system_text, self.body) if self.system_text else (self.body,)

    def check(self, variable_names: Iterable[str]) -> None:
        """Raise ConfigError if a template needs a variable that is not among these."""
        known = sorted(set(variable_names))
        for text in self.texts:
            for name, line in _variables(text, needed=True).items():
                if name not in known:
                    raise ConfigError(
                        f"{text.at(line)}: there is no variable {name!r}{did_you_mean(name, known)} "
                        f"(there are: {', '.join(known)})"
                    )

    def render(self, variables: Mapping[str, object]) -> tuple[Message, ...]:
        """The messages for one item; raises ConfigError where the template cannot take its values."""
        roles = ("system", "user") if self.system_text else ("user",)
        return tuple(
            {"role": role, "content": _render(text, variables)} for role, text in zip(roles, self.texts, strict=True)
        )


def load(path: Path) -> Prompt:
    """Read a prompt file; raises ConfigError naming file and line of what is wrong."""
    with open_bytes(path, "prompt file") as file:
        data = file.read()
    text = decode(data, path).replace("\r\n", "\n")
    front, template, first_line = _split(text, path)
    body = Text(template, path, first_line)
    if not template.strip():
        raise ConfigError(f"{body.at(1)}: the prompt is empty; write the question as {{{{ question }}}}")
    named = _front_matter(front, path)
    prompt = Prompt(
        name=path.stem,
        path=path,
        body=body,
        sha256=hashlib.sha256(data).hexdigest(),
        system_text=_system(named, path),
        scorer=_scorer(named, path),
        params=_params(named, path),
    )
    _refuse_constant(prompt)
    return prompt


def render_in_time(prompt: Prompt, variables: Mapping[str, object]) -> tuple[Message, ...]:
    """Like `Prompt.render`, but raises ConfigError for a template that does not come to its end.

    It is rendered in a thread of its own, which nothing can stop: that is for before a run, when giving up ends all.
    """
    done: SimpleQueue[tuple[Message, ...] | Exception] = SimpleQueue()

    def work() -> None:
        try:
            done.put(prompt.render(variables))
        except Exception as error:  # noqa: BLE001 - handed over
            done.put(error)

    threading.Thread(target=work, daemon=True, name=f"render {prompt.name}").start()
    try:
        rendered = done.get(timeout=MAX_RENDER_S)
    except Empty:
        raise ConfigError(
            f"{prompt.path}: the template takes more than {MAX_RENDER_S:g} s for the first item; does a loop never end?"
        ) from None
    if isinstance(rendered, Exception):
        raise rendered
    return rendered


def _split(text: str, path: Path) -> tuple[str, str, int]:
    """Front matter, template, and the number of the template's first line."""
    lines = text.split("\n")
    if lines[0].rstrip() != _FENCE:
        return "", text, 1
    end = next((n for n, line in enumerate(lines[1:], 1) if line.rstrip() == _FENCE), None)
    if end is None:
        raise ConfigError(
            f"{path}:1: front matter begins here and no second --- line ends it; "
            "write that line, or an empty one above if the prompt itself begins with ---"
        )
    return "\n".join(lines[1:end]), "\n".join(lines[end + 1 :]), end + 2


# --- front matter ---------------------------------------------------------------------------------

_NAMES = ("scorer", "system", "params")


def _front_matter(text: str, path: Path) -> Mapping[str, Node]:
    from router.config.yaml_nodes import kind_of, parse

    # The fence is the file's first line.
    root, mistakes = parse(f"\n{text}", str(path)) if text.strip() else (None, [])
    if root is None or root.value is None:
        return {}
    if not isinstance(root.value, Mapping):
        raise ConfigError(
            f"{path}:{root.line}: front matter holds names with values, {' or '.join(_NAMES)}; found {kind_of(root)}"
        )
    for name in root.value:
        if name not in _NAMES:
            line, _ = root.names[name]
            close = did_you_mean(name, _NAMES)
            raise ConfigError(f"{path}:{line}: front matter knows no {name!r}{close} (known: {', '.join(_NAMES)})")
    for mistake in mistakes:
        raise ConfigError(f"{path}:{mistake.line}: {mistake.text}")
    return root.value


def _system(named: Mapping[str, Node], path: Path) -> Text | None:
    node = named.get("system")
    return Text(_text_of(node, "system", path), path, node.line, "system") if node else None


def _scorer(named: Mapping[str, Node], path: Path) -> str:
    node = named.get("scorer")
    if node is None:
        return DEFAULT_SCORER
    name = _text_of(node, "scorer", path)
    try:
        get_scorer(name)
    except ConfigError as error:
        raise ConfigError(f"{path}:{node.line}: {error}") from None
    return name


def _params(named: Mapping[str, Node], path: Path) -> Mapping[str, Json]:
    node = named.get("params")
    if node is None:
        return {}
    values = node.plain()
    if not isinstance(values, Mapping):
        raise ConfigError(f"{path}:{node.line}: params holds names with values, such as temperature: 0")
    for names, why in refused(values):
        line, column = node.place_of(*names)
        raise ConfigError(f"{path}:{line}:{column}: params.{'.'.join(names)} may not be set: {why}")
    return values


def _text_of(node: Node, name: str, path: Path) -> str:
    if isinstance(node.value, str) and node.value.strip():
        return node.value
    raise ConfigError(f"{path}:{node.line}: {name} must be a text and not empty")


# --- templates ------------------------------------------------------------------------------------


@functools.cache
def _environment() -> ImmutableSandboxedEnvironment:
    # jinja2 is imported inside functions: `--help` and `check` do without its 50 ms.
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    return ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)


@functools.lru_cache(maxsize=64)
def _compiled(text: Text) -> Template:
    from jinja2 import TemplateSyntaxError

    try:
        return _environment().from_string(text.source)
    except TemplateSyntaxError as error:
        raise ConfigError(f"{text.at(error.lineno)}: the template cannot be read: {error.message}; {_BRACES}") from None


def _variables(text: Text, *, needed: bool = False) -> dict[str, int]:
    """The variables of a template with the line where each stands first; `needed` leaves out the guarded."""
    from jinja2 import meta, nodes

    tree = _environment().parse(text.source)
    names = meta.find_undeclared_variables(tree) - set(_environment().globals)
    if needed:
        names -= _guarded(tree)
    lines: dict[str, int] = {}
    for node in tree.find_all(nodes.Name):
        if node.name in names:
            lines[node.name] = min(node.lineno, lines.get(node.name, node.lineno))
    return dict(sorted(lines.items(), key=lambda found: found[1]))


def _guarded(tree: nodes.Template) -> set[str]:
    """Names that the template itself provides for: `x | default("")`, `x is defined`."""
    from jinja2 import nodes

    guards = [n for n in tree.find_all(nodes.Filter) if n.name in {"default", "d"}]
    tests = [n for n in tree.find_all(nodes.Test) if n.name in {"defined", "undefined"}]
    return {guard.node.name for guard in (*guards, *tests) if isinstance(guard.node, nodes.Name)}


def _refuse_constant(prompt: Prompt) -> None:
    """Compile all; raises ConfigError for what no item could render, or would render alike for all."""
    for text in prompt.texts:
        _compiled(text)
        _refuse_escapes(text)
    if not any(_variables(text) for text in prompt.texts):
        raise ConfigError(
            f"{prompt.path}: the prompt has no variable, so every item would ask the same; "
            "write {{ question }} where the question belongs"
        )


def _refuse_escapes(text: Text) -> None:
    """Refuse what the sandbox would refuse on every item: Python's insides, other files."""
    from jinja2 import nodes

    tree = _environment().parse(text.source)
    for node in tree.find_all(nodes.Getattr):
        if node.attr.startswith("__"):
            raise ConfigError(f"{text.at(node.lineno)}: a prompt may not reach for {node.attr}; take it out")
    for other in tree.find_all((nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)):
        raise ConfigError(f"{text.at(other.lineno)}: a prompt is one file and loads no other; paste it in")


def _render(text: Text, variables: Mapping[str, object]) -> str:
    from jinja2 import TemplateError

    try:
        return "".join(_bounded(_compiled(text).generate(variables), text))
    except (TemplateError, *_FAILURES) as error:
        where = text.at(_line_of(error))
        raise ConfigError(
            f"{where}: the template cannot take this item: {str(error) or type(error).__name__}"
        ) from None


def _bounded(pieces: Iterable[str], text: Text) -> Iterator[str]:
    """The pieces, as long as they are no more than any model could read and come in time."""
    length, late = 0, time.monotonic() + MAX_RENDER_S
    for piece in pieces:
        length += len(piece)
        if length > MAX_CHARACTERS:
            raise ConfigError(f"{text.at(1)}: the template makes more than {MAX_CHARACTERS:,} characters of this item")
        if time.monotonic() > late:
            raise ConfigError(f"{text.at(1)}: the template takes more than {MAX_RENDER_S:g} s for this item")
        yield piece


def _line_of(error: Exception) -> int:
    """The template's line that failed: jinja2 puts a frame of the template into the traceback."""
    frames = traceback.extract_tb(error.__traceback__)
    return next((f.lineno for f in reversed(frames) if f.filename == "<template>" and f.lineno), 1)
