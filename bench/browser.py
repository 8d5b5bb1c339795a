"""Chromium without a window, driven over its DevTools: what a page of the report does in a real browser."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import aiohttp

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync")
OFFLINE = ("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage")
READY = """new Promise((ready) => {
  const look = () => (document.documentElement?.dataset.ready === "all" ? ready(true) : setTimeout(look, 20));
  look();
})"""


def find_browser() -> str | None:
    """The path of a Chromium: `CHROMIUM` in the environment, or the first one that is installed."""
    return os.environ.get("CHROMIUM") or next((path for name in NAMES if (path := shutil.which(name))), None)


@dataclass(slots=True)
class Page:
    """One page. `complaints` are its warnings and errors so far, `requests` the addresses that it asked for."""

    socket: aiohttp.ClientWebSocketResponse
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    _last: int = 0

    async def open(self, address: str, *, width: int = 1280, dark: bool = False) -> None:
        """Open an address and wait until table and plots are there."""
        for domain in ("Page", "Runtime", "Log", "Network"):
            await self.call(f"{domain}.enable")
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        await self.call("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.call("Emulation.setEmulatedMedia", features=[scheme])
        await self.call("Page.navigate", url=address)
        await self.evaluate(READY)

    async def evaluate(self, expression: str) -> Any:
        """The value of an expression, of a promise what it resolves to; raises RuntimeError where it throws."""
        found = await self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in found:
            raise RuntimeError(str(found["exceptionDetails"]))
        return found["result"].get("value")

    async def press(self, key: str) -> None:
        """Press a key and let it go."""
        text = {"text": key} if len(key) == 1 else {}
        await self.call("Input.dispatchKeyEvent", type="keyDown", key=key, **text)
        await self.call("Input.dispatchKeyEvent", type="keyUp", key=key)

    async def call(self, method: str, **params: object) -> Any:
        """One command of the protocol, and its result."""
        self._last += 1
        await self.socket.send_json({"id": self._last, "method": method, "params": params})
        while True:
            message = await self.socket.receive_json()
            if message.get("id") == self._last:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return message["result"]
            self._hear(message)

    def _hear(self, message: dict[str, Any]) -> None:
        params = message.get("params", {})
        match message.get("method"):
            case "Runtime.consoleAPICalled" if params["type"] in {"warning", "error", "assert"}:
                self.complaints.append(" ".join(str(each.get("value")) for each in params["args"]))
            case "Runtime.exceptionThrown":
                self.complaints.append(str(params["exceptionDetails"]))
            case "Log.entryAdded" if params["entry"]["level"] in {"warning", "error"}:
                self.complaints.append(params["entry"]["text"])
            case "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"])
            case _:
                pass


@asynccontextmanager
async def opened(
    address: str, home: Path, *, fragment: str = "", width: int = 1280, theme: Literal["light", "dark"] = "light"
) -> AsyncIterator[Page]:
    """A page in a browser of its own, whose profile is made in `home`; both end with the block."""
    browser = find_browser()
    assert browser is not None
    arguments = (*QUIET, *OFFLINE, "--remote-debugging-port=0", f"--user-data-dir={home}", "about:blank")
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(browser, *arguments, stdout=quiet, stderr=asyncio.subprocess.PIPE)
    try:
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://{await _address(process)}/json") as reply:
                (target,) = [each for each in await reply.json() if each["type"] == "page"]
            async with session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                page = Page(socket)
                await page.open(address + fragment, width=width, dark=theme == "dark")
                yield page
    finally:
        process.kill()
        await process.communicate()


async def _address(process: asyncio.subprocess.Process) -> str:
    """Host and port of the DevTools, which the browser says when it is up."""
    assert process.stderr is not None
    async for line in process.stderr:
        _, found, address = line.decode(errors="replace").partition("DevTools listening on ws://")
        if found:
            return address.partition("/")[0]
    raise RuntimeError("the browser ended before it was up")
