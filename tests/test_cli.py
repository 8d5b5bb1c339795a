"""The command as its user meets it: exit codes, what goes to which stream, what is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest
from vendors import Says, Seen, chat, scripted

from router.cli.app import main, run
from router.errors import CannotWrite, ConfigError, NothingServes
from router.jsonl import decode, read

ROOT = Path(__file__).parent.parent
CONFIG = """
rehearse: always
providers:
  acme: {model: openai/gpt-4o-mini, keys: sk-planted-acme-1, rate: 50/s}
  emca: {models: {small: deepseek/deepseek-chat, large: deepseek/r1}, keys: sk-planted-emca-1, rate: 50/s}
  idle: {model: openai/gpt-4o-mini, keys: sk-planted-idle-1, rate: 50/s, enabled: false}
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with all that a run needs, and things that only look like it."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("ROUTER_")]:
        monkeypatch.delenv(name)
    (tmp_path / "providers.yaml").write_text(CONFIG, encoding="utf-8")
    (tmp_path / "prompt.txt").write_text("What is {{ question }}?", encoding="utf-8")
    (tmp_path / "empty.txt").write_text("", encoding="utf-8")
    (tmp_path / "latin.txt").write_bytes("Wie groß ist {{ question }}?".encode("latin-1"))
    (tmp_path / "misspelt.txt").write_text("What is {{ qestion }}?", encoding="utf-8")
    (tmp_path / "empty.jsonl").write_text("", encoding="utf-8")
    (tmp_path / "directory").mkdir()
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / "prompt.txt").write_text("How much is {{ question }}?", encoding="utf-8")
    (tmp_path / "torn.yaml").write_text("providers:\n  acme: {model: [\n", encoding="utf-8")
    return tmp_path


def is_untouched(home: Path) -> bool:
    return not (home / "runs").exists()


