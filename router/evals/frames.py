"""Results as tables of pandas and polars, and as Parquet; none of the packages is needed for anything else."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from router.errors import ConfigError
from router.evals.kept import KeptRows
from router.evals.results import FIELDS


def to_pandas(results: Path) -> Any:
    """The last row of every trial of a results.jsonl as a pandas DataFrame; raises ConfigError without pandas."""
    return _package("pandas").DataFrame.from_records(
        [row.to_json() for row in KeptRows(results).rows()], columns=FIELDS
    )


def to_polars(results: Path) -> Any:
    """The same as a polars DataFrame; raises ConfigError without polars."""
    rows = [row.to_json() for row in KeptRows(results).rows()]
    return _package("polars").DataFrame(rows, schema=list(FIELDS), infer_schema_length=None)


def to_parquet(results: Path, output: Path) -> None:
    """Write the same as a Parquet file; raises ConfigError without pyarrow."""
    arrow = _package("pyarrow")
    table = arrow.Table.from_pylist([row.to_json() for row in KeptRows(results).rows()])
    _package("pyarrow.parquet").write_table(table, output)


def _package(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        package = name.partition(".")[0]
        raise ConfigError(f"this needs {package}, which is not installed: pip install {package}") from None
