"""The boundary to the vendors: each call returns an Answer or exactly one Fault."""

from router.transport.base import Call, Transport

__all__ = ["Call", "Transport"]
