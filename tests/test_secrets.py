"""No key on any screen, in any file or traceback, however a vendor echoes it."""

from __future__ import annotations

import asyncio
import base64
import io
import os
import pty
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, chdir, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from urllib.parse import quote

import pytest
from vendors import HTML, JSON, Says, ScriptedVendor, Seen, chat, make_config, make_provider, said, scripted

from router.cli import app
from router.config.models import Door, Key, Secret
from router.rates import Rate
from router.simulator.dialects import DialectName
from router.simulator.server import serve
from router.simulator.spec import VendorSpec
from router.simulator.troubles import parse_trouble
from router.transport.base import Call
from router.transport.direct import DirectDoor
from router.transport.litellm_transport import LiteLLMTransport
from router.types import Request

ROOT = Path(__file__).parent.parent
TELLING = 8

KEYS: Mapping[str, tuple[str, ...]] = {
    "revoked": (
        "sk-proj-Zq81mXvT0pLrWd7yKc5uNhB2sJfGaE93iQoV6tYxRbCzMwUlDkHnPe4gSI-AjOF_qTzXvLmWr8yBd1KcUhN0sJ",
        "sk-proj-B7wQzK20nYvRm5tHc8xLpJ6sDgFu1aE9iXoT4qZyVbNrMkWlChUdPe3gSOIjA",
    ),
    "broke": ("sk-ant-api03-h7Kq2Xw9Lm4Zr8Tn1Vb6Cs3Dp5Fg0Jy-QeRtUiOpAsDfGhJkLzXcVbNm_AA",),
    "walled": ("AIzaSyD4x9Kq7Lm2Zr5Tn8Vb1Cs6Dp3Fg0Jy-Qe",),
    "garbled": ("3f9c81d2a7b64e05.Xq7Lm2Zr5Tn8Vb1C",),
    "parrot": ("aB3/dE5+gH7/jK9+mN1/pQ4+sT6/vW8+yZ0=",),
    "scold": ("6b1e7f2c94d84a3eb0c5d7f8a9e1c2b3", "kurz9Key7"),
}
"""By provider: what OpenAI's, Anthropic's, Google's, Zhipu's and others' keys look like; one is very short."""
HIDDEN = {
    "GATE_TOKEN": "gate-Xq7Lm2Zr5Tn8Vb1Cs6Dp",
    "SESSION": "ses-Kj3Hn8Bv5Mc2Xz9Lq4Wp",
    "literal": "lit-Yt6Re1Wq9Ui4Op7As2Df",
    "TENANT": "tenant-Gh5Jk8Lz3Xc6Vb",
}
"""Secrets that are no keys: in a header and a parameter from variables, in one by its name, in the address."""
ALL_KEYS = (*(key for keys in KEYS.values() for key in keys), *HIDDEN.values())
MODELS = {"broke": "anthropic/claude-haiku-5-5", "walled": "gemini/gemini-3.5-flash-lite", "garbled": "zai/glm-4.5-air"}
DIALECTS: Mapping[str, DialectName] = {"broke": "anthropic", "walled": "gemini"}
TROUBLES = {
    "revoked": ("revoked_key#1",),
    "broke": ("no_credit",),
    "walled": ("ip_block+1s", "server_error"),
    "garbled": ("non_json*0.5", "cut*0.5"),
}


def telling_forms(key: str) -> Iterator[str]:
    """What nobody may find: the key in any coding, and its ends where they are long enough to tell."""
    yield from (key, quote(key, safe=""), quote(key, safe="").lower(), key.replace("/", "\\/"))
    for text in (key, f"Bearer {key}", f":{key}", f"user:{key}"):
        coded = base64.b64encode(text.encode()).decode().rstrip("=")
        yield from (coded, coded.replace("+", "-").replace("/", "_"))
    if len(key) > 2 * TELLING:
        yield from (key[:TELLING], key[-TELLING:], quote(key[:TELLING], safe=""))


