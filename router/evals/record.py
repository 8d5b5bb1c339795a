"""What stands in run.json: what was to be done, with whom, and with which versions."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from importlib.metadata import version

from router.config.masking import shown
from router.config.models import Provider
from router.evals.plan import Plan
from router.evals.prompts import Prompt
from router.evals.resume import Before
from router.log.times import iso

PACKAGES = ("router", "litellm", "aiolimiter", "tenacity", "structlog", "aiohttp")


def describe(plan: Plan, run: str, now: float, before: Before) -> dict[str, object]:
    """The contents of run.json, for a run called `run` that begins `now` (seconds since the epoch), or goes on then."""
    config = plan.config
    return {
        "run": run,
        "simulated": config.simulated,
        "started": before.started or iso(now),
        "resumed": [*before.resumed, *([iso(now)] if before.started else [])],
        "command": list(plan.command),
        "config": str(config.path),
        "prompts": [_prompt(prompt) for prompt in plan.prompts],
        "words": plan.schema.instructions if plan.schema and plan.in_words else "",
        "task": {"name": plan.task.name, **plan.task.describes},
        "epochs": plan.epochs,
        "across": plan.across,
        "models": list(plan.models),
        "scorer": plan.scorer,
        "scorers": {name: scorer.name for name, scorer in plan.scorers.items()},
        "schema": {"path": str(plan.schema.path), "sha256": plan.schema.sha256} if plan.schema else None,
        "sent": plan.sent,
        "only": sorted(plan.only) if plan.only else None,
        "seed": plan.seed,
        "max_samples": plan.max_samples,
        "cache": str(plan.cache) if plan.cache else None,
        "deadline_s": plan.deadline_s,
        "max_wait_s": plan.max_wait_s,
        "max_cost_usd": plan.max_cost_usd,
        "attempts": config.attempts,
        "providers": [_provider(provider) for provider in config.usable],
        "left_out": {provider.name: provider.why_left_out for provider in config.left_out},
        "versions": {"python": platform.python_version(), **_versions(PACKAGES)},
    }


def _prompt(prompt: Prompt) -> dict[str, object]:
    """A prompt with its templates: with the items, all that was sent."""
    turns = [{"role": turn.role, "text": turn.text.source} for turn in prompt.turns]
    return {"name": prompt.name, "path": str(prompt.path), "sha256": prompt.sha256, "turns": turns}


def _provider(provider: Provider) -> dict[str, object]:
    masked = shown(provider)
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
        "params": masked["params"],
        "headers": masked["headers"],
        "transport": provider.door,
    }


def _versions(packages: Iterable[str]) -> dict[str, str]:
    return {name: version(name) for name in packages}
