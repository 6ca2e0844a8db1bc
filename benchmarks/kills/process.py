"""One process that performs the chain of a run, tells of its work through a pipe, and may be killed.

It is forked from a parent that has imported the libraries and computed nothing, so that a kill costs what it
destroys and no seconds of imports. No memory of an earlier process reaches it: what it goes on from is on
disk.
"""

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from signal import SIGKILL
from typing import Any, TypeVar

from prefect import Task

from benchmarks.kills.events import Event, Teller
from benchmarks.kills.strikes import Aim, Strike
from benchmarks.performing import Direct
from flows.personalize import chain
from moongate.artifacts.batches import Batch, FinishedBatches
from moongate.artifacts.refs import Ref
from moongate.artifacts.store import Obtained, Store
from moongate.config import RunConfig
from moongate.models.source import resolve_base
from moongate.runs import RunRecord
from moongate.stages import record as recording
from moongate.stages.context import StageContext
from moongate.stages.record import STAGE, record
from moongate.training.checkpoints import Checkpoints

R = TypeVar("R", bound=Ref)
# The times of a run are part of its report; these are the same each time.
STARTED, ENDED = "2026-01-01T00:00:00+00:00", "2026-01-01T00:01:00+00:00"
RUN_ID = "r20260101-000000-killed-0000"
_FORK = multiprocessing.get_context("fork")


class Telling:
    """A `flows.performers.Perform` that tells when an instance begins and ends."""

    def __init__(self, direct: Direct, teller: Teller) -> None:
        self._direct = direct
        self._teller = teller

    def __call__(self, stage: Task[..., Obtained[R]], role: str, config: object, inputs: object) -> R:
        """Obtain the artifact of one stage instance."""
        self._teller.instance = (stage.name, role)
        before = self._direct.built
        self._teller.tell("begun")
        ref: R = self._direct(stage, role, config, inputs)
        self._teller.tell("ended", built=self._direct.built > before)
        return ref


def perform(config: RunConfig, home: Path, teller: Teller) -> None:
    """Perform the whole chain, record included, as the command does; tell of every piece of it."""
    base, store = resolve_base(config.base), Store(home)
    context = StageContext(store, teller, device="cpu")
    outcome, metrics = chain(config, base, Telling(Direct(context), teller))
    teller.instance = (STAGE, "all")
    teller.tell("begun")
    run = RunRecord(run_id=RUN_ID, started_utc=STARTED, ended_utc=ENDED, config=config)
    record(config, outcome.recorded(run, base, metrics), context)
    teller.tell("ended")


class Process:
    """A process that performs a run.

    Attributes:
        events: what it has told so far.
    """

    def __init__(self, config: RunConfig, home: Path, log: Path, strike: Strike | None = None) -> None:
        self.events: list[Event] = []
        self._reader, writer = _FORK.Pipe(duplex=False)
        self._process = _FORK.Process(target=_live, args=(config, home, log, strike, self._reader, writer))
        self._process.start()
        # The end of what it tells is seen only when nobody else holds the pipe open.
        writer.close()

    def listen(self) -> Iterator[Event]:
        """Yield what it tells, as it is told, until it has ended or died."""
        while True:
            try:
                self.events.append(self._reader.recv())
            except (EOFError, OSError):
                break
            yield self.events[-1]
        self._process.join()
        self._reader.close()

    def kill(self) -> None:
        """Send SIGKILL."""
        self._process.kill()

    @property
    def exit_code(self) -> int | None:
        """Its exit status, or minus the signal that ended it; None while it lives."""
        return self._process.exitcode


def _live(
    config: RunConfig, home: Path, log: Path, strike: Strike | None, reader: Connection, writer: Connection
) -> None:
    reader.close()
    with log.open("ab", buffering=0) as stream:
        for number in (sys.stdout.fileno(), sys.stderr.fileno()):
            os.dup2(stream.fileno(), number)
    import torch

    torch.set_num_threads(1)
    aim = Aim(strike) if strike and strike.delay_s == 0 else None

    def send(event: Event) -> None:
        writer.send(event)
        if aim and aim.is_reached(event):
            os.kill(os.getpid(), SIGKILL)

    teller = Teller(send, time.monotonic)
    _tell_of_what_is_published(teller)
    _tell_of_what_is_recorded(teller)
    perform(config, home, teller)


def _tell_of_what_is_published(teller: Teller) -> None:
    """Tell of every batch and checkpoint once it is on disk, in this process only."""
    keep: Callable[..., None] = FinishedBatches.publish
    publish: Callable[..., Path] = Checkpoints.publish

    def keep_and_tell(self: FinishedBatches, items: Any, batch: Batch) -> None:
        keep(self, items, batch)
        teller.tell("published", len(items), tuple(items))

    def publish_and_tell(self: Checkpoints, state: Any, best: Any, history: Any) -> Path:
        folder = publish(self, state, best, history)
        teller.tell("published", state.step, checkpoint_files(folder))
        return folder

    FinishedBatches.publish = keep_and_tell  # type: ignore[method-assign]
    Checkpoints.publish = publish_and_tell  # type: ignore[method-assign]


def _tell_of_what_is_recorded(teller: Teller) -> None:
    """Tell of each table of results and of the exported model as of a piece of work, in this process only.

    The stage itself shows no progress, and a kill would not be known to have hit it at work.
    """
    for name in ("write_run_table", "export_model"):
        setattr(recording, name, _told(getattr(recording, name), teller))


def _told(work: Callable[..., Path], teller: Teller) -> Callable[..., Path]:
    def work_and_tell(*inputs: Any, **settings: Any) -> Path:
        made = work(*inputs, **settings)
        teller.tell("advanced", 1)
        return made

    return work_and_tell


def checkpoint_files(folder: Path) -> tuple[str, ...]:
    """Return step, name and digest of each tensor file of a checkpoint: weights, moments, average, best."""
    from moongate.artifacts.digests import file_digest

    return tuple(
        f"{folder.name}/{path.name} {file_digest(path)}" for path in sorted(folder.glob("*.safetensors"))
    )
