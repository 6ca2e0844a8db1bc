"""SIGTERM and Ctrl-C to `moongate run` while it trains: message, status, seconds, and the way on."""

import signal
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from time import monotonic

from benchmarks.faults.case import Case, Seen
from benchmarks.faults.command_line import (
    built,
    command,
    environment,
    moongate,
    options,
    reused,
    tensor_files,
)
from flows.events import AnyEvent, StageProgress, read_event

# Long enough for a signal in the middle. No checkpoint is due before the end: the one that is there is the
# stop's own.
_STEPS = 60
_TRAINING = (
    f"train.steps={_STEPS}",
    f"train.checkpoint_every={_STEPS}",
    f"train.validate_every={_STEPS}",
    "train.prior_weight=0",
)
_RUN = ("run", *options(*_TRAINING))
# What is promised from the signal to the end of the process.
_MOST_SECONDS = 10.0


@dataclass(frozen=True)
class _Stopped:
    """A run that was sent a signal in the middle of training.

    Attributes:
        done: training steps that it had told of before the signal.
        seconds: from the signal to its end.
        status: its exit status.
        errors: what it wrote to standard error.
    """

    done: int
    seconds: float
    status: int
    errors: str


def _in_training(number: signal.Signals, folder: Path) -> Seen:
    store = folder / "store"
    stopped = _send(number, store)
    before, kept = built(store), _kept_step(store)
    again = moongate(store, *_RUN)
    resumed = f"Going on from step {kept} of {_STEPS}." in again.stderr
    same = tensor_files(store / "artifacts") == tensor_files(_undisturbed(folder.parent) / "artifacts")
    promised = (
        stopped.status == 128 + number
        and stopped.seconds < _MOST_SECONDS
        and "Traceback" not in stopped.errors
        and 0 < stopped.done <= kept < _STEPS
        and resumed
        and again.returncode == 0
        and bool(before)
        and before <= reused(store)
        and same
    )
    lost = f"nothing: step {kept} of {_STEPS} is in a checkpoint, {len(before)} artifacts are reused"
    goes_on = (
        f"status {stopped.status}, {stopped.seconds:.1f} s after the signal; the same command goes on from "
        f"step {kept}, and all weights, latents and noise have the bytes of a run that was not stopped"
    )
    return Seen(stopped.errors.strip().rpartition("\n")[2], lost, goes_on, promised)


def _send(number: signal.Signals, store: Path) -> _Stopped:
    """Start the command, and send it the signal once training is under way."""
    with subprocess.Popen(
        command(*_RUN, "--json"),
        env=environment(store),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Under a shell script's `&` the signal is ignored, and a child would inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as running:
        assert running.stdout
        done = next((step for step in _training_steps(running.stdout) if step), 0)
        running.send_signal(number)
        sent = monotonic()
        _, errors = running.communicate()
        return _Stopped(done, monotonic() - sent, running.returncode, errors)


def _training_steps(lines: Iterable[str]) -> Iterator[int]:
    """Yield how many training steps are done, as the command tells of them."""
    events: Iterable[AnyEvent] = map(read_event, lines)
    return (told.done for told in events if isinstance(told, StageProgress) and told.stage == "train")


def _kept_step(store: Path) -> int:
    """Return the step of the newest checkpoint; -1 without any."""
    folders = store.glob("scratch/train/*/checkpoints/step-*")
    return max((int(folder.name.removeprefix("step-")) for folder in folders), default=-1)


@cache
def _undisturbed(scratch: Path) -> Path:
    """Return the store of a run that nobody stopped, made once, beside the folders of the faults."""
    store = scratch / "undisturbed"
    moongate(store, *_RUN)
    return store


SIGNALS = (
    Case("SIGTERM in the middle of training", partial(_in_training, signal.SIGTERM), "stopped by SIGTERM"),
    Case("Ctrl-C in the middle of training", partial(_in_training, signal.SIGINT), "stopped by SIGINT"),
)
