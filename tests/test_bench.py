from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from router.jsonl import encode
from router.rates import Rate

BENCH = Path(__file__).parents[1] / "bench"
SCRIPTS = (
    *("article", "attack", "browser", "classify", "engine_cpu", "items"),
    *("lab", "overhead", "pace", "report", "simulator"),
)
"""What is run by itself; what stands beside it under a name that begins alike is a part of it."""
PARTS = ("article_", "attack_", "nasty_")


@pytest.fixture(scope="module", autouse=True)
def _bench_on_path() -> Iterator[None]:
    sys.path.insert(0, str(BENCH))
    yield
    sys.path.remove(str(BENCH))
    for name in [name for name in sys.modules if name in SCRIPTS or name.startswith(PARTS)]:
        sys.modules.pop(name, None)


@pytest.fixture
def lab() -> ModuleType:
    return import_module("lab")


@pytest.fixture
def pace() -> ModuleType:
    return import_module("pace")


@pytest.fixture
def article() -> ModuleType:
    return import_module("article")


def test_every_script_is_listed_here() -> None:
    assert sorted(path.stem for path in BENCH.glob("*.py") if not path.stem.startswith(PARTS)) == sorted(SCRIPTS)


@pytest.mark.parametrize("name", SCRIPTS)
def test_importing_starts_nothing(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    sys.modules.pop(name, None)
    assert import_module(name).__doc__
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("times", "period_s", "most"),
    [
        pytest.param([], 1.0, 0, id="nothing"),
        pytest.param([5.0], 1.0, 1, id="one"),
        pytest.param([0.0, 1.0, 2.0], 1.0, 1, id="the end of a window is not in it"),
        pytest.param([0.0, 0.5, 0.999, 1.0], 1.0, 3, id="three within a second"),
        pytest.param([0.0, 10.0, 10.1, 10.2, 20.0], 1.0, 3, id="the fullest window is in the middle"),
    ],
)
def test_the_most_in_a_window(pace: ModuleType, times: list[float], period_s: float, most: int) -> None:
    assert pace.max_in(times, period_s) == most


@pytest.mark.parametrize(
    ("times", "rate", "share"),
    [
        pytest.param([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], Rate(5, 1), 1.0, id="exactly the rate"),
        pytest.param([0.0, 0.4, 0.8], Rate(5, 1), 0.5, id="half of it"),
        pytest.param([0.0, 60.0], Rate(2, 60), 0.5, id="by the minute"),
    ],
)
def test_the_share_of_a_rate(pace: ModuleType, times: list[float], rate: Rate, share: float) -> None:
    assert pace.share_of(times, rate) == pytest.approx(share)


@pytest.mark.parametrize(
    ("share", "value"),
    [pytest.param(0.5, 50, id="median"), pytest.param(0.99, 99, id="p99"), pytest.param(1.0, 100, id="largest")],
)
def test_percentiles(pace: ModuleType, share: float, value: int) -> None:
    assert pace.percentile(list(range(100, 0, -1)), share) == value


def test_a_task_survives_the_trip_to_its_child(lab: ModuleType) -> None:
    vendor = lab.Vendor("v", "http://127.0.0.1:1/v1", ("k1", "k2"), ("5/s",), ("300/min",), 7, "litellm")
    task = lab.Task("mapped", (vendor,), 90, 256, 1024, 1)
    assert lab.Task.from_json(encode(task)) == task


def test_a_declared_vendor_is_a_simulated_provider(lab: ModuleType) -> None:
    config = lab.config([lab.Vendor("v", "http://127.0.0.1:1/v1", ("k1", "k2"), ("5/s",), ("3/s",), 7)])
    (provider,) = config.usable
    assert config.simulated
    assert (provider.rates, provider.key_rates, provider.concurrency) == ((Rate(5, 1),), (Rate(3, 1),), 7)
    assert [key.account for key in provider.keys] == ["v#1", "v#2"]


def test_a_table_lines_up(lab: ModuleType) -> None:
    text = lab.table(("what", "count", "s"), [("one", 12345, 0.1234), ("longer name", None, 20.25)])
    assert text.splitlines() == [
        "what          count      s",
        "one          12,345  0.123",
        "longer name       –   20.2",
    ]


def test_the_machine_is_named_and_the_vendors_are_called_simulated(lab: ModuleType) -> None:
    assert all(word in lab.machine() for word in ("simulated", "cores", "Python", "LiteLLM", "ulimit -n"))


def test_the_demand_names_what_is_not_met(article: ModuleType) -> None:
    (case,) = article.case_f()
    bound_s = article.STRICT_ITEMS / 17 + article.MEDIAN_S
    seen = {"keys": {"f10#1": {"arrivals": 400, "ok": 400, "throttled": 0}}, "suspended": [], "peaks": {}}

    def said(wall_s: float, throttled: int) -> str:
        result = article.Result(wall_s=wall_s, cpu_s=1.0, rss_mb=1.0, ok=400, failures={})
        seen["keys"]["f10#1"]["throttled"] = throttled  # type: ignore[index]
        return str(article.demand([article.Run(case, result, 0, (seen,))]))

    assert said(bound_s * 1.04, 0).endswith(": met")
    assert said(bound_s * 1.06, 0).endswith("NOT MET")
    assert said(bound_s, 1).endswith("NOT MET")


def test_each_case_finds_its_own_vendors(article: ModuleType) -> None:
    from router.simulator.endpoint import Endpoint

    (case,) = article.case_f()
    task = case.on([Endpoint(spec.name, "openai", f"http://127.0.0.1/{spec.name}") for spec in case.specs])
    assert [vendor.rates for vendor in task.vendors] == [("10/s",), ("5/s",), ("2/s",)]
    assert [vendor.name for vendor in task.vendors] == ["f10", "f5", "f2"]


def test_failures_are_counted_by_kind(article: ModuleType) -> None:
    assert article.failed({"429": 12, "timeout": 3}) == "12 429, 3 timeout"
    assert article.failed({}) == "–"
