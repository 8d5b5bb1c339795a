"""Puts simulated vendors in the place of declared ones for as long as a block lasts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace

from router.config.models import Config
from router.simulator.process import SimulatorProcess
from router.simulator.rehearsal import rehearsed, specs_for
from router.simulator.troubles import Trouble


@asynccontextmanager
async def rehearsal(
    config: Config, *, seed: int = 0, troubles: Iterable[tuple[str, Trouble]] = ()
) -> AsyncIterator[Config]:
    """Start a simulated vendor for every enabled provider and yield the configuration that points to them."""
    planned = tuple(troubles)
    specs = tuple(
        replace(spec, troubles=tuple(trouble for name, trouble in planned if name == spec.name))
        for spec in specs_for(config, seed)
    )
    async with SimulatorProcess(specs) as endpoints:
        yield rehearsed(config, specs, endpoints)
