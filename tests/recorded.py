"""Real replies of vendors with what they mean, each with its source: `data/vendor_errors*.jsonl`.

One a line: `id, vendor, litellm_provider, status, headers, body, category, source`, where it matters `also_ok` (other
readings that can be defended) and `retry_after_s`. `quoted: words` says that the source quotes the sentence alone,
which stands here in the vendor's usual envelope. `vendor_errors_found.jsonl` was collected after the first two.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from router.faults import Kind
from router.jsonl import read
from router.types import Reply

DATA = Path(__file__).with_name("data")

READ_OTHERWISE: Mapping[str, Kind] = {
    # Azure's words do not say which limit it was; only its page of limits does.
    "azure-429-rate-limit-reached": Kind.RATE_LIMIT,
    # The reply speaks of the key, and either way the key is dropped.
    "xai-403-blocked": Kind.REVOKED_KEY,
    # The secret that a relay cannot find is named like one of ours; nothing in the words says so.
    "continue-404-secret": Kind.MODEL_NOT_FOUND,
    # A relay's words for its own empty wallet. That a burst brings them on, only an issue at this vendor says.
    "mimo-402-burst": Kind.OVERLOADED,
}
"""Labels that we do not follow, with what we read instead, on purpose."""


@dataclass(frozen=True)
class Case:
    """One reply and what it means."""

    id: str
    provider: str
    reply: Reply
    category: Kind
    also_ok: frozenset[Kind]
    retry_after_s: float | None


def cases(name: str) -> tuple[Case, ...]:
    """The cases of one file."""
    return tuple(_cases(read(DATA / name)))


def readings(case: Case) -> frozenset[Kind]:
    """The kinds that a case may be read as."""
    return frozenset({READ_OTHERWISE[case.id]}) if case.id in READ_OTHERWISE else case.also_ok | {case.category}


def _cases(lines: object) -> Iterator[Case]:
    assert isinstance(lines, Iterator)
    for line in lines:
        headers, also_ok, wait = line["headers"], line.get("also_ok", []), line.get("retry_after_s")
        assert isinstance(headers, dict)
        yield Case(
            id=str(line["id"]),
            provider=str(line["litellm_provider"]),
            reply=Reply(
                line["status"], {str(name).lower(): str(value) for name, value in headers.items()}, line["body"]
            ),
            category=Kind(line["category"]),
            also_ok=frozenset(map(Kind, also_ok)),
            retry_after_s=None if wait is None else float(wait),
        )


RECORDED = (*cases("vendor_errors.jsonl"), *cases("vendor_errors_more.jsonl"), *cases("vendor_errors_found.jsonl"))
INVENTED = cases("invented_errors.jsonl")
"""Written by ourselves in the style of vendors, relays and proxies that nobody had recorded."""
