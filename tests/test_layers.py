"""The rooms of the house: imports run downwards only, and each third-party package has one home."""

from __future__ import annotations

import ast
import functools
import sys
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import router

ROOT = Path(router.__file__).parent
TESTS = Path(__file__).parent

ROWS = (
    ("cli", "__main__"),
    ("serve",),
    ("reports",),
    ("analysis",),
    ("evals",),
    ("testing",),
    ("engine",),
    ("check",),
    ("transport",),
    ("simulator",),
    ("store",),
    ("log",),
    ("config",),
    ("classify",),
    ("catalog",),
    ("errors", "types", "faults", "clock", "jsonl", "rates", "suggest", "text"),
)
"""From the roof to the ground: a room may import from its own row and from those below."""
FLOORS = {room: floor for floor, row in enumerate(ROWS) for room in row}

HOMES = {
    "aiohttp": ("transport", "simulator"),
    "certifi": ("transport",),
    "aiolimiter": ("engine.pace",),
    "dotenv": ("config.loading",),
    "duckdb": ("analysis.query",),
    "httpx": ("transport",),
    "jinja2": ("evals.templates", "evals.sandbox"),
    "litellm": ("transport",),
    "orjson": ("jsonl",),
    "jsonschema": ("evals.schemas",),
    "pyarrow": ("evals.formats.columns",),
    "numpy": ("evals.paired",),
    "referencing": ("evals.schemas",),
    "regex": ("evals.scorers",),
    "rich": ("reports",),
    "scipy": ("evals.paired", "evals.stats"),
    "structlog": ("log.writer",),
    "tenacity": ("engine.retry",),
    "typer": ("cli",),
    "yaml": ("config.yaml_nodes",),
    "yarl": ("transport",),
}
"""Where a third-party package may be imported."""
INSIDE_FUNCTIONS = {"jsonschema", "litellm", "regex", "duckdb", "numpy", "pyarrow", "scipy"}
"""What costs seconds to import, or need not be installed."""
REAL_SLEEP = {"test_simulator_server.py"}
"""Tests of a real server over real sockets, which has no other clock."""

Sources = Mapping[str, str]
"""Source texts by module name without the leading `router.`; the package itself is the empty name."""


parsed = functools.cache(ast.parse)


@functools.cache
def sources() -> Sources:
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path.read_text(encoding="utf-8")
    return found


def imports(
    tree: ast.AST, *, typing: bool = False, inside: bool = False
) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    """Every import that is executed, with `typing` the others too, and whether it stands inside a function."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node, inside
        elif typing or not (isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")):
            function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from imports(node, typing=typing, inside=inside or function)


def names(node: ast.Import | ast.ImportFrom, modules: Sources) -> list[str]:
    """The modules that an import brings: `from router import rates` means `router.rates`."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    base = "." * node.level + (node.module or "")
    wholes = (f"{base}.{alias.name}" for alias in node.names)
    return [whole if whole.removeprefix("router.") in modules else base for whole in wholes]


def own_imports(texts: Sources) -> dict[str, set[str]]:
    return {
        module: {
            name.removeprefix("router").removeprefix(".")
            for node, _ in imports(parsed(text), typing=bool(module))
            for name in names(node, texts)
            if name.split(".")[0] == "router"
        }
        for module, text in texts.items()
    }


def upward_imports(texts: Sources) -> list[str]:
    pairs = ((module, other) for module, others in own_imports(texts).items() for other in sorted(others))
    return [f"{module} imports {other or 'router'} from above" for module, other in pairs if rises(module, other)]


def rises(module: str, other: str) -> bool:
    """Whether an import goes up; the package itself is above everything, since it knows everybody."""
    here, _, _ = module.partition(".")
    there, _, _ = other.partition(".")
    return here != there and FLOORS.get(there, -1) < FLOORS.get(here, len(ROWS))


def cycles(texts: Sources) -> list[str]:
    graph = {module: others - {module} for module, others in own_imports(texts).items()}
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        return [" > ".join(error.args[1])]
    return []


def strangers(texts: Sources) -> list[str]:
    found = []
    for module, text in texts.items():
        for node, inside in imports(parsed(text)):
            for package in {name.split(".")[0] for name in names(node, texts)} - sys.stdlib_module_names - {"router"}:
                homes = HOMES.get(package, ())
                if not any(f"{module}.".startswith(f"{home}.") for home in homes):
                    found.append(f"{module}:{node.lineno} imports {package}, whose home is {homes or 'nowhere'}")
                elif package in INSIDE_FUNCTIONS and not inside:
                    found.append(f"{module}:{node.lineno} imports {package} outside a function")
    return found


def impatience(name: str, text: str) -> list[str]:
    """Mocks and real sleeping in a test."""
    tree = ast.parse(text)
    found_imports = [node for node, _ in imports(tree)]
    brought = [base for node in found_imports for base in names(node, {})]
    brought += [
        f"{node.module}.{a.name}" for node in found_imports if isinstance(node, ast.ImportFrom) for a in node.names
    ]
    found = [f"{name} imports {each}" for each in brought if each.startswith(("unittest.mock", "time.sleep"))]
    is_virtual = name in REAL_SLEEP or any(each.startswith("router.testing.") for each in brought)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        is_zero = bool(node.args) and isinstance(node.args[0], ast.Constant) and node.args[0].value == 0
        if called == "time.sleep" or (called == "asyncio.sleep" and not is_zero and not is_virtual):
            found.append(f"{name}:{node.lineno} sleeps: {ast.unparse(node)}")
    return found


