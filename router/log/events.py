"""Every event of a run's log, written down once: a class an event, a docstring a field.

The writer, the reader, the columns of `router logs --sql` and the tables of `docs/logs.md` are derived from it. The
writer adds HEAD to each line. A field that is None stands as `null`: there is nothing to tell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, TypeAlias

from router.log.event import Event, Moment

Object: TypeAlias = Mapping[str, object]
Texts: TypeAlias = Sequence[str]


@dataclass(frozen=True)
class RunStarted(Event):
    """A run begins, and every key is ready. A resumed run begins again in the same file."""

    names: ClassVar[tuple[str, ...]] = ("run.started",)
    prompts: Texts = ()
    """the prompts' names"""
    task: str | None = None
    """the data set, or the built-in task"""
    items: int | None = None
    """how many items there are; `null` where nobody counted them"""
    providers: Texts = ()
    """who takes part"""
    keys: Object = field(default_factory=dict)
    """each key's name with its `key_hash`"""
    rates: Object = field(default_factory=dict)
    """each provider's name with its declared `rate`, a list of texts such as `300/min`"""
    seed: int | None = None
    """the run's seed"""
    resumed: bool = False
    """whether it goes on where an earlier process ended"""


@dataclass(frozen=True)
class RunFinished(Event):
    """A run has ended by itself or by an interrupt. A run that was killed has no such line."""

    names: ClassVar[tuple[str, ...]] = ("run.finished",)
    right: int = 0
    """items answered right"""
    wrong: int = 0
    """items answered wrong"""
    unparsable: int = 0
    """items with an answer in which the scorer found none"""
    unscored: int = 0
    """items with an answer for which nothing is expected"""
    error: int = 0
    """items without an answer"""
    items: int = 0
    """all of them"""
    accuracy: float | None = None
    """right among right, wrong and unparsable, 0 to 1; `null` without them"""
    elapsed_s: float | None = None
    """from the moment the first item was asked to the end"""
    interrupted: bool = False
    """whether a signal (Ctrl-C, SIGTERM, SIGHUP) stopped it before its end"""
    why: str | None = None
    """why it ended before its items did: nothing could be sent for longer than `--max-wait`, a provider refused all in the same words, results could not be written; else `null`"""  # noqa: E501


@dataclass(frozen=True)
class ProviderLeftOut(Event):
    """A declared provider takes no part."""

    names: ClassVar[tuple[str, ...]] = ("provider.left_out",)
    provider: str
    """its name"""
    why: str
    """why, such as `none of its keys is set (OPENAI_API_KEYS)`"""

    @property
    def level(self) -> str:
        """A warning: somebody may have meant it to take part."""
        return "warning"


@dataclass(frozen=True)
class StoreUnavailable(Event):
    """What earlier runs have learnt cannot be read or kept; the run goes on without it."""

    names: ClassVar[tuple[str, ...]] = ("store.unavailable",)
    why: str
    """what went wrong"""

    @property
    def level(self) -> str:
        """A warning: the run goes on."""
        return "warning"


@dataclass(frozen=True)
class AttemptFinished(Event):
    """One call has come back, or failed. A call whose caller went away leaves no line."""

    names: ClassVar[tuple[str, ...]] = ("attempt.finished",)
    required: ClassVar[tuple[str, ...]] = ("provider", "ok")
    item: str
    """the item's id; with several prompts, epochs or one item for every provider `id/prompt@epoch/provider`"""
    attempt: int
    """1 for the item's first call"""
    provider: str
    """where it went"""
    key: str
    """with which key"""
    key_hash: str
    """which key that really is; empty for a provider without keys"""
    model: str
    """LiteLLM's name of the model"""
    ok: bool
    """whether an answer came back"""
    status: int | None = None
    """the HTTP status; `null` where no reply came"""
    fault: str | None = None
    """what it means: {faults}; `null` for an answer"""
    family: str | None = None
    """kinds treated alike: {families}"""
    blame: str | None = None
    """who has to wait or change: {blames}"""
    action: str | None = None
    """what was done: {actions}"""
    vendor_code: str | None = None
    """the vendor's own code or type, `insufficient_quota`"""
    message: str | None = None
    """the vendor's own words"""
    retry_after_s: float | None = None
    """the wait that the vendor named; `null` where it named none"""
    limits: Object = field(default_factory=dict)
    """the vendor's limit headers as received"""
    service_tier: str | None = None
    """the service tier that was asked for, `flex`; `null` where none was"""
    latency_s: float = 0.0
    """from sending to the end of the reply; the call left at `ts` minus this"""
    waited_s: float = 0.0
    """from asking for a place to sending"""
    waited_for: str = ""
    """what its provider waited for last: {waits}"""
    tokens_in: int | None = None
    """tokens of the question as the vendor counted them"""
    tokens_out: int | None = None
    """tokens of the answer"""
    cost_usd: float | None = None
    """what it cost; `null` where no price is known"""

    @property
    def level(self) -> str:
        """A failed call is a warning."""
        return "info" if self.ok else "warning"


