"""Make every change to what a run reads, and write which stage instances it makes stale.

python -m benchmarks.staleness    writes docs/figures/staleness.parquet

What is stale follows from addresses alone, so nothing is built. It ends with status 1 when a change makes
anything stale that it must not, or leaves anything that it must.
"""

import logging
import sys
import tempfile
from pathlib import Path

import pyarrow as pa

from benchmarks.launching import FIGURES_FOLDER, Output, launch
from benchmarks.staleness.changes import GROUPS
from benchmarks.staleness.world import World, stale
from flows.terminal import Terminal, console
from moongate.artifacts.schemas import Table
from moongate.artifacts.tables import write_table
from moongate.progress import Progress

_TEXTS = ("group", "change", "stage", "role", "outcome", "expected")
STALENESS = Table(
    "staleness",
    1,
    "change x stage instance",
    pa.schema([pa.field(name, pa.string(), nullable=False) for name in _TEXTS]),
)


def main(output: Output = FIGURES_FOLDER) -> None:
    """Make every change to what a run reads, and write which stage instances it makes stale."""
    terminal = Terminal(console())
    with tempfile.TemporaryDirectory() as scratch, terminal.live(logging.ERROR):
        found = rows(World.bundled(Path(scratch) / "world"), Path(scratch), terminal)
    write_table(output / "staleness.parquet", found, STALENESS)
    if wrong := [row for row in found if row["outcome"] != row["expected"]]:
        sys.exit(f"{len(wrong)} of {len(found)} stage instances are not as they must be: {wrong[0]}")


def rows(original: World, scratch: Path, progress: Progress) -> list[dict[str, str]]:
    """Return one row of `STALENESS` for each change and stage instance."""
    before = original.addresses()
    found: list[dict[str, str]] = []
    with progress.track("changes", sum(map(len, GROUPS.values()))) as advance:
        for group, changes in GROUPS.items():
            for name, change in changes.items():
                rebuilt = stale(before, change.apply(original.moved(scratch / f"copy-{len(found)}")))
                for instance in before:
                    stage, _, role = instance.partition(" ")
                    found.append(
                        {"group": group, "change": name, "stage": stage, "role": role}
                        | {"outcome": _word(instance in rebuilt)}
                        | {"expected": _word(instance in change.expected)}
                    )
                advance(1)
    return found


def _word(is_stale: bool) -> str:  # noqa: FBT001 - what is put into words
    return "rebuilt" if is_stale else "reused"


if __name__ == "__main__":
    launch(main)