def echoes(key: str) -> tuple[str, ...]:
    """Ways to say a key."""
    coded = base64.b64encode(f"Bearer {key}".encode()).decode()
    masked = f"{key[:8]}{'*' * 12}{key[-4:]}" if len(key) > 2 * TELLING else "*" * 9
    dotted = f"{key[:5]}...{key[-8:]}" if len(key) > 2 * TELLING else "..."
    return key, quote(key, safe=""), coded, base64.b64encode(key.encode()).decode(), masked, dotted, f"'{key}'"


def parrot() -> Callable[[Seen], Says]:
    """Answers well, and with the key."""
    turn = count()

    def answer(seen: Seen) -> Says:
        key = seen.bearer
        forms = echoes(key)
        form = forms[next(turn) % len(forms)]
        form += f" {seen.headers['x-gate']} {seen.json['session_token']} {seen.json['gate_secret']} {seen.path}"
        good = chat(f"The answer is 7. You are {form}, <{form}>", model=f"model-of-{form}", system_fingerprint=key)
        return Says(200, good.body, {**good.headers, "x-ratelimit-key": form, "x-request-id": key})

    return answer


def scoldings(form: str) -> tuple[Says, ...]:
    """Ways to refuse with a key."""
    error = {"message": f"Incorrect API key provided: {form}.", "code": form, "type": form, "param": {"key": form}}
    return (
        said({"error": error}, 500, x_ratelimit_limit=form),
        said({"error": {"message": f'{{"error": "{form}"}}', "code": "x"}}, 503, retry_after=form),
        Says(502, f"<html><title>{form}</title><body>{form}</body></html>".encode(), HTML),
        Says(200, f"key={form}".encode(), JSON),
        said({"error": error}, 400),
        said({"error": error}, 418),
        said({"error": {**error, "code": "insufficient_quota"}}, 429),
        said({"error": {**error, "code": "invalid_api_key"}}, 401),
    )


def scold() -> Callable[[Seen], Says]:
    """Refuses, and with the key."""
    turn = count()

    def answer(seen: Seen) -> Says:
        number = next(turn)
        forms = echoes(seen.bearer)
        return scoldings(forms[number % len(forms)])[min(number, 7)]

    return answer


@asynccontextmanager
async def vendors() -> AsyncIterator[dict[str, str]]:
    """All of them at work: base URLs by provider."""
    rates = (Rate(50, 1),)
    specs = [
        VendorSpec(
            name,
            DIALECTS.get(name, "openai"),
            keys=tuple((key, key) for key in KEYS[name]),
            address_limits=rates,
            latency_median_s=0.01,
            echo_keys=True,
            troubles=tuple(map(parse_trouble, troubles)),
        )
        for name, troubles in TROUBLES.items()
    ]
    async with AsyncExitStack() as stack:
        endpoints = await stack.enter_async_context(serve(specs))
        urls = {endpoint.name: endpoint.base_url for endpoint in endpoints}
        for name, script in (("parrot", parrot()), ("scold", scold())):
            vendor: ScriptedVendor = await stack.enter_async_context(scripted())
            vendor.script = script
            urls[name] = vendor.url + ("/${TENANT}/v1" if name == "parrot" else "/v1")
        yield urls


def write_config(home: Path, urls: Mapping[str, str]) -> None:
    """Keys in the file, in `.env` and by a name from the environment."""
    lines = ["rehearse: never", "defaults: {attempts: 3}", "providers:"]
    for name, url in urls.items():
        lines += [f"  {name}:", f"    model: {MODELS.get(name, 'openai/gpt-4o-mini')}", f"    base_url: {url}"]
        lines += ["    rate: 40/s", "    timeout: 3s"]
        lines += [f"    keys: {'${' + name.upper() + '_KEYS}' if name in {'revoked', 'scold'} else list(KEYS[name])}"]
        if name == "parrot":
            lines += ["    headers: {X-Gate: 'Bearer ${GATE_TOKEN}'}", "    params:", "      extra_body:"]
            lines += ["        session_token: ${SESSION}", f"        gate_secret: {HIDDEN['literal']}"]
    (home / "providers.yaml").write_text("\n".join(lines), encoding="utf-8")
    (home / ".env").write_text(f"REVOKED_KEYS={','.join(KEYS['revoked'])}\n", encoding="utf-8")
    (home / "prompt.txt").write_text("What is {{ question }}?", encoding="utf-8")