@dataclass(frozen=True)
class StateChanged(Event):
    """A key, an account or a provider has changed its state: one line for each health that moved.

    The states are `ready`, `resting`, `trial` (one call at a time), `ramping` (slowly) and `dropped` (for the run).
    Keys of one account rest together, so a rest is the account's, and its line names them.
    """

    names: ClassVar[tuple[str, ...]] = ("key.state", "account.state", "provider.state")
    required: ClassVar[tuple[str, ...]] = ("scope", "provider", "after")
    scope: str
    """who changed: `key`, `account` or `provider`"""
    because: str
    """`own` calls led to it, or its own time was over; several accounts failed `alike`, so the provider rests and they do not; calls of another provider with the same `account` did; a provider follows its `keys`: it rests while all of them rest, and is dropped when none serves a model that is asked for"""  # noqa: E501
    provider: str
    """which provider, or whose"""
    account: str | None
    """which account, or a key's; `null` for a provider"""
    key: str | None
    """which key; an account's, where it has only one"""
    key_hash: str | None
    """which key that really is"""
    keys: Texts
    """every key that this is about: the account's; of a provider those that failed alike, or that it follows"""
    before: str
    """the state before"""
    after: str
    """the state now"""
    fault: str | None = None
    """the fault that led to it; while it comes back, the one from which it comes back"""
    until: Moment | None = None
    """the end of a rest, as `ts` is written; `null` for a rest without an end and for other states"""
    strikes: int = 0
    """rests in a row without a success long enough"""
    status: int | None = None
    """the HTTP status of that fault"""
    vendor_code: str | None = None
    """the vendor's code"""
    message: str | None = None
    """the vendor's words"""
    sent_1s: int | None = None
    """calls that the provider was sent in the last second"""
    sent_10s: int | None = None
    """in the last 10 s"""
    sent_60s: int | None = None
    """in the last 60 s"""
    sent_1h: int | None = None
    """in the last hour"""
    account_sent_1s: int | None = None
    """the same, with the keys of this account alone"""
    account_sent_10s: int | None = None
    """in the last 10 s"""
    account_sent_60s: int | None = None
    """in the last 60 s"""
    account_sent_1h: int | None = None
    """in the last hour"""
    key_sent_1s: int | None = None
    """the same, with this key alone"""
    key_sent_10s: int | None = None
    """in the last 10 s"""
    key_sent_60s: int | None = None
    """in the last 60 s"""
    key_sent_1h: int | None = None
    """in the last hour"""
    peak_1s: int | None = None
    """the most calls that the provider was sent in any second of the last 60"""
    last_statuses: Texts = ()
    """the provider's last ten results, oldest first: a key and an HTTP status or a fault, `openai#1 429`"""
    in_flight: int | None = None
    """calls of the account that were out then; for a provider, its calls"""
    declared_rate: str | None = None
    """the declared `key_rate` where there is one, else the provider's `rate`, `300/min, 10000/day`"""

    @property
    def name(self) -> str:
        """By its scope."""
        return f"{self.scope}.state"

    @property
    def level(self) -> str:
        """A drop is an error, all else that is not ready a warning."""
        return {"ready": "info", "dropped": "error"}.get(self.after, "warning")


@dataclass(frozen=True)
class PaceChanged(Event):
    """An account or a provider now uses another share of its declared rate."""

    names: ClassVar[tuple[str, ...]] = ("pace.changed",)
    required: ClassVar[tuple[str, ...]] = ("provider", "after")
    provider: str
    """whose pace"""
    account: str | None
    """which account's; `null` for the provider itself"""
    key: str | None
    """the first key of that account"""
    before: float
    """the share before, 0 to 1"""
    after: float
    """the share now"""
    why: str
    """the state that it has now"""


@dataclass(frozen=True)
class ItemSettled(Event):
    """An item has its answer, or has none for good."""

    names: ClassVar[tuple[str, ...]] = ("item.settled",)
    item: str
    """its id, as in its attempts"""
    outcome: str
    """`right`, `wrong`, `unparsable` or `error`"""
    attempts: int = 0
    """calls that were sent for it"""
    elapsed_s: float = 0.0
    """from the moment it was asked"""
    why: str | None = None
    """why it has no answer; `null` where it has one"""

    @property
    def level(self) -> str:
        """An item without an answer is an error."""
        return "error" if self.outcome == "error" else "info"


EVENTS: tuple[type[Event], ...] = (
    *(RunStarted, RunFinished, ProviderLeftOut, StoreUnavailable),
    *(AttemptFinished, StateChanged, PaceChanged, ItemSettled),
)
"""Every event that may stand in a log."""
BY_NAME: Mapping[str, type[Event]] = {name: event for event in EVENTS for name in event.names}
