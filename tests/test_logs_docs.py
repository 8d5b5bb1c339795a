"""The tables of `docs/logs.md` are made from the events' classes; running this file writes them anew."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import router
from router.analysis.waits import WAITS
from router.faults import Action, Blame, Family, Kind
from router.log import event, events
from router.log.event import Event, Head
from router.log.events import EVENTS, ItemSettled, StateChanged
from router.log.schema import fields_of
from router.log.writer import JsonLog

ROOT = Path(router.__file__).parent
DOCS = ROOT.parent / "docs" / "logs.md"
BEGIN, END = "<!-- events -->\n", "<!-- end of events -->\n"
COMMAND = "`uv run python tests/test_logs_docs.py` writes it anew"
HEAD = (
    "`null` means that there is nothing to tell. Times whose names end in `_s` are seconds. Every line begins with:\n"
)

LISTS = {
    "faults": [*Kind],
    "families": [*Family],
    "blames": [*Blame],
    "actions": [*Action],
    "waits": [*WAITS],
}
"""What a field's docstring names by one word."""


def page() -> str:
    """The tables of all events."""
    statements = [node for module in (event, events) for node in ast.parse(inspect.getsource(module)).body]
    nodes = {node.name: node for node in statements if isinstance(node, ast.ClassDef)}
    return "\n".join([HEAD, _table(Head, nodes), *(_chapter(each, nodes) for each in EVENTS)])


def _chapter(record: type[Event], nodes: dict[str, ast.ClassDef]) -> str:
    about = inspect.cleandoc(record.__doc__ or "").replace("\n\n", " ").replace("\n", " ")
    return f"## {', '.join(record.names)}\n\n{about}\n\n{_table(record, nodes)}"


def _table(record: type[Event | Head], nodes: dict[str, ast.ClassDef]) -> str:
    said = _docstrings(nodes[record.__name__])
    lists = {name: ", ".join(f"`{each}`" for each in names) for name, names in LISTS.items()}
    rows = [f"| `{name}` | {type_.words} | {said[name].format(**lists)} |" for name, type_, _ in fields_of(record)]
    return "\n".join(["| field | type | meaning |", "|---|---|---|", *rows, ""])


def _docstrings(node: ast.ClassDef) -> dict[str, str]:
    """The text below each field of a class."""
    pairs = zip(node.body, node.body[1:], strict=False)
    return {
        field.target.id: text.value.value
        for field, text in pairs
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant) and isinstance(text.value.value, str)
    }


def _parts() -> tuple[str, str, str]:
    before, _, rest = DOCS.read_text(encoding="utf-8").partition(BEGIN)
    found, _, after = rest.partition(END)
    return before, found, after


def test_the_tables_are_those_of_the_events() -> None:
    assert _parts()[1] == page(), COMMAND


def test_every_event_class_is_listed() -> None:
    assert set(Event.__subclasses__()) == set(EVENTS)


def test_every_event_is_written_somewhere() -> None:
    """An event is made in one place of the program at least."""
    texts = [
        path.read_text(encoding="utf-8")
        for path in ROOT.rglob("*.py")
        if path.parent.name not in {"log", "analysis", "reports"}
    ]
    made = {name for text in texts for name in re.findall(r"\b(\w+)\(", text)}
    assert {event.__name__ for event in EVENTS} <= made


def test_event_names_stand_in_one_place() -> None:
    """A name such as `key.state` is a literal where the events are, and nowhere else."""
    names = {name for event in EVENTS for name in event.names}
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in ROOT.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and node.value in names and path.name != "events.py"
    ]
    assert found == []


def test_every_line_begins_with_the_head_and_has_every_field(tmp_path: Path) -> None:
    log = JsonLog(tmp_path / "log.jsonl", "r1", scrub=str, wall=lambda: 0.0, simulated=True)
    log.write(ItemSettled("q1", "right"))
    log.close()
    names = re.findall(r'"(\w+)":', (tmp_path / "log.jsonl").read_text(encoding="utf-8"))
    assert names == [field.name for record in (Head, ItemSettled) for field in fields_of(record)]


def test_everything_that_a_call_can_wait_for_has_words() -> None:
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "engine").glob("*.py")]
    nodes = (node for tree in trees for node in ast.walk(tree))
    obstacles = [node.args[0] for node in nodes if isinstance(node, ast.Call) and _is_obstacle(node)]
    said = {text.value for each in obstacles for text in ast.walk(each) if isinstance(text, ast.Constant)}
    assert {each for each in said if isinstance(each, str)} == set(WAITS)


def _is_obstacle(node: ast.Call) -> bool:
    return isinstance(node.func, ast.Name) and node.func.id == "Obstacle" and bool(node.args)


def test_a_state_is_named_by_its_scope() -> None:
    changed = [
        StateChanged(scope, "own", "a", None, None, None, (), "ready", "resting")
        for scope in ("key", "account", "provider")
    ]
    assert tuple(each.name for each in changed) == StateChanged.names


if __name__ == "__main__":
    first, _, last = _parts()
    DOCS.write_text(f"{first}{BEGIN}{page()}{END}{last}", encoding="utf-8")
