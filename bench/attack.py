"""Attack the whole product with vendors of our own, and count what fails; some minutes, on loopback only.

Run it as `uv run python bench/attack.py` for everything, or name sections: `bench/attack.py replies kills`.
`--share 0.1` takes a tenth of each. It prints a table with every way to fail under it, writes the same as JSON
(`--json`), and ends with exit code 1 where anything failed. The vendors speak raw bytes over real sockets and log every
request; what is attacked runs in processes of its own. All that is known here of the product's inside stands in
`attack_product.py`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import attack_beside
import attack_border
import attack_ends
import attack_engine
import attack_inputs
import attack_secrets
import lab
from attack_page import page
from attack_table import Row, failures, table

Section = Callable[[float], Awaitable[Sequence[Row]]]

SECTIONS: Mapping[str, Section] = {
    "replies": attack_border.replies,
    "redirects": attack_border.follow_redirects,
    "beside": attack_beside.beside,
    "kills": attack_ends.kills,
    "disks": attack_ends.disks,
    "engine": attack_engine.engine,
    "inputs": attack_inputs.mutations,
    "secrets": attack_secrets.secrets,
    "tls": attack_beside.tls,
}
"""What can be tried, in the order in which it is."""
WHERE = Path(__file__).with_suffix(".json")


def arguments(given: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"{', '.join(SECTIONS)} [all]")
    parser.add_argument("--share", type=float, default=1.0, help="how much of each section, above 0 to 1 [1]")
    parser.add_argument("--json", type=Path, default=WHERE, help="where the result goes as JSON [%(default)s]")
    parser.add_argument("--page", type=Path, help="where it goes as a document, docs/reliability.md [nowhere]")
    found = parser.parse_args(given)
    if unknown := sorted(set(found.sections) - set(SECTIONS)):
        parser.error(f"{', '.join(unknown)}: no such section; there are {', '.join(SECTIONS)}")
    if not 0 < found.share <= 1:
        parser.error(f"--share {found.share:g}: expected above 0 and at most 1")
    return found


def flat(error: Exception) -> list[BaseException]:
    """The errors of a group, or the one."""
    return [each for part in error.exceptions for each in flat(part)] if isinstance(error, ExceptionGroup) else [error]


async def attack(sections: Sequence[str], share: float) -> list[Row]:
    """Try the sections one after another; one that cannot be tried is a failure, and the others go on."""
    rows: list[Row] = []
    for name in sections:
        began = time.monotonic()
        try:
            rows += await SECTIONS[name](share)
        except Exception as error:  # noqa: BLE001 - the table says it, whatever it is
            broken = Row(name, "the section itself")
            broken.add("it", [f"{type(each).__name__}: {each}"[:300] for each in flat(error)])
            rows.append(broken)
        print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return rows


def main(given: Sequence[str]) -> int:
    """Attack, print, write; 1 where anything failed."""
    options = arguments(given)
    machine = lab.machine()
    rows = asyncio.run(attack(options.sections or list(SECTIONS), options.share))
    print(machine, table(rows), failures(rows), sep="\n")
    result = {"machine": machine, "share": options.share, "rows": [row.to_json() for row in rows]}
    options.json.write_text(json.dumps(result, indent=2, ensure_ascii=True) + "\n", encoding="utf-8")
    if options.page:
        options.page.write_text(page(machine, rows), encoding="utf-8")
    return int(any(row.failures for row in rows))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
