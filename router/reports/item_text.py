"""The story of one item as text."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import RenderableType
from rich.text import Text

from router.analysis.item import Story, waited_for
from router.analysis.rows import Call, Settled, iso
from router.analysis.wording import counted, seconds, time_of_day
from router.reports.logs_paper import BAD, GOOD, WARNING, simulated_line, told, words
from router.reports.paper import printed

THEN = {
    "slow_down": "the account rests, then goes on more slowly",
    "rest_key": "the account rests until its quota is back",
    "drop_key": "the key is not used any more",
    "retry_elsewhere": "the item goes back into the line, for another provider",
    "drop_provider": "no key of the provider serves this model: it is not asked any more",
    "rest_provider": "the provider rests with all its keys",
    "give_up_item": "the item is given up, or tried once elsewhere",
}
"""What the router did, in the words of the log and in a sentence's."""

NOTICEABLE_S = 0.05
"""A shorter wait is the machine's own."""


def render_story(story: Story, width: int = 100, *, color: bool = False) -> str:
    """The story as text of at most `width` columns. Times are UTC, as in the log."""
    parts: list[RenderableType] = [simulated_line()] if story.simulated else []
    parts.append(words(f"{story.item}: {counted(len(story.attempts), 'attempt')}. Times are UTC.", "bold"))
    for call in story.attempts:
        parts += [Text(), *_attempt(call)]
    parts.append(Text())
    parts += [words(_end(end), GOOD if end.outcome != "error" else BAD) for end in story.ends] or [
        words("The log does not say how it ended: the run goes on, was stopped, or settles no items.", WARNING)
    ]
    return printed(parts, width, color=color)


def _attempt(call: Call) -> Iterable[RenderableType]:
    model = f" ({call.model})" if call.model else ""
    yield words(f"attempt {call.attempt}  {call.key or call.provider}{model}", "bold" if call.ok else WARNING)
    lines = {"waited": _waited(call), "sent": f"{iso(call.sent_at)[11:-1]}, back after {seconds(call.latency_s)}"}
    yield told({**lines, **(_answered() if call.ok else _failed(call))})


def _waited(call: Call) -> str:
    if call.waited_s < NOTICEABLE_S:
        return "no time to speak of"
    last = " last" if call.waited_for != "idle" else ""
    return f"{seconds(call.waited_s)} in the line,{last} for {waited_for(call)}"


def _answered() -> dict[str, str]:
    return {"result": "answered"}


def _failed(call: Call) -> dict[str, str]:
    said = f"«{call.message}»" if call.message else ""
    what = " ".join(filter(None, [f"HTTP {call.status}" if call.status else "", call.vendor_code, said]))
    told_wait = f"; told to wait {seconds(call.retry_after_s)}" if call.retry_after_s else ""
    return {"result": f"{call.fault}: {what or 'no words'}{told_wait}", "then": THEN.get(call.action, call.action)}


def _end(end: Settled) -> str:
    why = f": {end.why}" if end.why else ""
    tries = counted(end.attempts, "attempt")
    return f"{time_of_day(end.at)}  settled as {end.outcome} after {tries} and {seconds(end.elapsed_s)}{why}"
