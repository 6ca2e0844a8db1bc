"""One command on an engine, with a worker killed in the stages that were chosen for it."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.engines.workers import SHARD_LOCKS, Finished, Worker, finished_batches, workers
from moongate.artifacts.digests import file_digest
from moongate.artifacts.manifest import MANIFEST_NAME, relative_files
from moongate.errors import StoreError

POLL_S = 0.02


@dataclass
class Strike:
    """A kill, and what became of the work.

    Attributes:
        worker: who was killed.
        kept: batches that were finished by then.
        again: of those, how many were computed again; 0 is what is promised.
    """

    worker: Worker
    kept: frozenset[Finished]
    again: set[str] = field(default_factory=set)

    def look(self, home: Path) -> None:
        """Note which of the finished batches are other files by now."""
        inodes = {one.name: one.inode for one in self.kept}
        for one in finished_batches(home, self.worker.stage, self.worker.digest):
            if inodes.get(one.name, one.inode) != one.inode:
                self.again.add(one.name)


@dataclass(frozen=True)
class Prey:
    """Whose process is killed once, after its first batch: a worker in each of `stages`.

    Attributes:
        stages: verbs.
        locks: which locks such a worker holds.
    """

    stages: frozenset[str] = frozenset()
    locks: str = SHARD_LOCKS

    def find(self, home: Path, struck: frozenset[str]) -> Worker | None:
        """Return a worker that has finished a batch of a stage where nobody was killed yet."""
        left = self.stages - struck
        for worker in workers(home, self.locks) if left else ():
            if worker.stage in left and finished_batches(home, worker.stage, worker.digest):
                return worker
        return None


@dataclass(frozen=True)
class Trial:
    """A finished command. `wall_s` is its own, its start and that of the cluster included."""

    strikes: tuple[Strike, ...]
    wall_s: float

    @property
    def struck(self) -> frozenset[str]:
        """The stages in which somebody was killed."""
        return frozenset(strike.worker.stage for strike in self.strikes)


def perform(
    arguments: tuple[str, ...], home: Path, log: Path, environment: dict[str, str], prey: Prey
) -> Trial:
    """Run the command, and kill whom `prey` describes meanwhile.

    Raises:
        StoreError: when the command fails.
    """
    begun, strikes = time.monotonic(), list[Strike]()
    with log.open("ab") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "flows.cli", *arguments],
            env={**os.environ, **environment, "MOONGATE_HOME": str(home)},
            stdout=stream,
            stderr=stream,
        )
        while process.poll() is None:
            for strike in strikes:
                strike.look(home)
            if worker := prey.find(home, frozenset(one.worker.stage for one in strikes)):
                worker.kill()
                strikes.append(Strike(worker, finished_batches(home, worker.stage, worker.digest)))
            time.sleep(POLL_S)
    if process.returncode != 0:
        raise StoreError(
            "a run did not end well",
            where=str(log),
            why=f"its exit status is {process.returncode}",
            fix="read the end of that file",
        )
    return Trial(tuple(strikes), time.monotonic() - begun)


def differences(reference: Path, home: Path) -> tuple[tuple[str, ...], int]:
    """Return the files of artifacts that are not those of the reference, and how many were compared."""
    ours, theirs = dict(_files(home)), dict(_files(reference))
    names = ours.keys() | theirs.keys()
    return tuple(sorted(name for name in names if ours.get(name) != theirs.get(name))), len(names)


def _files(home: Path) -> Iterator[tuple[str, str]]:
    """Yield name and digest of every file of an artifact, without the record of when it was built."""
    folder = home / "artifacts"
    for name in relative_files(folder):
        if Path(name).name != MANIFEST_NAME:
            yield name, file_digest(folder / name)