@contextmanager
def vendors_beside() -> Iterator[dict[str, str]]:
    """The vendors on a loop in a thread, for commands that have this thread for themselves."""
    started: SimpleQueue[tuple[dict[str, str], Callable[[], object]]] = SimpleQueue()

    async def serve_until_told() -> None:
        async with vendors() as urls:
            told, loop = asyncio.Event(), asyncio.get_running_loop()
            started.put((urls, lambda: loop.call_soon_threadsafe(told.set)))
            await told.wait()

    thread = Thread(target=lambda: asyncio.run(serve_until_told()))
    thread.start()
    urls, end = started.get(timeout=60)
    try:
        yield urls
    finally:
        end()
        thread.join()


@dataclass(frozen=True, slots=True)
class Ran:
    """A command that has ended, and all that it showed."""

    code: int | None
    shown: bytes


def run(home: Path, *arguments: str) -> Ran:
    """The command in this process, which has imported LiteLLM once."""
    shown = io.StringIO()
    with chdir(home), redirect_stdout(shown), redirect_stderr(shown):
        code = app.run(list(arguments))
    return Ran(code, shown.getvalue().encode())


class InTerminal:
    """The command in a process with a terminal of its own; `ran` waits for its end."""

    def __init__(self, home: Path, *arguments: str) -> None:
        ours, theirs = pty.openpty()
        command = [sys.executable, "-m", "router", *arguments]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color"}
        self._process = subprocess.Popen(command, cwd=home, env=environment, stdout=theirs, stderr=theirs)  # noqa: S603
        os.close(theirs)
        self._shown: list[bytes] = []
        self._reader = Thread(target=lambda: self._shown.append(_read_to_the_end(ours)))
        self._reader.start()

    def ran(self) -> Ran:
        self._reader.join()
        return Ran(self._process.wait(), self._shown[0])


def _read_to_the_end(terminal: int) -> bytes:
    pieces = []
    try:
        while piece := os.read(terminal, 65536):
            pieces.append(piece)
    except OSError:  # how Linux says that the other side has gone
        pass
    finally:
        os.close(terminal)
    return b"".join(pieces)


async def broken_send(_door: DirectDoor, call: Call, _on_sent: object) -> None:
    assert call.key.secret is not None
    raise RuntimeError("what is wrong with " + call.key.secret.reveal())


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, tuple[Ran, Path]]:
    """Every command against the same vendors."""
    home = {name: tmp_path_factory.mktemp(name) for name in ("rich", "plain", "defect", "check", "dry")}
    evaluation = ("eval", "prompt.txt", "--limit", "60", "--seed", "3")
    defect = ("eval", "prompt.txt", "--limit", "5", "--deadline", "2s", "--display", "plain", "-o", "-")
    with pytest.MonkeyPatch.context() as patch, vendors_beside() as urls:
        for name in [name for name in os.environ if name.startswith("ROUTER_") or "_API_KEY" in name]:
            patch.delenv(name)
        for name, value in {"SCOLD_KEYS": ",".join(KEYS["scold"]), **HIDDEN, "COLUMNS": "200"}.items():
            patch.setenv(name, value)
        for each in home.values():
            write_config(each, urls)
        patch.setenv("HOME", str(home["rich"]))
        rich = InTerminal(home["rich"], *evaluation, "--display", "rich")
        patch.setenv("HOME", str(home["plain"]))
        ran = {
            "plain": run(home["plain"], *evaluation, "--display", "plain", "--json", "-o", "out.jsonl"),
            "check": run(home["check"], "check"),
            "dry": run(home["dry"], *evaluation, "--dry-run"),
        }
        with pytest.MonkeyPatch.context() as broken:
            broken.setattr(DirectDoor, "send", broken_send)
            broken.setenv("HOME", str(home["defect"]))
            ran["defect"] = run(home["defect"], *defect)
        ran["rich"] = rich.ran()
    return {name: (ran[name], home[name]) for name in home}


def found_in(text: bytes) -> list[str]:
    return [form for key in ALL_KEYS for form in telling_forms(key) if form.encode() in text]


