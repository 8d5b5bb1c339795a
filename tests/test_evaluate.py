"""Evaluations on a virtual clock, against scripted vendors: what is kept whatever happens, and how it is told."""

from __future__ import annotations

import asyncio
import re
import resource
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from shutil import rmtree

import pytest
from conftest import make_config, make_provider

from router.config.models import Config, Provider
from router.engine.router import Router
from router.errors import ConfigError
from router.evals import Evaluation, Plan, Task, evaluate
from router.evals.plan import Across
from router.evals.progress import Screen, Snapshot
from router.evals.prompts import Prompt, load
from router.evals.scorers import PLAIN, TextScorer
from router.evals.scores import Score
from router.evals.tasks import arithmetic_task, file_task
from router.faults import Fault, Kind
from router.jsonl import decode, encode, read
from router.testing import Script, ScriptedTransport, run_virtual
from router.transport import Call
from router.types import Answer, Json, Usage

SEVEN = Answer("7", Usage(3, 4), "stop")
DEAD = Fault(Kind.INVALID_KEY, "no such key", 401)
ACME, BOLT = make_provider("acme"), make_provider("bolt")


@pytest.fixture(autouse=True)
def _state_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROUTER_STATE", str(tmp_path / "state.sqlite3"))


@pytest.fixture(autouse=True)
def _signals_as_in_a_terminal() -> Iterator[None]:
    """Whoever starts the tests in the background may have had some of them ignored."""
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    for each in before:
        signal.signal(each, signal.SIG_DFL)
    yield
    for each, handler in before.items():
        signal.signal(each, handler)


@dataclass(frozen=True, slots=True)
class Ran:
    """A run that has ended, and what it left behind."""

    evaluation: Evaluation
    calls: int

    @property
    def rows(self) -> list[dict[str, object]]:
        return self.lines("results.jsonl")

    @property
    def row(self) -> Mapping[str, dict[str, object]]:
        return {str(row["trial"]): row for row in self.rows}

    @property
    def events(self) -> list[dict[str, object]]:
        return self.lines("log.jsonl")

    def lines(self, name: str) -> list[dict[str, object]]:
        damaged: list[int] = []
        found = list(read(self.evaluation.directory / name, damaged.append))
        assert damaged == []
        return found

    def json(self, name: str) -> object:
        return decode((self.evaluation.directory / name).read_bytes())


@dataclass
class Bench:
    """What is evaluated with whom; `run` does it."""

    home: Path
    script: Script = lambda _call: SEVEN
    providers: tuple[Provider, ...] = (ACME,)
    prompt: str = "---\nscorer: number\n---\nWhat is {{ question }}?"
    task: Task | None = None
    across: Across = "spread"
    max_samples: int = 10
    deadline_s: float | None = None
    screen: Screen | None = None
    scorer: str | None = None
    max_wait_s: float = 900.0
    resume: Path | None = None
    retry_errors: bool = False
    models: tuple[str, ...] = ()
    simulated: bool = False
    cache: Path | None = None
    epochs: int = 1
    others: tuple[str, ...] = ()

    def run(self, items: int = 40) -> Ran:
        path = self.home / "ask.txt"
        path.write_text(self.prompt)
        plan = Plan(
            replace(make_config(*self.providers), simulated=self.simulated),
            (load(path), *map(self.other, self.others)),
            self.task or arithmetic_task(items),
            log_dir=self.home / "runs",
            across=self.across,
            max_samples=self.max_samples,
            deadline_s=self.deadline_s,
            scorer=self.scorer,
            max_wait_s=self.max_wait_s,
            models=self.models,
            command=("ask.txt",),
            resume=self.resume,
            retry_errors=self.retry_errors,
            cache=self.cache,
            epochs=self.epochs,
        )
        transport = ScriptedTransport(self.script)
        open_router = partial(Router, transport=transport)
        evaluation = run_virtual(evaluate(plan, open_router=open_router, screen=self.screen, handle_signals=True))
        return Ran(evaluation, len(transport.calls))

    def other(self, name: str) -> Prompt:
        """Another prompt, which says its own name."""
        path = self.home / f"{name}.txt"
        path.write_text(f"---\nscorer: number\n---\n{name}: {{{{ question }}}}?")
        return load(path)

    def items(self, *records: dict[str, object]) -> Task:
        path = self.home / "items.jsonl"
        path.write_bytes(b"".join(encode(record) + b"\n" for record in records))
        return file_task(path)


