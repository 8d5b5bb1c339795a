"""How long a piece of the house may be, and who of those that decide may wait."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from statistics import median
from typing import TypeAlias

import pytest
from test_layers import Sources, parsed, sources

MAX_MODULE, MAX_BODY, MEDIAN_FUNCTION = 320, 40, 7
"""Lines: of a module; of a function without signature and docstring; of the function in the middle, all of it."""
DECIDING = ("catalog", "classify", "engine", "analysis")
"""Rooms that decide: they are told the time and ask no clock."""
AWAITING = ("engine.amap", "engine.lane", "engine.permit", "engine.retry", "engine.router", "engine.stream")
"""The only modules of these rooms that await."""
CLOCKS = (".time", ".monotonic", ".perf_counter", "datetime.now", ".today")

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


def functions(text: str) -> list[Function]:
    return [node for node in ast.walk(parsed(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def lines_from(start: int, function: Function) -> int:
    return (function.end_lineno or start) - start + 1


def body_lines(function: Function) -> int:
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return lines_from(body[0].lineno, function) if body else 0


def too_long(texts: Sources) -> Iterator[str]:
    for module, text in texts.items():
        lengths = {module: (text.count("\n"), MAX_MODULE)}
        lengths |= {f"{module}.{each.name}": (body_lines(each), MAX_BODY) for each in functions(text)}
        yield from (f"{name} has {lines} lines" for name, (lines, at_most) in lengths.items() if lines > at_most)


def impure(module: str, text: str) -> Iterator[str]:
    """What waits, or looks at a clock, where things are decided."""
    for node in ast.walk(parsed(text)) if module.partition(".")[0] in DECIDING else ():
        if isinstance(node, ast.AsyncFunctionDef) and module not in AWAITING:
            yield f"{module}:{node.lineno} is asynchronous"
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(CLOCKS):
            yield f"{module}:{node.lineno} asks a clock: {ast.unparse(node)}"


def test_modules_and_functions_are_short() -> None:
    assert list(too_long(sources())) == []
    assert median(lines_from(each.lineno, each) for text in sources().values() for each in functions(text)) <= (
        MEDIAN_FUNCTION
    )


def test_what_decides_neither_waits_nor_looks_at_a_clock() -> None:
    assert [each for module, text in sources().items() for each in impure(module, text)] == []


# Each check sees what it is for.


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        pytest.param("x = 1\n" * MAX_MODULE, [], id="a long module"),
        pytest.param("x = 1\n" * (MAX_MODULE + 1), ["m has 321 lines"], id="a module too long"),
        pytest.param("def f():\n" + "    x = 1\n" * MAX_BODY, [], id="a long function"),
        pytest.param("async def f():\n" + "    x = 1\n" * (MAX_BODY + 1), ["m.f has 41 lines"], id="too long"),
        pytest.param('def f(\n    a,\n):\n    """A.\n    """\n' + "    x = 1\n" * MAX_BODY, [], id="a docstring"),
    ],
)
def test_length_is_seen(text: str, seen: list[str]) -> None:
    assert list(too_long({"m": text})) == seen


@pytest.mark.parametrize(
    ("module", "text", "seen"),
    [
        pytest.param("engine.health", "async def f(): ...", True, id="a decision that waits"),
        pytest.param("engine.lane", "async def f(): ...", False, id="a lane waits"),
        pytest.param("transport.direct", "async def f(): ...", False, id="another room"),
        pytest.param("engine.lane", "time.monotonic()", True, id="a clock of its own"),
        pytest.param("classify", "datetime.now(UTC)", True, id="the date"),
        pytest.param("engine.lane", "self._clock.now()", False, id="the clock that it was given"),
    ],
)
def test_impurity_is_seen(module: str, text: str, *, seen: bool) -> None:
    assert bool(list(impure(module, text))) is seen
