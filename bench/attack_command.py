"""The product's command as a user runs it: a home of one's own, files, signals, an exit code.

LiteLLM takes seconds to import, so one process imports it and forks for each run (`warm`); a run that is about its own
start is a fresh interpreter (`cold`). Run as a script this file is that process.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import socket
import sys
import tempfile
import time
import traceback
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NoReturn

import attack_product as product
from nasty_vendors import LOOPBACK, OTHER_HOST, PROXY_HOST, Authority, NastyVendor, good

REPOSITORY = Path(__file__).parent.parent
NETRC_PASSWORD = "netrc-Hq7Zx91LmPw"  # noqa: S105 - planted, to be searched for
PROMPT = 'Work it out: {{ question }}. Answer as JSON, {"infer": 7}.\n'
STARTS_WITHIN_S = 240.0
POLL_S = 0.005


@dataclass(frozen=True, slots=True)
class Order:
    """One run: what to type where. `max_file` bounds each file that it writes, in bytes."""

    arguments: tuple[str, ...]
    folder: str
    environment: Mapping[str, str]
    max_file: int | None = None


def proxies(address: str) -> dict[str, str]:
    """The variables that send everything through a proxy."""
    return dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), address)


def play(order: Order) -> NoReturn:
    """Be the command, in a process that was forked for it; stdout and stderr go to files in the folder."""
    os.chdir(order.folder)
    os.environ.clear()
    os.environ.update(order.environment)
    for number, name in ((1, "stdout"), (2, "stderr")):
        file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(file, number)
        os.close(file)
    # A parent may have put something else in their place, as pytest does.
    sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
    if order.max_file is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (order.max_file, order.max_file))
    code = 1
    try:
        code = product.run_command(list(order.arguments))
    except BaseException:  # noqa: BLE001 - what an interpreter does with what nobody caught
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)


def serve(address: str) -> None:
    """Import what takes long, then fork for every order that comes in, as long as the parent lives."""
    product.load_litellm()
    parent = os.getppid()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        listener.settimeout(1.0)
        print("ready", flush=True)
        while os.getppid() == parent:
            with suppress(TimeoutError):
                connection, _ = listener.accept()
                if os.fork() == 0:
                    _attend(connection)
                connection.close()


def _attend(connection: socket.socket) -> NoReturn:
    """Take one order, tell the run's number, then how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    connection.settimeout(None)
    with connection.makefile("rw") as line:
        fields = json.loads(line.readline())
        pid = os.fork()
        if pid == 0:
            play(Order(tuple(fields.pop("arguments")), **fields))
        print(pid, file=line, flush=True)
        _, status = os.waitpid(pid, 0)
        with suppress(OSError):
            print(os.waitstatus_to_exitcode(status), file=line, flush=True)
    os._exit(0)


# The attacker's side.


@dataclass(slots=True)
class Run:
    """One run under way."""

    pid: int
    folder: Path
    began: float
    _code: asyncio.Task[int]

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended yet."""
        return not self._code.done()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    async def ended(self, within_s: float) -> Ended:
        """Wait for its end; kill it where that takes too long, which leaves no exit code."""
        code: int | None = None
        try:
            code = await asyncio.wait_for(asyncio.shield(self._code), within_s)
        except TimeoutError:
            self.signal(signal.SIGKILL)
            await self._code
        seconds = time.monotonic() - self.began
        return Ended(code, _text(self.folder / "stdout"), _text(self.folder / "stderr"), seconds, self.folder)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended; `code` is None where it had to be killed, and negative where a signal ended it."""

    code: int | None
    out: str
    err: str
    seconds: float
    folder: Path

    @property
    def trace(self) -> bool:
        """Whether a user saw a traceback."""
        return "Traceback (most recent call last)" in self.err + self.out

    @property
    def directory(self) -> Path | None:
        """The run's directory, None where it left none."""
        found = sorted(path for path in self.folder.glob("runs/*") if path.is_dir() and not path.is_symlink())
        return found[-1] if found else None

    def lines(self, name: str) -> tuple[list[dict[str, object]], int]:
        """The objects of a JSONL file of the run, and how many lines beside the last are none."""
        path = self.directory / name if self.directory else None
        if path is None or not path.exists():
            return [], 0
        parsed = [_parsed(line) for line in path.read_bytes().split(b"\n")[:-1]]
        return [each for each in parsed if each is not None], parsed.count(None)

    def told(self) -> list[str]:
        """What is wrong with any run that should have ended by itself and in order."""
        found = {"does not end": self.code is None, "traceback": self.trace}
        return [why for why, is_so in found.items() if is_so]


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def _parsed(line: bytes) -> dict[str, object] | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


