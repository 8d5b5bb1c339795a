"""Explanations of faults and vendors: what a fault means, what the router does about it, and what to change."""

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
        "Lower `rate:` (or `key_rate:`) to what the vendor grants; `router check --live` shows its limit headers.",
    ),
    Kind.TOKEN_LIMIT: (
        "The account used more tokens in a window than the vendor grants.",
        "Set `tokens:` to what the vendor grants, and `max_tokens` under params, since vendors count it in advance.",
    ),
    Kind.CONCURRENCY: (
        "The account had more calls in flight than the vendor grants.",
        "Lower `concurrency:` of the provider.",
    ),
    Kind.DAILY_QUOTA: (
        "The daily quota, or one for a longer window, is used up.",
        "Add it to `rate:`, as in `[60/min, 1000/day]`, or wait for its reset; --max-wait sets how long a run waits.",
    ),
    Kind.NO_CREDIT: ("The account has no money left, or a spending limit is reached.", "Top up, or raise the limit."),
    Kind.INVALID_KEY: (
        "The vendor does not know the key.",
        "Check the variable that holds it, and that `base_url:` is the vendor's; then `router check --live`.",
    ),
    Kind.REVOKED_KEY: (
        "The key was revoked or has expired.",
        "Create a new key. Vendors revoke leaked keys within hours.",
    ),
    Kind.ACCOUNT_BANNED: (
        "The account is closed, suspended or restricted.",
        "Contact the vendor's support; other accounts continue. More calls only make it worse.",
    ),
    Kind.PERMISSION: (
        "The key may not use this model or feature, or the plan does not include it.",
        "Grant the permission, change the plan, or use another model.",
    ),
    Kind.MODEL_NOT_FOUND: (
        "The vendor does not have this model, or does not offer it to this account.",
        "Check `model:`; `router check --live` lists the nearest names.",
    ),
    Kind.IP_BLOCKED: (
        "The vendor, or a firewall in front of it, refuses this machine's IP address, whatever the key.",
        "Use another network or egress address; turn off any VPN; check the key's list of allowed addresses.",
    ),
    Kind.REGION_BLOCKED: (
        "The vendor does not serve this country or region.",
        "Remove the provider, or send from a region that it serves.",
    ),
    Kind.OVERLOADED: (
        "The vendor has no capacity at the moment; you have not exceeded a limit.",
        "Nothing; with several providers, the others continue the run meanwhile.",
    ),
    Kind.SERVER_ERROR: ("The vendor had an internal error.", "Nothing; if it lasts, see the vendor's status page."),
    Kind.CONNECTION: (
        "The connection failed or broke: because of this machine, a proxy, the network or the vendor.",
        "Check `base_url:` and that the server is running; `router check --live` tests it.",
    ),
    Kind.TIMEOUT: (
        "No complete reply arrived within `timeout:`.",
        "Raise `timeout:` for models that think long; lower it where a vendor hangs.",
    ),
    Kind.MALFORMED_REPLY: (
        "The reply was not an answer: not JSON, a web page, a redirect, an empty text, or too large.",
        "Check that `base_url:` ends as the vendor documents it, often in /v1.",
    ),
    Kind.BAD_REQUEST: (
        "The vendor rejects the request itself, usually because of a parameter.",
        "Read the vendor's message: it names the parameter to change, under `params:` or in the prompt's front matter.",
    ),
    Kind.CONTEXT_LENGTH: (
        "Prompt and answer together are longer than the model's context.",
        "Shorten the prompt, lower `max_tokens`, or use a model with a longer context.",
    ),
    Kind.CONTENT_FILTER: (
        "The vendor's filter refused the prompt or cut the answer.",
        "Nothing in the router; the item's row says which vendor it was.",
    ),
    Kind.UNKNOWN: (
        "The reply matches no known fault.",
        "The vendor's message is in log.jsonl; please report it, so that a rule can be added.",
    ),
}
"""By fault: what it means, and what to change."""

DOES: Mapping[Action, str] = {
    Action.SLOW_DOWN: "The account rests until the time that the vendor names, or else for 10 s and longer each time; "
    "then its rate is raised step by step. The item waits for any provider.",
    Action.REST_KEY: "The account rests until the stated or known reset, or for 6 hours if it has no money left. The "
    "item goes to another account.",
    Action.DROP_KEY: "The key is dropped, for later runs too; `router check --forget KEY` undoes that. The item goes "
    "to another key.",
    Action.RETRY_ELSEWHERE: "The item goes to another provider at once. A provider that keeps failing rests, is then "
    "tried with one call at a time, and after that its rate is raised step by step.",
    Action.DROP_PROVIDER: "The provider no longer serves this model in this run.",
    Action.REST_PROVIDER: "The provider rests with all its keys; no key is blamed. The item goes to another provider.",
    Action.GIVE_UP_ITEM: "The item is given up, or first tried at one other provider if that may help.",
}
"""By action: what the router does."""
KEYS_OF_A_MODEL = (
    "This key is not used for this model again; if no key serves the model, the provider is not asked for it."
)


@dataclass(frozen=True, slots=True)
class Explanation:
    """The explanation of one fault; `reply` is the fault found in a given reply, if there was one."""

    fault: Kind
    family: str
    blame: str
    charged: bool
    means: str
    does: str
    change: str
    reply: Fault | None = None


def explain(kind: Kind, reply: Fault | None = None) -> Explanation:
    """Explain a fault, from the same tables that the router acts on."""
    row = REACTIONS[kind]
    means, change = MEANS[kind]
    does = KEYS_OF_A_MODEL if row.family.value == "access" else DOES[row.action]
    if row.doubted is not Doubt.NEVER:
        does += " If several accounts fail like this together, the provider rests instead."
    return Explanation(kind, str(row.family), str(row.blame), row.charged, means, does, change, reply)


def explain_reply(reply: Reply, prefix: str, now: float) -> Explanation | None:
    """Explain a raw reply; None if it is an answer. `now` is in seconds since the epoch."""
    fault = examine(reply, provider=prefix, now=now)
    return explain(fault.kind, fault) if fault else None


def find(name: str) -> Kind | Vendor:
    """Find a fault or vendor by name, prefix or vendor code; raises ConfigError that suggests the nearest name."""
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
