"""What dies by `kill -9` in the middle of a training, and how it goes on."""

import os
import signal
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import psutil

from benchmarks.operations.machine import ENDED, SLOTS, Machine, until
from benchmarks.operations.trainings import first_new_step, seconds_in_checkpoint, seconds_of_steps
from flows.services.crew import SERVER
from moongate.runs import RunRecord

# Enough to be hit in the middle with a checkpoint to go on from.
STEPS = 100


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
    """A training that was hit while it held a device.

    Attributes:
        flow_run_id: its run on the server.
        pid: its process.
        since: when it was queued, in seconds since 1970.
    """

    flow_run_id: UUID
    pid: int
    since: float


def flow_process_killed(machine: Machine) -> Outcome:
    """Kill the process of a training; its worker reports that, and a retry goes on."""
    struck = training(machine, seed=1)
    os.kill(struck.pid, signal.SIGKILL)
    seconds = until_ended(machine, struck.flow_run_id)
    return finished_by_retry(machine, struck, "kill -9 of the flow process", seconds, "Crashed")


def worker_killed(machine: Machine) -> Outcome:
    """Kill the worker of a training; its process goes on by itself, and `moongate up` replaces the worker."""
    struck = training(machine, seed=2)
    worker = _worker_of(machine, struck.pid)
    os.kill(machine.pid(worker), signal.SIGKILL)
    until(lambda: machine.pid(worker) == 0, "the worker is gone")
    alive = psutil.pid_exists(struck.pid)
    machine.up()
    seconds = until_ended(machine, struck.flow_run_id)
    shown = machine.state(struck.flow_run_id)
    kept = "the process went on by itself" if alive else "nothing"
    fine = alive and shown == "Completed" and machine.pid(worker) > 0
    return Outcome("kill -9 of a worker", shown, "moongate up", seconds, kept, fine and is_free(machine))


def server_killed(machine: Machine) -> Outcome:
    """Kill the server during a training, and start it again with `moongate up`."""
    struck = training(machine, seed=3)
    os.kill(machine.pid(SERVER), signal.SIGKILL)
    until(lambda: machine.pid(SERVER) == 0, "the server is gone")
    machine.up()
    seconds = until_ended(machine, struck.flow_run_id)
    shown = machine.state(struck.flow_run_id)
    if shown != "Completed":
        return finished_by_retry(machine, struck, "kill -9 of the server", seconds, shown)
    kept = "the process went on by itself"
    return Outcome("kill -9 of the server", shown, "moongate up", seconds, kept, is_free(machine))


def worker_and_flow_killed(machine: Machine) -> Outcome:
    """Kill a worker and its run together: only the server's automation can tell that the run is dead."""
    struck = training(machine, seed=5)
    worker = machine.pid(_worker_of(machine, struck.pid))
    os.kill(worker, signal.SIGKILL)
    os.kill(struck.pid, signal.SIGKILL)
    seconds = until_ended(machine, struck.flow_run_id)
    machine.up()
    event = "kill -9 of a worker and its flow process, as when the machine is rebooted"
    return finished_by_retry(machine, struck, event, seconds, "Crashed")


def training(machine: Machine, seed: int, steps: int = STEPS) -> Struck:
    """Queue a training of its own, and return it once it has a checkpoint and holds a device."""
    before = datetime.now(UTC).timestamp()
    settings = [f"train.steps={steps}", "train.checkpoint_every=5", f"train.learning_rate={seed}e-5"]
    queued = machine.rerun("train", settings)
    holder = machine.stage_at_work("train")

    def has_checkpoint() -> bool:
        states = (machine.store / "scratch" / "train").rglob("state.json")
        return any(path.stat().st_mtime > before for path in states)

    until(has_checkpoint, "there is a checkpoint")
    return Struck(queued, holder.pid, before)


def _worker_of(machine: Machine, pid: int) -> str:
    """Return the name of the worker that started a flow process."""
    above = {one.pid for one in psutil.Process(pid).parents()}
    names = [f"worker-slot-{number}" for number in range(SLOTS)]
    return next(name for name in names if machine.pid(name) in above)


def until_ended(machine: Machine, flow_run_id: UUID) -> float:
    return until(lambda: machine.state(flow_run_id) in ENDED, "the flow run has ended")


def finished_by_retry(machine: Machine, struck: Struck, event: str, seconds: float, shown: str) -> Outcome:
    """Retry the flow run, and see that it ends well without doing finished stages or steps again."""
    seen, free = machine.state(struck.flow_run_id), is_free(machine)
    checkpoint = seconds_in_checkpoint(machine.store / "scratch" / "train", struck.since)
    machine.retry(struck.flow_run_id)
    until(lambda: machine.state(struck.flow_run_id) == "Completed", "the retry has completed")
    record = machine.record(struck.flow_run_id)
    again = [entry.stage for entry in record.current() if not entry.cached and entry.stage != "train"]
    steps = seconds_of_steps(adapter_of(machine, record))
    # A process that outlived its server may have finished the training itself.
    has_trained = any(entry.stage == "train" and not entry.cached for entry in record.current())
    step = first_new_step(steps, checkpoint) if has_trained else len(steps)
    stages = f"not: {', '.join(again)}" if again else "every finished stage"
    kept = f"{stages}, training from step {step} of {len(steps)}"
    fine = seen == shown and free and not again and step > 0 and record.status == "completed"
    return Outcome(event, seen, "prefect flow-run retry <id>", seconds, kept, fine)


def adapter_of(machine: Machine, record: RunRecord) -> Path:
    """Return where the result of a run's training is."""
    (digest,) = (entry.digest for entry in record.current() if entry.stage == "train")
    return machine.adapters / digest


def is_free(machine: Machine) -> bool:
    return machine.holders() == (None,) * SLOTS
