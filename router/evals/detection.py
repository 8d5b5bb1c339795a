"""How many items it takes to tell two prompts apart, before either is asked."""

from __future__ import annotations

from dataclasses import dataclass

from router.evals.paired import discordance, items_needed, power_of

MAX_SUMMED = 2_000
"""Up to so many items the power is summed exactly; it takes as long as there are items."""


@dataclass(frozen=True, slots=True)
class Detection:
    """What it takes to show a `difference` beside an `accuracy` (both 0…1) in 4 of 5 cases, at the 5 % level.

    `items` is for errors that are independent of each other, `min_items` for the better prompt never losing an item
    that the other one has; the truth is mostly in between. None is more than a million. `power` is the chance that the
    `planned` items decide where errors are independent, None for more than MAX_SUMMED or an unknown number.
    """

    difference: float
    accuracy: float
    items: int | None
    min_items: int | None
    planned: int | None
    power: float | None


def detection(difference: float, accuracy: float, planned: int | None) -> Detection:
    """What it takes to show a difference upwards from an accuracy, or downwards where there is no room above."""
    other = accuracy + difference if accuracy + difference <= 1 else accuracy - difference
    discordant = discordance(accuracy, other)
    can_sum = planned is not None and planned <= MAX_SUMMED
    return Detection(
        difference=difference,
        accuracy=accuracy,
        items=items_needed(discordant, difference),
        min_items=items_needed(difference, difference),
        planned=planned,
        power=power_of(planned, discordant, difference) if can_sum and planned is not None else None,
    )
