"""The cheap tier that may be refused: after a few refusals a request is sent in the standard one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from router.catalog.vendors import of_prefix, prefix_of
from router.engine.job import Job
from router.faults import Fault, Kind
from router.transport import Call
from router.types import Answer, Json

TIER = "service_tier"
FLEX = "flex"
MAX_REFUSALS = 3
STANDARD = "default"


def tier_of(call: Call) -> str:
    """The service tier that a call asks for; empty where it asks for none."""
    provider, own = call.provider, call.request.params
    return str(
        own.get(TIER) or provider.params_by_model.get(call.model, {}).get(TIER) or provider.params.get(TIER) or ""
    )


def in_tier(call: Call, job: Job) -> Call:
    """The call as it is to be sent: as asked, or in the standard tier where flex was refused MAX_REFUSALS times."""
    if tier_of(call) != FLEX or sum(attempt.tier == FLEX for attempt in job.attempts) < MAX_REFUSALS:
        return call
    vendor = of_prefix(prefix_of(call.model))
    standard = vendor.standard_tier if vendor else STANDARD
    params: Mapping[str, Json] = {**call.request.params, TIER: standard}
    return replace(call, request=replace(call.request, params=params))


def judged(result: Answer | Fault, call: Call) -> Answer | Fault:
    """What came of a call; that flex has no room says nothing about the vendor, and costs no attempt."""
    if isinstance(result, Fault) and result.kind is Kind.OVERLOADED and tier_of(call) == FLEX:
        return replace(result, excused=True)
    return result
