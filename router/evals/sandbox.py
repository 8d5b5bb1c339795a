"""Jinja's sandbox with a budget: one rendering does so much work and no more, on every machine alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from functools import wraps
from typing import Any

from jinja2 import StrictUndefined, Undefined, nodes, pass_context
from jinja2.compiler import CodeGenerator, Frame
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_STEPS = 300_000
"""Turns of loops, and elements that filters go through, in one rendering: some tenths of a second at worst."""
CALL_STEPS = 10
"""A call takes as long as so many turns of a loop."""
MAX_LENGTH = 10_000_000
"""Characters of a text, or elements of a list, that a multiplication may make."""
MAX_BITS = 10_000
"""Of a power: 3,000 digits."""

_BUDGET = "steps left"  # among the variables; with a space in its name no template can reach it
_COUNTED = "counted"


class Sandbox(ImmutableSandboxedEnvironment):
    """Strict about names and bounded; its templates are rendered with the variables that `budgeted` gives."""

    intercepted_binops = frozenset({"*", "**"})

    def __init__(self) -> None:
        super().__init__(undefined=StrictUndefined, autoescape=False)
        self.code_generator_class = _Counting
        self.filters[_COUNTED] = _counted
        self.filters |= {name: _narrow(self.filters[name]) for name in ("center", "indent")}
        del self.globals["lipsum"]  # random, and as long as one likes

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call something, at a cost that grows with what it is given to go through."""
        if not isinstance(obj, Undefined):  # that has its own message
            _check_widths(*args, *kwargs.values())
        _spend(context, CALL_STEPS + sum(map(_elements, args)))
        return super().call(context, obj, *args, **kwargs)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Multiply, or raise to a power; raises OverflowError where the result would fill the memory."""
        if operator == "*" and max(_repeated(left, right), _repeated(right, left)) > MAX_LENGTH:
            raise OverflowError(f"a multiplication would give more than {MAX_LENGTH:,} characters or elements")
        if operator == "**" and _power_bits(left, right) > MAX_BITS:
            raise OverflowError(f"a power has more than {MAX_BITS:,} bits")
        return super().call_binop(context, operator, left, right)


def budgeted(values: Mapping[str, object]) -> dict[str, object]:
    """The variables of one rendering, and with them what it may spend."""
    return {**values, _BUDGET: _Budget(MAX_STEPS)}


class _Budget:
    def __init__(self, steps: int) -> None:
        self.left = steps


def _spend(context: Context, steps: int) -> None:
    budget = context.resolve_or_missing(_BUDGET)
    budget.left -= steps
    if budget.left < 0:
        raise OverflowError(f"it takes more than {MAX_STEPS:,} steps; does a loop go round too often?")


class _Counting(CodeGenerator):
    def visit_Template(self, node: nodes.Template, frame: Frame | None = None) -> None:  # noqa: N802 - jinja2's name
        for each in list(node.find_all(nodes.Filter)):
            if each.node is not None:  # None at the head of a block
                each.node = _count(each.node)
        for loop in node.find_all(nodes.For):
            loop.iter = _count(loop.iter)
        super().visit_Template(node, frame)


def _count(node: nodes.Node) -> nodes.Filter:
    assert isinstance(node, nodes.Expr)  # noqa: S101 - jinja2 declares what is gone through as any node
    return nodes.Filter(node, _COUNTED, [], [], None, None, lineno=node.lineno, environment=node.environment)


@pass_context
def _counted(context: Context, value: object) -> object:
    """The value itself, paid for by its length; what has none is paid for as it is gone through."""
    _spend(context, _elements(value))
    return _each(context, value) if isinstance(value, Iterator) else value


def _each(context: Context, values: Iterable[object]) -> Iterator[object]:
    for value in values:
        _spend(context, 1)
        yield value


def _elements(value: object) -> int:
    """How many elements there are to go through; a text is gone through faster than it could be counted."""
    return len(value) if isinstance(value, Sized) and not isinstance(value, str | bytes | Undefined) else 0


def _narrow(pad: Callable[..., str]) -> Callable[..., str]:
    """A filter that pads, and raises OverflowError before it fills the memory."""

    @wraps(pad)
    def narrow(*args: object, **kwargs: object) -> str:
        _check_widths(*args, *kwargs.values())
        return pad(*args, **kwargs)

    return narrow


def _check_widths(*values: object) -> None:
    """No number that is given to a call may be the width of a text that fills the memory."""
    if any(isinstance(value, int) and value > MAX_LENGTH for value in values):
        raise OverflowError(f"a call is given a number above {MAX_LENGTH:,}")


def _repeated(value: object, times: object) -> int:
    return len(value) * times if isinstance(value, Sequence) and isinstance(times, int) else 0


def _power_bits(base: object, exponent: object) -> int:
    return base.bit_length() * exponent if isinstance(base, int) and isinstance(exponent, int) else 0
