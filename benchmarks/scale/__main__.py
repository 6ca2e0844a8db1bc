"""Measure what one run costs the devices, the store and the Prefect server.

python -m benchmarks.scale --store FOLDER       writes docs/figures/scale_costs.parquet, scale_calls.parquet

The run has to have built everything. It is repeated, which finds all of it in the store, while its requests
to the Prefect server are counted.
"""

import os
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import typer

from benchmarks.figures import Provenance
from benchmarks.launching import FIGURES_FOLDER, Output, StoreFolder, command_line, launch
from benchmarks.scale.calls import counted
from benchmarks.scale.costs import costs_of, write_costs
from moongate.artifacts.schemas import Table
from moongate.artifacts.store import HOME_VARIABLE, Store
from moongate.artifacts.tables import write_table
from moongate.runs import RunRecord, load_run

CALLS = Table(
    "scale_calls",
    1,
    "kind x name",
    pa.schema(
        [
            *(pa.field(name, pa.string(), nullable=False) for name in ("kind", "name")),
            pa.field("count", pa.int64(), nullable=False),
        ]
    ),
)


def main(
    store: StoreFolder = Path("store"),
    run: Annotated[str, typer.Option(help="Id of a run that built everything.")] = "last",
    output: Output = FIGURES_FOLDER,
) -> None:
    """Measure what one run costs the devices, the store and the Prefect server."""
    record = load_run(store, run)
    costs = costs_of(Store(store), record.run_id)
    how = Provenance.of_now(
        command_line("scale", [("--run", run, "last")]),
        base=record.config.base.model,
        precision=record.config.base.precision,
        device=next(entry.device for entry in record.current() if entry.stage == "train"),
        seconds=record.wall_s,
    )
    write_costs(output / "scale_costs.parquet", costs, vars(how))
    write_table(output / "scale_calls.parquet", calls_of(record, store), CALLS, vars(how))


def calls_of(record: RunRecord, store: Path) -> list[dict[str, object]]:
    """Repeat a run and return one row of `CALLS` a route, and one of all events."""
    os.environ[HOME_VARIABLE] = str(store)
    from flows.server import prefect_api, wait_until_healthy

    with prefect_api(store) as api:
        import prefect  # noqa: F401 - its settings are read here, after the API is known

        wait_until_healthy(api)
        from flows.personalize import personalize

        with counted() as tally:
            personalize(record.config)
            _send_what_is_left()
    found = [{"kind": "request", "name": name, "count": count} for name, count in tally.requests.items()]
    return [*found, {"kind": "event", "name": "events", "count": tally.events}]


def _send_what_is_left() -> None:
    """Let the threads that report in the background finish."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    APILogWorker.drain_all(timeout=60)
    EventsWorker.drain_all(timeout=60)


if __name__ == "__main__":
    launch(main)
