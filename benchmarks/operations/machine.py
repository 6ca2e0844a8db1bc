"""A machine of its own for the proof: `moongate up` in an empty store, with two declared device slots."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from uuid import UUID

from httpx import HTTPStatusError, TransportError
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from benchmarks.kills.__main__ import SETTINGS
from benchmarks.operations.ports import free_port
from flows.remote import submit
from flows.services.crew import services_place
from moongate.artifacts.holding import Holder
from moongate.errors import StoreError
from moongate.models.leases import declared_slots, holders
from moongate.runs import RunRecord, list_runs, run_of

ENDED = ("Completed", "Failed", "Crashed", "Cancelled")
SLOTS = 2
LIMIT_S = 1800.0
POLL_S = 0.2
# A worker reports a death twice, some seconds apart, and the second report would undo a retry in between.
SETTLED_S = 10.0
# What a session may have set for itself, and what is decided here instead.
_VARIABLES = {
    "CUDA_VISIBLE_DEVICES",
    "PREFECT_API_URL",
    "PREFECT_HOME",
    "PREFECT_SERVER_DATABASE_CONNECTION_URL",
}


@dataclass(frozen=True)
class Machine:
    """The machine, and what is asked of it.

    Attributes:
        store: of all runs.
        locks: of the slots.
        port: of the server.
        database: what its server keeps its records in; empty for a file of its own.
    """

    store: Path
    locks: Path
    port: int
    database: str = ""

    @property
    def url(self) -> str:
        """The server's API."""
        return f"http://127.0.0.1:{self.port}/api"

    def variables(self) -> dict[str, str]:
        """Return the environment of every command."""
        kept = {name: value for name, value in os.environ.items() if name not in _VARIABLES}
        own = {"MOONGATE_HOME": str(self.store), "MOONGATE_DEVICE_LOCKS": str(self.locks)}
        if self.database:
            own["PREFECT_SERVER_DATABASE_CONNECTION_URL"] = self.database
        return kept | own | {"MOONGATE_DEVICE_SLOTS": str(SLOTS)}

    def moongate(self, *arguments: str) -> str:
        """Run a command to its end and return what it printed.

        Raises:
            StoreError: when it fails.
        """
        command = [sys.executable, "-m", "flows.cli", *arguments]
        done = subprocess.run(command, env=self.variables(), capture_output=True, text=True, check=False)
        if done.returncode:
            raise StoreError(
                f"moongate {arguments[0]} ended with status {done.returncode}",
                where=str(self.store),
                why=done.stderr[-1000:],
                fix="read the logs of its services there",
            )
        return done.stdout

    def up(self) -> None:
        """Start what does not run."""
        self.moongate("up", "--port", str(self.port))

    def pid(self, service: str) -> int:
        """Return the process of a service; 0 when it does not run."""
        holder = services_place(self.store).running(service)
        return holder.pid if holder else 0

    def holders(self) -> tuple[Holder | None, ...]:
        """Return who holds each slot."""
        return holders(declared_slots(self.variables()), self.locks)

    @property
    def adapters(self) -> Path:
        """Where finished trainings are."""
        return self.store / "artifacts" / "train"

    def rerun(self, stage: str, changes: Sequence[str]) -> UUID:
        """Queue one stage of the first run."""
        first = list_runs(self.store)[-1].run_id
        return submit(f"rerun/{stage}", {"run": first, "overrides": list(changes)}).id

    def state(self, flow_run_id: UUID) -> str:
        """Return the name of a flow run's state, as the UI shows it; empty when nobody can say."""
        try:
            with get_client(sync_client=True) as client:
                state = client.read_flow_run(flow_run_id).state
        except TransportError:
            return ""
        except HTTPStatusError as error:
            if not error.response.is_server_error:
                raise
            return ""
        return (state.name or "") if state else ""

    def retry(self, flow_run_id: UUID) -> None:
        """Do what a person does who has seen that a run has ended."""
        time.sleep(SETTLED_S)
        command = [sys.executable, "-m", "prefect", "flow-run", "retry", str(flow_run_id)]
        environment = self.variables() | {"PREFECT_API_URL": self.url}
        subprocess.run(command, env=environment, check=True, capture_output=True)

    def record(self, flow_run_id: UUID) -> RunRecord:
        """Return the record of the run that a flow run made.

        Raises:
            StoreError: when there is none.
        """
        record = run_of(self.store, str(flow_run_id), datetime.fromisoformat("2000-01-01T00:00:00+00:00"))
        if record is None:
            raise StoreError(
                "a run has no record", where=str(self.store), why="none fits", fix="read its log"
            )
        return record

    def stage_at_work(self, stage: str) -> Holder:
        """Return who holds a slot for this stage, once somebody does."""
        found: list[Holder] = []

        def looked() -> bool:
            found[:] = [one for one in self.holders() if one and one.purpose.startswith(stage)]
            return bool(found)

        until(looked, f"{stage} holds a device")
        return found[0]


@contextmanager
def machine(folder: Path, database: str = "") -> Iterator[Machine]:
    """Yield a machine that is up and has a run to repeat stages of, and take it down afterwards."""
    own = Machine(folder / "store", folder / "slots", free_port(), database)
    # Prefect has read the environment of this process by now.
    with temporary_settings({PREFECT_API_URL: own.url}):
        try:
            own.up()
            own.moongate("run", "-q", *(word for setting in SETTINGS for word in ("--set", setting)))
            yield own
        finally:
            own.moongate("down")


def until(true: Callable[[], bool], what: str, limit_s: float = LIMIT_S) -> float:
    """Wait, and return how many seconds it took.

    Raises:
        StoreError: when it takes too long.
    """
    begun = time.monotonic()
    while not true():
        if time.monotonic() - begun > limit_s:
            raise StoreError(
                f"waited {limit_s:.0f} s in vain", where="operations", why=f"not true: {what}", fix="see logs"
            )
        time.sleep(POLL_S)
    return time.monotonic() - begun


def overlaps(held: Mapping[str, Sequence[tuple[datetime, datetime]]]) -> int:
    """Return how often two spans of one slot overlap."""
    count = 0
    for spans in held.values():
        ordered = sorted(spans)
        count += sum(after[0] < before[1] for before, after in pairwise(ordered))
    return count
