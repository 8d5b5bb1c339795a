"""One process at a time works on a run."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from router.errors import ConfigError


class Lock:
    """Held on a file from its making to `release`, or to the end of the process, however that comes.

    Raises ConfigError where another process holds it. Where the file system knows no locks, there is none.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab")
        try:
            _lock(self._file.fileno())
        except BlockingIOError:
            self._file.close()
            raise ConfigError(
                f"{path.parent}: another process works on this run; wait until it has ended, or end it"
            ) from None

    def release(self) -> None:
        """Let others have it."""
        self._file.close()


def _lock(descriptor: int) -> None:
    with suppress(ImportError):
        import fcntl

        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except OSError:
            return
