"""Finding the process that computes a stage or a shard of it: the one that holds the lock."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL

_HELD = Path("/proc/locks")
_PARTS = 8
SHARD_LOCKS = "*.*-of-*.lock"
STAGE_LOCKS = "*-*.lock"


@dataclass(frozen=True)
class Finished:
    """A batch on disk; one that is computed again is another file under the same name."""

    name: str
    inode: int


@dataclass(frozen=True)
class Worker:
    """A process that computes a stage instance, or a shard of it."""

    pid: int
    stage: str
    digest: str

    def kill(self) -> None:
        """Send SIGKILL."""
        os.kill(self.pid, SIGKILL)


def workers(home: Path, locks: str = SHARD_LOCKS) -> Iterator[Worker]:
    """Yield the processes that compute shards just now; or whole stages, by `STAGE_LOCKS`."""
    holders = dict(_lock_holders())
    for lock in (home / "locks").glob(locks):
        if pid := holders.get(lock.stat().st_ino):
            stage, _, digest = lock.name.partition(".")[0].partition("-")
            yield Worker(pid, stage, digest)


def finished_batches(home: Path, stage: str, digest: str) -> frozenset[Finished]:
    """Return the batches of an unfinished artifact."""
    folder = home / "scratch" / stage / digest / "batches"
    found = set()
    for path in folder.glob("*.safetensors"):
        try:
            found.add(Finished(path.name, path.stat().st_ino))
        except FileNotFoundError:
            continue
    return frozenset(found)


def _lock_holders() -> Iterator[tuple[int, int]]:
    """Yield inode and process of every lock on this host that is held.

    A line says `1: FLOCK ADVISORY WRITE <pid> <device>:<inode> <start> <end>`, and has `->` after the number
    when the process only waits.
    """
    for line in _HELD.read_text(encoding="ascii").splitlines():
        words = line.split()
        if len(words) == _PARTS and words[1] == "FLOCK":
            yield int(words[5].rpartition(":")[2]), int(words[4])
