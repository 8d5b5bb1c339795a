"""What a failed call means, and the table of what follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum


class Kind(StrEnum):
    """What happened, as the vendor meant it."""

    RATE_LIMIT = "rate_limit"
    TOKEN_LIMIT = "token_limit"  # noqa: S105 - tokens of text, not a credential
    CONCURRENCY = "concurrency"
    DAILY_QUOTA = "daily_quota"
    NO_CREDIT = "no_credit"
    INVALID_KEY = "invalid_key"
    REVOKED_KEY = "revoked_key"
    ACCOUNT_BANNED = "account_banned"
    PERMISSION = "permission"
    MODEL_NOT_FOUND = "model_not_found"
    IP_BLOCKED = "ip_blocked"
    REGION_BLOCKED = "region_blocked"
    OVERLOADED = "overloaded"
    SERVER_ERROR = "server_error"
    CONNECTION = "connection"
    TIMEOUT = "timeout"
    MALFORMED_REPLY = "malformed_reply"
    BAD_REQUEST = "bad_request"
    CONTEXT_LENGTH = "context_length"
    CONTENT_FILTER = "content_filter"
    UNKNOWN = "unknown"


class Family(StrEnum):
    """Kinds that are treated alike."""

    THROTTLE = "throttle"
    QUOTA = "quota"
    DEAD = "dead"
    ACCESS = "access"
    PATH = "path"
    VENDOR = "vendor"
    ITEM = "item"
    UNKNOWN = "unknown"


class Blame(StrEnum):
    """Who has to wait or change."""

    ACCOUNT = "account"
    KEY = "key"
    KEY_AND_MODEL = "key and model"
    PROVIDER = "provider"
    ITEM = "item"
    NOBODY = "nobody"


class Action(StrEnum):
    """What the router does about it."""

    SLOW_DOWN = "slow_down"
    REST_KEY = "rest_key"
    DROP_KEY = "drop_key"
    RETRY_ELSEWHERE = "retry_elsewhere"
    DROP_PROVIDER = "drop_provider"
    REST_PROVIDER = "rest_provider"
    GIVE_UP_ITEM = "give_up_item"


class Signal(StrEnum):
    """What a finished call says about the target that it blames."""

    OK = "ok"
    THROTTLED = "throttled"
    EXHAUSTED = "exhausted"
    REFUSED = "refused"
    FAILED = "failed"
    BLOCKED = "blocked"
    NEUTRAL = "neutral"


class Doubt(StrEnum):
    """When several accounts that fail so together mean that their provider is the cause."""

    NEVER = "never"
    ALWAYS = "always"
    IF_PROVEN = "if proven"


class Proof(StrEnum):
    """What it takes for a fault to be the item's own, and final."""

    NONE = "none"
    ITS_WORDS = "its words"
    ANOTHER_VENDOR = "another vendor"
    ALIKE_ELSEWHERE = "alike elsewhere"


@dataclass(frozen=True, slots=True)
class Reaction:
    """One row of the table.

    `charged` says whether the call uses up one of the item's attempts, `elsewhere` whether another provider is the
    better next try: not where keys rotate. `signal` is what the fault says about whom it blames; an item's own fault
    proves that key and vendor work. `doubted` and `proof` say when the provider, or the item, is blamed instead.
    """

    family: Family
    blame: Blame
    action: Action
    charged: bool
    signal: Signal
    elsewhere: bool
    doubted: Doubt = Doubt.NEVER
    proof: Proof = Proof.NONE


