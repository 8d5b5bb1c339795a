"""How many items tell two prompts apart: the article's experiment, and the edges."""

from __future__ import annotations

import pytest

from router.evals.detection import MAX_SUMMED, detection


def test_the_articles_experiment() -> None:
    """85 % against 98 %, independent errors: 74 items by Connor's formula, and 100 decide in 94 of 100 cases."""
    found = detection(0.13, 0.85, 100)
    assert found.items == 74
    assert found.power == pytest.approx(0.943, abs=5e-4)
    assert found.min_items is not None
    assert found.min_items < 74


@pytest.mark.parametrize(
    ("difference", "accuracy", "items"),
    [(0.05, 0.8, 909), (0.05, 0.98, 272), (0.0001, 0.5, None)],
    ids=["five points", "downwards where there is no room", "out of reach"],
)
def test_items(difference: float, accuracy: float, items: int | None) -> None:
    assert detection(difference, accuracy, None).items == items


@pytest.mark.parametrize("planned", [None, MAX_SUMMED + 1])
def test_no_power_is_said_where_it_is_not_summed(planned: int | None) -> None:
    assert detection(0.1, 0.5, planned).power is None
