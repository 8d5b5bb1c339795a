"""`router logs`."""

from __future__ import annotations


def logs() -> int:
    """Not there yet."""
    return 3
