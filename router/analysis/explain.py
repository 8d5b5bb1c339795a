"""What a fault means, what the router does about it, and what to change; what is known of a vendor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from router.catalog.vendors import Vendor, vendors
from router.classify import examine
from router.classify.codes import table
from router.errors import ConfigError
from router.faults import REACTIONS, Action, Doubt, Fault, Kind
from router.suggest import did_you_mean
from router.types import Reply

MEANS: Mapping[Kind, tuple[str, str]] = {
    Kind.RATE_LIMIT: (
        "The account sent more calls in a window than the vendor grants.",
        "Lower `rate:` (or `key_rate:`) to what the vendor grants; `router check --live` shows what its headers tell.",
    ),
    Kind.TOKEN_LIMIT: (
        "The account used more tokens in a window than the vendor grants.",
        "Declare `tokens:` as the vendor grants them, and `max_tokens` under params, since vendors count it ahead.",
    ),
    Kind.CONCURRENCY: (
        "The account had more calls in flight than the vendor grants.",
        "Lower `concurrency:` of the provider.",
    ),
    Kind.DAILY_QUOTA: (
        "The quota of a day, or of a longer window, is used up.",
        "Add it to `rate:`, as in `[60/min, 1000/day]`, or wait for its reset; --max-wait says how long a run waits.",
    ),
    Kind.NO_CREDIT: ("The account has no money left, or a spending limit is reached.", "Top up, or raise the limit."),
    Kind.INVALID_KEY: (
        "The vendor does not know the key.",
        "Check the variable that holds it, and that `base_url:` is the vendor's; then `router check --live`.",
    ),
    Kind.REVOKED_KEY: (
        "The key was revoked or has expired.",
        "Make a new key. Keys found in public are revoked within hours.",
    ),
    Kind.ACCOUNT_BANNED: (
        "The account is closed, suspended or restricted.",
        "Ask the vendor's support; the other accounts go on. More calls only make it worse.",
    ),
    Kind.PERMISSION: (
        "The key may not use this model or feature, or the plan does not include it.",
        "Grant the right, change the plan, or take another model.",
    ),
    Kind.MODEL_NOT_FOUND: (
        "The vendor has no such model, or not for this account.",
        "Check `model:`; `router check --live` lists the nearest names.",
    ),
    Kind.IP_BLOCKED: (
        "The vendor, or a firewall before it, refuses this machine's address, whatever the key.",
        "Use another network or egress address; switch a VPN off; check the key's list of allowed addresses.",
    ),
    Kind.REGION_BLOCKED: (
        "The vendor does not serve this country or region.",
        "Take the provider out, or send from a region that it serves.",
    ),
    Kind.OVERLOADED: (
        "The vendor has no capacity at the moment; your limits are not touched.",
        "Nothing; several providers carry a run over it.",
    ),
    Kind.SERVER_ERROR: ("The vendor failed by itself.", "Nothing; if it lasts, its status page."),
    Kind.CONNECTION: (
        "No connection, or one that broke: the machine, a proxy, the network or the vendor.",
        "Check `base_url:` and that the server runs; `router check --live` tries it.",
    ),
    Kind.TIMEOUT: (
        "No whole reply within `timeout:`.",
        "Raise `timeout:` for models that think long; lower it where a vendor hangs.",
    ),
    Kind.MALFORMED_REPLY: (
        "What came was no answer: no JSON, a page, a redirect, an empty text, or too large.",
        "Check that `base_url:` ends where the vendor says, often in /v1.",
    ),
    Kind.BAD_REQUEST: (
        "The vendor refuses the request itself, mostly a parameter.",
        "Read the vendor's words: they name the parameter under `params:` or in the prompt's front matter.",
    ),
    Kind.CONTEXT_LENGTH: (
        "Prompt and answer together are longer than the model takes.",
        "Shorten the prompt, lower `max_tokens`, or take a model with a longer context.",
    ),
    Kind.CONTENT_FILTER: (
        "The vendor's filter refused the prompt or cut the answer.",
        "Nothing to change at the router; the item's row says which vendor it was.",
    ),
    Kind.UNKNOWN: (
        "The reply fits no rule.",
        "The whole reply is in log.jsonl; please report it, so that the rules can learn it.",
    ),
}
"""By fault: what it means, and what to change."""

DOES: Mapping[Action, str] = {
    Action.SLOW_DOWN: "The account rests until the time that the vendor names, else 10 s and longer each time, and "
    "comes back step by step. The item waits in line for any provider.",
    Action.REST_KEY: "The account rests until the reset that is stated or known, without money for 6 hours. The item "
    "goes to another account.",
    Action.DROP_KEY: "The key is dropped, for later runs too; `router check --forget KEY` takes that back. The item "
    "goes to another key.",
    Action.RETRY_ELSEWHERE: "The item goes to another provider at once. A provider that keeps failing rests, is tried "
    "with one call at a time, and comes back step by step.",
    Action.DROP_PROVIDER: "The provider no longer serves this model in this run.",
    Action.REST_PROVIDER: "The provider rests with all its keys, which keep their good name. The item goes elsewhere.",
    Action.GIVE_UP_ITEM: "The item is given up, or tried at one other provider first where that may help.",
}
"""By action: what the router does."""
KEYS_OF_A_MODEL = "This key is not asked for this model again; where no key serves it, the provider is left out for it."


@dataclass(frozen=True, slots=True)
class Explanation:
    """One fault in words; `reply` is the vendor's own where one was given."""

    fault: Kind
    family: str
    blame: str
    charged: bool
    means: str
    does: str
    change: str
    reply: Fault | None = None


def explain(kind: Kind, reply: Fault | None = None) -> Explanation:
    """Explain a fault, by the same tables by which the router acts."""
    row = REACTIONS[kind]
    means, change = MEANS[kind]
    does = KEYS_OF_A_MODEL if row.family.value == "access" else DOES[row.action]
    if row.doubted is not Doubt.NEVER:
        does += " Where several accounts fail so together, the provider rests instead."
    return Explanation(kind, str(row.family), str(row.blame), row.charged, means, does, change, reply)


def explain_reply(reply: Reply, prefix: str, now: float) -> Explanation | None:
    """Explain a reply as it came; None where it is an answer. `now` is in seconds since the epoch."""
    fault = examine(reply, provider=prefix, now=now)
    return explain(fault.kind, fault) if fault else None


def find(name: str) -> Kind | Vendor:
    """The fault or vendor that a name, a prefix or a vendor's code means; raises ConfigError with the nearest."""
    wanted = name.strip().lower()
    if wanted in set(Kind):
        return Kind(wanted)
    for vendor in vendors():
        if wanted in {vendor.id, vendor.name.lower(), *vendor.prefixes} and vendor.sources:
            return vendor
    if entries := table().codes.get(wanted):
        return entries[0].kind
    known = [*Kind, *(vendor.id for vendor in vendors() if vendor.sources)]
    raise ConfigError(
        f"there is no fault, vendor or code {name!r}{did_you_mean(wanted, known)} (faults: {', '.join(Kind)}); a reply "
        "is explained by --status and --body"
    )
