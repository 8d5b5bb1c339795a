"""The cache: what makes two questions the same, what is kept, and that a second run costs nothing."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import make_provider
from test_evaluate import ACME, BOLT, SEVEN, Bench

from router.config.models import Key, Provider, Secret
from router.errors import ConfigError
from router.evals.cache import AnswerCache, cache_file, key_of
from router.rates import parse_rate
from router.transport import Call
from router.types import Answer, Json, Request, Usage

MODEL = "openai/gpt-5"
REQUEST = Request(({"role": "user", "content": "7?"},), "a", params={"top_p": 1, "seed": 2})
PROVIDER = replace(make_provider("acme", params={"temperature": 0}), models={"default": MODEL})


@pytest.fixture(autouse=True)
def _state_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROUTER_STATE", str(tmp_path / "state.sqlite3"))


def request(**changes: Json) -> Request:
    return replace(REQUEST, params={**REQUEST.params, **changes})


@pytest.mark.parametrize(
    ("other", "is_same"),
    [
        pytest.param({"request": replace(REQUEST, id="b")}, True, id="the trial's name"),
        pytest.param({"request": replace(REQUEST, only=frozenset({"acme"}))}, True, id="who may be asked"),
        pytest.param({"request": replace(REQUEST, params={"seed": 2, "top_p": 1})}, True, id="the order of parameters"),
        pytest.param({"provider": replace(PROVIDER, name="other")}, True, id="the provider's name"),
        pytest.param({"provider": replace(PROVIDER, keys=(Key("k", Secret("x"), "b"),))}, True, id="its keys"),
        pytest.param({"provider": replace(PROVIDER, rates=(parse_rate("5/s"),), timeout_s=1)}, True, id="its pace"),
        pytest.param(
            {"provider": replace(PROVIDER, base_url="https://api.openai.com/v1/")}, True, id="its own address"
        ),
        pytest.param(
            {"request": replace(REQUEST, messages=({"role": "user", "content": "8?"},))}, False, id="question"
        ),
        pytest.param({"request": replace(REQUEST, messages=({"role": "system", "content": "7?"},))}, False, id="role"),
        pytest.param({"request": request(top_p=0.5)}, False, id="a parameter of the prompt"),
        pytest.param({"request": request(reasoning_effort="low")}, False, id="reasoning"),
        pytest.param({"request": request(response_format={"type": "json_object"})}, False, id="schema"),
        pytest.param({"provider": replace(PROVIDER, params={"temperature": 1})}, False, id="a parameter of the file"),
        pytest.param(
            {"provider": PROVIDER.with_params({"reasoning_effort": "low"}, [MODEL])}, False, id="one of the model's"
        ),
        pytest.param({"provider": replace(PROVIDER, headers={"x-beta": "on"})}, False, id="a header"),
        pytest.param({"provider": replace(PROVIDER, base_url="https://relay.example/v1")}, False, id="address"),
        pytest.param({"model": "openai/gpt-5-mini"}, False, id="model"),
        pytest.param({"epoch": 2}, False, id="epoch"),
        pytest.param({"simulated": True}, False, id="simulated"),
    ],
)
def test_what_makes_two_questions_the_same(other: Mapping[str, object], *, is_same: bool) -> None:
    assert (key(**other) == key()) is is_same  # type: ignore[arg-type]


def key(
    request: Request = REQUEST,
    provider: Provider = PROVIDER,
    model: str = MODEL,
    epoch: int = 1,
    *,
    simulated: bool = False,
) -> bytes:
    return key_of(request, provider, model, epoch, simulated=simulated)


def test_simulated_vendors_are_told_by_name_and_not_by_their_port() -> None:
    here, there = (replace(PROVIDER, base_url=f"http://127.0.0.1:{port}/v1") for port in (1, 2))
    assert key(provider=here, simulated=True) == key(provider=there, simulated=True)
    assert key(provider=here, simulated=True) != key(provider=replace(here, name="bolt"), simulated=True)


# The file.


def test_an_answer_comes_back_whole(tmp_path: Path) -> None:
    answer = Answer(
        "7",
        Usage(1, 2, 3, 4),
        "stop",
        "gpt",
        0.5,
        reasoning="well",
        message={"role": "assistant", "content": "7"},
        logprobs=[{"a": 1}],
        raw={"choices": [1]},
        request_id="r",
    )
    cache = AnswerCache(tmp_path / "deep" / "answers.sqlite3")
    cache.put(b"a", replace(answer, limits={"x-ratelimit": "1"}))
    cache.close()
    again = AnswerCache(tmp_path / "deep" / "answers.sqlite3")
    assert again.get([b"b", b"a"]) == (b"a", answer)
    assert again.get([b"b"]) is None
    again.close()
    assert stat.S_IMODE((tmp_path / "deep" / "answers.sqlite3").stat().st_mode) == 0o600


PROCESS = """
import sys
from pathlib import Path
from router.evals.cache import AnswerCache
from router.types import Answer
cache = AnswerCache(Path(sys.argv[1]))
for number in range(100):
    cache.put(str(number).encode(), Answer(str(number)))
