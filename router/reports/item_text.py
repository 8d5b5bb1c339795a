"""The story of one item as text."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import RenderableType
from rich.text import Text

from router.analysis.item import Attempt, End, Story
from router.analysis.waits import waited_for
from router.analysis.wording import counted, said, seconds, time_of_day
from router.faults import Action
from router.log.events import AttemptFinished
from router.log.times import iso
from router.reports.paper import BAD, GOOD, WARNING, printed, simulated_line, told, words

DONE = {
    Action.SLOW_DOWN: "the account rests, then goes on more slowly",
    Action.REST_KEY: "the account rests until its quota is back",
    Action.DROP_KEY: "the key is not used any more",
    Action.DROP_PROVIDER: "no key of the provider serves this model: it is not asked any more",
    Action.REST_PROVIDER: "the provider rests with all its keys",
}
"""What the router did about key and provider, in the words of the log and in a sentence's."""
THEN = {
    "retried": "the item was sent again, to the same provider",
    "retried_elsewhere": "the item was sent to another provider",
    "given_up": "the item was given up",
}
"""What became of the item."""

MAX_SHOWN = 400
NOTICEABLE_S = 0.05
"""A shorter wait is the machine's own."""


def render_story(story: Story, width: int = 100, *, color: bool = False) -> str:
    """The story as text of at most `width` columns. Times are UTC, as in the log."""
    parts: list[RenderableType] = [simulated_line()] if story.simulated else []
    parts.append(words(f"{story.item}: {counted(len(story.attempts), 'attempt')}. Times are UTC.", "bold"))
    for attempt in story.attempts:
        parts += [Text(), *_attempt(attempt)]
    parts.append(Text())
    parts += [words(_end(end), BAD if end.settled.outcome == "error" else GOOD) for end in story.ends] or [
        words("The log does not say how it ended: the run is still going, was stopped, or has no items.", WARNING)
    ]
    parts += [told(*((name, _cut(value)) for name, value in row.items())) for row in story.results]
    return printed(parts, width, color=color)


def _attempt(attempt: Attempt) -> Iterable[RenderableType]:
    call = attempt.call
    model = f" ({call.model})" if call.model else ""
    yield words(f"attempt {call.attempt}  {call.key or call.provider}{model}", "bold" if call.ok else WARNING)
    sent = f"{iso(attempt.sent_at)[11:-1]}, back after {seconds(call.latency_s)}"
    yield told(("waited", _waited(call)), ("sent", sent), ("result", _result(call)), ("then", _then(attempt)))


def _waited(call: AttemptFinished) -> str:
    if call.waited_s < NOTICEABLE_S:
        return "hardly at all"
    last = " last" if call.waited_for != "idle" else ""
    return f"{seconds(call.waited_s)} in the line,{last} for {waited_for(call.provider, call.waited_for)}"


def _result(call: AttemptFinished) -> str:
    if call.ok:
        return "answered"
    wait = f"; asked to wait {seconds(call.retry_after_s)}" if call.retry_after_s else ""
    return f"{call.fault}: {said(call.status, call.vendor_code or '', call.message or '')}{wait}"


def _then(attempt: Attempt) -> str:
    """What was done about key and provider, and what became of the item."""
    done = next((words for action, words in DONE.items() if action == attempt.call.action), "")
    return "; ".join(filter(None, [done, THEN.get(attempt.then, "")]))


def _end(end: End) -> str:
    settled = end.settled
    why = f": {settled.why}" if settled.why else ""
    tries = counted(settled.attempts, "attempt")
    return f"{time_of_day(end.at)}  settled as {settled.outcome} after {tries} and {seconds(settled.elapsed_s)}{why}"


def _cut(value: object) -> str:
    text = str(value)
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"
