"""What an attack found, as values: how often a thing was tried, what failed and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

MAX_NAMED = 6


@dataclass(slots=True)
class Row:
    """One line of the table. `failures` maps the case to why; `figures` are measurements worth a look."""

    section: str
    what: str
    tried: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)

    def add(self, case: str, whys: Iterable[str]) -> None:
        """Count one case, failed where there is a reason."""
        self.tried += 1
        if why := "; ".join(whys):
            self.failures[case] = why

    def peak(self, name: str, value: float) -> None:
        """Keep the largest value of a figure."""
        self.figures[name] = max(value, self.figures.get(name, value))

    def to_json(self) -> Mapping[str, object]:
        """The row, its failures one by one."""
        return {
            "section": self.section,
            "what": self.what,
            "tried": self.tried,
            "failed": len(self.failures),
            "failures": self.failures,
            "figures": {name: round(value, 3) for name, value in self.figures.items()},
        }


def table(rows: Sequence[Row]) -> str:
    """The rows under one another, wide enough for the longest."""
    cells = [("section", "what was tried", "tried", "failed", "figures")]
    cells += [(row.section, row.what, f"{row.tried:,}", f"{len(row.failures):,}", _figures(row)) for row in rows]
    cells.append(("", "in all", f"{sum(row.tried for row in rows):,}", f"{sum(len(r.failures) for r in rows):,}", ""))
    widths = [max(len(line[place]) for line in cells) for place in range(len(cells[0]))]
    return "\n".join(_line(line, widths) for line in cells)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, what, tried, failed, figures = (
        cell.rjust(width) if place in {2, 3} else cell.ljust(width)
        for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return f"{first}  {what}  {tried}  {failed}  {figures}".rstrip()


def _figures(row: Row) -> str:
    return ", ".join(f"{name} {value:,.3g}" for name, value in row.figures.items())


def failures(rows: Sequence[Row]) -> str:
    """Every way to fail, the commonest first, with the first cases of each."""
    lines: list[str] = []
    for row in rows:
        if row.failures:
            lines += [f"{row.section}: {row.what}", *_grouped(row.failures)]
    return "\n".join(lines)


def _grouped(failed: Mapping[str, str]) -> list[str]:
    lines = []
    for why, count in Counter(failed.values()).most_common():
        cases = [case for case, each in failed.items() if each == why]
        more = f" and {len(cases) - MAX_NAMED} more" if len(cases) > MAX_NAMED else ""
        lines.append(f"  {count:4d}  {why}: {' | '.join(cases[:MAX_NAMED])}{more}")
    return lines
