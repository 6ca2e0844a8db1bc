"""Do every hostile thing to a folder, and write what is said of it.

python -m benchmarks.hostile    writes docs/figures/hostile.parquet and docs/figures/hostile_memory.parquet

It ends with status 1 when an input did not get the verdict and the words that were set for it beforehand.
"""

import logging
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import typer

from benchmarks.hostile.case import observe, prepare
from benchmarks.hostile.cases import CASES, GROUPS
from benchmarks.hostile.memory import KINDS, measure
from benchmarks.launching import FIGURES_FOLDER, Output, launch, unmet
from flows.terminal import Terminal, console
from moongate.artifacts.schemas import Table
from moongate.artifacts.store import Store
from moongate.artifacts.tables import write_table
from moongate.imagefolder.verdicts import printable
from moongate.progress import Progress

_TEXTS = ("group", "input", "verdict", "message", "expected")
_COUNTS = ("pixels", "file_bytes", "growth_bytes")
HOSTILE = Table(
    "hostile", 1, "hostile input", pa.schema([pa.field(name, pa.string(), nullable=False) for name in _TEXTS])
)
MEMORY = Table(
    "hostile_memory",
    1,
    "kind of picture",
    pa.schema(
        [
            pa.field("kind", pa.string(), nullable=False),
            *(pa.field(name, pa.int64(), nullable=False) for name in _COUNTS),
        ]
    ),
)
SIDE = 4000


def main(
    output: Output = FIGURES_FOLDER,
    side: Annotated[
        int, typer.Option(help="Pixels on a side of the pictures whose memory is measured.")
    ] = SIDE,
) -> None:
    """Do every hostile thing to a folder, and write what is said of it."""
    terminal = Terminal(console())
    # Warnings are what is collected here, so they are not shown as well.
    with tempfile.TemporaryDirectory() as scratch, terminal.live(logging.ERROR):
        found = verdicts(Path(scratch), terminal)
        write_table(output / "hostile.parquet", found, HOSTILE)
        peaks = [asdict(measure(kind, side, Path(scratch))) for kind in KINDS]
        write_table(output / "hostile_memory.parquet", peaks, MEMORY)
    if wrong := unmet(found, "input"):
        sys.exit(wrong)


def verdicts(scratch: Path, progress: Progress) -> list[dict[str, str]]:
    """Return one row of `HOSTILE` a case, in the order of the cases."""
    rows: list[dict[str, str]] = []
    with progress.track("hostile inputs", len(CASES)) as advance:
        for group, cases in GROUPS.items():
            for case in cases:
                # A case's folder appears in messages about it; the same name each time keeps them the same.
                place = scratch / f"{len(rows)}"
                seen = observe(case, prepare(case, place / "pictures"), Store(place / "store"))
                message = printable(seen.message.replace(str(place), "..."))
                rows.append(
                    {"group": group, "input": case.title, "verdict": seen.verdict, "message": message}
                    | {"expected": "yes" if case.is_met_by(seen.verdict, seen.message) else "no"}
                )
                advance(1)
    return rows


if __name__ == "__main__":
    launch(main)
