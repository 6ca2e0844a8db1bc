"""Finding the process that computes a shard: the one that holds the shard's lock."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL

_HELD = Path("/proc/locks")
_PARTS = 8


@dataclass(frozen=True)
class Finished:
    """A batch on disk; one that is computed again is another file under the same name."""

    name: str
    inode: int


@dataclass(frozen=True)
class Worker:
    """A process that computes a shard of a stage instance."""

    pid: int
    stage: str
    digest: str

    def kill(self) -> None:
        """Send SIGKILL."""
        os.kill(self.pid, SIGKILL)


def workers(home: Path) -> Iterator[Worker]:
    """Yield the processes that compute a shard just now."""
    holders = dict(_lock_holders())
    for lock in (home / "locks").glob("*.*-of-*.lock"):
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
