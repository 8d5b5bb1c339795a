"""What a run leaves behind: run.json, log.jsonl, results.jsonl and summary.json, none with a key in it."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path

from router.clock import LoopClock
from router.config.models import Config, Provider
from router.evals.plan import Plan
from router.evals.results import Row
from router.jsonl import Appender, decode, encode, write_whole
from router.log.scrub import Scrubber
from router.log.writer import JsonLog, iso

PACKAGES = ("router", "litellm", "aiolimiter", "tenacity", "structlog", "aiohttp")


class Record:
    """The files of one run; every line goes through the scrubber."""

    def __init__(self, directory: Path, plan: Plan, config: Config, clock: LoopClock) -> None:
        keys = [key for each in (plan.config, config) for provider in each.providers for key in provider.keys]
        self.directory = directory
        self._scrub = Scrubber(keys)
        self._results = Appender(directory / "results.jsonl")
        self.log = JsonLog(
            directory / "log.jsonl",
            directory.name,
            scrub=self._scrub,
            wall=clock.wall,
            simulated=config.simulated,
        )

    def row(self, row: Row) -> None:
        """Append one line to results.jsonl."""
        self._results.append_line(self._clean(row.to_json()))

    def whole(self, name: str, value: Mapping[str, object]) -> None:
        """Write one JSON file, whole or not at all."""
        write_whole(self.directory / name, decode(self._clean(value)))

    def close(self) -> None:
        """Put everything on the disk."""
        self._results.close()
        self.log.close()

    def _clean(self, value: object) -> bytes:
        return self._scrub(encode(value).decode()).encode()


def describe(plan: Plan, config: Config, run: str, started: float) -> dict[str, object]:
    """The contents of run.json: what was to be done, with whom, and with which versions."""
    return {
        "run": run,
        "simulated": config.simulated,
        "started": iso(started),
        "config": str(config.path),
        "prompts": [
            {"name": prompt.name, "path": str(prompt.path), "sha256": prompt.sha256} for prompt in plan.prompts
        ],
        "task": {"name": plan.task.name, **plan.task.describes},
        "epochs": plan.epochs,
        "across": plan.across,
        "model": plan.model,
        "scorer": plan.scorer,
        "seed": plan.seed,
        "max_samples": plan.max_samples,
        "deadline_s": plan.deadline_s,
        "attempts": config.attempts,
        "providers": [_provider(provider) for provider in config.usable],
        "left_out": {provider.name: provider.why_left_out for provider in config.left_out},
        "versions": {"python": platform.python_version(), **_versions(PACKAGES)},
    }


def _provider(provider: Provider) -> dict[str, object]:
    return {
        "name": provider.name,
        "models": dict(provider.models),
        "base_url": provider.base_url,
        "keys": [
            {"key": key.name, "key_hash": key.fingerprint or None, "account": key.account} for key in provider.keys
        ],
        "rate": [str(rate) for rate in provider.rates],
        "key_rate": [str(rate) for rate in provider.key_rates],
        "tokens": [str(rate) for rate in provider.tokens],
        "burst": provider.burst,
        "concurrency": provider.max_in_flight,
        "timeout_s": provider.timeout_s,
        # Headers may carry credentials that are nobody's key here.
        "params": {name: value for name, value in provider.params.items() if name != "extra_headers"},
        "transport": provider.door,
    }


def _versions(packages: Iterable[str]) -> dict[str, str]:
    return {name: version(name) for name in packages}
