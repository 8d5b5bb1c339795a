"""The options that say what is evaluated with whom: `eval` and `plan` share them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer


class Across(StrEnum):
    """Which providers an item goes to."""

    SPREAD = "spread"
    EVERY = "every"


class Level(StrEnum):
    """How much to think."""

    NONE = "none"
    MINIMAL = "minimal"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    XHIGH = "xhigh"
    MAX = "max"


class BadRows(StrEnum):
    """What becomes of rows that are no items."""

    REFUSE = "refuse"
    SKIP = "skip"


def option(
    flag: str, help_: str, short: str | None = None, *, min_: float | None = None, max_: float | None = None
) -> Any:
    """An option with its environment twin: `--max-samples` is also `ROUTER_MAX_SAMPLES`."""
    name = flag.split("/", 1)[0].removeprefix("--").replace("-", "_").upper()
    flags = (flag,) if short is None else (flag, short)
    return typer.Option(*flags, envvar=f"ROUTER_{name}", help=help_, min=min_, max=max_)


Prompts: TypeAlias = Annotated[
    list[Path] | None,
    typer.Argument(metavar="PROMPT", help="Prompt files, such as prompts/plain.txt. [--data asked as it is]"),
]
ConfigFile: TypeAlias = Annotated[Path | None, option("--config", "The providers' file [providers.yaml].")]
Data: TypeAlias = Annotated[
    str | None, option("--data", "Items: JSONL, CSV, JSON, Parquet, a directory, - for stdin. [arithmetic]")
]
Mapped: TypeAlias = Annotated[
    list[str] | None,
    option("--map", "FIELD=EXPRESSION: makes a field of others, expected='answer.strip()'. Repeat it."),
]
OfBadRows: TypeAlias = Annotated[
    BadRows, option("--bad-rows", "What becomes of rows that are no items: end, or go on without.")
]
Limit: TypeAlias = Annotated[
    int | None, option("--limit", "So many items. [100 of arithmetic, all of --data]", min_=1, max_=10**9)
]
Shuffle: TypeAlias = Annotated[bool, option("--shuffle", "Draw the items of --data by --seed.")]
Ops: TypeAlias = Annotated[int, option("--ops", "Operators in an arithmetic item.", min_=1, max_=20)]
Seed: TypeAlias = Annotated[
    int, option("--seed", "Seed of the items and of a rehearsal.", min_=-(2**63), max_=2**63 - 1)
]
Epochs: TypeAlias = Annotated[int, option("--epochs", "How often each item is asked.", min_=1, max_=10_000)]
Model: TypeAlias = Annotated[
    str | None,
    option("--model", "Names under `models:` or LiteLLM's, separated by commas. [the first of each provider]"),
]
Providers: TypeAlias = Annotated[str | None, option("--providers", "Only these, separated by commas.")]
OfAcross: TypeAlias = Annotated[Across, option("--across", "Each item to one provider, or to every one.")]
Scorer: TypeAlias = Annotated[
    str | None,
    option("--scorer", "json:FIELD, exact, number, choice, contains, set, regex:…, python:…, judge:… [prompt's]"),
]
Reasoning: TypeAlias = Annotated[Level | None, option("--reasoning", "How much to think, in each vendor's own way.")]
SchemaFile: TypeAlias = Annotated[Path | None, option("--schema", "A JSON Schema that answers must keep.")]
MaxSamples: TypeAlias = Annotated[int, option("--max-samples", "Items under way at once.", min_=1, max_=100_000)]
Attempts: TypeAlias = Annotated[
    int | None, option("--attempts", "Charged attempts an item. [the file's]", min_=1, max_=1000)
]
Timeout: TypeAlias = Annotated[str | None, option("--timeout", "Longest time for one call, 30s. [the file's]")]
Deadline: TypeAlias = Annotated[str | None, option("--deadline", "Longest time for one item with all its waiting.")]
MaxWait: TypeAlias = Annotated[str, option("--max-wait", "End the run where nothing can be sent for longer than this.")]
MaxCost: TypeAlias = Annotated[
    float | None, option("--max-cost", "End the run where it would cost more than so many dollars.", min_=0)
]
Rehearse: TypeAlias = Annotated[
    bool | None, option("--rehearse/--live", "Simulated vendors, or real ones. [the file's `rehearse:`]")
]
