"""Which of the article's two prompts is better: paired evaluations at simulated vendors, and how often they decide.

`bench/article.py h` runs it. The vendors answer the plain prompt rightly in 85 % of cases and the stepwise one in 98 %,
as the article found (its figures, not ours), each answer by its own chance. Every evaluation has items of its own.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from router.config.loading import load as load_config
from router.evals import Evaluation, Plan, evaluate
from router.evals.comparison import Difference
from router.evals.paired import ALPHA, discordance, power_of
from router.evals.prompts import load
from router.evals.tasks import arithmetic_task
from router.rates import Rate
from router.reports.compare_text import verdict
from router.simulator.process import SimulatorProcess
from router.simulator.rehearsal import as_yaml
from router.simulator.spec import VendorSpec

PLAIN, STEPWISE = 0.85, 0.98
PROMPTS = Path(__file__).parent.parent / "prompts"
RATE = Rate(100, 1)


def vendors(count: int) -> tuple[VendorSpec, ...]:
    """Vendors that are alike but for their errors."""
    return tuple(
        VendorSpec(
            f"v{number}",
            keys=((f"sk-v{number}-0123456789", "one"),),
            address_limits=(RATE,),
            latency_median_s=0.1,
            accuracy=PLAIN,
            accuracy_reasoned=STEPWISE,
            seed=number,
        )
        for number in range(count)
    )


async def evaluations(runs: int, items: int, count: int = 3) -> list[Evaluation]:
    """So many evaluations of both prompts, one after the other, each with items of its own."""
    specs = vendors(count)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        async with SimulatorProcess(specs) as endpoints:
            (home / "providers.yaml").write_text(as_yaml(specs, endpoints), encoding="utf-8")
            config = load_config(home / "providers.yaml", {})
            prompts = tuple(load(PROMPTS / f"{name}.txt") for name in ("plain", "stepwise"))
            plans = (
                Plan(config, prompts, arithmetic_task(items, 2, seed), log_dir=home / "runs", seed=seed)
                for seed in range(runs)
            )
            return [await evaluate(plan) for plan in plans]


def differences(done: list[Evaluation]) -> list[Difference]:
    """The difference of the two prompts in each."""
    return [each.differences[0] for run in done for each in run.comparisons if each.factor == "prompt"]


async def report(runs: int = 20, items: int = 100) -> str:
    """The first verdict, and how often the evaluations decided, beside what the sum of all outcomes says."""
    found = differences(await evaluations(runs, items))
    spread = discordance(PLAIN, STEPWISE)
    mid_p, exact = (sum(p <= ALPHA for p in ps) for ps in ([f.p for f in found], [f.exact or 0.0 for f in found]))
    expected = [power_of(items, spread, STEPWISE - PLAIN, mid_p=is_mid_p) for is_mid_p in (True, False)]
    paired = sum(each.items - each.elsewhere for each in found)
    return (
        f"h: {verdict(found[0])}\n"
        f"h: of {runs} evaluations of {items} items, mid-p decided {mid_p} ({expected[0]:.1%} expected), the exact "
        f"test {exact} ({expected[1]:.1%} expected)\n"
        f"h: {paired:,} of {sum(each.items for each in found):,} pairs were asked at one provider, account and "
        f"model; {100 * sum(each.difference for each in found) / runs:.1f} points in the mean (13 expected)"
    )
