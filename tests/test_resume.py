"""Going on with a run: what stands, what is asked again and why, and that nothing is lost or paid for twice."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import make_config, make_provider
from test_evaluate import ACME, BOLT, SEVEN, Bench, Disk, Ran, at_call, staggered

from router.errors import ConfigError
from router.evals.kept import KeptRows
from router.evals.lock import Lock
from router.evals.plan import Plan
from router.evals.prompts import load
from router.evals.rescoring import open_answers
from router.evals.resume import foreseen
from router.evals.tasks import arithmetic_task
from router.faults import Fault, Kind
from router.jsonl import decode, encode
from router.transport import Call
from router.types import Answer, Usage

CUT = Fault(Kind.CONTENT_FILTER, "no", 400)


@pytest.fixture(autouse=True)
def _state_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROUTER_STATE", str(tmp_path / "state.sqlite3"))
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_DFL if each is not signal.SIGINT else signal.default_int_handler)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    disk = Disk(tmp_path)
    yield disk
    disk.empty()


def kept(ran: Ran) -> dict[str, dict[str, object]]:
    """What a reader of the run sees: one row a trial."""
    rows = KeptRows(ran.evaluation.directory / "results.jsonl").rows()
    return {row.trial: row.to_json() for row in rows}


def timeless(ran: Ran) -> dict[str, dict[str, object]]:
    return {
        trial: {name: value for name, value in row.items() if not name.endswith("_s")}
        for trial, row in kept(ran).items()
    }


def told(ran: Ran) -> str:
    return "\n".join(map(str, ran.evaluation.summary["notes"]))  # type: ignore[call-overload]


def interrupted(bench: Bench, items: int = 40, after: int = 15) -> Ran:
    script = at_call(after, lambda: signal.raise_signal(signal.SIGINT), bench.script)
    ran = replace(bench, script=script).run(items)
    assert ran.evaluation.interrupted
    return ran


def test_the_rest_is_asked_and_the_whole_is_as_if_it_had_never_stopped(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    first = interrupted(bench)
    again = replace(bench, resume=first.evaluation.directory).run(40)
    assert again.evaluation.directory == first.evaluation.directory
    assert first.calls + again.calls == len(again.rows) == len(kept(again)) == 40
    assert (again.evaluation.items, again.evaluation.interrupted) == (40, False)

    whole = replace(bench, home=tmp_path / "other")
    whole.home.mkdir()
    never = whole.run(40)
    assert timeless(again) == timeless(never)
    same = ("items", "right", "accuracy", "interval", "tokens_in", "tokens_out", "prompts", "interrupted", "stopped")
    assert {n: again.evaluation.summary[n] for n in same} == {n: never.evaluation.summary[n] for n in same}


def test_log_and_description_go_on_and_say_so(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    first = interrupted(bench)
    about = first.json("run.json")
    again = replace(bench, resume=first.evaluation.directory).run(40)
    now = again.json("run.json")
    assert isinstance(about, dict)
    assert isinstance(now, dict)
    assert (now["started"], len(now["resumed"])) == (about["started"], 1)
    assert [e["resumed"] for e in again.events if e["event"] == "run.started"] == [False, True]
    summary = again.evaluation.summary
    assert summary["started"] == about["started"]
    assert summary["elapsed_s"] > first.evaluation.summary["elapsed_s"]  # type: ignore[operator]
    providers = summary["providers"]
    assert isinstance(providers, dict)
    assert providers["acme"]["attempts"] == 40
    assert len(again.lines("items.jsonl")) == 40


def test_what_ends_early_names_the_command_that_goes_on(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "with space")
    bench.home.mkdir()
    first = interrupted(bench)
    assert first.evaluation.summary["continue"] == f"router eval --resume '{first.evaluation.directory}'"
    again = replace(bench, resume=first.evaluation.directory).run(40)
    assert again.evaluation.summary["continue"] is None


def test_a_run_that_is_whole_is_not_asked_again(tmp_path: Path) -> None:
    first = Bench(tmp_path).run(10)
    again = Bench(tmp_path, resume=first.evaluation.directory).run(10)
    assert (again.calls, again.evaluation.items) == (0, 10)
    assert "10 of 10 were done" in told(again)


def test_a_torn_line_costs_its_own_item(tmp_path: Path) -> None:
    first = Bench(tmp_path).run(10)
    results = first.evaluation.directory / "results.jsonl"
    results.write_bytes(results.read_bytes()[:-9])
    again = Bench(tmp_path, resume=first.evaluation.directory).run(10)
    assert (again.calls, len(kept(again))) == (1, 10)


# What has changed is asked again, and named.


def with_records(bench: Bench, *changes: tuple[int, str, object]) -> Bench:
    records: list[dict[str, object]] = [
        {"id": str(n), "question": f"{n}?", "expected": "7", "params": {}} for n in range(10)
    ]
    for number, name, value in changes:
        records[number][name] = value
    return replace(bench, task=bench.items(*records))


@pytest.mark.parametrize(
    ("change", "says", "asked"),
    [
        pytest.param(lambda b: b, "10 of 10 were done", 0, id="nothing"),
        pytest.param(
            lambda b: replace(b, prompt=b.prompt + "!"),
            "ask.txt has changed since: its 10 rows are asked again",
            10,
            id="prompt",
        ),
        pytest.param(
            lambda b: replace(b, prompt=b.prompt.replace("scorer", "# a word\nscorer")),
            "10 of 10 were done",
            0,
            id="a comment in the prompt",
        ),
        pytest.param(
            lambda b: with_records(b, (3, "question", "other?")),
            "items.jsonl has changed since: acme: its row is asked again",
            1,
            id="one item",
        ),
        pytest.param(
            lambda b: with_records(b, (3, "expected", "8"), (4, "expected", "9")),
            "expected answer has changed since: acme: 2 answers are scored again",
            0,
            id="what is expected",
        ),
        pytest.param(
            lambda b: replace(b, scorer="exact"),
            "the scorer or expected answer has changed since: acme: 10 answers are scored again",
            0,
            id="scorer",
        ),
        pytest.param(
            lambda b: replace(b, providers=(replace(ACME, params={"temperature": 1}),)),
            "the parameters for acme have changed since: its 10 rows are asked again",
            10,
            id="parameter of the file",
        ),
        pytest.param(
            lambda b: replace(b, prompt=b.prompt.replace("---\nW", "params: {top_p: 1}\n---\nW")),
            "the parameters for acme have changed since: its 10 rows are asked again",
            10,
            id="parameter of the prompt",
        ),
        pytest.param(
            lambda b: replace(b, providers=(replace(ACME, models={"small": "openai/acme-next"}),)),
            "the model of acme has changed since: its 10 rows are asked again",
            10,
            id="model",
        ),
        pytest.param(lambda b: replace(b, providers=(BOLT,)), "10 of 10 were done", 0, id="a provider that is gone"),
    ],
)
def test_only_what_has_changed_is_asked_again(
    tmp_path: Path, change: Callable[[Bench], Bench], says: str, asked: int
) -> None:
    bench = with_records(Bench(tmp_path))
    first = bench.run()
    again = replace(change(bench), resume=first.evaluation.directory).run()
    assert says in told(again)
    assert (again.calls, len(kept(again)), again.evaluation.items) == (asked, 10, 10)
    assert [row.trial for row in open_answers(first.evaluation.directory).rows()] == list(kept(again))
    whole = replace(change(bench), resume=first.evaluation.directory).run()
    assert (whole.calls, "10 of 10 were done" in told(whole)) == (0, True)


def test_what_has_changed_is_named_until_all_of_it_is_asked(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    directory = bench.run(40).evaluation.directory
    changed = replace(bench, prompt=bench.prompt + "!", resume=directory)
    interrupted(changed)
    assert re.search(r"ask\.txt has changed since: its 2\d rows are asked again", told(changed.run(40)))


def test_what_would_be_asked_again_is_told_before_it_is(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    first = bench.run(10)
    (tmp_path / "ask.txt").write_text(bench.prompt + "!")
    before = (first.evaluation.directory / "results.jsonl").read_bytes()
    plan = Plan(make_config(ACME), (load(tmp_path / "ask.txt"),), arithmetic_task(8))
    assert foreseen(plan, first.evaluation.directory) == (
        f"{first.evaluation.directory} is continued: 0 of 8 were done",
        f"{tmp_path / 'ask.txt'} has changed since: its 8 rows are asked again",
        "2 rows belong to items that are no longer asked: they do not count, but stay on disk",
    )
    assert (first.evaluation.directory / "results.jsonl").read_bytes() == before


def test_a_full_disk_costs_what_could_not_be_kept_and_no_more(tmp_path: Path, disk: Disk) -> None:
    bench = Bench(tmp_path)
    first = replace(bench, script=at_call(25, disk.fill, staggered)).run(60)
    disk.empty()
    assert str(first.evaluation.stopped).endswith("the run was stopped")
    lost = first.calls - len(kept(first))
    again = replace(bench, resume=first.evaluation.directory).run(60)
    assert first.calls + again.calls == 60 + lost
    assert (len(kept(again)), again.evaluation.items, again.evaluation.errors) == (60, 60, 0)


def test_an_item_that_has_changed_is_kept_as_it_is_now(tmp_path: Path) -> None:
    bench = with_records(Bench(tmp_path))
    directory = bench.run().evaluation.directory
    replace(with_records(bench, (3, "expected", "8")), resume=directory).run()
    item = open_answers(directory).items.get("3")
    assert item is not None
    assert item.expected == "8"


def test_what_is_marked_again_keeps_its_answer(tmp_path: Path) -> None:
    bench = with_records(Bench(tmp_path))
    first = bench.run()
    again = replace(with_records(bench, (3, "expected", "8")), resume=first.evaluation.directory).run()
    row = kept(again)["3"]
    assert (row["outcome"], row["expected"], row["response"], row["attempts"]) == ("wrong", "8", "7", 1)
    assert (again.evaluation.summary["right"], again.evaluation.summary["wrong"]) == (9, 1)


def test_fewer_items_count_no_more_and_are_not_paid_for_twice_when_they_come_back(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    directory = bench.run(10).evaluation.directory
    fewer = replace(bench, resume=directory).run(6)
    assert "4 rows belong to items that are no longer asked" in told(fewer)
    assert (fewer.calls, fewer.evaluation.items, len(kept(fewer))) == (0, 6, 6)
    more = replace(bench, resume=directory).run(12)
    assert (more.calls, more.evaluation.items, len(kept(more))) == (2, 12, 12)


# Errors.


def refusing(number: str) -> Callable[[Call], Answer | Fault]:
    return lambda call: CUT if call.request.id.endswith(number) else SEVEN


@pytest.mark.parametrize(
    ("retry_errors", "asked", "errors"), [pytest.param(False, 0, 4, id="left"), pytest.param(True, 4, 0, id="retried")]
)
def test_errors_are_asked_again_where_that_is_wanted(
    tmp_path: Path, asked: int, errors: int, *, retry_errors: bool
) -> None:
    first = Bench(tmp_path, refusing("3")).run(40)
    assert first.evaluation.errors == 4
    again = Bench(tmp_path, resume=first.evaluation.directory, retry_errors=retry_errors).run(40)
    assert (again.calls, again.evaluation.errors, len(kept(again))) == (asked, errors, 40)
    assert ("--retry-errors: acme: 4 without an answer or a score are tried again" in told(again)) is retry_errors


def test_an_item_that_could_not_be_sent_is_asked_once_it_can_be(tmp_path: Path) -> None:
    bench = replace(Bench(tmp_path), prompt="---\nscorer: number\n---\n{{ question }} {{ hint }}")
    hinted: dict[str, object] = {"id": "a", "question": "q", "expected": "7", "hint": "h"}
    bare = {name: value for name, value in hinted.items() if name != "hint"} | {"id": "b"}
    first = replace(bench, task=bench.items(hinted, bare)).run()
    assert (first.calls, first.evaluation.errors) == (1, 1)
    again = replace(bench, task=bench.items(hinted, bare | {"hint": "i"}), resume=first.evaluation.directory).run()
    assert (again.calls, again.evaluation.errors, len(kept(again))) == (1, 0, 2)


def test_an_answer_that_could_not_be_marked_is_marked_and_not_asked_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path, scorer="python:tests/no_such.py:f")
    (tmp_path / "broken.py").write_text("def mark(item, completion):\n    raise KeyError(1)\n")
    bench = replace(bench, scorer=f"python:{tmp_path / 'broken.py'}:mark")
    first = bench.run(4)
    assert first.evaluation.errors == 4
    again = replace(bench, scorer="number", resume=first.evaluation.directory, retry_errors=True).run(4)
    assert (again.calls, again.evaluation.errors, len(kept(again))) == (0, 0, 4)


def test_an_answer_whose_judge_was_not_asked_any_more_is_marked_when_the_run_goes_on(tmp_path: Path) -> None:
    (tmp_path / "grade.txt").write_text('{{ question }} {{ answer }}: {"score": …}')
    judged = 0

    def script(call: Call) -> Answer | tuple[float, Answer]:
        nonlocal judged
        if "score" not in str(call.request.messages):
            return SEVEN
        judged += 1
        if judged == 3:
            signal.raise_signal(signal.SIGINT)
        return Answer('{"score": 1}', Usage(3, 4), "stop")

    # One call at a time: an answer that is there waits for its judge.
    one = replace(ACME, concurrency=1)
    bench = Bench(tmp_path, script, providers=(one,), scorer=f"judge:{tmp_path / 'grade.txt'}")
    first = bench.run(10)
    assert first.evaluation.interrupted
    again = replace(bench, resume=first.evaluation.directory).run(10)
    assert first.calls + again.calls == 20, "each is asked once and judged once"
    assert {row["outcome"] for row in kept(again).values()} == {"right"}
    assert len(kept(again)) == 10


# What is refused.


@pytest.mark.parametrize(
    ("change", "says"),
    [
        pytest.param(lambda b: replace(b, simulated=True), "this run asked real vendors .*--live", id="as a rehearsal"),
        pytest.param(lambda b: replace(b, across="every"), "--across spread.*--across every", id="across"),
        pytest.param(
            lambda b: replace(b, providers=(make_provider(models=["a", "b"]),), models=("a", "b")),
            "one model.*several models",
            id="models",
        ),
    ],
)
def test_another_run_is_not_gone_on_with(tmp_path: Path, change: Callable[[Bench], Bench], says: str) -> None:
    bench = Bench(tmp_path)
    directory = bench.run(3).evaluation.directory
    before = {path.name: path.read_bytes() for path in directory.iterdir()}
    with pytest.raises(ConfigError, match=says):
        replace(change(bench), resume=directory).run(3)
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == before


def test_a_rehearsal_goes_on_as_a_rehearsal_alone(tmp_path: Path) -> None:
    bench = Bench(tmp_path, simulated=True)
    directory = bench.run(3).evaluation.directory
    with pytest.raises(ConfigError, match=r"this run asked simulated vendors .*--rehearse"):
        replace(bench, simulated=False, resume=directory).run(3)
    assert replace(bench, resume=directory).run(5).calls == 2


def test_a_run_that_somebody_works_on_is_refused(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    directory = bench.run(3).evaluation.directory
    lock = Lock(directory / "results.jsonl")
    with pytest.raises(ConfigError, match="another process works on this run"):
        replace(bench, resume=directory).run(5)
    lock.release()
    assert replace(bench, resume=directory).run(5).calls == 2


def test_a_directory_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no run to continue"):
        Bench(tmp_path, resume=tmp_path).run(3)
    assert not (tmp_path / "results.jsonl").exists()


def test_a_row_of_an_earlier_version_stands(tmp_path: Path) -> None:
    first = Bench(tmp_path).run(5)
    results = first.evaluation.directory / "results.jsonl"
    rows = [decode(line) for line in results.read_bytes().splitlines()]
    results.write_bytes(b"".join(encode({**row, "fingerprint": ""}) + b"\n" for row in rows if isinstance(row, dict)))
    assert Bench(tmp_path, resume=first.evaluation.directory).run(5).calls == 0
