"""`moongate run` on disks that are full, locked, or allow no large files: message, status, and the way on."""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.faults.case import NOTHING, Case, Seen
from benchmarks.faults.limits import drain, flood, make_read_only, small_disk

_MIB = 2**20
# The smallest run of a bundled subject that trains.
_SETTINGS = (
    "base.device=cpu",
    "ingest.evaluation_folder=datasets/subjects/moon_cup/train",
    "prior.num_images=2",
    "prior.steps=2",
    "train.steps=2",
    "train.batch_size=1",
    "train.warmup_steps=0",
    "train.validate_every=2",
    "train.num_validation_draws=1",
    "invert.steps=2",
    "invert.num_images=2",
    "sample.steps=2",
    "sample.seeds_per_prompt=1",
    "sample.class_images=2",
    "evaluate.bootstrap_draws=100",
)
Before = Callable[[], None]


def _nothing() -> None:
    pass


def _moongate(store: Path, *arguments: str, before: Before = _nothing) -> subprocess.CompletedProcess[str]:
    """Run the command with `store` as its store; `before` runs in the new process."""
    return subprocess.run(
        [sys.executable, "-m", "flows.cli", *arguments],
        env=os.environ | {"MOONGATE_HOME": str(store)},
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=before,
    )


def _run(store: Path, before: Before = _nothing) -> subprocess.CompletedProcess[str]:
    changes = [word for setting in _SETTINGS for word in ("--set", setting)]
    return _moongate(store, "run", "--quiet", *changes, before=before)


def _full(folder: Path) -> Seen:
    with small_disk(folder, 512 * _MIB) as disk:
        store = disk / "store"
        flood(disk, spared=32 * _MIB)
        stopped = _run(store)
        kept = _built(store)
        drain(disk)
        again = _run(store)
        return _seen(stopped, again, store, kept)


def _no_large_files(folder: Path) -> Seen:
    store = folder / "store"
    limit = (8 * _MIB, resource.RLIM_INFINITY)
    stopped = _run(store, partial(resource.setrlimit, resource.RLIMIT_FSIZE, limit))
    kept = _built(store)
    return _seen(stopped, _run(store), store, kept)


def _read_only(folder: Path) -> Seen:
    with small_disk(folder, 64 * _MIB) as disk:
        (disk / "store").mkdir()
        make_read_only(disk)
        stopped = _run(disk / "store")
        listed = _moongate(disk / "store", "runs", "--json")
        read = listed.returncode == 0 and json.loads(listed.stdout) == []
        promised = stopped.returncode == 1 and read and "Traceback" not in stopped.stderr
        return Seen(_message(stopped), NOTHING, "reading commands still work; status 1", promised)


def _seen(
    stopped: subprocess.CompletedProcess[str],
    again: subprocess.CompletedProcess[str],
    store: Path,
    kept: set[str],
) -> Seen:
    promised = (
        stopped.returncode == 1
        and again.returncode == 0
        and "Traceback" not in stopped.stderr
        and bool(kept)
        and kept <= _reused(store)
    )
    lost = f"the stage that was at work; {len(kept)} artifacts before it are reused"
    goes_on = "status 1; when that is mended, the same command ends with status 0"
    return Seen(_message(stopped), lost, goes_on, promised)


def _built(store: Path) -> set[str]:
    return {path.parent.name for path in store.glob("artifacts/*/*/artifact.json")}


def _reused(store: Path) -> set[str]:
    """Return the artifacts that the newest run found in the store."""
    (record, *_) = json.loads(_moongate(store, "runs", "--json").stdout)
    return {entry["digest"] for entry in record["stages"] if entry["cached"]}


def _message(done: subprocess.CompletedProcess[str]) -> str:
    """Return what the command said of its end, in one line."""
    start = done.stderr.find("error")
    return " ".join(done.stderr[max(start, 0) :].split())


COMMANDS = (
    Case("moongate run on a disk that is nearly full", _full, "too little room on the disk"),
    Case("moongate run where files may not grow", _no_large_files, "a file may not grow any further"),
    Case("moongate run on a disk that can only be read", _read_only, "the store cannot be written"),
)