def at_call(number: int, act: Callable[[], object], script: Script = lambda _call: SEVEN) -> Script:
    """The same script, but something happens when so many calls have been sent."""
    sent = 0

    def acting(call: Call) -> Answer | Fault | tuple[float, Answer | Fault]:
        nonlocal sent
        sent += 1
        if sent == number:
            act()
        return script(call)

    return acting


# All goes well.


def test_a_run_leaves_its_files_and_they_agree(tmp_path: Path) -> None:
    ran = Bench(tmp_path).run(40)
    assert (ran.evaluation.items, ran.evaluation.errors, ran.evaluation.stopped) == (40, 0, None)
    assert len(ran.row) == len(ran.rows) == ran.calls == 40
    assert ran.json("summary.json") == decode(encode(ran.evaluation.summary))
    names = [event["event"] for event in ran.events]
    assert (names[0], names[-1]) == ("run.started", "run.finished")
    assert {event["item"] for event in ran.events if event["event"] == "item.settled"} == set(ran.row)
    assert (tmp_path / "runs" / "latest").resolve() == ran.evaluation.directory


def test_a_row_says_what_was_asked_and_where_it_went(tmp_path: Path) -> None:
    ran = Bench(tmp_path, providers=(ACME, BOLT), across="every").run(1)
    asked = {(row["trial"], row["id"], row["epoch"], row["prompt"], row["provider"]) for row in ran.rows}
    assert asked == {(f"arith-0-2-00000/{name}", "arith-0-2-00000", 1, "ask", name) for name in ("acme", "bolt")}


# Nothing is lost.


def test_an_item_that_cannot_be_rendered_is_an_error_of_its_own(tmp_path: Path) -> None:
    records: list[dict[str, object]] = [
        {"id": str(n), "question": "q", "expected": "7", "hint": "h"} for n in range(40)
    ]
    del records[30]["hint"]
    bench = Bench(tmp_path, prompt="---\nscorer: number\n---\n{{ question }} {{ hint }}")
    ran = replace(bench, task=bench.items(*records)).run()
    assert (ran.calls, len(ran.rows)) == (39, 40)
    row = ran.row["30"]
    assert (row["outcome"], row["reason"], row["fault"], row["attempts"]) == ("error", "bad_request", "bad_request", 0)
    (settled,) = [e for e in ran.events if e["event"] == "item.settled" and e["item"] == "30"]
    assert str(settled["why"]).startswith(f"not sent: {tmp_path}/ask.txt:4: the template cannot take this item")


def test_what_happens_to_the_data_meanwhile_changes_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    records: list[dict[str, object]] = [{"id": str(n), "question": "q", "expected": "7"} for n in range(40)]
    task = bench.items(*records)
    ran = replace(bench, task=task, script=at_call(15, lambda: (tmp_path / "items.jsonl").write_text("torn {"))).run()
    assert (len(ran.rows), ran.evaluation.errors) == (40, 0)


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param(Answer("7 \ud800", Usage(3, 4)), id="half a character in the text"),
        pytest.param(Answer("7", Usage(3, 4), "st\udfffop", "m\ud800"), id="in the rest"),
        pytest.param(Answer("7", limits={"x-\udce9": "\udce9"}), id="in a header"),
        pytest.param(Answer("7", Usage(10**30, -(10**18))), id="absurd usage"),
        pytest.param(Fault(Kind.CONTENT_FILTER, "no \ud800", 400, vendor_code="\ud800"), id="in a refusal"),
        pytest.param(Fault(Kind.RATE_LIMIT, "slow", 429, retry_after_s=1e300), id="a wait beyond any calendar"),
    ],
)
def test_one_odd_reply_costs_at_most_its_own_item(tmp_path: Path, odd: Answer | Fault) -> None:
    def script(call: Call) -> Answer | Fault:
        return odd if call.provider.name == "acme" else SEVEN

    ran = Bench(tmp_path, script, providers=(ACME, BOLT), deadline_s=3600).run(40)
    assert len(ran.rows) == 40
    assert isinstance(ran.json("summary.json"), dict)
    assert ran.events[-1]["event"] == "run.finished"


