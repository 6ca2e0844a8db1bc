"""What is away for a minute and comes back: the server, or the database behind it."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import psutil

from benchmarks.operations.database import Database, database
from benchmarks.operations.deaths import (
    Outcome,
    Struck,
    adapter_of,
    finished_by_retry,
    is_free,
    training,
    until_ended,
)
from benchmarks.operations.machine import Machine, machine, until
from benchmarks.operations.trainings import computing, seconds_in_checkpoint
from flows.services.crew import SERVER

# Some outlast a server that stands still, and some end while the database is away.
MANY_STEPS, FEW_STEPS, LAST_STEPS = 400, 30, 10
AWAY_S = 60.0


def server_stands_still(own: Machine) -> Outcome:
    """Stop the server for a minute, as on a machine that has no time for it."""
    struck = training(own, seed=4, steps=MANY_STEPS)
    server = psutil.Process(own.pid(SERVER))
    server.suspend()
    time.sleep(AWAY_S)
    server.resume()
    seconds = until_ended(own, struck.flow_run_id)
    shown = own.state(struck.flow_run_id)
    event = f"no answer from the server for {AWAY_S:.0f} s"
    if shown != "Completed":
        return finished_by_retry(own, struck, event, seconds, shown)
    return Outcome(event, shown, "", seconds, "the process went on by itself", is_free(own))


def database_stops(own: Machine, records: Database) -> Outcome:
    """Stop the database for a minute in which a training ends: the server answers, but only with errors."""
    struck = training(own, seed=6, steps=FEW_STEPS)
    until(lambda: _steps_done(own, struck) >= FEW_STEPS - LAST_STEPS, "the training is near its end")
    records.stop()
    stopped = datetime.now(UTC)
    time.sleep(AWAY_S)
    back = datetime.now(UTC)
    records.start()
    seconds = until_ended(own, struck.flow_run_id)
    shown = own.state(struck.flow_run_id)
    event = f"the database is stopped for {AWAY_S:.0f} s, and a training ends meanwhile"
    if shown != "Completed":
        return finished_by_retry(own, struck, event, seconds, shown)
    _, ended = computing(adapter_of(own, own.record(struck.flow_run_id)))
    kept = "the process went on by itself, and told the server when it could"
    return Outcome(event, shown, "", seconds, kept, stopped < ended < back and is_free(own))


def _steps_done(own: Machine, struck: Struck) -> int:
    """Return how many steps are in the newest checkpoint; 0 when it is replaced at this moment."""
    with suppress(FileNotFoundError):
        return len(seconds_in_checkpoint(own.store / "scratch" / "train", struck.since))
    return 0


@contextmanager
def machine_with_postgres(where: Path) -> Iterator[tuple[Machine, Database]]:
    """Yield a machine whose server keeps its records in a Postgres, of the programs in `where`."""
    with (
        tempfile.TemporaryDirectory() as scratch,
        database(where) as records,
        machine(Path(scratch), records.url) as own,
    ):
        yield own, records
