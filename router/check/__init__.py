"""What is wrong with a `providers.yaml` and its keys: found offline, or by asking each key one cheap question."""

from router.check.findings import Checkup, Finding, Level
from router.check.offline import examine

__all__ = ["Checkup", "Finding", "Level", "examine"]