def test_a_scorer_that_breaks_costs_the_verdict_and_not_the_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(text: str, expected: str) -> Score:
        if text == "7":
            raise ZeroDivisionError(expected)
        return Score(1.0, text)

    monkeypatch.setitem(PLAIN, "broken", TextScorer("broken", broken))
    ran = Bench(tmp_path, scorer="broken").run(3)
    assert [(row["outcome"], row["reason"], row["response"]) for row in ran.rows] == [
        ("error", "internal_error", "7")
    ] * 3
    assert ran.evaluation.why is not None
    assert "ZeroDivisionError" in ran.evaluation.why


def test_a_mistake_found_while_the_router_opens_leaves_nothing(tmp_path: Path) -> None:
    class Picky(ScriptedTransport):
        async def prepare(self) -> None:
            raise ConfigError("no such prefix")

    path = tmp_path / "ask.txt"
    path.write_text("{{ question }}")
    plan = Plan(make_config(ACME), (load(path),), arithmetic_task(3), log_dir=tmp_path / "runs")
    with pytest.raises(ConfigError, match="prefix"):
        run_virtual(evaluate(plan, open_router=partial(Router, transport=Picky(lambda _call: SEVEN))))
    assert list((tmp_path / "runs").iterdir()) == []


def test_nobody_who_can_take_part_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no provider can take part"):
        Bench(tmp_path, providers=(replace(ACME, enabled=False),)).run()
    assert not (tmp_path / "runs").exists()


# Errors and whose they are.


def test_errors_that_were_never_sent_count_at_the_provider_they_were_for(tmp_path: Path) -> None:
    def script(call: Call) -> Answer | Fault:
        return DEAD if call.provider.name == "acme" else SEVEN

    ran = Bench(tmp_path, script, providers=(ACME, BOLT), across="every").run(30)
    parts = ran.evaluation.summary["providers"]
    assert isinstance(parts, dict)
    assert [(part["items"], part["error"]) for part in parts.values()] == [(30, 30), (30, 0)]
    unsent = [row for row in ran.rows if row["outcome"] == "error" and row["attempts"] == 0]
    assert {(row["provider"], row["reason"], row["fault"]) for row in unsent} == {
        ("acme", "nothing_serves", "nothing_serves")
    }


@pytest.mark.parametrize(
    ("script", "deadline_s", "reason", "fault"),
    [
        pytest.param(lambda _call: (99.0, SEVEN), 5, "deadline", "deadline", id="no answer in time"),
        pytest.param(lambda _call: Fault(Kind.TIMEOUT), None, "attempts_exhausted", "timeout", id="attempts used up"),
        pytest.param(lambda _call: Fault(Kind.CONTENT_FILTER), None, "filtered", "content_filter", id="filtered"),
    ],
)
def test_the_reason_of_an_error(
    tmp_path: Path, script: Script, deadline_s: float | None, reason: str, fault: str
) -> None:
    (row,) = Bench(tmp_path, script, deadline_s=deadline_s).run(1).rows
    assert (row["outcome"], row["reason"], row["fault"]) == ("error", reason, fault)


# Signals.


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda each: each.name)
def test_the_first_signal_lets_calls_in_flight_end(tmp_path: Path, sent: signal.Signals) -> None:
    ran = Bench(tmp_path, at_call(15, lambda: signal.raise_signal(sent))).run(200)
    assert ran.evaluation.interrupted
    assert 15 <= ran.calls == len(ran.rows) <= 20
    assert ran.evaluation.errors == 0
    assert (ran.events[-1]["event"], ran.events[-1]["interrupted"]) == ("run.finished", True)


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda each: each.name)
def test_the_second_signal_ends_at_once_and_leaves_whole_files(tmp_path: Path, sent: signal.Signals) -> None:
    def twice() -> None:
        signal.raise_signal(sent)
        asyncio.get_running_loop().call_later(1, signal.raise_signal, sent)

    ran = Bench(
        tmp_path, at_call(15, twice, lambda call: (999.0 if int(call.request.id[-3:]) > 9 else 1.0, SEVEN))
    ).run()
    assert ran.evaluation.interrupted
    assert len(ran.rows) == 10 < ran.calls
    assert ran.evaluation.summary["elapsed_s"] < 9  # type: ignore[operator]
    assert ran.events[-1]["event"] == "run.finished"


