"""`router simulate`: the simulated vendors alone, for other programs."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from router.cli.streams import put, say
from router.cli.troubles import parse_troubles
from router.errors import ConfigError

if TYPE_CHECKING:
    from router.simulator.spec import VendorSpec


def simulate(
    config: Annotated[
        Path | None, typer.Option("--config", envvar="ROUTER_CONFIG", help="Whose vendors to simulate.")
    ] = None,
    providers: Annotated[
        str | None, typer.Option("--providers", envvar="ROUTER_PROVIDERS", help="Only these, separated by commas.")
    ] = None,
    trouble: Annotated[
        list[str] | None,
        typer.Option(
            "--trouble", help="NAME=KIND[#KEY]@START[+LENGTH][*SHARE], such as openai=hang@5s+20s. Repeat it."
        ),
    ] = None,
    latency: Annotated[float, typer.Option("--latency", help="Median latency in seconds.", min=0)] = 0.4,
    accuracy: Annotated[float, typer.Option("--accuracy", help="Share of right answers.", min=0, max=1)] = 0.98,
    seed: Annotated[int, typer.Option("--seed", envvar="ROUTER_SEED", help="Seed of keys, latencies, answers.")] = 0,
) -> int:
    """Start a simulated vendor for each provider, and print a providers.yaml that points to them."""
    from router.config.loading import load
    from router.simulator.rehearsal import specs_for

    file = load(config, dict(os.environ))
    specs = [replace(s, latency_median_s=latency, accuracy=accuracy) for s in specs_for(file, seed)]
    if providers:
        specs = _only(specs, [name.strip() for name in providers.split(",")])
    planned = parse_troubles(trouble or [], file)
    specs = [replace(spec, troubles=tuple(what for name, what in planned if name == spec.name)) for spec in specs]
    asyncio.run(_serve(specs))
    return 0


def _only(specs: list[VendorSpec], names: list[str]) -> list[VendorSpec]:
    known = {spec.name: spec for spec in specs}
    if unknown := [name for name in names if name not in known]:
        raise ConfigError(f"--providers: {', '.join(unknown)} is not enabled in the file; it has {', '.join(known)}")
    return [known[name] for name in names]


async def _serve(specs: list[VendorSpec]) -> None:
    from router.simulator.rehearsal import as_yaml
    from router.simulator.server import serve

    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(name, stopped.set)
    async with serve(specs) as endpoints:
        put(as_yaml(specs, endpoints))
        say("SIMULATED vendors are up; Ctrl-C ends them.")
        await stopped.wait()
