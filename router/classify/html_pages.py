"""Pages for people where an API should answer: firewalls, challenges, gateways, proxies that reach nobody."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus

from router.classify.statuses import STATUSES, is_servers
from router.faults import Kind

_COUNTRY = re.compile(
    r"error (?:code:? )?1009|banned the country|country or region|not available in your (?:country|region)"
    r"|access from your (?:country|region)"
)
_WALL = re.compile(
    r"just a moment|attention required|checking your browser|verify you are (?:a )?human|been blocked|access denied"
    r"|unusual traffic|automated quer|captcha|security (?:check|service|policy)|firewall|forbidden|request blocked"
    r"|error (?:code:? )?10(?:05|06|07|08|10|12|15|20)|rate limited|too many requests|reference #"
    r"|enable javascript and cookies|访问(?:被|受限|验证)|拦截|安全威胁|禁止访问"
)
_UNREACHED = re.compile(
    r"connection (?:to \S+ )?(?:failed|refused|reset)|could(?: not|n't) connect|unable to connect|web server is down"
    r"|origin is unreachable|host error|dns (?:error|resolution)|ssl handshake failed|无法连接"
)
_LOADED = re.compile(r"overload|busy|capacity|high (?:load|traffic|demand)|temporarily|maintenance|繁忙|过载")
_SHUT = frozenset({403, 405, 406, 407, 418, 429, 444, 451})
_CHALLENGES = ("cf-mitigated", "x-amzn-waf-action")
"""Headers of Cloudflare and AWS WAF: a browser would have to prove that it is one.

https://developers.cloudflare.com/cloudflare-challenges/challenge-types/challenge-pages/detect-response/
https://docs.aws.amazon.com/waf/latest/developerguide/waf-captcha-and-challenge-how-it-works.html
"""


def told_by_headers(headers: Mapping[str, str]) -> Kind | None:
    """What the headers of a challenge, or of a Squid between us and the vendor, say; None where there are none."""
    if any(name in headers for name in _CHALLENGES):
        return Kind.IP_BLOCKED
    if squid := headers.get("x-squid-error", "").upper():
        return Kind.IP_BLOCKED if "DENIED" in squid else Kind.TIMEOUT if "TIMEOUT" in squid else Kind.CONNECTION
    return None


def meaning(page: str, status: int | None) -> Kind:
    """What a page's readable text (lower case) and its status say; only a 401 blames the key."""
    if _COUNTRY.search(page):
        return Kind.REGION_BLOCKED
    if _WALL.search(page) and (status or 0) not in {401, 404, 413, 500, 502, 504}:
        return Kind.IP_BLOCKED
    if is_servers(status) and _UNREACHED.search(page):
        return Kind.CONNECTION
    if status == HTTPStatus.SERVICE_UNAVAILABLE and _LOADED.search(page):
        return Kind.OVERLOADED
    if status in _SHUT:
        return Kind.IP_BLOCKED
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:  # a gateway counts bytes, and knows no context
        return Kind.BAD_REQUEST
    if status is not None and status in STATUSES:
        return STATUSES[status]
    return Kind.SERVER_ERROR if is_servers(status) else Kind.MALFORMED_REPLY