def files_of(home: Path) -> dict[str, bytes]:
    """All that a command left behind, the configuration aside."""
    left = {str(path.relative_to(home)): path for path in home.rglob("*") if path.is_file() and not path.is_symlink()}
    given = {"providers.yaml", ".env", "prompt.txt"}
    return {name: path.read_bytes() for name, path in left.items() if name not in given}


@pytest.mark.parametrize("name", ["plain", "rich", "defect", "check", "dry"])
def test_no_key_is_shown(runs: Mapping[str, tuple[Ran, Path]], name: str) -> None:
    ran, _ = runs[name]
    assert ran.shown
    assert found_in(ran.shown) == [], ran.shown.decode(errors="replace")[-3000:]


@pytest.mark.parametrize("name", ["plain", "rich", "defect", "check", "dry"])
def test_no_key_is_written(runs: Mapping[str, tuple[Ran, Path]], name: str) -> None:
    files = files_of(runs[name][1])
    assert {name: found for name, text in files.items() if (found := found_in(text))} == {}


def test_the_runs_were_worth_looking_at(runs: Mapping[str, tuple[Ran, Path]]) -> None:
    """The echoes came, and were named: else the two tests above would look at nothing."""
    for name in ("plain", "rich"):
        ran, home = runs[name]
        assert ran.code in {0, 2}, ran.shown.decode(errors="replace")[-3000:]
        log = next(text for file, text in files_of(home).items() if file.endswith("log.jsonl"))
        for provider in KEYS:
            assert f'"provider":"{provider}"'.encode() in log, provider
        assert b"[parrot#1]" in next(text for file, text in files_of(home).items() if file.endswith("results.jsonl"))
        assert b"[scold#" in log or b"[key]" in log  # which form of it came depends on whose turn it was
        assert b"[revoked#1]" in log
        wanted = {"run.json", "log.jsonl", "items.jsonl", "results.jsonl", "summary.json"}
        assert wanted <= {file.rpartition("/")[2] for file in files_of(home)}
    assert b"out.jsonl" not in runs["plain"][0].shown
    assert "out.jsonl" in files_of(runs["plain"][1])


def test_a_defect_ends_no_run_and_tells_no_key(runs: Mapping[str, tuple[Ran, Path]]) -> None:
    ran, home = runs["defect"]
    log = next(text for file, text in files_of(home).items() if file.endswith("log.jsonl"))
    assert b"RuntimeError: what is wrong with [" in log
    assert ran.code in {0, 2}
    assert b"Traceback" not in ran.shown


@pytest.mark.parametrize(("door", "step"), [("auto", 1), ("litellm", 4)])
def test_no_fault_holds_a_key(door: Door, step: int) -> None:
    """Every key in every form in every `step`th refusal, just behind the border."""

    async def main() -> list[str]:
        results = []
        async with asyncio.timeout(60), scripted() as vendor:
            named = make_provider("openai/gpt-4o-mini", vendor.url + "/v1", door)
            planted = [Key(f"openai#{number}", Secret(key), "one") for number, key in enumerate(ALL_KEYS, 1)]
            provider = replace(named, keys=tuple(planted))
            transport = LiteLLMTransport(make_config(provider))
            await transport.prepare()
            for key, secret in zip(planted, ALL_KEYS, strict=True):
                call = Call(provider, key, "openai/gpt-4o-mini", Request.of("What is 3 + 4?"))
                for number, form in enumerate(echoes(secret)):
                    for refusal in scoldings(form)[number % step :: step]:
                        vendor.says(refusal)
                        results.append(repr(await transport.send(call, vendor.seen.clear)))
            results.append(repr(transport._direct))
            await transport.aclose()
        return results

    shown = asyncio.run(main())
    assert len(shown) == len(ALL_KEYS) * 7 * 8 // step + 1
    assert {text for text in shown if found_in(text.encode())} == set()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("nothing to see here", id="nothing"),
        *(pytest.param(f"x{form}x", id=f"{number}") for number, form in enumerate(echoes(KEYS["revoked"][0]))),
    ],
)
def test_the_search_finds_what_it_is_for(text: str) -> None:
    assert bool(found_in(text.encode())) is (text != "nothing to see here")
