"""What dies, by `kill -9` or by standing still, in the middle of a training; and how it goes on."""

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import psutil

from benchmarks.operations.machine import ENDED, SLOTS, Machine, overlaps, until
from flows.services.crew import SERVER

# Enough to be hit in the middle with a checkpoint to go on from; and to outlast a server that stands still.
STEPS, MANY_STEPS = 100, 400
QUEUED = 8
STANDSTILL_S = 60.0


@dataclass(frozen=True)
class Outcome:
    """What was done, what was seen, and whether that is what is promised.

    Attributes:
        event: what happened to the machine.
        shown: what the UI showed then.
        finish: the one command that finished the work; empty when none was needed.
        seconds: until the UI showed it, or until all was done where nothing broke.
        kept: what was not done again, in words.
        as_promised: whether all of it is as promised.
    """

    event: str
    shown: str
    finish: str
    seconds: float
    kept: str
    as_promised: bool


@dataclass(frozen=True)
class Struck:
    """A training that was hit while it held a device."""

    flow_run_id: UUID
    pid: int


def eight_runs_on_two_slots(machine: Machine) -> Outcome:
    """Queue eight runs, and see that they use both slots and never share one."""
    begun = time.monotonic()
    queued = [machine.rerun("sample", [f"sample.guidance={4 + number}"]) for number in range(QUEUED)]
    until(lambda: all(machine.state(one) in ENDED for one in queued), "the eight runs have ended")
    seconds = time.monotonic() - begun
    states = [machine.state(one) for one in queued]
    held: dict[str, list[tuple[datetime, datetime]]] = {}
    for one in queued:
        record = machine.record(one)
        span = (datetime.fromisoformat(record.started_utc), datetime.fromisoformat(record.ended_utc or ""))
        for slot in {entry.leased for entry in record.stages if entry.leased}:
            held.setdefault(slot, []).append(span)
    shared = overlaps(held)
    used = ", ".join(f"{slot.partition('@')[0]}: {len(spans)}" for slot, spans in sorted(held.items()))
    fine = states == ["Completed"] * QUEUED and len(held) == SLOTS and shared == 0
    shown = f"{states.count('Completed')} of {QUEUED} Completed"
    return Outcome(
        f"{QUEUED} runs queued, {SLOTS} slots", shown, "", seconds, f"{used}; overlaps: {shared}", fine
    )


def flow_process_killed(machine: Machine) -> Outcome:
    """Kill the process of a training; its worker reports that, and a retry goes on."""
    struck = _training(machine, seed=1)
    os.kill(struck.pid, signal.SIGKILL)
    seconds = _until_ended(machine, struck.flow_run_id)
    return _finished_by_retry(machine, struck, "kill -9 of the flow process", seconds, "Crashed")


def worker_killed(machine: Machine) -> Outcome:
    """Kill the worker of a training; its process goes on by itself, and `moongate up` replaces the worker."""
    struck = _training(machine, seed=2)
    worker = _worker_of(machine, struck.pid)
    os.kill(machine.pid(worker), signal.SIGKILL)
    until(lambda: machine.pid(worker) == 0, "the worker is gone")
    alive = psutil.pid_exists(struck.pid)
    machine.up()
    seconds = _until_ended(machine, struck.flow_run_id)
    shown = machine.state(struck.flow_run_id)
    kept = "the process went on by itself" if alive else "nothing"
    fine = alive and shown == "Completed" and machine.pid(worker) > 0
    return Outcome("kill -9 of a worker", shown, "moongate up", seconds, kept, fine and _is_free(machine))


def server_killed(machine: Machine) -> Outcome:
    """Kill the server during a training, and start it again with `moongate up`."""
    struck = _training(machine, seed=3)
    os.kill(machine.pid(SERVER), signal.SIGKILL)
    until(lambda: machine.pid(SERVER) == 0, "the server is gone")
    machine.up()
    seconds = _until_ended(machine, struck.flow_run_id)
    shown = machine.state(struck.flow_run_id)
    if shown != "Completed":
        return _finished_by_retry(machine, struck, "kill -9 of the server", seconds, shown)
    kept = "the process went on by itself"
    return Outcome("kill -9 of the server", shown, "moongate up", seconds, kept, _is_free(machine))


