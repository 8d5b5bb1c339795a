"""A run in a process that is going to be killed: it imports little, because it is begun often."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

from router.config.models import Config, Key, Provider
from router.engine.router import Router
from router.evals import Plan, evaluate
from router.evals.prompts import load
from router.evals.tasks import arithmetic_task
from router.faults import Fault
from router.transport import Call
from router.types import Answer, Usage

PRELOADED = ("pytest", "router.evals", "router.evals.tasks", "router.config.yaml_nodes", "jinja2.sandbox")
"""What is imported once, in the process from which all others are forked."""
ITEMS = 250
PROMPTS = ("ask", "beg")
"""Two: an answer to the first of them is kept while the second one is asked."""
IN_FLIGHT = 8


class Vendor:
    """Answers after some turns of the loop, and writes down each call as soon as it comes."""

    def __init__(self, told: Path, pipe: Connection) -> None:
        self._told = os.open(told, os.O_APPEND | os.O_CREAT | os.O_WRONLY)
        self._pipe = pipe

    async def prepare(self) -> None:
        """Nothing to open."""

    async def aclose(self) -> None:
        """Nothing to close."""

    async def send(self, call: Call, on_sent: Callable[[], None]) -> Answer | Fault:
        os.write(self._told, f"{call.request.id}\n".encode())
        on_sent()
        self._pipe.send_bytes(b".")
        for _ in range(random.randrange(20)):
            await asyncio.sleep(0)
        return Answer("7", Usage(3, 4), "stop", cost_usd=0.001)


def work(home: Path, pipe: Connection) -> None:
    """One process: begins the run, or goes on with it where it has begun."""
    os.environ["ROUTER_STATE"] = str(home / "state.sqlite3")
    latest = home / "runs" / "latest"
    plan = Plan(
        Config(Path("providers.yaml"), tuple(map(provider, ("acme", "bolt")))),
        tuple(load(home / f"{name}.txt") for name in PROMPTS),
        arithmetic_task(ITEMS),
        log_dir=home / "runs",
        max_samples=IN_FLIGHT,
        resume=latest.resolve() if latest.exists() else None,
    )
    asyncio.run(evaluate(plan, open_router=partial(Router, transport=Vendor(home / "asked.txt", pipe))))


def provider(name: str) -> Provider:
    return Provider(name, {"default": f"openai/{name}"}, (Key(f"{name}#1", None, name),), (), concurrency=IN_FLIGHT)