cache.close()
print(cache.failure)
"""


def test_several_processes_write_at_once(tmp_path: Path) -> None:
    path = tmp_path / "answers.sqlite3"
    command = [sys.executable, "-c", PROCESS, str(path)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]  # noqa: S603 - our own text
    assert [process.communicate()[0].strip() for process in processes] == ["None"] * 3
    (count,) = sqlite3.connect(path).execute("SELECT count(*) FROM answers").fetchone()
    assert count == 100
    again = AnswerCache(path)
    assert again.get([b"42"]) == (b"42", Answer("42"))
    again.close()


def test_what_is_no_cache_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "prompt.txt"
    path.write_text("What is {{ question }}? " * 100)
    before = path.read_bytes(), path.stat().st_mode
    with pytest.raises(ConfigError, match=r"--cache .*prompt\.txt: this file holds no answers; .*put --cache last"):
        cache_file(str(path))
    with pytest.raises(ConfigError, match=r"--cache .*prompt\.txt: answers cannot be kept there .*--cache=FILE"):
        AnswerCache(path)
    assert (path.read_bytes(), path.stat().st_mode) == before


def test_the_usual_file_lies_beside_what_else_is_kept(tmp_path: Path) -> None:
    assert cache_file("") == tmp_path / "answers.sqlite3"
    assert cache_file("mine.sqlite3") == Path("mine.sqlite3")
    AnswerCache(tmp_path / "answers.sqlite3").close()
    assert cache_file("").is_file()


def test_an_answer_of_another_version_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "answers.sqlite3"
    AnswerCache(path).close()
    with sqlite3.connect(path) as db:
        db.execute("INSERT INTO answers VALUES (?, ?, 0)", (b"a", b'{"text": "7", "mood": "good"}'))
    cache = AnswerCache(path)
    assert cache.get([b"a"]) is None
    cache.close()


# Runs.


def test_a_second_run_costs_nothing_and_says_so(tmp_path: Path) -> None:
    paid = replace(SEVEN, cost_usd=0.5)
    bench = Bench(tmp_path, lambda _call: paid, providers=(ACME, BOLT), cache=tmp_path / "answers.sqlite3")
    first, second = bench.run(20), bench.run(20)
    assert (first.calls, second.calls) == (20, 0)
    parts = [
        {name: row[name] for name in ("id", "response", "outcome", "provider", "model", "tokens_in")}
        for ran in (first, second)
        for row in sorted(ran.rows, key=lambda row: str(row["id"]))
    ]
    assert parts[:20] == parts[20:]
    assert {(row["cached"], row["cost_usd"], row["attempts"], row["latency_s"]) for row in second.rows} == {
        (True, 0.0, 0, None)
    }
    assert not any(row["cached"] for row in first.rows)
    names = ("cached", "cost_usd", "tokens_in", "latency_p50_s")
    assert [second.evaluation.summary[name] for name in names] == [20, 0.0, 0, None]


def test_epochs_are_asked_each(tmp_path: Path) -> None:
    bench = Bench(tmp_path, cache=tmp_path / "answers.sqlite3")
    assert bench.run(5).calls == 5
    assert replace(bench, epochs=3).run(5).calls == 10


@pytest.mark.parametrize("finish_reason", ["length", "content_filter"])
def test_what_was_cut_short_is_asked_again(tmp_path: Path, finish_reason: str) -> None:
    bench = Bench(tmp_path, lambda _call: replace(SEVEN, finish_reason=finish_reason), cache=tmp_path / "a.sqlite3")
    assert [bench.run(3).calls for _ in range(2)] == [3, 3]


def test_a_rehearsal_and_a_live_run_share_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path, cache=tmp_path / "answers.sqlite3")
    assert bench.run(3).calls == 3
    assert replace(bench, simulated=True).run(3).calls == 3
    assert replace(bench, simulated=True).run(3).calls == 0


def test_a_judge_s_grades_are_kept_too(tmp_path: Path) -> None:
    (tmp_path / "grade.txt").write_text('{{ answer }}: {"score": …}')

    def script(call: Call) -> Answer:
        return Answer('{"score": 1}', Usage(3, 4), "stop") if "score" in str(call.request.messages) else SEVEN

    bench = Bench(tmp_path, script, scorer=f"judge:{tmp_path / 'grade.txt'}", cache=tmp_path / "answers.sqlite3")
    first, second = bench.run(3), bench.run(3)
    # Every answer is the same "7", so one grade may serve those that come after it.
    assert first.calls > 3
    assert second.calls == 0
    assert {row["outcome"] for row in second.rows} == {"right"}
