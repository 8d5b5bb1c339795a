"""The border to the vendors: one call goes out, an Answer or exactly one Fault comes back."""

from router.transport.base import Call, Transport

__all__ = ["Call", "Transport"]
