"""The plots as Vega-Lite specifications: plain JSON by our own hand, so no package is needed to make them.

Data is in them by value. Widths are left to the page, which knows the screen, and so are the colours of dark and light.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Spec: TypeAlias = Mapping[str, object]
Record: TypeAlias = Mapping[str, object]

ANSWERED, FAILED = "#3b82c4", "#d9534f"
STATES = {"resting": "#f0a30a", "trial": "#e8cf4a", "ramping": "#b9d36c", "dropped": "#c0392b"}
"""The colours of the states that are not ready."""
SECONDS = "seconds since the first question"


@dataclass(frozen=True, slots=True)
class Chart:
    """A plot: its name in the page, its title, what to see in it, and its specification."""

    name: str
    title: str
    note: str
    spec: Spec


def accuracy(records: Sequence[Record]) -> Spec:
    """Points with intervals: `name`, `accuracy`, `low`, `high`, `items`."""
    x = _field("low", "right, 95 % interval", axis={"format": ".0%", "tickCount": 6}, scale={"zero": False})
    tips = _tips(name="nominal", accuracy=".1%", low=".1%", high=".1%", items=",.0f")
    return {
        "data": {"values": list(records)},
        "height": 24 * len(records),
        "encoding": {"y": _field("name", None, "nominal", sort=None), "tooltip": tips},
        "layer": [
            {"mark": {"type": "rule", "strokeWidth": 2}, "encoding": {"x": x, "x2": {"field": "high"}}},
            {
                "mark": {"type": "point", "filled": True, "opacity": 1, "size": 80, "color": ANSWERED},
                "encoding": {"x": _field("accuracy", "")},
            },
        ],
    }


def differences(records: Sequence[Record]) -> Spec:
    """Paired differences with intervals: `name`, `difference`, `low`, `high` (points of 100), `items`, `decided`."""
    x = _field("low", "points, 95 % interval", axis={"tickCount": 8})
    colour = {
        "field": "decided",
        "type": "nominal",
        "title": None,
        "scale": {"domain": ["decided", "undecided"], "range": [ANSWERED, "#999999"]},
    }
    return {
        "data": {"values": list(records)},
        "height": 36 * len(records),
        "encoding": {"y": _field("name", None, "nominal", sort=None)},
        "layer": [
            {"mark": {"type": "rule", "strokeDash": [4, 4]}, "encoding": {"x": {"datum": 0}, "y": {"value": 0}}},
            {
                "mark": {"type": "rule", "strokeWidth": 2},
                "encoding": {"x": x, "x2": {"field": "high"}, "color": colour},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 80},
                "encoding": {
                    "x": _field("difference", ""),
                    "color": colour,
                    "tooltip": _tips(name="nominal", difference=".1f", low=".1f", high=".1f", items=",.0f", p=".3g"),
                },
            },
        ],
    }


def over_time(calls: Sequence[Record], spans: Sequence[Record], what: str, duration_s: float) -> Spec:
    """A row for each provider: `what` (`calls` a second, or `in_flight`), with rests and bans behind."""
    values = [{"kind": "call", **each} for each in calls] + [{"kind": "span", **each} for each in spans]
    return {
        "data": {"values": values},
        "facet": {"row": {"field": "provider", "type": "nominal", "title": None, "sort": None, "header": _HEADER}},
        "spec": {"height": 46, "layer": [_shade(duration_s), _area(what, duration_s)]},
        "spacing": 8,
    }


def rests(spans: Sequence[Record], duration_s: float) -> Spec:
    """Who rested or was banned from when to when."""
    return {
        "data": {"values": list(spans)},
        "height": 26 * len({each["who"] for each in spans}),
        "mark": {"type": "bar", "height": {"band": 0.7}, "minBandSize": 2},
        "encoding": {
            "y": _field("who", None, "nominal", sort=None),
            "x": _time("from_s", duration_s),
            "x2": {"field": "to_s"},
            "color": {**_STATE, "scale": {"domain": list(STATES), "range": list(STATES.values())}},
            "tooltip": _SPAN_TIPS,
        },
    }


def latencies(records: Sequence[Record]) -> Spec:
    """Quantiles of the latencies of answers by provider: `p5`, `p25`, `p50`, `p75`, `p95`, `slowest`, in seconds."""
    tips = _tips(
        provider="nominal", answers=",.0f", p5=".2f", p25=".2f", p50=".2f", p75=".2f", p95=".2f", slowest=".2f"
    )
    scale = {"type": "log", "nice": False}
    return {
        "data": {"values": list(records)},
        "height": 26 * len(records),
        "encoding": {"y": _field("provider", None, "nominal", sort=None), "tooltip": tips},
        "layer": [
            {
                "mark": {"type": "rule"},
                "encoding": {
                    "x": _field("p5", "seconds: 5, 25, 50, 75, 95 % are faster; a dot is the slowest", scale=scale),
                    "x2": {"field": "p95"},
                },
            },
            {
                "mark": {"type": "bar", "height": {"band": 0.6}, "color": ANSWERED},
                "encoding": {"x": _field("p25", "", scale=scale), "x2": {"field": "p75"}},
            },
            {
                "mark": {"type": "tick", "thickness": 3, "color": "white", "height": {"band": 0.6}},
                "encoding": {"x": _field("p50", "", scale=scale)},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 20},
                "encoding": {"x": _field("slowest", "", scale=scale)},
            },
        ],
    }


def levels(records: Sequence[Record], title: str, duration_s: float) -> Spec:
    """Numbers by name over time, one on the other: `at_s`, `to_s`, `name`, `number`, `from`, `to` (see `stacked`)."""
    return {
        "data": {"values": list(records)},
        "height": 180,
        "mark": {"type": "rect", "stroke": None},
        "encoding": {
            "x": _time("at_s", duration_s),
            "x2": {"field": "to_s"},
            "y": _field("from", title, axis={"tickMinStep": 1}),
            "y2": {"field": "to"},
            "color": {"field": "name", "type": "nominal", "title": None},
            "tooltip": _tips(name="nominal", number=".2~f", at_s=".1~f"),
        },
    }


def costs(records: Sequence[Record]) -> Spec:
    """Dollars by provider and prompt: `provider`, `prompt`, `cost_usd`, `tokens_in`, `tokens_out`."""
    return {
        "data": {"values": list(records)},
        "height": 26 * len({each["provider"] for each in records}),
        "mark": "bar",
        "encoding": {
            "y": _field("provider", None, "nominal", sort="-x"),
            "x": _field("cost_usd", "dollars", axis={"format": "$.3~g", "tickCount": 6}),
            "color": {"field": "prompt", "type": "nominal", "title": None},
            "tooltip": _tips(
                provider="nominal", prompt="nominal", cost_usd="$.6f", tokens_in=",.0f", tokens_out=",.0f"
            ),
        },
    }


# Parts.

_HEADER = {
    "labelAngle": 0,
    "labelAlign": "left",
    "labelAnchor": "start",
    "labelOrient": "top",
    "labelPadding": 2,
    "labelFontWeight": "bold",
}
_COLOURS = {"answered": ANSWERED, "failed": FAILED, **STATES}
"""One scale for what stands in one plot, so that it has one legend."""
_STATE = {
    "field": "state",
    "type": "nominal",
    "title": None,
    "scale": {"domain": list(_COLOURS), "range": list(_COLOURS.values())},
}


def _field(name: str, title: str | None, kind: str = "quantitative", **more: object) -> dict[str, object]:
    return {"field": name, "type": kind, **({} if title == "" else {"title": title}), **more}


def _time(name: str, duration_s: float) -> dict[str, object]:
    return _field(name, SECONDS, scale={"domain": [0, max(duration_s, 0.1)], "nice": False})


def _tips(**formats: str) -> list[dict[str, object]]:
    """What is told of a mark: a field with its format, or `nominal` for a text."""
    return [
        {"field": name, "type": "nominal"}
        if form == "nominal"
        else {"field": name, "type": "quantitative", "format": form}
        for name, form in formats.items()
    ]


_SPAN_TIPS = _tips(who="nominal", state="nominal", fault="nominal", words="nominal", from_s=".1f", to_s=".1f")


def _shade(duration_s: float) -> Spec:
    return {
        "transform": [{"filter": "datum.kind === 'span'"}],
        "mark": {"type": "rect"},
        "encoding": {
            "x": _time("from_s", duration_s),
            "x2": {"field": "to_s"},
            "color": _STATE,
            "opacity": {"condition": {"test": "datum.scope === 'provider'", "value": 0.55}, "value": 0.25},
            "tooltip": _SPAN_TIPS,
        },
    }


def _area(what: str, duration_s: float) -> Spec:
    """Calls that were answered, and on them those that failed; or one line."""
    only = {"filter": "datum.kind === 'call'"}
    x = _time("at_s", duration_s)
    if what == "in_flight":
        return {
            "transform": [only],
            "mark": {"type": "area", "interpolate": "step-after", "opacity": 0.75, "color": ANSWERED},
            "encoding": {
                "x": x,
                "y": _field("in_flight", None, axis={"tickCount": 2}),
                "tooltip": _tips(provider="nominal", at_s=".1~f", in_flight=".2~f"),
            },
        }
    return {
        "transform": [only, {"fold": ["answered", "failed"], "as": ["end", "per_second"]}],
        "mark": {"type": "area", "interpolate": "step-after", "opacity": 0.75},
        "encoding": {
            "x": x,
            "y": _field("per_second", None, stack="zero", axis={"tickCount": 2}),
            "color": {**_STATE, "field": "end"},
            "tooltip": _tips(provider="nominal", at_s=".1~f", end="nominal", per_second=".2~f"),
        },
    }
