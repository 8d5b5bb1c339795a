"""`router check`: reads the file and shows what is wrong; asks each key one cheap question on request."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from router.cli.options import wants_color
from router.cli.streams import put, say
from router.cli.troubles import TROUBLE_HELP, parse_troubles
from router.errors import ConfigError

if TYPE_CHECKING:
    from router.check import Checkup
    from router.config.models import Config
    from router.simulator.troubles import Trouble
    from router.store import StateStore

ALL_WELL, NEEDS_ATTENTION = 0, 3


def check(
    config: Annotated[
        Path | None, typer.Option("--config", envvar="ROUTER_CONFIG", help="The providers' file [providers.yaml].")
    ] = None,
    live: Annotated[bool, typer.Option("--live", help="Ask each key one cheap question.")] = False,
    rehearse: Annotated[
        bool, typer.Option("--rehearse", help="As --live, but ask simulated vendors on this machine.")
    ] = False,
    trouble: Annotated[list[str] | None, typer.Option("--trouble", help=TROUBLE_HELP)] = None,
    providers: Annotated[
        str | None, typer.Option("--providers", envvar="ROUTER_PROVIDERS", help="Only these, separated by commas.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")] = False,
    forget: Annotated[
        str | None,
        typer.Option("--forget", metavar="KEY", help="Forget that a key was dropped: openai#2, or its key_hash."),
    ] = None,
) -> int:
    """Show every provider, key and limit, and what is wrong with them; exit 3 where something needs attention."""
    if forget is not None:
        return _forget(forget, as_json=json)
    from router.config.loading import load

    file = _only(load(config, dict(os.environ)), providers)
    rehearses = rehearse or (live and file.wants_rehearsal)
    if trouble and not rehearses:
        raise ConfigError("--trouble is for simulated vendors; add --rehearse")
    checkup = _check(file, live=live or rehearse, rehearse=rehearses, troubles=parse_troubles(trouble or [], file))
    _print(checkup, as_json=json)
    return ALL_WELL if checkup.is_well else NEEDS_ATTENTION


def _only(config: Config, providers: str | None) -> Config:
    if not providers:
        return config
    names = [name.strip() for name in providers.split(",") if name.strip()]
    known = [provider.name for provider in config.providers]
    if unknown := [name for name in names if name not in known]:
        raise ConfigError(f"--providers: {', '.join(unknown)} is not in {config.path}; it declares {', '.join(known)}")
    return replace(config, providers=tuple(provider for provider in config.providers if provider.name in names))


def _check(config: Config, *, live: bool, rehearse: bool, troubles: Sequence[tuple[str, Trouble]]) -> Checkup:
    from router.check import examine
    from router.store import StateStore

    try:
        memory = StateStore.open()
    except ConfigError as error:
        # What cannot be remembered keeps nobody from looking at the rest.
        checkup = examine(config, now=time.time(), unreadable=str(error))
        return _ask(checkup, config, None, rehearse=rehearse, troubles=troubles) if live else checkup
    try:
        checkup = examine(config, now=time.time(), dropped=memory.dropped(), uses=memory.uses())
        return _ask(checkup, config, memory, rehearse=rehearse, troubles=troubles) if live else checkup
    finally:
        memory.close()


def _ask(
    checkup: Checkup,
    config: Config,
    memory: StateStore | None,
    *,
    rehearse: bool,
    troubles: Sequence[tuple[str, Trouble]],
) -> Checkup:
    from router.check import live

    if rehearse or config.simulated:
        say("SIMULATED: asking simulated vendors on this machine; nothing leaves it.")
    say("asking each key one question; loading LiteLLM first takes some seconds")
    asked = asyncio.run(live.ask_all(config, rehearse=rehearse, troubles=troubles))
    if memory is not None:
        live.forget_working(memory, asked)
    return live.merge(checkup, asked)


def _forget(name: str, *, as_json: bool) -> int:
    from router.store import StateStore

    memory = StateStore.open()
    try:
        known = memory.dropped()
        forgotten = memory.forget(name)
    finally:
        memory.close()
    if not forgotten:
        names = ", ".join(f"{each.key} ({each.key_hash})" for each in known) or "nothing"
        raise ConfigError(f"--forget {name}: no such key is remembered; remembered keys: {names}")
    if as_json:
        from router.jsonl import encode_pretty

        put(encode_pretty({"forgotten": [asdict(each) for each in forgotten]}).decode())
    else:
        for each in forgotten:
            put(f"forgotten: {each.key} (key_hash {each.key_hash}), dropped as {each.fault}\n")
    return ALL_WELL


def _print(checkup: Checkup, *, as_json: bool) -> None:
    if as_json:
        from router.jsonl import encode_pretty

        put(encode_pretty(checkup.to_json()).decode())
        return
    from router.reports.check_text import checkup_text

    width = shutil.get_terminal_size().columns
    put(checkup_text(checkup, width=width, color=wants_color(sys.stdout)))
