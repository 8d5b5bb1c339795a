"""Pages for people where an API should answer: firewalls, challenges, gateways."""

from __future__ import annotations

import re

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
_STATUSES = {
    401: Kind.INVALID_KEY,
    404: Kind.MODEL_NOT_FOUND,
    408: Kind.TIMEOUT,
    413: Kind.BAD_REQUEST,
    500: Kind.SERVER_ERROR,
    502: Kind.SERVER_ERROR,
    503: Kind.OVERLOADED,
    504: Kind.TIMEOUT,
    520: Kind.SERVER_ERROR,
    521: Kind.SERVER_ERROR,
    522: Kind.TIMEOUT,
    523: Kind.SERVER_ERROR,
    524: Kind.TIMEOUT,
    525: Kind.CONNECTION,
    526: Kind.CONNECTION,
}
_SHUT = frozenset({403, 405, 406, 407, 418, 429, 444, 451})


def meaning(page: str, status: int | None) -> Kind:
    """What a page's readable text (lower case) and its status say; only a 401 blames the key."""
    if _COUNTRY.search(page):
        return Kind.REGION_BLOCKED
    if _WALL.search(page) and (status or 0) not in {401, 404, 413, 500, 502, 504}:
        return Kind.IP_BLOCKED
    if status in _STATUSES:
        return _STATUSES[status]
    if status in _SHUT:
        return Kind.IP_BLOCKED
    return Kind.SERVER_ERROR if status and status >= 500 else Kind.MALFORMED_REPLY  # noqa: PLR2004
