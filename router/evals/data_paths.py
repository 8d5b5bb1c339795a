"""Which files `--data` names: one, a pattern of several, or those of a directory."""

from __future__ import annotations

import glob
import json
import re
from pathlib import Path

from router.errors import ConfigError
from router.evals.files import require_file
from router.evals.formats import READERS

STDIN = Path("-")
_SHARD = re.compile(r"-\d{5}-of-\d{5}$")
"""How files of one split are numbered on the Hub: `test-00000-of-00002.parquet`."""
_ABOUT = {"dataset_info.json", "dataset_dict.json", "state.json", "dataset_infos.json"}
"""What lies beside the data and describes it."""


def data_paths(data: str | Path) -> list[Path]:
    """The files in their order, at least one; raises ConfigError where there is none, or it is not clear which."""
    path = Path(data)
    if path == STDIN:
        return [path]
    if path.is_dir():
        return _of_directory(path)
    if not path.exists() and re.search(r"[*?\[]", str(data)):
        if found := sorted(map(Path, glob.glob(str(data), recursive=True))):  # noqa: PTH207 - from any root
            return [each for each in found if each.is_file()]
        raise ConfigError(f"{data}: there is no such file")
    require_file(path, "data file", streams=True)
    return [path]


def _of_directory(directory: Path) -> list[Path]:
    """All shards of the one set in a directory; of the files that `datasets` saves, in the order that it notes."""
    if (state := directory / "state.json").is_file():
        return [directory / entry["filename"] for entry in json.loads(state.read_bytes())["_data_files"]]
    sets: dict[str, list[Path]] = {}
    for path in sorted(directory.rglob("*")):
        if path.is_file() and path.name not in _ABOUT and _kind(path) in READERS:
            sets.setdefault(_pattern(path), []).append(path)
    if len(sets) == 1:
        return next(iter(sets.values()))
    if not sets:
        raise ConfigError(f"{directory}: there is no data file in this directory (known: {', '.join(READERS)})")
    raise ConfigError(f"{directory}: there are several data sets in it; name one: {', '.join(sets)}")


def _kind(path: Path) -> str:
    return (path.with_suffix("") if path.suffix == ".gz" else path).suffix.lower()


def _pattern(path: Path) -> str:
    """The name of all shards together: `main/test-*.parquet`; of files that `datasets` saves, their directory's."""
    if path.suffix == ".arrow" and (path.parent / "state.json").is_file():
        return str(path.parent)
    stem = _SHARD.sub("-*", path.name.removesuffix(path.suffix))
    return str(path.with_name(stem + path.suffix))