_THROTTLE = Reaction(
    Family.THROTTLE,
    Blame.ACCOUNT,
    Action.SLOW_DOWN,
    charged=False,
    signal=Signal.THROTTLED,
    elsewhere=False,
    doubted=Doubt.ALWAYS,
)
_QUOTA = Reaction(Family.QUOTA, Blame.ACCOUNT, Action.REST_KEY, charged=False, signal=Signal.EXHAUSTED, elsewhere=False)
_DEAD = Reaction(
    Family.DEAD,
    Blame.KEY,
    Action.DROP_KEY,
    charged=False,
    signal=Signal.REFUSED,
    elsewhere=False,
    doubted=Doubt.IF_PROVEN,
)
_ACCESS = Reaction(
    Family.ACCESS,
    Blame.KEY_AND_MODEL,
    Action.RETRY_ELSEWHERE,
    charged=False,
    signal=Signal.NEUTRAL,
    elsewhere=True,
    doubted=Doubt.IF_PROVEN,
)
_PATH = Reaction(
    Family.PATH, Blame.PROVIDER, Action.REST_PROVIDER, charged=False, signal=Signal.BLOCKED, elsewhere=True
)
_VENDOR = Reaction(
    Family.VENDOR, Blame.PROVIDER, Action.RETRY_ELSEWHERE, charged=True, signal=Signal.FAILED, elsewhere=True
)
_MALFORMED = replace(_VENDOR, proof=Proof.ALIKE_ELSEWHERE)
_UNKNOWN = replace(_MALFORMED, family=Family.UNKNOWN)
_ITEM = Reaction(
    Family.ITEM,
    Blame.ITEM,
    Action.GIVE_UP_ITEM,
    charged=True,
    signal=Signal.OK,
    elsewhere=True,
    proof=Proof.ANOTHER_VENDOR,
)
_BAD_REQUEST = replace(_ITEM, proof=Proof.ITS_WORDS)

REACTIONS: Mapping[Kind, Reaction] = {
    Kind.RATE_LIMIT: _THROTTLE,
    Kind.TOKEN_LIMIT: _THROTTLE,
    Kind.CONCURRENCY: _THROTTLE,
    Kind.DAILY_QUOTA: _QUOTA,
    Kind.NO_CREDIT: _QUOTA,
    Kind.INVALID_KEY: _DEAD,
    Kind.REVOKED_KEY: _DEAD,
    Kind.ACCOUNT_BANNED: _DEAD,
    Kind.PERMISSION: _ACCESS,
    Kind.MODEL_NOT_FOUND: _ACCESS,
    Kind.IP_BLOCKED: _PATH,
    Kind.REGION_BLOCKED: _PATH,
    Kind.OVERLOADED: _VENDOR,
    Kind.SERVER_ERROR: _VENDOR,
    Kind.CONNECTION: _VENDOR,
    Kind.TIMEOUT: _VENDOR,
    Kind.MALFORMED_REPLY: _MALFORMED,
    Kind.BAD_REQUEST: _BAD_REQUEST,
    Kind.CONTEXT_LENGTH: _ITEM,
    Kind.CONTENT_FILTER: _ITEM,
    Kind.UNKNOWN: _UNKNOWN,
}
"""The whole of what follows from a fault; `docs/design.md` prints it and a test compares the two."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One failed call, decided: what it was, the vendor's own words and code, when it may be tried again.

    `retry_after_s` is in seconds from now, None where the vendor named no time. `limits` holds the
    vendor's limit headers as received. `message` is scrubbed of keys by the transport. Where this process stood still
    while the call was out, or a cheap tier had no room, it is `excused`: it says nothing about anybody. `cost_usd` is
    what the vendor takes for it all the same, where its reply says so. Where nothing `was_sent`, no vendor has called
    the item bad, and another one may take it.
    """

    kind: Kind
    message: str = ""
    status: int | None = None
    vendor_code: str = ""
    retry_after_s: float | None = None
    limits: Mapping[str, str] = field(default_factory=dict)
    excused: bool = False
    cost_usd: float | None = None
    was_sent: bool = True

    @property
    def reaction(self) -> Reaction:
        """Its row in the table."""
        reaction = REACTIONS[self.kind]
        return replace(reaction, blame=Blame.NOBODY, charged=False, signal=Signal.NEUTRAL) if self.excused else reaction

    def __str__(self) -> str:
        said = f": {self.message}" if self.message else ""
        status = f" (HTTP {self.status})" if self.status else ""
        return f"{self.kind}{status}{said}"
