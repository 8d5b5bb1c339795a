"""The fast part of `bench/attack.py`, and that its witnesses see what they are for."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import attack
import attack_product as product
import pytest
from attack_border import MAX_TAKEN, dialect_of, nasty_vendor, traffic, wrongs
from attack_command import NETRC_PASSWORD, PROMPT, Ended, Order, play
from attack_engine import simulate
from attack_inputs import CODES, attempt
from attack_mutations import SMALL, Input, inputs
from attack_page import WHAT, page
from attack_product import DOORS, Border, Verdict
from attack_secrets import PREFIXES, marker, variables
from attack_table import Row, failures, table
from nasty_replies import MAKERS, Nasty, all_nasty
from nasty_vendors import (
    OTHER_HOST,
    Authority,
    Exchange,
    NastyVendor,
    at_work,
    body_of,
    echo,
    good,
    good_after,
    http,
    in_thread,
)

# Nasty replies through the transport.

NAMES = (
    "limit header not UTF-8", "header of 9 KB", "SSH greeting as the reply", "lines end in LF alone",
    "charset='utf-7'", "charset='idna'", "really gb18030", "two content-lengths", "chunk size is no number",
    "chunks without an end, then close", "no length, then close", "gzip cut in half", "br that is plain",
    "103 Early Hints, then well", "closed at once", "reset in mid-body", "half-closes after the reply",
    "replies before it is asked", "204", "202 with a challenge", "429, retry-after not UTF-8",
    "429, retry-after negative", "500 without a body", "999", "400, error is a number",
    "400, message with a lone surrogate", "200 with null", "200 with a page", "answers missing", "content null",
    "content a number", "usage of -10^18", "usage of 2^70", "model with a lone surrogate", "a lone surrogate",
    "a lone surrogate in UTF-8", "NaN beside the answer", "a byte order mark", "junk behind the JSON",
    "duplicate keys",
)  # fmt: skip
"""A few of each group; the script tries all."""


@dataclass(slots=True)
class Bench:
    """A real transport and another host that must not be asked, in one loop."""

    runner: asyncio.Runner
    border: Border
    elsewhere: NastyVendor

    def wrongs(self, nasty: Nasty, door: str) -> list[str]:
        return self.runner.run(self._wrongs(nasty, door))

    async def _wrongs(self, nasty: Nasty, door: str) -> list[str]:
        self.elsewhere.arrivals.clear()
        async with nasty_vendor(nasty, door, self.elsewhere) as vendor:
            verdict = await self.border.send(door, vendor.base_url)
        return [*wrongs(nasty, verdict), *traffic(vendor), *["went elsewhere"] * bool(self.elsewhere.arrivals)]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with asyncio.Runner() as runner:
        border = Border(tmp_path_factory.mktemp("border"), timeout_s=5.0)
        elsewhere = NastyVendor(good, host=OTHER_HOST)
        runner.run(elsewhere.__aenter__())
        runner.run(border.open())
        yield Bench(runner, border, elsewhere)
        runner.run(border.close())
        runner.run(elsewhere.__aexit__())


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("name", NAMES)
def test_a_nasty_reply_is_an_answer_or_a_fault_of_the_vendor(bench: Bench, name: str, door: str) -> None:
    assert bench.wrongs(all_nasty()[name], door) == []


REDIRECTED = ("301 to itself", "302 to another host", "307 to itself", "307 to another host", "308 to another host")


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("name", REDIRECTED)
def test_no_redirect_is_followed(bench: Bench, name: str, door: str) -> None:
    assert bench.wrongs(all_nasty()[name], door) == []


@pytest.mark.parametrize("door", DOORS)
def test_a_body_is_read_up_to_a_bound(bench: Bench, door: str) -> None:
    async def more_than_anybody_needs(exchange: Exchange) -> None:
        piece = b"a" * (1 << 20)
        await exchange.send(http(b"", b"content-length: %d" % (MAX_TAKEN + 8 * len(piece)), length=False))
        for _ in range(MAX_TAKEN // len(piece) + 8):
            await exchange.send(piece)

    assert bench.wrongs(Nasty("72 MB", "size and time", more_than_anybody_needs), door) == []


@pytest.mark.parametrize("prefix", PREFIXES)
def test_no_key_of_the_environment_leaves_where_the_file_says_none(
    bench: Bench, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names, addresses = variables()
    for name in names:
        monkeypatch.setenv(name, marker(name))
    for name in addresses:
        monkeypatch.setenv(name, bench.elsewhere.base_url)

    async def ask() -> str:
        async with NastyVendor(echo, dialect=dialect_of(prefix)) as vendor:
            await bench.border.send("direct", vendor.base_url, model=f"{prefix}/some-model", keys="none")
        return "\n".join(arrival.text() for arrival in [*vendor.arrivals, *bench.elsewhere.arrivals])

    assert "marker-" not in bench.runner.run(ask())


# Whole runs, forked.


def folder(tmp_path: Path, *entries: str, netrc: bool = False) -> Path:
    (tmp_path / "providers.yaml").write_text(product.config_yaml(entries))
    (tmp_path / "prompt.txt").write_text(PROMPT)
    if netrc:
        (tmp_path / ".netrc").write_text(f"default login somebody password {NETRC_PASSWORD}\n")
        (tmp_path / ".netrc").chmod(0o600)
    return tmp_path


def began(where: Path, *arguments: str, max_file: int | None = None) -> int:
    """The number of the process in which a command runs."""
    environment = {"HOME": str(where), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
    order = Order(("eval", "prompt.txt", "--display", "none", "--live", *arguments), str(where), environment, max_file)
    pid = os.fork()
    if pid == 0:
        play(order)
    return pid


def ended(pid: int, where: Path) -> Ended:
    _, status = os.waitpid(pid, 0)
    texts = [(where / name).read_text(encoding="utf-8", errors="replace") for name in ("stdout", "stderr")]
    return Ended(os.waitstatus_to_exitcode(status), texts[0], texts[1], 0.0, where)


def outcomes(run: Ended) -> list[object]:
    rows, torn = run.lines("results.jsonl")
    assert torn == 0
    return [row["outcome"] for row in rows]


pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
"""The vendors serve from a thread while a run is forked, which touches nothing of theirs."""


@pytest.mark.usefixtures("bench")
@pytest.mark.parametrize(
    "name",
    [
        pytest.param("closed before a reply", id="closed"),
        pytest.param("two content-lengths", id="broken HTTP"),
        pytest.param("502 with a page", id="a page"),
        pytest.param("limit header not UTF-8", id="a header not UTF-8"),
        pytest.param("usage of -10^18", id="absurd usage"),
    ],
)
def test_a_nasty_vendor_beside_a_good_one_costs_no_item(tmp_path: Path, name: str) -> None:
    vendors = [NastyVendor(good_after(0.01)), NastyVendor(all_nasty()[name].behave)]
    entries = [product.provider_yaml(f"v{n}", "direct", each.base_url, rate="50/s") for n, each in enumerate(vendors)]
    with in_thread(vendors):
        run = ended(began(folder(tmp_path, *entries), "--limit", "30"), tmp_path)
    assert (run.code, run.trace, len(outcomes(run)), outcomes(run).count("error")) == (0, False, 30, 0)


@pytest.mark.usefixtures("bench")
@pytest.mark.parametrize("door", DOORS)
def test_a_netrc_is_not_read(tmp_path: Path, door: str) -> None:
    vendor = NastyVendor(good, dialect=dialect_of(door))
    where = folder(tmp_path, product.provider_yaml("v", door, vendor.base_url, rate="50/s"), netrc=True)
    with in_thread([vendor]):
        run = ended(began(where, "--limit", "2", "--deadline", "2s"), tmp_path)
    assert outcomes(run).count("error") == 0
    assert not any(NETRC_PASSWORD in arrival.text() for arrival in vendor.arrivals)


def interrupted(tmp_path: Path, which: signal.Signals, calls: int) -> tuple[Ended, int]:
    """A run that got a signal after so many calls, and how many the vendor has answered."""
    enough = threading.Event()

    async def behave(exchange: Exchange) -> None:
        if len(exchange.vendor.arrivals) == calls:
            enough.set()
        await good_after(0.1)(exchange)

    vendor = NastyVendor(behave)
    entry = product.provider_yaml("v", "direct", vendor.base_url, rate="100/s", concurrency=20)
    with in_thread([vendor]):
        pid = began(folder(tmp_path, entry), "--limit", "2000")
        assert enough.wait(60)
        os.kill(pid, which)
        run = ended(pid, tmp_path)
    return run, vendor.answered


@pytest.mark.usefixtures("bench")
@pytest.mark.parametrize(
    "which",
    [
        signal.SIGINT,
        signal.SIGTERM,
        signal.SIGHUP,
    ],
)
def test_a_run_that_is_told_to_stop_keeps_every_answer(tmp_path: Path, which: signal.Signals) -> None:
    run, answered = interrupted(tmp_path, which, 30)
    assert (run.code, run.trace) == (130, False)
    assert len(outcomes(run)) == answered
    assert run.directory is not None
    assert (run.directory / "summary.json").exists()


@pytest.mark.usefixtures("bench")
def test_a_killed_run_leaves_whole_lines(tmp_path: Path) -> None:
    run, answered = interrupted(tmp_path, signal.SIGKILL, 60)
    assert run.code == -signal.SIGKILL
    assert answered - 20 <= len(outcomes(run)) <= answered
    assert run.lines("log.jsonl")[1] == 0


@pytest.mark.usefixtures("bench")
@pytest.mark.parametrize("which", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_that_was_ended_is_continued_and_pays_twice_for_what_was_in_flight_alone(
    tmp_path: Path, which: signal.Signals
) -> None:
    enough, items, in_flight = threading.Event(), 120, 20

    async def behave(exchange: Exchange) -> None:
        if len(exchange.vendor.arrivals) == items // 2:
            enough.set()
        await good_after(0.1)(exchange)

    vendor = NastyVendor(behave)
    entry = product.provider_yaml("v", "direct", vendor.base_url, rate="100/s", concurrency=in_flight)
    with in_thread([vendor]):
        pid = began(folder(tmp_path, entry), "--limit", str(items))
        assert enough.wait(60)
        os.kill(pid, which)
        ended(pid, tmp_path)
        run = ended(began(tmp_path, "--limit", str(items), "--resume"), tmp_path)
    rows, torn = run.lines("results.jsonl")
    assert (run.code, torn, len(rows), len({row["trial"] for row in rows})) == (0, 0, items, items)
    assert items <= vendor.answered <= len(vendor.arrivals) <= items + in_flight * (which is signal.SIGKILL)


@pytest.mark.usefixtures("bench")
def test_a_file_that_may_not_grow_ends_the_run_in_order(tmp_path: Path) -> None:
    vendor = NastyVendor(good_after(0.05))
    entry = product.provider_yaml("v", "direct", vendor.base_url, rate="100/s")
    with in_thread([vendor]):
        run = ended(began(folder(tmp_path, entry), "--limit", "2000", max_file=30_000), tmp_path)
    why, how_on = run.err.strip().splitlines()
    assert (run.code, run.trace, "cannot be written" in why) == (2, False, True), run.err
    assert how_on.startswith("router: continue with: router eval --resume ")
    assert len(outcomes(run)) == vendor.answered


# The engine, and files.


@pytest.mark.parametrize("seed", range(10))
def test_random_weather_loses_nothing_and_exceeds_nothing(seed: int) -> None:
    simulated = simulate(seed)
    assert (simulated.whys, simulated.calls > 0) == ((), True)


LOG = "".join(
    json.dumps({"ts": f"2026-11-23T14:02:0{n}.125Z", "level": "info", "event": event, "run": "r", "item": f"arith-{n}"})
    + "\n"
    for n, event in enumerate(["run.started", "attempt.finished", "key.state", "item.settled", "run.finished"])
)


@pytest.mark.parametrize("kind", ["providers.yaml", "prompts", "data files", "logs"])
def test_mutated_files_are_refused_in_words(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROUTER_STATE", str(tmp_path / "state"))
    (tmp_path / "small.yaml").write_text(SMALL)
    (tmp_path / "small.txt").write_text(PROMPT)
    for each in [each for each in inputs(1.0, LOG) if each.kind == kind and each.name.startswith(kind)][:8]:
        assert refused_or_read(each, tmp_path) == "", each.name


def refused_or_read(each: Input, where: Path) -> str:
    path = where / each.file
    path.write_bytes(each.content)
    code, raised, said = attempt([str(path) if argument == "%" else argument for argument in each.arguments])
    return "" if code in CODES and not raised else f"{code} {raised} {said}"


# The witnesses themselves.


def test_no_two_nasty_replies_have_one_name() -> None:
    names = [nasty.name for make in MAKERS for nasty in make()]
    assert len(names) == len(set(names)) > 100


def spoken_to(vendor: NastyVendor, *requests: bytes, context: ssl.SSLContext | None = None) -> bytes:
    """What a vendor says to raw bytes."""

    async def speak() -> bytes:
        async with at_work([vendor]):
            reader, writer = await asyncio.open_connection("127.0.0.1", vendor.port, ssl=context)
            for request in requests:
                writer.write(request)
            writer.write_eof() if writer.can_write_eof() else None
            said = await reader.read()
            writer.close()
            return said

    return asyncio.run(speak())


ASKED = b"POST /v1/x?y=1 HTTP/1.1\r\nHost: h\r\nAuthorization: Basic bWU6d29yZA==\r\nContent-Length: 2\r\n\r\n{}"


def test_a_vendor_logs_every_request_and_counts_what_it_sent() -> None:
    vendor = NastyVendor()
    said = spoken_to(vendor, ASKED, ASKED)
    assert said == http(body_of("openai")) * 2
    assert [(arrival.method, arrival.path, arrival.body) for arrival in vendor.arrivals] == [
        ("POST", "/v1/x?y=1", b"{}")
    ] * 2
    assert (vendor.connections, vendor.answered, vendor.sent_bytes) == (1, 2, len(said))
    assert "me:word" in vendor.arrivals[0].text()


def test_a_vendor_speaks_tls_with_a_certificate_of_its_own_and_hangs_up_when_told(tmp_path: Path) -> None:
    authority = Authority.made_in(tmp_path)
    vendor = NastyVendor(tls=authority.server, calls_per_connection=1)
    said = spoken_to(vendor, ASKED, ASKED, context=ssl.create_default_context(cafile=str(authority.ca)))
    assert said == http(body_of("openai"))
    assert vendor.root.startswith("https://")


@pytest.mark.parametrize(
    ("verdict", "why"),
    [
        pytest.param(Verdict(raised="ValueError: no"), "raised ValueError", id="raised"),
        pytest.param(Verdict("server_error", unloggable="no"), "cannot be written to the log", id="unloggable"),
        pytest.param(Verdict("bad_request", blames_item=True), "blames the item", id="blamed"),
        pytest.param(Verdict("answer"), "takes it for an answer", id="no answer"),
        pytest.param(Verdict("server_error", counts=(1 << 53, None)), "counts beyond 2^53", id="counts"),
    ],
)
def test_what_is_wrong_is_seen(verdict: Verdict, why: str) -> None:
    assert wrongs(all_nasty()["200 with null"], verdict) == [why]


def test_the_table_counts_and_names_what_failed() -> None:
    row = Row("replies", "headers")
    row.add("one", [])
    row.add("two", ["blames the item"])
    row.add("three", ["blames the item"])
    row.peak("slowest s", 0.5)
    lines = table([row]).splitlines()
    assert lines[1].split() == ["replies", "headers", "3", "2", "slowest", "s", "0.5"]
    assert lines[-1].split() == ["in", "all", "3", "2"]
    assert failures([row]).splitlines()[1].split(maxsplit=1) == ["2", "blames the item: two | three"]


def test_the_page_has_the_table_and_says_what_each_section_does() -> None:
    good, bad = Row("kills", "kill -9"), Row("tls", "requests at 5/s")
    good.add("kill 1", [])
    bad.add("request 3", ["too many in a window"])
    text = page("Two cores.", [good, bad])
    assert "| kills | kill -9 | 1 | 0 |" in text
    assert "| tls | requests at 5/s | 1 | 1 |" in text
    assert "too many in a window: request 3" in text
    assert all(f"**{name}.** {WHAT[name]}" in text for name in ("kills", "tls"))
    assert set(WHAT) == set(attack.SECTIONS)


@pytest.mark.parametrize("given", [["sideways"], ["--share", "0"], ["--share", "2"]])
def test_a_wrong_command_line_is_refused(given: list[str]) -> None:
    with pytest.raises(SystemExit):
        attack.arguments(given)
