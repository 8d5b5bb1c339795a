"""`docs/logs.md` says what is written: compared with the events that the log knows and the fields that are written."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from conftest import make_provider
from test_reporter import Fixed, StateStore

import router
from router.analysis.fields import FIELDS, HEAD
from router.analysis.item import WAITS
from router.engine.health import Health, State
from router.engine.provider_state import Change
from router.engine.reporter import Reporter
from router.engine.traffic import RecentTraffic
from router.faults import Fault, Kind
from router.log.writer import EVENTS, JsonLog

ROOT = Path(router.__file__).parent
DOCS = ROOT.parent / "docs" / "logs.md"


def documented() -> dict[str, tuple[str, ...]]:
    """The events of the page with the fields in their tables; what stands before the first is the head's."""
    text = DOCS.read_text(encoding="utf-8").partition("# What `router logs`")[0]
    head, *events = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    sections = {"": head, **dict(zip(events[::2], events[1::2], strict=True))}
    return {name: tuple(re.findall(r"^\| `(\w+)` \|", body, re.MULTILINE)) for name, body in sections.items()}


def written() -> Iterator[tuple[str, set[str]]]:
    """The names of the events that any module writes, with the fields that stand there by name."""
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "event":
                names = [each.value for each in ast.walk(node.args[0]) if isinstance(each, ast.Constant)]
                for name in names:
                    yield str(name), {keyword.arg for keyword in node.keywords if keyword.arg}


def test_every_event_is_documented_and_nothing_else() -> None:
    assert set(documented()) - {""} == set(EVENTS) == set(FIELDS)


def test_every_field_is_documented_in_its_order() -> None:
    assert documented() == {"": HEAD, **FIELDS}


def test_what_is_written_by_name_is_documented() -> None:
    found = dict(written())
    assert set(found) == set(EVENTS)
    assert {name: fields - set(FIELDS[name]) for name, fields in found.items()} == {name: set() for name in found}
    whole = [name for name in found if not name.endswith(".state")]
    assert {name: found[name] for name in whole} == {name: set(FIELDS[name]) for name in whole}


def test_a_change_of_state_has_every_field_that_is_documented() -> None:
    log, history = StateStore(), RecentTraffic()
    history.sent(99.0, "a#1", "a#1")
    provider = make_provider("a")
    for name, key in (("a#1", provider.keys[0]), (None, None)):
        fields = {**history.before(100.0, key=name, account=name), "in_flight": 0, "declared_rate": "60/min"}
        health = Health(State.RESTING, until=110.0, cause=Fault(Kind.RATE_LIMIT))
        Reporter(log, Fixed()).change(Change(provider, key, State.READY, State.RESTING, 1, 1, health, fields))
    for name in ("key.state", "provider.state"):
        (state,) = log.named(name)
        assert tuple(state)[2:] == FIELDS[name]


def test_every_line_begins_with_the_head(tmp_path: Path) -> None:
    log = JsonLog(tmp_path / "log.jsonl", "r1", scrub=str, wall=lambda: 0.0, simulated=True)
    log.event("store.unavailable", why="gone")
    log.close()
    names = re.findall(r'"(\w+)":', (tmp_path / "log.jsonl").read_text(encoding="utf-8"))
    assert tuple(names) == (*HEAD, "why")


def test_everything_that_a_call_can_wait_for_has_words() -> None:
    tree = ast.parse((ROOT / "engine" / "lane.py").read_text(encoding="utf-8"))
    obstacles = [node.args[0] for node in ast.walk(tree) if isinstance(node, ast.Call) and _is_obstacle(node)]
    constants = [each for obstacle in obstacles for each in ast.walk(obstacle) if isinstance(each, ast.Constant)]
    said = {each.value for each in constants if isinstance(each.value, str)}
    assert said == set(WAITS)
    waited_for = next(
        row for row in DOCS.read_text(encoding="utf-8").splitlines() if row.startswith("| `waited_for` |")
    )
    assert set(re.findall(r"`([^`]+)`", waited_for)) == {"waited_for", *WAITS}


def _is_obstacle(node: ast.Call) -> bool:
    return isinstance(node.func, ast.Name) and node.func.id == "Obstacle" and bool(node.args)
