"""The tables of a summary: its prompts, models and providers, a row each."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from router.reports.summary_figures import Part, Summary, accuracy_text, number, parts_of, range_text
from router.reports.tables import Column
from router.reports.wording import DASH, count_text, percent_text, seconds_text

ACCURACY = len("100.0")


def _interval(part: Part) -> Text:
    return Text(range_text(part.summary, "interval") if number(part.summary, "marked") else DASH)


def _alive(part: Part) -> Text:
    alive, keys = (number(part.summary, name) for name in ("keys_alive", "keys"))
    if keys is None:
        return Text(DASH)
    return Text(f"{count_text(alive)}/{count_text(keys)}", style="red" if alive == 0 and keys else "")


def _items(part: Part) -> Text:
    return Text(count_text(number(part.summary, "items") or None))


def _rate(part: Part) -> Text:
    return Text(percent_text(number(part.summary, "rate_used") if _was_asked(part) else None, 0))


def _was_asked(part: Part) -> bool:
    return number(part.summary, "attempts") != 0


def _name_column(header: str) -> Column[Part]:
    return Column(header, lambda part: Text(part.name), align="left")


def _count_column(header: str, name: str, drop_order: int = 0) -> Column[Part]:
    return Column(header, lambda part: Text(count_text(number(part.summary, name))), drop_order=drop_order)


def _sent_column(header: str, name: str, drop_order: int) -> Column[Part]:
    return Column(
        header,
        lambda part: Text(count_text(number(part.summary, name) if _was_asked(part) else None)),
        drop_order=drop_order,
    )


def _seconds_column(header: str, name: str, drop_order: int) -> Column[Part]:
    return Column(header, lambda part: Text(seconds_text(number(part.summary, name))), drop_order=drop_order)


def _accuracy_column(parts: list[Part]) -> Column[Part]:
    """With brackets behind some of the figures, the figures are aligned, not the brackets."""
    if not any(number(part.summary, "error") for part in parts):
        return Column("accuracy %", lambda part: Text(accuracy_text(part.summary)))
    return Column("accuracy %", lambda part: Text(_aligned(accuracy_text(part.summary))), align="left")


def _aligned(accuracy: str) -> str:
    figure, bracket, rest = accuracy.partition(" (")
    return f"{figure:>{ACCURACY}}{bracket}{rest}"


def models_of(part: Part) -> list[Part]:
    """A provider's models, where the run asked for several; what its calls tell is the provider's alone."""
    return [Part(f"  {model.name}", {**model.summary, "attempts": 0}) for model in parts_of(part.summary, "models")]


def arm_columns(name: str, parts: list[Part]) -> tuple[Column[Part], ...]:
    """The columns of a table of prompts or models."""
    return (
        _name_column(name),
        Column("items", _items),
        _count_column("right", "right", drop_order=2),
        _count_column("wrong", "wrong", drop_order=3),
        _count_column("unparsable", "unparsable", drop_order=4),
        _count_column("error", "error"),
        _accuracy_column(parts),
        Column("95 %", _interval, drop_order=1),
    )


def provider_columns(parts: list[Part]) -> tuple[Column[Part], ...]:
    """The columns of the table of providers."""
    return (
        _name_column("provider"),
        Column("items", _items),
        _accuracy_column(parts),
        _seconds_column("p50", "latency_p50_s", drop_order=2),
        _seconds_column("p95", "latency_p95_s", drop_order=3),
        _sent_column("attempts", "attempts", drop_order=5),
        _sent_column("429s", "throttled", drop_order=1),
        Column("keys", _alive, drop_order=4),
        Column("rate", _rate, drop_order=6),
    )


def cost_column(summary: Summary, parts: list[Part]) -> Iterator[Column[Part]]:
    """What each took, where anybody was paid."""
    if not summary.get("simulated") and any(number(part.summary, "cost_usd") for part in parts):
        yield Column("cost $", _paid, drop_order=7)


def _paid(part: Part) -> Text:
    cost = number(part.summary, "cost_usd")
    return Text(DASH if cost is None else f"{cost:,.4f}")