# Mistakes.


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param("eval prompt.txt --config no.yaml", "no.yaml there is no such file --config", id="no config"),
        pytest.param("eval prompt.txt --config directory", "directory providers.yaml", id="config is a directory"),
        pytest.param("eval prompt.txt --config torn.yaml", "torn.yaml:", id="config is no YAML"),
        pytest.param("eval no.txt", "no.txt no such prompt file", id="no prompt"),
        pytest.param("eval promt.txt", "promt.txt did you mean prompt.txt", id="a prompt misspelt"),
        pytest.param("eval empty.txt", "empty.txt:1 empty {{ question }}", id="an empty prompt"),
        pytest.param("eval latin.txt", "latin.txt:1 0xdf UTF-8", id="not UTF-8"),
        pytest.param("eval directory", "directory prompt file", id="prompt is a directory"),
        pytest.param("eval misspelt.txt", "misspelt.txt:1 'qestion' did you mean question", id="unknown variable"),
        pytest.param("eval prompt.txt --log-dir prompt.txt", "prompt.txt --log-dir", id="log dir is a file"),
        pytest.param("eval prompt.txt --log-dir prompt.txt/x", "prompt.txt/x --log-dir", id="log dir in a file"),
        pytest.param("eval prompt.txt --providers acm", "--providers acm acme emca", id="unknown provider"),
        pytest.param("eval prompt.txt --scorer magic", "'magic' infer exact", id="unknown scorer"),
        pytest.param("eval prompt.txt --scorer regex:(", "regex:( position", id="no regular expression"),
        pytest.param("eval prompt.txt --timeout soon", "--timeout 'soon' 30s", id="no duration"),
        pytest.param("eval prompt.txt --timeout 0s", "--timeout '0s' above zero", id="no time at all"),
        pytest.param("eval prompt.txt --deadline -1s", "--deadline '-1s'", id="negative deadline"),
        pytest.param("eval prompt.txt --trouble acme=flood", "--trouble 'flood' hang", id="unknown trouble"),
        pytest.param("eval prompt.txt --trouble nobody=hang", "nobody=hang acme=", id="trouble for nobody"),
        pytest.param("eval prompt.txt --trouble acme=hang@soon", "'soon'", id="trouble at no time"),
        pytest.param("eval prompt.txt --data no.jsonl", "no.jsonl no such data file", id="no data"),
        pytest.param("eval prompt.txt --data directory", "directory data file", id="data is a directory"),
        pytest.param("eval prompt.txt --data empty.jsonl", "empty.jsonl no items", id="no items"),
        pytest.param("eval", "prompts/plain.txt --data", id="missing argument"),
        pytest.param("eval prompt.txt --bogus", "--bogus", id="unknown option"),
        pytest.param(f"eval prompt.txt --seed {10**30}", "--seed", id="a seed beyond 64 bits"),
        pytest.param(f"eval prompt.txt --epochs {10**20}", "--epochs", id="epochs beyond a lifetime"),
        pytest.param("eval prompt.txt --limit 0", "--limit 1", id="a limit of none"),
        pytest.param("eval prompt.txt --limit many", "--limit integer", id="no number"),
        pytest.param("eval prompt.txt --display fancy", "--display 'fancy' plain", id="unknown display"),
        pytest.param("eval prompt.txt --min-accuracy 1.01", "--min-accuracy", id="more than all"),
        pytest.param("eval --resume nowhere", "--resume nowhere no such run runs", id="going on with no run"),
        pytest.param("eval --resume", "--resume latest no such run runs", id="going on with the newest of none"),
        pytest.param("eval --resume prompt.txt", "prompt.txt put --resume last --resume=RUN", id="a prompt as a run"),
        pytest.param("eval prompt.txt --resume again", "again there is no run to continue", id="a directory as a run"),
        pytest.param("eval prompt.txt --retry-errors", "--retry-errors --resume", id="errors of nothing"),
        pytest.param("eval --cache prompt.txt", "prompt.txt no answers put --cache last", id="a prompt as a cache"),
        pytest.param("eval prompt.txt --model smal", "--model 'smal' did you mean small", id="a model misspelt"),
        pytest.param("nonsense", "nonsense", id="unknown command"),
        pytest.param("check --config no.yaml", "no.yaml", id="check without a config"),
        pytest.param("simulate --providers nobody", "--providers nobody acme", id="simulating nobody"),
    ],
)
def test_a_mistake_is_told_and_nothing_done(
    home: Path, capsys: pytest.CaptureFixture[str], arguments: str, words: str
) -> None:
    assert run(arguments.split()) == 3
    shown = capsys.readouterr()
    assert shown.out == ""
    assert [word for word in words.split() if word not in shown.err] == [], shown.err
    assert "Traceback" not in shown.err
    assert is_untouched(home)


