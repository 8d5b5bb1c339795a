"""What several test files build. Hypothesis keeps no stopwatch: the machine may be shared."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import settings

from router.config.models import Config, Key, Provider, Secret
from router.faults import Fault, Kind
from router.rates import parse_rate
from router.types import Attempt, Json

settings.register_profile("router", deadline=None)
settings.load_profile("router")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One file is run in this process, where a debugger works; else there is one more than cores, since tests wait."""
    return 0 if len(config.args) == 1 and ".py" in config.args[0] else len(os.sched_getaffinity(0)) + 1


def make_provider(  # noqa: PLR0913 - a declaration's worth, all by name
    name: str = "acme",
    *,
    keys: int = 1,
    accounts: Sequence[str] = (),
    rates: Sequence[str] = (),
    key_rates: Sequence[str] = (),
    tokens: Sequence[str] = (),
    models: Sequence[str] = ("small",),
    burst: int = 1,
    concurrency: int | None = None,
    params: dict[str, Json] | None = None,
) -> Provider:
    names = [f"{name}#{number}" for number in range(1, keys + 1)]
    return Provider(
        name=name,
        models={model: f"openai/{name}-{model}" for model in models},
        keys=tuple(
            Key(each, Secret(f"sk-{each}-0123456789"), account)
            for each, account in zip(names, accounts or names, strict=True)
        ),
        rates=tuple(map(parse_rate, rates)),
        key_rates=tuple(map(parse_rate, key_rates)),
        tokens=tuple(map(parse_rate, tokens)),
        burst=burst,
        concurrency=concurrency,
        params=params or {},
    )


def make_config(*providers: Provider, attempts: int = 4) -> Config:
    return Config(Path("providers.yaml"), providers, attempts=attempts)


def make_attempt(
    provider: str = "acme", kind: Kind | None = None, *, status: int | None = None, message: str = "no"
) -> Attempt:
    fault = None if kind is None else Fault(kind, message, status)
    return Attempt(1, provider, f"{provider}#1", "0" * 8, "openai/m", 0.5, 0.0, "idle", fault)


def max_in_any_window(times: Sequence[float], window_s: float) -> int:
    """The most of the ascending `times` in any half-open window of `window_s`."""
    most = first = 0
    for last, at in enumerate(times):
        while times[first] <= at - window_s:
            first += 1
        most = max(most, last - first + 1)
    return most
