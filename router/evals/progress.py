"""How far a run has come, as a frozen record for screens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from router.engine.status import LaneStatus
from router.evals.outlook import UNKNOWN, Outlook


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A run at one moment: items by outcome, time, and what every provider is doing.

    `total` is None where the data set is read as it comes. `wall` is the time of the snapshot, in seconds since
    the epoch; `notes` are sentences that a person should see all the time, such as that vendors are simulated;
    `outlook` is the time left, and what bounds it.
    """

    run: str
    total: int | None
    right: int
    wrong: int
    unparsable: int
    error: int
    elapsed_s: float
    wall: float
    lanes: tuple[LaneStatus, ...]
    simulated: bool
    unscored: int = 0
    stopping: bool = False
    notes: tuple[str, ...] = ()
    outlook: Outlook = UNKNOWN

    @property
    def settled(self) -> int:
        """Items that have their outcome."""
        return self.right + self.wrong + self.unparsable + self.unscored + self.error

    @property
    def per_second(self) -> float:
        """Items settled a second, over the whole run."""
        return self.settled / self.elapsed_s if self.elapsed_s > 0 else 0.0


class Screen(Protocol):
    """Shows a run while it goes on. `show` is called some four times a second and must return at once."""

    def show(self, snapshot: Snapshot) -> None:
        """Show the run as it is now."""
        ...

    def close(self) -> None:
        """Leave the terminal as it was; the last state stays readable."""
        ...


class Forgiving:
    """A screen that falls silent for good once its stream cannot be written: talk must not end a run."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._is_silent = False

    def show(self, snapshot: Snapshot) -> None:
        """Show the run as it is now, if it can be shown."""
        self._try(lambda: self._screen.show(snapshot))

    def close(self) -> None:
        """Leave the terminal as it was, if it is still there."""
        self._try(self._screen.close)

    def _try(self, act: Callable[[], None]) -> None:
        if not self._is_silent:
            try:
                act()
            except (OSError, ValueError):  # gone, closed, or without the letters
                self._is_silent = True
