"""Queue runs, kill processes, and write what the UI showed and what finished the work.

python -m benchmarks.operations    writes docs/figures/operations.parquet

It starts a server and workers of its own, on a free port and in a folder of its own, and ends them; where
Postgres is installed, also one that is kept in a Postgres of its own. It ends with status 1 when anything is
not as promised.
"""

import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa

from benchmarks.launching import FIGURES_FOLDER, Output, launch, shown
from benchmarks.operations.database import programs
from benchmarks.operations.deaths import (
    Outcome,
    flow_process_killed,
    server_killed,
    worker_and_flow_killed,
    worker_killed,
)
from benchmarks.operations.machine import Machine, machine
from benchmarks.operations.outages import database_stops, machine_with_postgres, server_stands_still
from benchmarks.operations.sharing import eight_runs_and_two_terminals
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


CASES: tuple[Callable[[Machine], Outcome], ...] = (
    eight_runs_and_two_terminals,
    flow_process_killed,
    worker_killed,
    server_killed,
    server_stands_still,
    worker_and_flow_killed,
)


def main(output: Output = FIGURES_FOLDER) -> None:
    """Queue runs, kill processes, and write what the UI showed and what finished the work."""
    outcomes: list[Outcome] = []
    with shown() as progress, progress.track("events", len(CASES) + 1) as advance:
        for outcome in seen():
            outcomes.append(outcome)
            advance(1)
            rows = [asdict(one) for one in outcomes]
            write_table(output / "operations.parquet", rows, OPERATIONS, {})
    if broken := [outcome.event for outcome in outcomes if not outcome.as_promised]:
        sys.exit(f"not as promised: {'; '.join(broken)}")


def seen() -> Iterator[Outcome]:
    """Yield what came of each event; that of the database only where Postgres is installed."""
    with tempfile.TemporaryDirectory() as scratch, machine(Path(scratch)) as own:
        for case in CASES:
            yield case(own)
    if where := programs():
        with machine_with_postgres(where) as (own, records):
            yield database_stops(own, records)


if __name__ == "__main__":
    launch(main)