@dataclass(slots=True)
class Commands:
    """Starts runs, each in a folder of its own."""

    root: Path
    authority: Authority
    trap: NastyVendor
    parallel: asyncio.Semaphore
    _numbers: Iterator[int] = field(default_factory=lambda: iter(range(1_000_000)))
    _helpers: set[Process] = field(default_factory=set)

    @classmethod
    @asynccontextmanager
    async def ready(cls, parallel: int = 2) -> AsyncIterator[Commands]:
        """Make the test's certificate, a trap for what goes astray, and the process that forks."""
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
            root = Path(directory)
            async with NastyVendor(good, host=PROXY_HOST) as trap:
                commands = cls(root, Authority.made_in(root), trap, asyncio.Semaphore(parallel))
                try:
                    await commands._warm_up()
                    yield commands
                finally:
                    await commands._end()

    def folder(self, config: str, prompt: str = PROMPT, *, netrc: bool = False) -> Path:
        """A user's folder, which is their home too; `netrc` puts a word for every host into it."""
        folder = self.root / f"user-{next(self._numbers)}"
        folder.mkdir()
        (folder / "providers.yaml").write_text(config, encoding="utf-8")
        (folder / "prompt.txt").write_text(prompt, encoding="utf-8")
        if netrc:
            path = folder / ".netrc"
            path.write_text(f"default login somebody password {NETRC_PASSWORD}\n", encoding="utf-8")
            path.chmod(0o600)
        return folder

    def environment(self, folder: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """A user's environment behind a proxy that is not meant for this machine's own servers."""
        own = {"HOME": str(folder), "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "COLUMNS": "120"}
        direct = dict.fromkeys(("no_proxy", "NO_PROXY"), f"{LOOPBACK},localhost,{OTHER_HOST}")
        return {**own, **proxies(self.trap.root), **direct, "SSL_CERT_FILE": str(self.authority.ca), **(more or {})}

    async def start(self, folder: Path, *arguments: str, cold: bool = False, max_file: int | None = None,
                    environment: Mapping[str, str] | None = None) -> Run:  # fmt: skip
        """Begin one run."""
        order = Order(arguments, str(folder), self.environment(folder, environment), max_file)
        began = time.monotonic()
        if cold:
            return await self._cold(order, began)
        reader, writer = await asyncio.open_unix_connection(str(self.root / "socket"))
        fields = {name: getattr(order, name) for name in Order.__slots__}
        writer.write(json.dumps(fields).encode() + b"\n")
        pid = int(await reader.readline())

        async def code() -> int:
            line = await reader.readline()
            writer.close()
            return int(line)

        return Run(pid, folder, began, asyncio.ensure_future(code()))

    async def run(self, folder: Path, *arguments: str, within_s: float = 60.0, **how: object) -> Ended:
        """Run to the end, with no more than `parallel` at a time."""
        async with self.parallel:
            run = await self.start(folder, *arguments, **how)  # type: ignore[arg-type]
            return await run.ended(within_s)

    async def _cold(self, order: Order, began: float) -> Run:
        with open_both(order.folder) as (out, err):
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "router", *order.arguments, cwd=order.folder, env=order.environment,
                stdout=out, stderr=err,
            )  # fmt: skip
        return Run(process.pid, Path(order.folder), began, asyncio.ensure_future(process.wait()))

    async def _warm_up(self) -> None:
        environment = {**os.environ, "SSL_CERT_FILE": str(self.authority.ca)}
        process = await asyncio.create_subprocess_exec(
            sys.executable, __file__, str(self.root / "socket"), stdout=PIPE, env=environment
        )
        self._helpers.add(process)
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), STARTS_WITHIN_S)
        assert line == b"ready\n", line

    async def _end(self) -> None:
        for process in self._helpers:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


@contextmanager
def open_both(folder: str) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """Where stdout and stderr go."""
    with Path(folder, "stdout").open("wb") as out, Path(folder, "stderr").open("wb") as err:
        yield out, err


async def until(is_so: Callable[[], bool], run: Run, within_s: float = 60.0) -> None:
    """Look for something while a run lives: it is another process, which tells nobody."""
    ends_at = time.monotonic() + within_s
    while not is_so() and run.is_alive and time.monotonic() < ends_at:  # noqa: ASYNC110 - see above
        await asyncio.sleep(POLL_S)


if __name__ == "__main__":
    serve(sys.argv[1])
