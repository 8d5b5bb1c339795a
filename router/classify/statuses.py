"""What an HTTP status alone means, where nothing else in a reply tells."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from router.faults import Kind

STATUSES: Mapping[int, Kind] = {
    401: Kind.INVALID_KEY,
    402: Kind.NO_CREDIT,
    403: Kind.PERMISSION,
    404: Kind.MODEL_NOT_FOUND,
    405: Kind.MODEL_NOT_FOUND,
    407: Kind.CONNECTION,
    408: Kind.TIMEOUT,
    410: Kind.MODEL_NOT_FOUND,
    413: Kind.CONTEXT_LENGTH,
    425: Kind.OVERLOADED,
    429: Kind.RATE_LIMIT,
    451: Kind.REGION_BLOCKED,
    498: Kind.OVERLOADED,
    499: Kind.TIMEOUT,
    500: Kind.SERVER_ERROR,
    502: Kind.SERVER_ERROR,
    503: Kind.SERVER_ERROR,
    504: Kind.TIMEOUT,
    520: Kind.SERVER_ERROR,
    521: Kind.CONNECTION,
    522: Kind.TIMEOUT,
    523: Kind.CONNECTION,
    524: Kind.TIMEOUT,
    525: Kind.CONNECTION,
    526: Kind.CONNECTION,
    529: Kind.OVERLOADED,
    530: Kind.CONNECTION,
}
"""The last resort. 520 to 530 are Cloudflare's:
https://developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-5xx-errors/
"""


def is_servers(status: int | None) -> bool:
    """Whether a status says that the server has failed, and not the one who asked."""
    return status is not None and status >= HTTPStatus.INTERNAL_SERVER_ERROR
