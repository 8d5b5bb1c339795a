"""From the fault that a key's question met to what it says of the key, and to what its owner should do."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from router.check.findings import Finding, Heard, Level, Verdict
from router.config.models import Provider
from router.faults import Fault, Kind

VERDICTS: Mapping[Kind, Verdict] = {
    Kind.RATE_LIMIT: Verdict.THROTTLED,
    Kind.TOKEN_LIMIT: Verdict.THROTTLED,
    Kind.CONCURRENCY: Verdict.THROTTLED,
    Kind.DAILY_QUOTA: Verdict.QUOTA,
    Kind.NO_CREDIT: Verdict.NO_CREDIT,
    Kind.INVALID_KEY: Verdict.INVALID,
    Kind.REVOKED_KEY: Verdict.INVALID,
    Kind.ACCOUNT_BANNED: Verdict.BANNED,
    Kind.PERMISSION: Verdict.NO_ACCESS,
    Kind.MODEL_NOT_FOUND: Verdict.NO_ACCESS,
    Kind.IP_BLOCKED: Verdict.ADDRESS,
    Kind.REGION_BLOCKED: Verdict.REGION,
    Kind.OVERLOADED: Verdict.FAILING,
    Kind.SERVER_ERROR: Verdict.FAILING,
    Kind.CONNECTION: Verdict.UNREACHABLE,
    Kind.TIMEOUT: Verdict.UNREACHABLE,
    Kind.MALFORMED_REPLY: Verdict.FAILING,
    Kind.BAD_REQUEST: Verdict.REFUSED,
    Kind.CONTEXT_LENGTH: Verdict.REFUSED,
    Kind.CONTENT_FILTER: Verdict.REFUSED,
    Kind.UNKNOWN: Verdict.UNCLEAR,
}
"""What each fault says of a key."""


class _Meaning(NamedTuple):
    level: Level
    advice: str


MEANINGS: Mapping[Verdict, _Meaning] = {
    Verdict.THROTTLED: _Meaning(
        Level.WARNING, "the key is good, but its limit is used up now; does another program use it?"
    ),
    Verdict.QUOTA: _Meaning(Level.PROBLEM, "the key is good, but its quota is used up until the vendor resets it"),
    Verdict.NO_CREDIT: _Meaning(Level.PROBLEM, "the account has no credit: top it up, or take the key out"),
    Verdict.INVALID: _Meaning(Level.PROBLEM, "the vendor does not know this key: copy it again, or take it out"),
    Verdict.BANNED: _Meaning(
        Level.PROBLEM, "the account is switched off: ask the vendor, and take the key out meanwhile"
    ),
    Verdict.NO_ACCESS: _Meaning(Level.PROBLEM, "the key may not use this model"),
    Verdict.REGION: _Meaning(Level.PROBLEM, "the vendor does not serve the country that this machine calls from"),
    Verdict.ADDRESS: _Meaning(Level.PROBLEM, "the vendor refuses this machine's address; the key may be good"),
    Verdict.REFUSED: _Meaning(Level.WARNING, "the question was refused, which says little about the key; check params"),
    Verdict.UNASKABLE: _Meaning(
        Level.PROBLEM, "LiteLLM cannot send it a question, so none was sent: correct model, params"
    ),
    Verdict.UNREACHABLE: _Meaning(Level.PROBLEM, "no answer came: check base_url, the network and the proxy"),
    Verdict.FAILING: _Meaning(Level.PROBLEM, "the vendor failed; the key may be good: check again later"),
    Verdict.UNCLEAR: _Meaning(Level.PROBLEM, "this does not say whether the key is good; read the vendor's message"),
}
"""What to do about each verdict but `works`."""

OF_ALL_KEYS = frozenset(
    {Verdict.REGION, Verdict.ADDRESS, Verdict.UNASKABLE, Verdict.UNREACHABLE, Verdict.FAILING, Verdict.UNCLEAR}
)
"""Verdicts that blame the way or the vendor: told once where all keys of a provider met the same."""
MAX_MODELS = 5


def of(fault: Fault | None) -> Verdict:
    """What an answer, or a fault in its place, says of the key."""
    return Verdict.WORKS if fault is None else VERDICTS[fault.kind]


def findings(provider: Provider, heard: Mapping[str, Heard]) -> Iterator[Finding]:
    """What follows from what the keys of a provider were answered."""
    answers = list(heard.items())
    verdicts = {each.verdict for each in heard.values()}
    if len(answers) > 1 and len(verdicts) == 1 and verdicts <= OF_ALL_KEYS:
        answers = [(provider.name, answers[0][1])]
    for where, each in answers:
        if meaning := MEANINGS.get(each.verdict):
            suggestion = _nearest(provider, each) if each.verdict is Verdict.NO_ACCESS else ""
            yield Finding(meaning.level, each.fault, where, _message(each, meaning), suggestion, provider.line or None)


def _message(heard: Heard, meaning: _Meaning) -> str:
    status = f"HTTP {heard.status}" if heard.status else heard.fault
    said = f"{status}: {heard.message}" if heard.message else status
    return f"{meaning.advice}{_models(heard)} ({said})"


def _models(heard: Heard) -> str:
    if heard.verdict is not Verdict.NO_ACCESS:
        return ""
    asked = heard.model.partition("/")[2]
    if not heard.models:
        return f", {asked}; the vendor does not list which models it has"
    shown = difflib.get_close_matches(asked, heard.models, MAX_MODELS, 0.0)
    rest = len(heard.models) - len(shown)
    return f", {asked}; it has {', '.join(shown)}{f' and {rest} more' if rest else ''}"


def _nearest(provider: Provider, heard: Heard) -> str:
    """The line with the model whose name is most like the one that was asked for."""
    prefix, _, asked = heard.model.partition("/")
    near = difflib.get_close_matches(asked, heard.models, 1, 0.6)
    if not near or near[0] == asked:
        return ""
    name = next((size for size, model in provider.models.items() if model == heard.model), "default")
    model = f"{prefix}/{near[0]}"
    return f"model: {model}" if name == "default" else f"models: {{{name}: {model}}}"
