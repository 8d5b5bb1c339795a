"""`--min-accuracy`: a threshold that simulated vendors neither pass nor miss unless somebody asked for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.cli.streams import say
from router.errors import ConfigError

if TYPE_CHECKING:
    from router.config.models import Config

PASSED, BELOW = 0, 1


def refuse_simulated(min_accuracy: float | None, why: str) -> None:
    """Raise ConfigError for a threshold that simulated vendors would be held to, though nobody asked for them."""
    if min_accuracy is not None:
        raise ConfigError(
            f"--min-accuracy {min_accuracy:g}: an accuracy on simulated vendors means nothing, and they were not asked "
            f"for ({why}); to try the gate on them add --rehearse"
        )


def why_simulated(config: Config) -> str:
    """Why a run without `--rehearse` has simulated vendors, and what makes them real."""
    if config.simulated:
        return f"{config.path} says simulated: true"
    if config.rehearse == "always":
        return f"{config.path} says rehearse: always; --live asks the real ones"
    missing = ", ".join(dict.fromkeys(name for each in config.left_out if each.enabled for name in each.missing))
    return f"{config.path} says rehearse: {config.rehearse}, and no key is set; set one of {missing or 'its keys'}"


def exit_code(accuracy: float | None, min_accuracy: float | None) -> int:
    """Whether an accuracy reaches the threshold; said where it does not."""
    if min_accuracy is None or (accuracy or 0.0) >= min_accuracy:
        return PASSED
    say(f"router: the accuracy is below --min-accuracy {min_accuracy:g}")
    return BELOW
