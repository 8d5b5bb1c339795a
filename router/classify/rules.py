"""The decision: from a reply's evidence to a fault, the surest sign first."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from router.classify import html_pages, phrases
from router.classify.codes import table
from router.classify.evidence import Code, Evidence, gather
from router.classify.retry_after import exhausted, retry_after
from router.classify.statuses import STATUSES, is_servers
from router.faults import REACTIONS, Family, Fault, Kind
from router.types import Reply

MESSAGE_CHARS = 500
A_LONG_WAIT_S = 86400.0
"""A throttle that is told to wait for a day has met a quota, whatever its vendor calls it; an hour tells no window."""

ALL_WINDOWS = 3
_PER_REGION = re.compile(r"request limit per minute for a region")
_OF_NOTHING = re.compile(r"\blimit: 0\b(?![.,]?\d)")
_A_LONG_WINDOW = re.compile(r"day|7d|5h|week|month")
_RELAYED = re.compile(
    r"provider returned error|error from provider|upstream (?:request|provider|error)|bad response status code",
    re.IGNORECASE,
)
_SATURATED = re.compile(r"分组(?:上游)?负载已饱和")
_STATUSES_OF_BAD_REQUESTS = frozenset({200, 400, 409, 411, 414, 415, 422, None})
"""`invalid_request_error` is many vendors' envelope for everything: elsewhere the status says more."""
_HTTP_STATUS = re.compile(r"[1-5]\d\d")
_ENDINGS = ("finish_reason", "finishreason", "stop_reason")
_OURS_ONLY = frozenset({Kind.NO_CREDIT, Kind.INVALID_KEY, Kind.REVOKED_KEY})
_LIMIT_HEADERS = ("x-ratelimit", "anthropic-ratelimit", "ratelimit", "retry-after", "x-tokenlimit")


@dataclass(frozen=True, slots=True)
class Verdict:
    """A kind and the code that told it, if one did."""

    kind: Kind
    code: str = ""


Rule = Callable[[Evidence], Verdict | None]


def classify(reply: Reply, *, provider: str = "", now: float) -> Fault:
    """Decide what a failed reply means; never raises. `now` is in seconds since the epoch.

    `provider` is LiteLLM's prefix; it only helps where a number means different things at different vendors.
    """
    evidence = gather(reply, provider)
    verdict = decide(evidence)
    wait = retry_after(evidence, now)
    kind = _named_limit(evidence, wait) if verdict.kind is Kind.RATE_LIMIT else verdict.kind
    if wait == 0 and REACTIONS[kind].family is Family.QUOTA:
        wait = None
    return Fault(
        kind=kind,
        message=evidence.message[:MESSAGE_CHARS],
        status=reply.status,
        vendor_code=(verdict.code or _telling_code(evidence))[:100],
        retry_after_s=wait,
        limits=limits(reply.headers),
    )


