"""Templates of prompts and expressions over fields, in Jinja.

Single braces, as in JSON examples, are left alone.
"""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from router.errors import ConfigError
from router.suggest import did_you_mean

if TYPE_CHECKING:
    from jinja2 import Template, nodes

    from router.evals.sandbox import Sandbox

MAX_CHARACTERS = 10_000_000

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


# --- templates ------------------------------------------------------------------------------------


def variables(text: Text, *, needed: bool = False) -> dict[str, int]:
    """The variables of a template with the line where each stands first; `needed` leaves out the guarded."""
    from jinja2 import meta, nodes

    tree = _tree(text)
    names = meta.find_undeclared_variables(tree) - set(_environment().globals)
    if needed:
        names -= _guarded(tree)
    lines: dict[str, int] = {}
    for node in tree.find_all(nodes.Name):
        if node.name in names:
            lines[node.name] = min(node.lineno, lines.get(node.name, node.lineno))
    return dict(sorted(lines.items(), key=lambda found: found[1]))


def check(text: Text) -> None:
    """Raise ConfigError for a template that cannot be read, or that the sandbox would refuse on every item."""
    from jinja2 import nodes

    _compiled(text)
    tree = _tree(text)
    for node in tree.find_all(nodes.Getattr):
        if node.attr.startswith("__"):
            raise ConfigError(f"{text.at(node.lineno)}: a prompt may not use {node.attr}; take it out")
    for other in tree.find_all((nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)):
        raise ConfigError(f"{text.at(other.lineno)}: a prompt is one file and cannot load another; paste its text in")


def check_variables(text: Text, names: Iterable[str]) -> None:
    """Raise ConfigError if a template needs a variable that is not among these."""
    known = sorted(names)
    for name, line in variables(text, needed=True).items():
        if name not in known:
            raise ConfigError(
                f"{text.at(line)}: there is no variable {name!r}{did_you_mean(name, known)} "
                f"(there are: {', '.join(known)})"
            )


def render(text: Text, values: Mapping[str, object]) -> str:
    """The template with these values; raises ConfigError where it cannot take them, or makes too much of them."""
    from jinja2 import TemplateError

    from router.evals.sandbox import budgeted

    try:
        return "".join(_bounded(_compiled(text).generate(budgeted(values)), text))
    except (TemplateError, *_FAILURES) as error:
        where = text.at(_line_of(error))
        raise ConfigError(f"{where}: the template cannot take this item: {_words(error)}") from None


@functools.cache
def _environment() -> Sandbox:
    # jinja2 is imported inside functions: `--help` and `check` do without its 50 ms.
    from router.evals.sandbox import Sandbox

    return Sandbox()


@functools.lru_cache(maxsize=64)
def _compiled(text: Text) -> Template:
    with _reading(text):
        return _environment().from_string(text.source)


def _tree(text: Text) -> nodes.Template:
    with _reading(text):
        return _environment().parse(text.source)


@contextmanager
def _reading(text: Text) -> Iterator[None]:
    """Say where a template cannot be read; the parser's own recursion bounds how deep it may be nested."""
    from jinja2 import TemplateSyntaxError

    try:
        yield
    except TemplateSyntaxError as error:
        raise ConfigError(f"{text.at(error.lineno)}: the template cannot be read: {error.message}; {_BRACES}") from None
    except RecursionError:
        raise ConfigError(f"{text.at(1)}: the template is nested too deeply to be read; {_BRACES}") from None


def _guarded(tree: nodes.Template) -> set[str]:
    """Names that the template itself provides for: `x | default("")`, `x is defined`."""
    from jinja2 import nodes

    guards = [n for n in tree.find_all(nodes.Filter) if n.name in {"default", "d"}]
    tests = [n for n in tree.find_all(nodes.Test) if n.name in {"defined", "undefined"}]
    return {guard.node.name for guard in (*guards, *tests) if isinstance(guard.node, nodes.Name)}


def _bounded(pieces: Iterable[str], text: Text) -> Iterator[str]:
    """The pieces, as long as they are no more than any model could read."""
    length = 0
    for piece in pieces:
        length += len(piece)
        if length > MAX_CHARACTERS:
            raise ConfigError(
                f"{text.at(1)}: with this item the template gives more than {MAX_CHARACTERS:,} characters"
            )
        yield piece


def _line_of(error: Exception) -> int:
    """The template's line that failed: jinja2 puts a frame of the template into the traceback."""
    frames = traceback.extract_tb(error.__traceback__)
    return next((f.lineno for f in reversed(frames) if f.filename == "<template>" and f.lineno), 1)


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__


# --- expressions ----------------------------------------------------------------------------------

Expression: TypeAlias = Callable[[Mapping[str, object]], object]
"""Takes named values and gives one; raises ValueError where it cannot."""


def expression(source: str) -> Expression:
    """Read a Jinja expression, such as `answer.split("####")[-1]`; raises ValueError where it is none."""
    from jinja2 import TemplateError, TemplateSyntaxError, Undefined

    from router.evals.sandbox import budgeted

    try:
        compiled = _environment().compile_expression(source, undefined_to_none=False)
    except TemplateSyntaxError as error:
        raise ValueError(f"{source!r} cannot be read: {error.message}") from None
    except RecursionError:
        raise ValueError(f"{source[:40]!r}… is nested too deeply to be read") from None

    def evaluate(values: Mapping[str, object]) -> object:
        try:
            value = compiled(budgeted(values))
            if isinstance(value, Undefined):
                str(value)  # a strict one says which name is missing
        except (TemplateError, *_FAILURES) as error:
            raise ValueError(_words(error)) from None
        return value

    return evaluate
