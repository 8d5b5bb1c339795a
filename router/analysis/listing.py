"""What lies in a directory of runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from router.analysis.reading import LATEST
from router.jsonl import decode


@dataclass(frozen=True, slots=True)
class Listed:
    """One run. `state` is `done`, `interrupted`, `stopped`, or `open` where it goes on or was killed."""

    name: str
    started: str
    task: str
    prompts: tuple[str, ...]
    state: str
    items: int | None
    accuracy: float | None
    error: int | None
    simulated: bool

    def to_json(self) -> dict[str, object]:
        """All of it as JSON can say it."""
        return asdict(self)


def runs_in(log_dir: Path) -> tuple[Listed, ...]:
    """The runs under a directory, the newest last; none where it is not there."""
    if not log_dir.is_dir():
        return ()
    places = sorted(each for each in log_dir.iterdir() if each.name != LATEST and (each / "run.json").is_file())
    return tuple(map(_listed, places))


def _listed(directory: Path) -> Listed:
    about, summary = _document(directory / "run.json"), _document(directory / "summary.json")
    prompts, task = about.get("prompts"), about.get("task")
    return Listed(
        name=directory.name,
        started=str(about.get("started", "")),
        task=str(task.get("name", "")) if isinstance(task, dict) else "",
        prompts=tuple(str(each.get("name")) for each in prompts) if isinstance(prompts, list) else (),
        state=_state(summary),
        items=_number(summary, "items"),
        accuracy=share if isinstance(share := summary.get("accuracy"), float) else None,
        error=_number(summary, "error"),
        simulated=about.get("simulated") is True,
    )


def _state(summary: Mapping[str, object]) -> str:
    if not summary:
        return "open"
    return "stopped" if summary.get("stopped") else "interrupted" if summary.get("interrupted") else "done"


def _number(summary: Mapping[str, object], name: str) -> int | None:
    value = summary.get(name)
    return value if isinstance(value, int) else None


def _document(path: Path) -> Mapping[str, object]:
    try:
        found = decode(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