def server_stands_still(machine: Machine) -> Outcome:
    """Stop the server for a minute, as when its database cannot be reached."""
    struck = _training(machine, seed=4, steps=MANY_STEPS)
    server = psutil.Process(machine.pid(SERVER))
    server.suspend()
    time.sleep(STANDSTILL_S)
    server.resume()
    seconds = _until_ended(machine, struck.flow_run_id)
    shown = machine.state(struck.flow_run_id)
    event = f"no answer from the server for {STANDSTILL_S:.0f} s"
    if shown != "Completed":
        return _finished_by_retry(machine, struck, event, seconds, shown)
    return Outcome(event, shown, "", seconds, "the process went on by itself", _is_free(machine))


def worker_and_flow_killed(machine: Machine) -> Outcome:
    """Kill a worker and its run together: only the server's automation can tell that the run is dead."""
    struck = _training(machine, seed=5)
    worker = machine.pid(_worker_of(machine, struck.pid))
    os.kill(worker, signal.SIGKILL)
    os.kill(struck.pid, signal.SIGKILL)
    seconds = _until_ended(machine, struck.flow_run_id)
    machine.up()
    event = "kill -9 of a worker and its flow process, as when the machine is rebooted"
    return _finished_by_retry(machine, struck, event, seconds, "Crashed")


CASES: tuple[Callable[[Machine], Outcome], ...] = (
    eight_runs_on_two_slots,
    flow_process_killed,
    worker_killed,
    server_killed,
    server_stands_still,
    worker_and_flow_killed,
)


def _training(machine: Machine, seed: int, steps: int = STEPS) -> Struck:
    """Queue a training of its own, and return it once it has a checkpoint and holds a device."""
    before = datetime.now(UTC).timestamp()
    settings = [f"train.steps={steps}", "train.checkpoint_every=5", f"train.learning_rate={seed}e-5"]
    queued = machine.rerun("train", settings)
    holder = machine.stage_at_work("train")

    def has_checkpoint() -> bool:
        states = (machine.store / "scratch" / "train").rglob("state.json")
        return any(path.stat().st_mtime > before for path in states)

    until(has_checkpoint, "there is a checkpoint")
    return Struck(queued, holder.pid)


def _worker_of(machine: Machine, pid: int) -> str:
    """Return the name of the worker that started a flow process."""
    above = {one.pid for one in psutil.Process(pid).parents()}
    names = [f"worker-slot-{number}" for number in range(SLOTS)]
    return next(name for name in names if machine.pid(name) in above)


def _until_ended(machine: Machine, flow_run_id: UUID) -> float:
    return until(lambda: machine.state(flow_run_id) in ENDED, "the flow run has ended")


def _finished_by_retry(machine: Machine, struck: Struck, event: str, seconds: float, shown: str) -> Outcome:
    """Retry the flow run, and see that it ends well without doing finished stages again."""
    seen, free = machine.state(struck.flow_run_id), _is_free(machine)
    machine.retry(struck.flow_run_id)
    until(lambda: machine.state(struck.flow_run_id) == "Completed", "the retry has completed")
    record = machine.record(struck.flow_run_id)
    again = [entry.stage for entry in record.current() if not entry.cached and entry.stage != "train"]
    kept = "every finished stage, training from its checkpoint" if not again else f"not: {', '.join(again)}"
    fine = seen == shown and free and not again and record.status == "completed"
    return Outcome(event, seen, "prefect flow-run retry <id>", seconds, kept, fine)


def _is_free(machine: Machine) -> bool:
    return machine.holders() == (None,) * SLOTS
