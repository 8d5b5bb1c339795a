"""What stands between a lane and its next call: all kinds of limits in one form."""

from __future__ import annotations

import math
from typing import NamedTuple

from router.engine.dispatch import Ticket


class Obstacle(NamedTuple):
    """What a lane waits for, in words, and the loop time when that is over: `inf` where it depends on others.

    `for_all` where it stands in the way of every call of this lane, whatever is asked for; `ahead` is the ticket whose
    turn it is, where those behind it wait too and may need less.
    """

    what: str
    until: float = math.inf
    for_all: bool = True
    ahead: Ticket | None = None


IDLE = Obstacle("idle", for_all=False)
NOTHING = Obstacle("nothing")
PACED = frozenset({"pace", "ramp", "tokens", "key pace"})
"""What may depend on calls that are on their way to the wire."""