def test_a_signal_that_nobody_is_to_heed_stays_so(tmp_path: Path) -> None:
    """As `nohup` asks for."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        ran = Bench(tmp_path, at_call(5, lambda: signal.raise_signal(signal.SIGHUP))).run(20)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert (ran.evaluation.interrupted, len(ran.rows)) == (False, 20)


# Nowhere to write.


class Disk:
    """Is full on demand: the kernel takes no byte beyond the largest file that is there."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(self) -> None:
        largest = max(path.stat().st_size for path in self._home.rglob("*.jsonl"))
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, self._limits[1]))

    def fill_for_a_moment(self) -> None:
        self.fill()
        asyncio.get_running_loop().call_later(1.0, self.empty)

    def empty(self) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, self._limits)


def staggered(call: Call) -> tuple[float, Answer]:
    return 1 + int(call.request.id[-1]) / 10, SEVEN


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    disk = Disk(tmp_path)
    yield disk
    disk.empty()


def test_a_full_disk_stops_the_run_and_says_how_much_is_lost(tmp_path: Path, disk: Disk) -> None:
    ran = Bench(tmp_path, at_call(25, disk.fill, staggered)).run(200)
    disk.empty()
    assert ran.calls < 40
    assert not ran.evaluation.interrupted
    lost = ran.calls - len(ran.rows)
    assert str(ran.evaluation.stopped).startswith(f"{ran.evaluation.directory}: cannot be written (File too large)")
    assert f"; {lost} results could not be kept" in str(ran.evaluation.stopped) or not lost
    assert ran.evaluation.items == ran.calls


def test_a_disk_that_is_full_for_a_moment_loses_nothing(tmp_path: Path, disk: Disk) -> None:
    ran = Bench(tmp_path, at_call(25, disk.fill_for_a_moment, staggered)).run(200)
    assert ran.calls == len(ran.row) == len(ran.rows) < 40
    assert (
        ran.evaluation.stopped == f"{ran.evaluation.directory}: cannot be written (File too large); the run was stopped"
    )
    answered = [event["item"] for event in ran.events if event["event"] == "attempt.finished"]
    assert sorted(answered) == sorted(ran.row)  # type: ignore[type-var]
    assert isinstance(ran.json("summary.json"), dict)


def test_a_directory_that_is_removed_is_written_again(tmp_path: Path) -> None:
    def remove() -> None:
        for path in (tmp_path / "runs").iterdir():
            if path.is_dir() and not path.is_symlink():
                rmtree(path)

    ran = Bench(tmp_path, at_call(15, remove)).run(40)
    assert "cannot be written" in str(ran.evaluation.stopped)
    assert ran.calls == len(ran.row) == 40
    assert {path.name for path in ran.evaluation.directory.iterdir()} == {
        *("run.json", "log.jsonl", "items.jsonl", "results.jsonl", "summary.json")
    }


# Nothing to wait for.


@pytest.mark.parametrize(
    ("fault", "advice"),
    [
        pytest.param(Fault(Kind.NO_CREDIT, "Insufficient Balance", 402), r"--max-wait \d{3}min", id="no credit"),
        pytest.param(
            Fault(Kind.DAILY_QUOTA, "quota until tomorrow", 429, retry_after_s=50_000),
            r"--max-wait 8\d\dmin",
            id="quota",
        ),
        pytest.param(
            Fault(Kind.RATE_LIMIT, "slow down", 429, retry_after_s=2000), r"--max-wait 3\dmin", id="long wait"
        ),
        pytest.param(DEAD, "router check --live", id="a dead key"),
    ],
)
def test_a_run_that_nobody_can_serve_ends_with_the_vendor_s_words_and_what_to_do(
    tmp_path: Path, fault: Fault, advice: str
) -> None:
    left = iter([SEVEN] * 9)
    ran = Bench(tmp_path, lambda _call: next(left, fault)).run(40)
    stopped = str(ran.evaluation.stopped)
    assert f"acme#1: {fault}" in stopped
    assert ("UTC" in stopped) is (fault is not DEAD)
    assert re.search(advice, stopped), stopped
    assert ran.evaluation.summary["stopped"] == ran.events[-1]["why"] == stopped
    assert ran.evaluation.summary["elapsed_s"] < 60  # type: ignore[operator]
    assert not ran.evaluation.interrupted
    assert (len(ran.rows), ran.evaluation.errors) == (9, 0), "what is still to be asked is no error"


def test_a_run_waits_as_long_as_it_is_asked_to(tmp_path: Path) -> None:
    first = iter([Fault(Kind.RATE_LIMIT, "slow down", 429, retry_after_s=2000)])
    ran = Bench(tmp_path, lambda _call: next(first, SEVEN), max_wait_s=2500).run(20)
    assert (ran.evaluation.stopped, len(ran.rows)) == (None, 20)


