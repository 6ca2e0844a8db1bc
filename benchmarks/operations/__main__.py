"""Queue runs, kill processes, and write what the UI showed and what finished the work.

python -m benchmarks.operations    writes docs/figures/operations.parquet

It starts a server and workers of its own, on a free port and in a folder of its own, and ends them. It ends
with status 1 when anything is not as promised.
"""

import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa

from benchmarks.kills.__main__ import SETTINGS
from benchmarks.launching import FIGURES_FOLDER, Output, launch, shown
from benchmarks.operations.deaths import CASES, Outcome
from benchmarks.operations.machine import machine
from moongate.artifacts.schemas import Table
from moongate.artifacts.tables import write_table

_TEXT = ("event", "shown", "finish", "kept")
OPERATIONS = Table(
    "operations",
    1,
    "event",
    pa.schema(
        [
            *(pa.field(name, pa.string(), nullable=False) for name in _TEXT),
            pa.field("seconds", pa.float64(), nullable=False),
            pa.field("as_promised", pa.bool_(), nullable=False),
        ]
    ),
)


def main(output: Output = FIGURES_FOLDER) -> None:
    """Queue runs, kill processes, and write what the UI showed and what finished the work."""
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory() as scratch, shown() as progress, machine(Path(scratch)) as own:
        settings = [word for setting in SETTINGS for word in ("--set", setting)]
        own.moongate("run", "-q", *settings)
        with progress.track("events", len(CASES)) as advance:
            for case in CASES:
                outcomes.append(case(own))
                advance(1)
                rows = [asdict(outcome) for outcome in outcomes]
                write_table(output / "operations.parquet", rows, OPERATIONS, {})
    if broken := [outcome.event for outcome in outcomes if not outcome.as_promised]:
        sys.exit(f"not as promised: {'; '.join(broken)}")


if __name__ == "__main__":
    launch(main)
