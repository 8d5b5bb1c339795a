"""A checkup as a text for people; import it where it is used (rich)."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from router.catalog.limits import limit_headers
from router.check.findings import Checkup, Finding, Heard, KeyView, Level, ProviderView, Verdict
from router.reports.paper import printed
from router.reports.wording import DASH, count_text, seconds_text
from router.text import clean

SIMULATED = "SIMULATED vendors answered: this says nothing about any real key."
STYLES = {Level.PROBLEM: "bold red", Level.WARNING: "yellow", Level.NOTE: "dim"}
INDENT = len(Level.PROBLEM) + 2
MAX_SHOWN = 4
"""Limit headers of one provider that are shown; all of them are in the JSON document."""


def checkup_text(checkup: Checkup, *, width: int, color: bool) -> str:
    """A checkup as lines of at most `width` cells; suggested lines are never wrapped, so that they can be copied."""
    return printed(_blocks(checkup), width, color=color, crop=False)


def _blocks(checkup: Checkup) -> Iterator[RenderableType]:
    if checkup.simulated:
        yield Text(SIMULATED, style="bold reverse yellow")
        yield Text()
    yield _headline(checkup)
    yield Text()
    yield _providers(checkup)
    if any(provider.keys for provider in checkup.providers):
        yield Text()
        yield _keys(checkup)
    yield from _told(checkup)
    yield from _elsewhere(checkup)
    yield from _findings(checkup.findings)
    yield Text()
    yield _sum(checkup)


def _headline(checkup: Checkup) -> Text:
    usable = [provider for provider in checkup.providers if not provider.left_out]
    keys = sum(len(provider.keys) for provider in usable)
    noun = "key" if keys == 1 else "keys"
    text = f"{len(usable)} of {len(checkup.providers)} providers take part, {keys} {noun}; rehearse: {checkup.rehearse}"
    return Text.assemble((checkup.file, "bold"), f": {text}")


def _table(*columns: str, folded: Sequence[str]) -> Table:
    table = Table(box=None, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(column, no_wrap=column not in folded, overflow="fold")
    return table


def _providers(checkup: Checkup) -> Table:
    table = _table("provider", "model", "limits", "", folded=("model", "limits", ""))
    for provider in checkup.providers:
        style = "dim" if provider.left_out else ""
        state = "" if not provider.left_out else f"not set: {', '.join(provider.missing)}"
        state = provider.left_out if provider.left_out and not provider.missing else state
        table.add_row(
            Text(provider.name, style=style),
            Text("\n".join(provider.models.values()), style=style),
            Text("\n".join(_limits(provider)), style=style),
            Text(state, style=style),
        )
    return table


def _limits(provider: ProviderView) -> Iterator[str]:
    yield from provider.rate or (() if provider.key_rate else (DASH,))
    yield from (f"{rate} a key" for rate in provider.key_rate)
    yield from (f"{rate} tokens" for rate in provider.tokens)
    yield f"{provider.concurrency} at once"
    for use in provider.uses:
        whose = f"{use.account}: " if use.account else ""
        yield f"{whose}{count_text(use.used)} of {use.limit} used"


def _keys(checkup: Checkup) -> Table:
    columns = ("key", "key_hash", "account", "looks like", "answer" if checkup.live else "remembered")
    table = _table(*columns, folded=("account", columns[-1]))
    for provider in checkup.providers:
        for key in provider.keys:
            account = "" if key.account == key.name else key.account
            state = _answer(key.heard) if checkup.live else _memory(key)
            looks = key.looks_like or ("" if key.key_hash else "no key")
            table.add_row(Text(key.name), Text(key.key_hash or DASH), Text(account), Text(looks or DASH), state)
    return table


def _answer(heard: Heard | None) -> Text:
    if heard is None:
        return Text("not asked", style="dim")
    style = "green" if heard.verdict is Verdict.WORKS else "red"
    took = f" ({seconds_text(heard.latency_s)} s)" if heard.verdict is Verdict.WORKS else ""
    return Text(f"{heard.verdict}{took}", style=style)


def _memory(key: KeyView) -> Text:
    if key.remembered is None:
        return Text(DASH, style="dim")
    return Text(f"dropped {_day(key.remembered.at)}: {key.remembered.fault}", style="red")


def _told(checkup: Checkup) -> Iterator[RenderableType]:
    """What the headers tell of limits, from the first key of each provider that was told any."""
    told = [
        (
            provider,
            next((limits for key in provider.keys if key.heard and (limits := limit_headers(key.heard.limits))), {}),
        )
        for provider in checkup.providers
    ]
    if not any(limits for _, limits in told):
        return
    yield Text()
    table = _table("provider", "limits in its headers", folded=("limits in its headers",))
    for provider, limits in told:
        shown = [f"{name}: {value}" for name, value in limits.items()]
        rest = [f"and {len(shown) - MAX_SHOWN} more"] if len(shown) > MAX_SHOWN else []
        if shown:
            table.add_row(Text(provider.name), Text("\n".join([*shown[:MAX_SHOWN], *rest])))
    yield table


def _elsewhere(checkup: Checkup) -> Iterator[RenderableType]:
    """Keys that are remembered and not in this file."""
    here = {key.remembered for provider in checkup.providers for key in provider.keys}
    others = [each for each in checkup.remembered if each not in here]
    if others:
        yield Text()
        yield Text("dropped by earlier runs, and not in this file:", style="bold")
        for each in others:
            yield Text(f"  {each.key} (key_hash {each.key_hash}) on {_day(each.at)} as {each.fault}")


def _findings(findings: Sequence[Finding]) -> Iterator[RenderableType]:
    """The worst first, each suggestion once. What is left out stands in the table already."""
    told = [each for level in Level for each in findings if each.level is level and each.code != "left_out"]
    shown: set[tuple[str, str]] = set()
    if told:
        yield Text()
    for finding in told:
        line = Table.grid(padding=(0, 2, 0, 0))
        line.add_column(width=len(Level.PROBLEM))
        line.add_column(overflow="fold")
        where = f"{finding.where}: " if finding.where else ""
        line.add_row(Text(finding.level, style=STYLES[finding.level]), Text(clean(f"{where}{finding.message}")))
        yield line
        if finding.suggestion and (finding.where, finding.suggestion) not in shown:
            shown.add((finding.where, finding.suggestion))
            lines = (f"{finding.where.partition('#')[0]}:", f"  {finding.suggestion}")
            yield Text("\n".join(" " * INDENT + each for each in lines), style="cyan", no_wrap=True, overflow="ignore")


def _sum(checkup: Checkup) -> Text:
    counts = Counter(finding.level for finding in checkup.findings if finding.code != "left_out")
    told = [f"{counts[level]} {level}{'' if counts[level] == 1 else 's'}" for level in Level if counts[level]]
    if checkup.is_well:
        return Text(f"all is well{': ' if told else ''}{', '.join(told)}", style="bold green")
    return Text(", ".join(told), style="bold red")


def _day(at: float) -> str:
    return time.strftime("%d %b %Y %H:%M", time.localtime(at))
