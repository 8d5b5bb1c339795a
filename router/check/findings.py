"""What a check tells, as values that print as JSON: providers, keys, what each was answered, findings. Never a key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum

from router.config.models import Rehearse


class Level(StrEnum):
    """How much a finding matters: a problem needs attention, a warning a look, a note none."""

    PROBLEM = "problem"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing worth knowing. `code` is its stable name; `where` is a provider, a key, or empty for the machine.

    `suggestion` is a line for the provider's section of the file, empty where none helps; `line` is where that begins.
    """

    level: Level
    code: str
    where: str
    message: str
    suggestion: str = ""
    line: int | None = None


class Verdict(StrEnum):
    """What a key's one question says of the key."""

    WORKS = "works"
    THROTTLED = "throttled"
    QUOTA = "quota used up"
    NO_CREDIT = "no credit"
    INVALID = "invalid"
    BANNED = "account banned"
    NO_ACCESS = "no access"
    REGION = "region blocked"
    ADDRESS = "address blocked"
    REFUSED = "question refused"
    UNASKABLE = "cannot be asked"
    UNREACHABLE = "unreachable"
    FAILING = "vendor failing"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class Heard:
    """What came back for one key. Times in seconds; `limits` are the vendor's limit headers as received.

    `models` is what the vendor lists for this key, empty where it was not asked or lists none. `skew_s` is how far
    this machine's clock is ahead of the vendor's, None where the vendor told no time.
    """

    verdict: Verdict
    model: str
    fault: str = ""
    status: int | None = None
    vendor_code: str = ""
    message: str = ""
    latency_s: float | None = None
    limits: Mapping[str, str] = field(default_factory=dict)
    models: tuple[str, ...] = ()
    skew_s: float | None = None


@dataclass(frozen=True, slots=True)
class Remembered:
    """What an earlier run learnt of a key; `at` is in seconds since the epoch."""

    key: str
    key_hash: str
    provider: str
    fault: str
    message: str
    at: float


@dataclass(frozen=True, slots=True)
class KeyView:
    """One key, without itself. `looks_like` is the vendor whose keys look so, empty where many do."""

    name: str
    key_hash: str
    account: str
    looks_like: str = ""
    remembered: Remembered | None = None
    heard: Heard | None = None


@dataclass(frozen=True, slots=True)
class UseView:
    """How much of a long limit is used in the window that runs now; `account` is empty for the provider's own."""

    limit: str
    used: int
    left: int
    account: str = ""


@dataclass(frozen=True, slots=True)
class ProviderView:
    """One provider as declared; rates as they stand in the file. `left_out` says why it takes no part, or is empty."""

    name: str
    line: int
    models: Mapping[str, str]
    base_url: str | None
    left_out: str
    missing: tuple[str, ...]
    rate: tuple[str, ...]
    key_rate: tuple[str, ...]
    tokens: tuple[str, ...]
    burst: int
    concurrency: int
    timeout_s: float
    keys: tuple[KeyView, ...]
    uses: tuple[UseView, ...] = ()


@dataclass(frozen=True, slots=True)
class Checkup:
    """Everything that a check found. `simulated` where the questions went to simulated vendors."""

    file: str
    rehearse: Rehearse
    rehearses_now: bool
    providers: tuple[ProviderView, ...]
    findings: tuple[Finding, ...]
    remembered: tuple[Remembered, ...] = ()
    live: bool = False
    simulated: bool = False

    @property
    def is_well(self) -> bool:
        """Whether nothing needs attention."""
        return all(finding.level is not Level.PROBLEM for finding in self.findings)

    def to_json(self) -> dict[str, object]:
        """The whole as a value that JSON can say."""
        return {"well": self.is_well, **asdict(self)}