def test_an_unset_key_is_named_with_the_ways_out(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    provider = "  acme:\n    model: openai/m\n    rate: 50/s\n    keys: ${SURELY_NOT_SET}\n"
    (home / "providers.yaml").write_text(f"providers:\n{provider}", encoding="utf-8")
    assert run(["eval", "prompt.txt"]) == 3
    shown = capsys.readouterr().err
    assert [word for word in ("acme", "SURELY_NOT_SET", ".env", "--rehearse") if word not in shown] == []
    assert is_untouched(home)


def test_an_unknown_model_is_a_mistake(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["eval", "prompt.txt", "--model", "huge", "--dry-run"]) == 3
    assert "small" in capsys.readouterr().err
    assert is_untouched(home)


@pytest.mark.parametrize("second", ["prompt.txt", "again/prompt.txt"])
def test_two_prompts_of_one_name_are_a_mistake(home: Path, second: str) -> None:
    assert run(["eval", "prompt.txt", second, "--dry-run"]) == 3
    assert is_untouched(home)


def test_asking_only_a_disabled_provider_is_a_mistake(home: Path) -> None:
    assert run(["eval", "prompt.txt", "--providers", "idle", "--dry-run"]) == 3
    assert is_untouched(home)


def test_an_output_that_cannot_be_written_is_a_mistake(home: Path) -> None:
    assert run(["eval", "prompt.txt", "--output", "no/such/file.jsonl", "--dry-run"]) == 3
    assert is_untouched(home)


@pytest.mark.parametrize(
    ("declared", "why"),
    [
        pytest.param("rehearse: always", "providers.yaml says rehearse: always; --live", id="always"),
        pytest.param("rehearse: when-no-keys", "no key is set; set one of ACME_API_KEYS", id="no keys"),
        pytest.param("simulated: true\nrehearse: always", "providers.yaml says simulated: true", id="simulated"),
    ],
)
def test_a_threshold_is_nothing_for_a_rehearsal_that_nobody_asked_for(
    home: Path, capsys: pytest.CaptureFixture[str], declared: str, why: str
) -> None:
    provider = "providers:\n  acme: {model: openai/m, keys: '${ACME_API_KEYS}'}\n"
    (home / "providers.yaml").write_text(f"{declared}\n{provider}", encoding="utf-8")
    assert run(["eval", "prompt.txt", "--min-accuracy", "0"]) == 3
    said = capsys.readouterr().err
    assert why in said
    assert "add --rehearse" in said
    assert is_untouched(home)


def test_trouble_for_real_vendors_is_a_mistake(home: Path) -> None:
    assert run(["eval", "prompt.txt", "--live", "--trouble", "acme=hang", "--dry-run"]) == 3
    assert is_untouched(home)


# What needs no run.


def test_a_dry_run_shows_the_first_question_and_leaves_nothing(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["eval", "prompt.txt", "--dry-run"]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("[user]\nWhat is ")
    assert "nothing was sent" in shown.err
    assert is_untouched(home)


def test_the_same_item_comes_from_the_same_seed(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def first(seed: str) -> str:
        assert run(["eval", "prompt.txt", "--dry-run", "--seed", seed]) == 0
        return capsys.readouterr().out

    assert first("1") == first("1") != first("2")
    assert is_untouched(home)


def test_options_have_twins_in_the_environment(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ROUTER_TIMEOUT", "soon")
    assert run(["eval", "prompt.txt"]) == 3
    assert "'soon'" in capsys.readouterr().err
    monkeypatch.setenv("ROUTER_TIMEOUT", "30s")
    monkeypatch.setenv("ROUTER_CONFIG", str(home / "torn.yaml"))
    assert run(["eval", "prompt.txt"]) == 3
    assert "torn.yaml" in capsys.readouterr().err


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("router ")


def test_without_a_command_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 3
    assert "eval" in capsys.readouterr().err


HELP = """
import sys
from router.cli.app import main, run
from router.errors import CannotWrite, ConfigError, NothingServes
assert run(sys.argv[1:]) == 0
print(sorted({"litellm", "aiohttp", "httpx", "tenacity", "jinja2", "duckdb", "pyarrow", "structlog"} & {*sys.modules}))
"""


@pytest.mark.parametrize("arguments", [["--help"], ["eval", "--help"]], ids=" ".join)
def test_help_is_quick_because_it_imports_little(arguments: list[str]) -> None:
    done = subprocess.run(  # noqa: S603 - ourselves
        [sys.executable, "-c", HELP, *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("Usage: router ")
    assert done.stdout.endswith("\n[]\n")
    assert done.stderr == ""


# Whole runs.


@dataclass(frozen=True, slots=True)
class Ran:
    code: int | None
    out: str
    err: str
    home: Path

    @property
    def directory(self) -> Path:
        return self.home / "runs" / "latest"

    def json(self, name: str) -> dict[str, object]:
        value = decode((self.directory / name).read_bytes())
        assert isinstance(value, dict)
        return value

    def lines(self, name: str) -> list[dict[str, object]]:
        text = (self.directory / name).read_text(encoding="utf-8")
        assert text.endswith("\n")
        return list(read(self.directory / name))


def whole(home: Path, *arguments: str) -> Ran:
    """A run in this process, which has imported LiteLLM once."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(home), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(list(arguments))
    return Ran(code, out.getvalue(), err.getvalue(), home)


ANSWERED = 5


async def terminated(home: Path) -> Ran:
    """A process at a vendor that answers some calls and lets the others hang, and a SIGTERM in their midst."""
    async with asyncio.timeout(120), scripted() as vendor:
        turn, in_their_midst = count(1), asyncio.Event()

        def script(_seen: Seen) -> Says:
            number = next(turn)
            if number > ANSWERED + 2:
                in_their_midst.set()
            return chat("7") if number <= ANSWERED else Says(hangs=True)

        vendor.script = script
        config = f"{{model: openai/m, keys: sk-planted-acme-1, rate: 50/s, base_url: {vendor.url}/v1, timeout: 2s}}"
        (home / "providers.yaml").write_text(f"providers:\n  acme: {config}\n", encoding="utf-8")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "router", "eval", "prompt.txt", "--limit", "5000", "--attempts", "1"),
            cwd=home,
            # A fresh HOME, and none of the keys that whoever runs the tests may have.
            env={"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": str(ROOT)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        await in_their_midst.wait()
        process.terminate()
        out, err = await process.communicate()
        return Ran(process.returncode, out.decode(), err.decode(), home)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Ran]:
    """All whole runs."""
    home = {name: tmp_path_factory.mktemp(name) for name in ("full", "piped", "down", "terminated")}
    for each in home.values():
        (each / "prompt.txt").write_text("What is {{ question }}?", encoding="utf-8")
        (each / "providers.yaml").write_text(CONFIG, encoding="utf-8")
    (home["full"] / "providers.yaml").write_bytes((ROOT / "providers.yaml").read_bytes())
    stepwise = str(ROOT / "prompts" / "stepwise.txt")
    # Its prompt asks for no JSON, so the default scorer can read no answer.
    piped = ("--limit", "20", "--min-accuracy", "0.5", "--rehearse", "--display", "none", "-o", "-")
    down = ("--trouble", "acme=down", "--trouble", "emca=down", "--deadline", "2s")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("ROUTER_") or "_API_KEY" in name]:
            patch.delenv(name)
        return {
            "full": whole(home["full"], "eval", stepwise, "--json", "-o", "copy.jsonl"),
            "piped": whole(home["piped"], "eval", "prompt.txt", *piped),
            "down": whole(home["down"], "eval", stepwise, "--limit", "6", *down),
            "terminated": asyncio.run(terminated(home["terminated"])),
        }


def test_the_first_command_works_without_a_key(runs: Mapping[str, Ran]) -> None:
    ran = runs["full"]
    rows = ran.lines("results.jsonl")
    assert len({row["id"] for row in rows}) == len(rows) == 100
    assert {row["outcome"] for row in rows} <= {"right", "wrong"}
    assert {"run.started", "attempt.finished", "item.settled", "run.finished"} <= {
        str(event["event"]) for event in ran.lines("log.jsonl")
    }


def test_everything_says_that_it_is_simulated(runs: Mapping[str, Ran]) -> None:
    ran = runs["full"]
    assert ran.json("run.json")["simulated"] is True
    assert ran.json("summary.json")["simulated"] is True
    for name in ("results.jsonl", "log.jsonl"):
        assert {line["simulated"] for line in ran.lines(name)} == {True}
    assert "simulated" in ran.err.lower()


def test_json_is_one_document_on_stdout_and_talk_goes_to_stderr(runs: Mapping[str, Ran]) -> None:
    ran = runs["full"]
    assert decode(ran.out) == ran.json("summary.json")
    assert "/100 items" in ran.err


def test_a_threshold_that_is_not_reached_is_exit_code_1(runs: Mapping[str, Ran]) -> None:
    assert runs["full"].code == 0
    assert runs["piped"].json("summary.json")["accuracy"] == 0
    misfit, below = runs["piped"].err.splitlines()
    assert misfit.startswith('router: 20 of 20 answers had no {"infer": …}; the first was ')
    assert (runs["piped"].code, below) == (1, "router: the accuracy is below --min-accuracy 0.5")


def test_latest_is_the_run_and_the_copy_is_its_results(runs: Mapping[str, Ran]) -> None:
    home = runs["full"].home
    assert (home / "runs" / "latest").resolve().name == runs["full"].json("run.json")["run"]
    assert (home / "copy.jsonl").read_bytes() == (runs["full"].directory / "results.jsonl").read_bytes()


def test_a_pipe_gets_the_results_and_nothing_else(runs: Mapping[str, Ran]) -> None:
    ran = runs["piped"]
    assert ran.out == (ran.directory / "results.jsonl").read_text(encoding="utf-8")
    assert len(ran.out.splitlines()) == 20


def test_items_without_an_answer_are_exit_code_2_and_never_wrong(runs: Mapping[str, Ran]) -> None:
    ran = runs["down"]
    assert ran.code == 2
    assert {row["outcome"] for row in ran.lines("results.jsonl")} == {"error"}
    assert "6 of 6 items got no answer" in ran.err
    assert "Traceback" not in ran.err
    assert ran.out  # the summary all the same


def test_the_explanation_is_named_where_items_have_no_answer(runs: Mapping[str, Ran]) -> None:
    assert f"`router logs {Path('runs') / runs['down'].directory.resolve().name}`" in runs["down"].err


def test_a_terminated_run_leaves_whole_files(runs: Mapping[str, Ran]) -> None:
    ran = runs["terminated"]
    assert ran.code == 130, ran.err
    assert "Traceback" not in ran.err
    assert ran.json("summary.json")["interrupted"] is True
    rows = ran.lines("results.jsonl")
    assert sum(row["outcome"] != "error" for row in rows) == ANSWERED
    assert any(row["fault"] == "timeout" for row in rows), "calls in flight may end"
    assert len({row["id"] for row in rows}) == len(rows) < 5000
    events = ran.lines("log.jsonl")
    assert sum(event["event"] == "item.settled" for event in events) == len(rows)
    assert events[-1]["event"] == "run.finished"


# What ends a command.


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        pytest.param(ConfigError("acme.yaml:3: no"), 3, "router: acme.yaml:3: no\n", id="configuration"),
        pytest.param(CannotWrite("x: full"), 2, "router: x: full\n", id="nothing can be written"),
        pytest.param(NothingServes("acme: dead"), 2, "router: acme: dead\n", id="nothing serves"),
        pytest.param(KeyboardInterrupt(), 130, "router: interrupted\n", id="Ctrl-C"),
        pytest.param(BrokenPipeError(), 0, "", id="the reader has gone"),
        pytest.param(
            ConfigError("the column \x1b[31mred\x9b"), 3, "router: the column \ufffd[31mred\ufffd\n", id="clean"
        ),
    ],
)
def test_every_end_has_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException, code: int, words: str
) -> None:
    assert ended_by(error, monkeypatch) == code
    assert capsys.readouterr().err == words


def test_a_defect_is_shown_and_is_never_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended_by(ZeroDivisionError("oops"), monkeypatch) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("router: a defect of router, please report it:\nTraceback")
    assert "ZeroDivisionError: oops" in shown


def ended_by(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> int:
    def application(*_arguments: object, **_options: object) -> None:
        raise error

    monkeypatch.setattr("router.cli.app.app", application)
    return run(["eval"])


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_other_signals_end_a_command_as_ctrl_c_does(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    number = getattr(signal, name)

    def application(*_arguments: object, **_options: object) -> None:
        signal.raise_signal(number)

    monkeypatch.setattr("router.cli.app.app", application)
    before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGHUP)}
    try:
        for each in before:
            signal.signal(each, signal.SIG_DFL)
        with pytest.raises(SystemExit, match="130"):
            main()
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