def test_every_module_has_its_room() -> None:
    assert sorted({module.split(".")[0] for module in sources()} - {""} - set(FLOORS)) == []


def test_imports_run_downwards() -> None:
    assert upward_imports(sources()) == []


def test_no_import_runs_in_a_circle() -> None:
    assert cycles(sources()) == []


def test_the_analysis_of_a_log_knows_neither_the_engine_nor_a_terminal() -> None:
    graph = own_imports(sources())
    others = {other for module in graph if _is_in(module, "analysis") for other in graph[module]}
    assert sorted(other for other in others if _is_in(other, "engine") or _is_in(other, "reports")) == []


def _is_in(module: str, room: str) -> bool:
    return module.partition(".")[0] == room


def test_third_party_packages_stay_at_home() -> None:
    assert strangers(sources()) == []


def test_tests_neither_mock_nor_sleep() -> None:
    texts = {path.name: path.read_text(encoding="utf-8") for path in sorted(TESTS.glob("test_*.py"))}
    assert [each for name, text in texts.items() for each in impatience(name, text)] == []


# Each check sees what it is for.


@pytest.mark.parametrize(
    ("module", "text", "seen"),
    [
        pytest.param("faults", "from router.types import Json", False, id="same row"),
        pytest.param("engine.lane", "from router.rates import Rate", False, id="downwards"),
        pytest.param("reports.live", "from router.reports.screen import x", False, id="same room"),
        pytest.param("config.models", "from router.engine.router import Router", True, id="upwards"),
        pytest.param("types", "import router.config.models", True, id="upwards by a plain import"),
        pytest.param("types", "from router import config", True, id="upwards from the package"),
        pytest.param(
            "engine.pace", "def f():\n    from router.cli.app import main", True, id="upwards inside a function"
        ),
        pytest.param(
            "engine.pace", "try:\n    import router.evals\nexcept ImportError: pass", True, id="upwards in a try"
        ),
        pytest.param("cli.app", "from router import Router", True, id="by the package's lazy names"),
        pytest.param(
            "types", "if TYPE_CHECKING:\n    from router.engine.router import Router", True, id="for types only"
        ),
        pytest.param("types", "if typing.TYPE_CHECKING:\n    import router.cli", True, id="for types only, spelt out"),
        pytest.param("types", "if sys.platform:\n    import router.cli", True, id="under another condition"),
        pytest.param("engine.lane", "import router.attic", True, id="nobody may import an unknown room"),
    ],
)
def test_upward_imports_are_seen(module: str, text: str, *, seen: bool) -> None:
    texts = dict.fromkeys(["", "config", "config.models", "engine.router", "evals"], "") | {module: text}
    assert bool(upward_imports(texts)) is seen


@pytest.mark.parametrize(
    ("texts", "seen"),
    [
        pytest.param({"a": "import router.b", "b": ""}, False, id="a line"),
        pytest.param({"a": "import router.b", "b": "import router.a"}, True, id="two"),
        pytest.param({"a": "import router.b", "b": "import router.c", "c": "import router.a"}, True, id="three"),
        pytest.param({"a": "def f():\n    import router.b", "b": "import router.a"}, True, id="inside a function"),
        pytest.param(
            {"a": "if TYPE_CHECKING:\n    import router.b", "b": "import router.a"}, True, id="for types only"
        ),
    ],
)
def test_circles_are_seen(texts: dict[str, str], *, seen: bool) -> None:
    assert bool(cycles(texts)) is seen


@pytest.mark.parametrize(
    ("module", "text", "seen"),
    [
        pytest.param("engine.pace", "from aiolimiter import AsyncLimiter", False, id="at home"),
        pytest.param("engine.lane", "from aiolimiter import AsyncLimiter", True, id="abroad"),
        pytest.param("transport.direct", "def f():\n    import litellm", False, id="litellm in a function"),
        pytest.param("transport.direct", "import litellm", True, id="litellm at the top"),
        pytest.param("transport.direct", "class A:\n    from litellm import b", True, id="litellm in a class"),
        pytest.param("cli.app", "def f():\n    from litellm import completion", True, id="litellm abroad"),
        pytest.param("router", "import requests", True, id="a package without a home"),
        pytest.param("jsonl", "import orjson", False, id="orjson"),
        pytest.param("jsonlines", "import orjson", True, id="a name that only begins alike"),
        pytest.param("types", "import json, os.path", False, id="the standard library"),
        pytest.param("types", "import json, rich.table", True, id="the second of two"),
    ],
)
def test_strangers_are_seen(module: str, text: str, *, seen: bool) -> None:
    assert bool(strangers({module: text})) is seen


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        pytest.param("import unittest.mock", True, id="mock"),
        pytest.param("from unittest import mock", True, id="mock from its package"),
        pytest.param("from unittest.mock import patch", True, id="patch"),
        pytest.param("import time\ntime.sleep(0.1)", True, id="time.sleep"),
        pytest.param("from time import sleep", True, id="sleep by name"),
        pytest.param("import asyncio\nasync def f(): await asyncio.sleep(0.1)", True, id="a real asyncio.sleep"),
        pytest.param("import asyncio\nasync def f(): await asyncio.sleep(0)", False, id="a turn of the loop"),
        pytest.param(
            "from router.testing import run_virtual\nasync def f(): await asyncio.sleep(9)",
            False,
            id="on a virtual clock",
        ),
        pytest.param("import time\nassert time.monotonic()", False, id="looking at a clock"),
    ],
)
def test_impatience_is_seen(text: str, *, seen: bool) -> None:
    assert bool(impatience("test_x.py", text)) is seen