def test_nobody_waits_for_one_provider_while_another_works(tmp_path: Path) -> None:
    broke = Fault(Kind.NO_CREDIT, "Insufficient Balance", 402)
    ran = Bench(tmp_path, lambda c: broke if c.provider.name == "acme" else SEVEN, providers=(ACME, BOLT)).run(100)
    assert (ran.evaluation.stopped, ran.evaluation.errors, len(ran.rows)) == (None, 0, 100)
    parts = ran.evaluation.summary["providers"]
    assert isinstance(parts, dict)
    assert (parts["acme"]["because"], parts["bolt"]["because"]) == (str(broke), None)


NO_TEMPERATURE = Fault(Kind.BAD_REQUEST, "Unsupported value: 'temperature' does not support 0.3", 400)


@pytest.mark.parametrize(
    ("front", "declared", "fault", "advice"),
    [
        pytest.param("params: {temperature: 0.3}\n", {}, NO_TEMPERATURE, "temperature in {home}/ask.txt", id="prompt"),
        pytest.param("", {"temperature": 0.3}, NO_TEMPERATURE, "temperature in providers.yaml", id="configuration"),
        pytest.param("", {}, Fault(Kind.BAD_REQUEST, "no", 400), "look at the model and at `params:`", id="none named"),
    ],
)
def test_a_provider_that_refuses_everything_alike_ends_the_run_and_names_the_parameter(
    tmp_path: Path, front: str, declared: dict[str, Json], fault: Fault, advice: str
) -> None:
    bench = Bench(tmp_path, lambda _call: fault)
    bench.providers = (make_provider("acme", params=declared),)
    bench.prompt = f"---\nscorer: number\n{front}---\n{{{{ question }}}}"
    ran = bench.run(200)
    stopped = str(ran.evaluation.stopped)
    assert f"acme#1: {fault}" in stopped
    assert advice.format(home=tmp_path) in stopped
    assert ran.calls < 40


def test_items_that_are_refused_for_their_own_sake_end_no_run(tmp_path: Path) -> None:
    def script(call: Call) -> Answer | Fault:
        return Fault(Kind.BAD_REQUEST, "no", 400) if int(call.request.id[-2:]) > 3 else SEVEN

    ran = Bench(tmp_path, script).run(60)
    assert (ran.evaluation.stopped, ran.evaluation.errors) == (None, 56)


# The screen.


class Torn:
    """A screen whose terminal has gone, or has not the letters."""

    def __init__(self, error: Exception) -> None:
        self._error = error
        self.shown = 0

    def show(self, _snapshot: Snapshot) -> None:
        self.shown += 1
        raise self._error

    def close(self) -> None:
        raise self._error


@pytest.mark.parametrize(
    "error",
    [
        BrokenPipeError(),
        OSError(5, "Input/output error"),
        ValueError("I/O operation on closed file"),
        UnicodeEncodeError("ascii", "–", 0, 1, "ordinal not in range"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_screen_that_cannot_be_written_falls_silent(tmp_path: Path, error: Exception) -> None:
    screen = Torn(error)
    ran = Bench(tmp_path, screen=screen).run(40)
    assert (len(ran.rows), screen.shown) == (40, 1)


# The state file.


def test_a_state_file_that_fails_is_said_once_and_costs_nothing(tmp_path: Path) -> None:
    daily = make_provider("acme", rates=["100000/day"])
    harm = at_call(5, lambda: (tmp_path / "state.sqlite3").write_bytes(b"noise" * 9999))
    ran = Bench(tmp_path, harm, providers=(daily,)).run(40)
    assert (len(ran.rows), ran.evaluation.errors) == (40, 0)
    assert len([event for event in ran.events if event["event"] == "store.unavailable"]) <= 1


def test_a_rehearsal_remembers_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ask.txt"
    path.write_text("{{ question }}")
    config: Config = replace(make_config(ACME), simulated=True)
    plan = Plan(config, (load(path),), arithmetic_task(3), log_dir=tmp_path / "runs")
    transport = ScriptedTransport(lambda _call: DEAD)
    evaluation = run_virtual(evaluate(plan, open_router=partial(Router, transport=transport)))
    assert not (tmp_path / "state.sqlite3").exists()
    assert {line["simulated"] for line in read(evaluation.directory / "log.jsonl")} == {True}
    assert evaluation.summary["simulated"] is True
