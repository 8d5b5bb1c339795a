"""Whether a scorer fits: tried on expected answers before a run, watched on real ones during it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

from router.errors import ConfigError
from router.evals.items import Item, text_of
from router.evals.marks import Marker, completion_of, scorer_named
from router.evals.plan import Plan
from router.evals.prompts import Prompt
from router.evals.python_scorer import PythonScorer
from router.evals.results import Row
from router.evals.scores import Scorer, ScorerFailed
from router.types import Completion, Request, Usage

TRIED = 3
KEPT = 20
SHOWN = 80
OTHERS = ("json:infer", "number", "choice", "exact:ignore_case,whitespace", "contains:ignore_case")
"""What may be recommended, the strictest first."""


async def nobody(request: Request, model: str | None) -> Completion:
    """Stands for the router where nobody is to be asked."""
    raise ScorerFailed(
        f"nobody is asked here, neither {model or 'any model'} nor with {len(request.messages)} messages"
    )


# --- before ---------------------------------------------------------------------------------------


async def tried(plan: Plan) -> tuple[str, ...]:
    """What to know of the scorers before a run, from the first items; raises ConfigError where none can be right."""
    items = list(islice(plan.task.items(), TRIED))
    found: list[str] = []
    for prompt in plan.prompts:
        found += [note async for note in _tried(plan, prompt, items)]
    return tuple(dict.fromkeys(found))


async def _tried(plan: Plan, prompt: Prompt, items: list[Item]) -> AsyncIterator[str]:
    marker = Marker(plan.marker_of(prompt).scorer)
    scorer = marker.scorer
    golds = [(item, ideal) for item in items if (ideal := scorer.ideal(item)) is not None]
    failed: list[str] = []
    for item, ideal in golds:
        mark = await marker.mark(item, _said(ideal), nobody)
        if mark.outcome != "right":
            failed.append(_why_not(scorer, item, str(mark.error) if mark.error else mark.outcome))
    if failed:
        head = (
            f"scorer {scorer.name}, tried on the first {len(golds)} expected answers, finds {len(failed)} not right: "
        )
        if len(failed) == len(golds) and not isinstance(scorer, PythonScorer):
            raise ConfigError(head + failed[0])
        yield head + failed[0]
    if (form := _form(scorer)) and items and form not in _asked(plan, prompt, items[0]):
        missing = f"looks for {scorer.lacks}, and {prompt.path} never says {form!r}"
        yield f"scorer {scorer.name} {missing}; is it the right scorer?"


def _why_not(scorer: Scorer, item: Item, why: str) -> str:
    expected = f"the expected answer of item {item.id}, {shown(item.expected or '')}"
    if scorer.wants:
        return f"{expected}, is not {scorer.wants}; take another scorer, or make one of the field by --map expected=…"
    return f"given {expected}, it says {why}"


def _form(scorer: Scorer) -> str:
    """The field that an answer must have, where the scorer looks for one."""
    name = "json:infer" if scorer.name == "infer" else scorer.name
    return name.removeprefix("json:") if name.startswith("json:") else ""


def _asked(plan: Plan, prompt: Prompt, item: Item) -> str:
    schema = str(plan.schema.content) if plan.schema else ""
    return schema + "".join(turn.text.source for turn in prompt.turns) + "".join(map(text_of, item.messages))


def _said(text: str) -> Completion:
    return Completion(text, "", "", "", "", Usage(), "stop", 0.0, 0.0, ())


def shown(text: str) -> str:
    """The beginning of a text, in quotes."""
    line = " ".join(text.split())
    return f"“{line[:SHOWN]}…”" if len(line) > SHOWN else f"“{line}”"


# --- during ---------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Seen:
    marked: int = 0
    right: int = 0
    without: int = 0
    kept: list[tuple[Item, Row]] = field(default_factory=list)


@dataclass(slots=True)
class Fit:
    """Watches whether anything is ever right, and keeps a few answers to say why not; `scorers` are by prompt."""

    scorers: Mapping[str, Scorer]
    _prompts: dict[str, _Seen] = field(default_factory=dict)

    def add(self, item: Item, row: Row) -> None:
        """Look at one row."""
        seen = self._prompts.setdefault(row.prompt, _Seen())
        if row.outcome in {"right", "wrong", "unparsable"}:
            seen.marked += 1
            seen.right += row.outcome == "right"
            seen.without += row.reason == "no_answer"
            if row.outcome != "right" and row.reason in {None, "no_answer"} and len(seen.kept) < KEPT:
                seen.kept.append((item, row))

    async def misfits(self, run: str) -> tuple[str, ...]:
        """What to say of prompts with not one right answer, or with half of them without any, and what would help."""
        return tuple([await self._misfit(name, seen, run) for name, seen in self._prompts.items() if _is_odd(seen)])

    async def _misfit(self, name: str, seen: _Seen, run: str) -> str:
        scorer = self.scorers[name]
        item, row = next(((i, r) for i, r in seen.kept if r.reason), seen.kept[0])
        of_prompt = f"{name}: " if len(self.scorers) > 1 else ""
        if seen.without:
            what = f"{seen.without} of {seen.marked} answers had no {scorer.lacks}; the first was {shown(row.response)}"
        else:
            what = f"none of {seen.marked} answers was right; the first was {shown(row.response)}"
            what += f", expected {shown(item.expected or '')}"
        return f"{of_prompt}{what}{await _advice(seen.kept, scorer.name, run)}"


def _is_odd(seen: _Seen) -> bool:
    return bool(seen.kept) and (not seen.right or seen.without * 2 >= seen.marked)


async def _advice(kept: list[tuple[Item, Row]], used: str, run: str) -> str:
    counts = {name: await _right(name, kept) for name in OTHERS if name != used}
    best = max(counts, key=lambda name: counts[name])
    if not counts[best]:
        return "; try another scorer with `router score`, which makes no calls"
    return f"; --scorer {best} finds {counts[best]} of {len(kept)} right: router score {run} --scorer {best}"


async def _right(name: str, kept: list[tuple[Item, Row]]) -> int:
    marker = Marker(scorer_named(name))
    marks = [await marker.mark(item, completion_of(row), nobody) for item, row in kept]
    return sum(mark.outcome == "right" for mark in marks)
