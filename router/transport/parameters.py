"""What a call hands to LiteLLM beside its messages: the parameters that may be set, and who calls."""

from __future__ import annotations

from typing import Any

from router.catalog.vendors import of_prefix, prefix_of
from router.config.parameters import first_refusal
from router.transport.base import Call
from router.transport.litellm_import import Refused

NO_KEY = "none"
"""Stands for a key where none is needed: without one LiteLLM and OpenAI's SDK would not send at all."""


def parameters_of(call: Call) -> dict[str, Any]:
    """The file's parameters and over them the request's; raises Refused for one that neither may set.

    Files and prompts are refused long before; this is for whoever builds a Provider or a Request of his own.
    """
    file, own = call.provider.params_of(call.model), call.request.params
    why = first_refusal(file, prefix_of(call.model)) or first_refusal(own)
    if why:
        raise Refused(ValueError(why))
    return {**file, **own}


def secret_of(call: Call) -> str | None:
    """The key to hand over; None where the vendor's other credentials sign the call."""
    if call.key.secret:
        return call.key.secret.reveal()
    vendor = of_prefix(prefix_of(call.model))
    return None if vendor and vendor.credentials else NO_KEY