def limits(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that tell a vendor's limits, as received."""
    return {name: value for name, value in headers.items() if name.startswith(_LIMIT_HEADERS)}


def decide(evidence: Evidence) -> Verdict:
    """Ask the rules in order; the first that knows decides."""
    verdict = next((said for rule in RULES if (said := rule(evidence))), Verdict(Kind.UNKNOWN))
    if verdict.kind in _OURS_ONLY and _RELAYED.search(" ".join(evidence.words)):
        return Verdict(Kind.OVERLOADED, verdict.code)
    return verdict


def _transport(evidence: Evidence) -> Verdict | None:
    """No answer came: by the name of the failure."""
    if evidence.status is not None:
        return None
    if "time" in evidence.error.lower():
        return Verdict(Kind.TIMEOUT)
    return Verdict(Kind.CONNECTION) if evidence.error else None


def _wall(evidence: Evidence) -> Verdict | None:
    """A page for people, or a challenge: something stands before the vendor; hardly ever the key's fault."""
    if kind := html_pages.told_by_headers(evidence.headers):
        return Verdict(kind)
    return Verdict(html_pages.meaning(evidence.page.lower(), evidence.status)) if evidence.page else None


def _upstream(evidence: Evidence) -> Verdict | None:
    """What the wrapped reply says alone outranks its wrapper, unless it only says that something failed."""
    inner = evidence.upstream
    said = next((said for rule in RULES_OF_BODIES if inner and (said := rule(inner))), None)
    if not inner or not said or said.kind is Kind.SERVER_ERROR:
        return None
    is_the_relays_envelope = said.kind is Kind.BAD_REQUEST and inner.status == evidence.status
    return None if is_the_relays_envelope else said


def _blocked_prompt(evidence: Evidence) -> Verdict | None:
    """Gemini answers a prompt that it refuses with a reason and no candidates; any reason will do."""
    reason = next((code.value for code in evidence.codes if code.place.endswith("blockreason")), None)
    return Verdict(Kind.CONTENT_FILTER, reason) if reason else None


def _google_quota(evidence: Evidence) -> Verdict | None:
    """Google's quotaId says which window and what is counted; its words are the same for all.

    Three broken quotas without a value are quotas of nothing: no free tier for this model.
    https://github.com/google-gemini/gemini-cli/issues/8437
    """
    quota = [code.value for code in evidence.codes if code.place.endswith("quotaid")]
    if not quota:
        # The whole reply, with Google's status, is an ordinary throttle. Its bare words alone were seen as a ban.
        is_throttle = _PER_REGION.search(evidence.text) and Code("RESOURCE_EXHAUSTED", "error.status") in evidence.codes
        return Verdict(Kind.RATE_LIMIT, "RESOURCE_EXHAUSTED") if is_throttle else None
    told = " ".join(quota).lower()
    has_values = any(code.place.endswith("quotavalue") for code in evidence.codes)
    if _OF_NOTHING.search(evidence.text) or (len(quota) >= ALL_WINDOWS and not has_values):
        return Verdict(Kind.PERMISSION, quota[0])
    if "perday" in told:
        return Verdict(Kind.DAILY_QUOTA, quota[0])
    return Verdict(Kind.TOKEN_LIMIT if "token" in told else Kind.RATE_LIMIT, quota[0])


def _shed_by_anthropic(evidence: Evidence) -> Verdict | None:
    """Anthropic's bare "Rate limited" is its own load, not this key's limit, which is always named.

    https://github.com/anthropics/claude-code/issues/71634
    """
    is_its_shape = Code("error", "type") in evidence.codes
    return Verdict(Kind.OVERLOADED) if is_its_shape and evidence.words == ("Rate limited",) else None


def _sure_code(evidence: Evidence) -> Verdict | None:
    return _by_code(evidence, is_sure=True)


def _likely_code(evidence: Evidence) -> Verdict | None:
    return _by_code(evidence, is_sure=False)


def _by_code(evidence: Evidence, *, is_sure: bool) -> Verdict | None:
    """The innermost known code decides: what wraps it is a relay's envelope."""
    for code in reversed(evidence.codes):
        entry = table().find(code, evidence.provider)
        if not entry or entry.counts_for_sure(code, evidence.provider) is not is_sure:
            continue
        if is_sure or entry.kind is not Kind.BAD_REQUEST or evidence.status in _STATUSES_OF_BAD_REQUESTS:
            return Verdict(entry.kind, code.value)
    return None


def _plain_words(evidence: Evidence) -> Verdict | None:
    kind = phrases.plain_meaning(evidence.text, evidence.status)
    return Verdict(kind) if kind else None


def _words(evidence: Evidence) -> Verdict | None:
    kind = phrases.meaning(evidence.text, evidence.status)
    return Verdict(_within_the_status(kind, evidence.status or 0)) if kind else None


def _within_the_status(kind: Kind, status: int) -> Kind:
    """What words can mean with this status.

    A 402 is about money, whatever rate it names. A credential or a request refused with a server's fault is
    the server's own: relays speak so of what they made of ours.
    """
    if status == HTTPStatus.PAYMENT_REQUIRED and kind in {Kind.RATE_LIMIT, Kind.TOKEN_LIMIT}:
        return Kind.NO_CREDIT
    is_ours = REACTIONS[kind].family is Family.DEAD or kind is Kind.BAD_REQUEST
    return Kind.SERVER_ERROR if is_servers(status) and is_ours else kind


def _hidden_by_a_relay(evidence: Evidence) -> Verdict | None:
    """one-api replaces the words of each upstream 429 by "the group is full" and keeps the upstream's code.

    Only a throttle among these codes is news; the upstream's account is not ours.
    Seen in https://github.com/popjane/free_chatgpt_api/issues/7.
    """
    if not _SATURATED.search(evidence.text):
        return None
    said = _likely_code(evidence)
    return said if said and said.kind is Kind.RATE_LIMIT else Verdict(Kind.OVERLOADED)


def _code_words(evidence: Evidence) -> Verdict | None:
    kind = phrases.meaning(evidence.code_words, evidence.status)
    is_envelope = kind is Kind.BAD_REQUEST and evidence.status not in _STATUSES_OF_BAD_REQUESTS
    return Verdict(kind) if kind and not is_envelope else None


def _vendor_status(evidence: Evidence) -> Verdict | None:
    kind = table().statuses.get((evidence.provider, evidence.status or 0))
    return Verdict(kind) if kind else None


def _status(evidence: Evidence) -> Verdict | None:
    """The status alone, or the one that a body repeats where the outer one says nothing.

    A 429 without a word is a limiter in front of the vendor, which counts addresses:
    https://github.com/songquanpeng/one-api/blob/main/middleware/rate-limit.go
    """
    inner = (int(c.value) for c in evidence.codes if re.fullmatch(r"[45]\d\d", c.value))
    status = evidence.status if evidence.status and evidence.status >= 400 else next(inner, None)  # noqa: PLR2004
    if status is None:
        return Verdict(Kind.MALFORMED_REPLY) if evidence.status else None
    if status == HTTPStatus.TOO_MANY_REQUESTS and evidence.is_empty:
        return Verdict(Kind.IP_BLOCKED)
    kind = STATUSES.get(status)
    return Verdict(kind or (Kind.SERVER_ERROR if is_servers(status) else Kind.BAD_REQUEST))


RULES_OF_BODIES: tuple[Rule, ...] = (
    _upstream,
    _blocked_prompt,
    _google_quota,
    _hidden_by_a_relay,
    _shed_by_anthropic,
    _plain_words,
    _sure_code,
    _words,
    _vendor_status,
    _likely_code,
    _code_words,
)
RULES: tuple[Rule, ...] = (_transport, _wall, *RULES_OF_BODIES, _status)


def _named_limit(evidence: Evidence, wait: float | None) -> Kind:
    """Which limit a plain throttle has met: the headers of the one that is used up tell, and a wait of days does."""
    used_up = exhausted(evidence.headers) if evidence.status == HTTPStatus.TOO_MANY_REQUESTS else []
    if (wait or 0) >= A_LONG_WAIT_S or any(_A_LONG_WINDOW.search(name) for name in used_up):
        return Kind.DAILY_QUOTA
    return Kind.TOKEN_LIMIT if used_up and all("token" in name for name in used_up) else Kind.RATE_LIMIT


def _telling_code(evidence: Evidence) -> str:
    """Without a code that decided: what stands under a name with "code", then reasons and types, then numbers."""
    codes = [code for code in evidence.codes if not code.place.endswith(_ENDINGS)]
    return min(codes, key=_rank, default=Code("", "")).value


def _rank(code: Code) -> int:
    if _HTTP_STATUS.fullmatch(code.value):
        return 2
    return 0 if "code" in code.place.rpartition(".")[2] else 1
