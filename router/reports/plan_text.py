"""What an evaluation will take, as a text for people; import it where it is used (rich)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from rich.console import RenderableType
from rich.text import Text

from router.evals.detection import Detection
from router.evals.forecast import Cap, Forecast, Share
from router.reports.paper import printed, told
from router.reports.tables import Column, grid
from router.reports.wording import DASH, count_text, duration_text, figure_text

TITLE = "Nothing was sent. Without failures, this evaluation:"


def plan_text(
    forecast: Forecast, assumed: tuple[str, ...], detected: Detection | None = None, *, width: int, color: bool
) -> str:
    """A forecast as lines of at most `width` cells; `assumed` says on what it stands."""
    parts = [*_blocks(forecast, assumed, width), *(() if detected is None else _detection(detected))]
    return printed(parts, width, color=color)


def _detection(found: Detection) -> Iterator[RenderableType]:
    yield Text(
        f"\nTo show {100 * found.difference:g} points beside {100 * found.accuracy:g} %, in 4 of 5 cases", style="bold"
    )
    planned = (
        "" if found.power is None else f"the {count_text(found.planned)} items decide in {found.power:.0%} of cases"
    )
    yield told(
        ("items", f"{_items(found.items)}, where the two prompts err independently"),
        ("at least", f"{_items(found.min_items)}, where the better one loses no item"),
        ("planned", planned),
    )


def _items(number: int | None) -> str:
    return "more than a million" if number is None else count_text(number)


def short_lines(forecast: Forecast) -> Iterator[str]:
    """The same in a few sentences, for a dry run."""
    yield f"It would take {_time(forecast)}, and cost {_cost(forecast)}."
    if stop := _stop(forecast):
        yield f"It would not come to its end: {stop}."
    yield "`router plan` says more, with the same options."


def _blocks(forecast: Forecast, assumed: tuple[str, ...], width: int) -> Iterator[RenderableType]:
    yield Text(TITLE, style="bold")
    yield told(
        ("sends", f"{count_text(forecast.calls)} calls"),
        ("takes", _time(forecast)),
        ("costs", _cost(forecast)),
        ("stops early", _stop(forecast)),
        *(("cap" if not number else "", _cap(cap)) for number, cap in enumerate(forecast.caps)),
        *(("assumes" if not number else "", words) for number, words in enumerate(assumed)),
    )
    if forecast.shares:
        yield Text()
        yield grid(_COLUMNS, _whole(forecast.shares), width=width)
    if forecast.variants:
        yield Text("\nWhat would change the time", style="bold")
        yield told(*((_seconds(each.seconds), each.what) for each in forecast.variants))


def _whole(shares: Sequence[Share]) -> list[Share]:
    """The shares in whole calls, which add up as the parts of calls do: the largest remainders are rounded up."""
    calls = [math.floor(share.calls) for share in shares]
    left = round(math.fsum(share.calls for share in shares)) - sum(calls)
    by_remainder = sorted(range(len(shares)), key=lambda place: calls[place] - shares[place].calls)
    for place in by_remainder[:left]:
        calls[place] += 1
    return [replace(share, calls=number) for share, number in zip(shares, calls, strict=True)]


def _time(forecast: Forecast) -> str:
    bound = f", bound by {forecast.bound}" if forecast.bound else ""
    return f"{_seconds(forecast.seconds)}{bound}"


def _seconds(seconds: float) -> str:
    return "for ever" if math.isinf(seconds) else duration_text(seconds)


def _cost(forecast: Forecast) -> str:
    if not forecast.unpriced:
        return dollars(forecast.cost_usd)
    names = ", ".join(forecast.unpriced)
    return f"{dollars(forecast.cost_usd)} and what {names} takes, of which no price is known: write price: there"


def dollars(amount: float) -> str:
    """An amount of money with about three digits, `$0.0123`."""
    if not amount:
        return "$0"
    places = max(2, 2 - math.floor(math.log10(amount)))
    return f"${amount:,.{min(places, 9)}f}"


def _stop(forecast: Forecast) -> str:
    stop = forecast.stop
    if stop is None:
        return ""
    left = f"after {_seconds(stop.after_s)}, with {count_text(stop.left)} calls left, because of {stop.why}"
    return left if stop.until_s <= stop.after_s else f"{left}; go on {_seconds(stop.until_s)} after the start"


def _cap(cap: Cap) -> str:
    limit = f"{cap.provider}'s {cap.rate}"
    if cap.after_s is None:
        return f"{limit} is enough: {count_text(cap.used)} of {count_text(cap.amount)}, if none are used yet"
    return f"{limit} is not enough: used up after {_seconds(cap.after_s)}"


def _money(share: Share) -> Text:
    return Text(DASH if share.cost_usd is None else dollars(share.cost_usd))


_COLUMNS: tuple[Column[Share], ...] = (
    Column("provider", lambda share: Text(share.provider), align="left"),
    Column("calls", lambda share: Text(count_text(share.calls))),
    Column("a second", lambda share: Text(figure_text(share.per_second)), drop_order=2),
    Column("cost", _money, drop_order=1),
    Column("bound by", lambda share: Text(share.bound), align="left"),
)
